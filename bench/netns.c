/* SPDX-License-Identifier: MIT */
/* netns.c: makes namespaces and a veth pair with plain rtnetlink, so that the benchmark needs no library and no ip(8)
 * for it. */
#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cleanup.h"

#define PREFIX_LENGTH 30
static const char *const devices[2] = {"shunt-bench0", "shunt-bench1"};
static const char *const addresses[2] = {SHUNT_NETNS_CLIENT_ADDRESS, SHUNT_NETNS_SERVER_ADDRESS};

struct request {
	struct nlmsghdr header;
	char body[512];
};

static void *append(struct request *request, const void *data, size_t size)
{
	void *at = (char *)request + NLMSG_ALIGN(request->header.nlmsg_len);

	memcpy(at, data, size);
	request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + size);
	return at;
}

static struct rtattr *append_attribute(struct request *request, unsigned short type, const void *data, size_t size)
{
	struct rtattr attribute = {.rta_type = type, .rta_len = (unsigned short)RTA_LENGTH(size)};
	struct rtattr *at = append(request, &attribute, sizeof(attribute));

	if (size)
		append(request, data, size);
	return at;
}

static void end_nested(struct request *request, struct rtattr *outer)
{
	outer->rta_len = (unsigned short)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len) - (char *)outer);
}

static struct request request_new(unsigned short type, unsigned short flags)
{
	return (struct request){
		.header = {.nlmsg_len = NLMSG_HDRLEN,
			   .nlmsg_type = type,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags},
	};
}

static int send_request(const struct request *request)
{
	struct timeval limit = {.tv_sec = 5};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[1024];
	} reply;
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	ssize_t n = recv(fd, &reply, sizeof(reply), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(reply.header) + sizeof(reply.error) || reply.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return reply.error.error;
}

/* A veth pair: devices[0] here, devices[1] in the namespace of peer_fd. */
static int add_veth(int peer_fd)
{
	struct request request = request_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg info = {0};

	append(&request, &info, sizeof(info));
	append_attribute(&request, IFLA_IFNAME, devices[0], strlen(devices[0]) + 1);
	struct rtattr *link = append_attribute(&request, IFLA_LINKINFO, NULL, 0);
	append_attribute(&request, IFLA_INFO_KIND, "veth", sizeof("veth"));
	struct rtattr *data = append_attribute(&request, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *peer = append_attribute(&request, VETH_INFO_PEER, NULL, 0);
	append(&request, &info, sizeof(info));
	append_attribute(&request, IFLA_IFNAME, devices[1], strlen(devices[1]) + 1);
	append_attribute(&request, IFLA_NET_NS_FD, &peer_fd, sizeof(peer_fd));
	end_nested(&request, peer);
	end_nested(&request, data);
	end_nested(&request, link);
	return send_request(&request);
}

static int set_up(const char *device)
{
	struct request request = request_new(RTM_NEWLINK, 0);
	struct ifinfomsg info = {.ifi_index = (int)if_nametoindex(device), .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	if (!info.ifi_index)
		return -errno;
	append(&request, &info, sizeof(info));
	return send_request(&request);
}

static int add_address(const char *device, const char *address)
{
	struct request request = request_new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg info = {.ifa_family = AF_INET,
				 .ifa_prefixlen = PREFIX_LENGTH,
				 .ifa_index = if_nametoindex(device)};
	struct in_addr in;

	if (!info.ifa_index)
		return -errno;
	inet_pton(AF_INET, address, &in);
	append(&request, &info, sizeof(info));
	append_attribute(&request, IFA_LOCAL, &in, sizeof(in));
	append_attribute(&request, IFA_ADDRESS, &in, sizeof(in));
	return send_request(&request);
}

static int set_up_end(int end)
{
	int r = set_up("lo");

	if (r >= 0)
		r = add_address(devices[end], addresses[end]);
	return r < 0 ? r : set_up(devices[end]);
}

/* A namespace of its own for the calling thread, and a descriptor of it. */
static int enter_new(int *ret)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	*ret = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

/* Goes through both namespaces; where it ends is the caller's affair. */
static int build(struct shunt_netns_pair *pair)
{
	int r = enter_new(&pair->fds[1]);

	if (r >= 0)
		r = enter_new(&pair->fds[0]);
	if (r >= 0)
		r = add_veth(pair->fds[1]);
	if (r >= 0)
		r = set_up_end(0);
	if (r >= 0 && setns(pair->fds[1], CLONE_NEWNET) < 0)
		r = -errno;
	return r < 0 ? r : set_up_end(1);
}

int shunt_netns_open(struct shunt_netns_pair *ret)
{
	struct shunt_netns_pair pair = SHUNT_NETNS_NONE;
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return -errno;
	int r = build(&pair);
	if (setns(home, CLONE_NEWNET) < 0)
		r = -errno;
	if (r < 0)
		shunt_netns_close(&pair);
	else
		*ret = pair;
	return r;
}

void shunt_netns_close(struct shunt_netns_pair *pair)
{
	for (int end = 0; end < 2; end++) {
		if (pair->fds[end] >= 0)
			close(pair->fds[end]);
		pair->fds[end] = -1;
	}
}
