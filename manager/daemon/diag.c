/* SPDX-License-Identifier: MIT */
/* diag.c: speaks inet_diag over netlink. Raw messages: libnl-idiag knows neither cgroup ids nor the newer counters. */
#include "diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cleanup.h"
#include "netns.h"
#include "tcp_info.h"

#define ANSWER_SECONDS 5
#define RECEIVE_BYTES (64 << 10)

#define STATES (1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT)

SHUNT_DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
SHUNT_DEFINE_CLEANUP(struct nl_msg *, nlmsg_free)

static int no_message(int error)
{
	return error == -NLE_NOMEM ? -ENOMEM : -EIO;
}

static int connect_diag(struct nl_sock *sock)
{
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};

	int r = nl_connect(sock, NETLINK_SOCK_DIAG);
	if (r < 0)
		return no_message(r);
	nl_socket_disable_auto_ack(sock);
	nl_socket_disable_seq_check(sock);
	nl_socket_set_msg_buf_size(sock, RECEIVE_BYTES);
	if (setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return 0;
}

/* A netlink socket belongs to the namespace where it was made, and keeps it alive: it is made anew for every visit. */
static int open_diag(int netns_fd, struct nl_sock **ret)
{
	int home;
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = nl_socket_alloc();

	if (!sock)
		return -ENOMEM;
	int r = shunt_netns_enter(netns_fd, &home);
	if (r < 0)
		return r;
	r = connect_diag(sock);
	shunt_netns_leave(home);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(sock);
	return 0;
}

static int send_request(struct nl_sock *sock, int type, int flags, const struct inet_diag_req_v2 *request)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (!message || nlmsg_append(message, (void *)request, sizeof(*request), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	int r = nl_send_auto(sock, message);
	return r < 0 ? no_message(r) : 0;
}

static void read_address(int family, const uint32_t *words, uint16_t port, struct shunt_address *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	*ret = (struct shunt_address){.port = ntohs(port)};
	if (family == AF_INET6) {
		memcpy(ret->ip, words, sizeof(ret->ip));
		return;
	}
	memcpy(ret->ip, mapped, sizeof(mapped));
	memcpy(ret->ip + sizeof(mapped), words, 4);
}

static int parse_socket(struct nlmsghdr *header, struct shunt_diag_socket *ret)
{
	struct nlattr *attributes[INET_DIAG_MAX + 1] = {};
	const struct inet_diag_msg *message = nlmsg_data(header);

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) ||
	    nlmsg_parse(header, sizeof(*message), attributes, INET_DIAG_MAX, NULL) < 0)
		return -EBADMSG;
	*ret = (struct shunt_diag_socket){
		.cookie = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0],
		.inode = message->idiag_inode,
		.interface = message->id.idiag_if,
		.family = message->idiag_family,
		.state = message->idiag_state,
		.ulp = attributes[INET_DIAG_ULP_INFO],
	};
	read_address(ret->family, message->id.idiag_src, message->id.idiag_sport, &ret->local);
	read_address(ret->family, message->id.idiag_dst, message->id.idiag_dport, &ret->remote);
	if (attributes[INET_DIAG_CGROUP_ID])
		ret->cgroup = nla_get_u64(attributes[INET_DIAG_CGROUP_ID]);
	if (attributes[INET_DIAG_INFO])
		shunt_tcp_info_read(nla_data(attributes[INET_DIAG_INFO]), nla_len(attributes[INET_DIAG_INFO]), ret);
	return 0;
}

struct dump {
	shunt_diag_fn each;
	void *context;
	bool interrupted;
};

enum { MORE = 0, FINISHED = 1 };

/* FINISHED after the last part, the callback's answer when it is not 0, or an error. */
static int read_part(struct dump *dump, struct nlmsghdr *header, int *ret_answer)
{
	struct shunt_diag_socket socket;

	dump->interrupted |= header->nlmsg_flags & NLM_F_DUMP_INTR;
	if (header->nlmsg_type == NLMSG_DONE)
		return FINISHED;
	if (header->nlmsg_type == NLMSG_ERROR)
		return header->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
			       ? -EBADMSG
			       : ((struct nlmsgerr *)nlmsg_data(header))->error;
	int r = parse_socket(header, &socket);
	if (r < 0)
		return r;
	*ret_answer = dump->each(&socket, dump->context);
	return *ret_answer ? FINISHED : MORE;
}

static int receive(struct nl_sock *sock, void *buffer, int *ret_size)
{
	ssize_t got = recv(nl_socket_get_fd(sock), buffer, RECEIVE_BYTES, MSG_TRUNC);

	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (got > RECEIVE_BYTES)
		return -EMSGSIZE;
	*ret_size = (int)got;
	return 0;
}

static int read_dump(struct nl_sock *sock, struct dump *dump, int *ret_answer)
{
	_cleanup_free_ void *buffer = malloc(RECEIVE_BYTES);
	int r = MORE;

	if (!buffer)
		return -ENOMEM;
	while (r == MORE) {
		int size = 0;
		r = receive(sock, buffer, &size);
		if (r < 0)
			return r;
		for (struct nlmsghdr *header = buffer; r == MORE && nlmsg_ok(header, size);
		     header = nlmsg_next(header, &size))
			r = read_part(dump, header, ret_answer);
	}
	return r < 0 ? r : 0;
}

static int dump_family(struct nl_sock *sock, int family, struct dump *dump, int *ret_answer)
{
	const struct inet_diag_req_v2 request = {
		.sdiag_family = family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_ext = 1 << (INET_DIAG_INFO - 1),
		.idiag_states = STATES,
	};

	int r = send_request(sock, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, &request);
	return r < 0 ? r : read_dump(sock, dump, ret_answer);
}

static int dump_all(struct nl_sock *sock, shunt_diag_fn each, void *context)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct dump dump = {.each = each, .context = context};
	int answer = 0;

	for (size_t i = 0; i < SHUNT_COUNT_OF(families) && !answer; i++) {
		int r = dump_family(sock, families[i], &dump, &answer);
		if (r < 0)
			return r;
	}
	if (answer)
		return answer;
	return dump.interrupted ? -EINTR : 0;
}

int shunt_diag_dump(int netns_fd, shunt_diag_fn each, void *context)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = NULL;

	int r = open_diag(netns_fd, &sock);
	return r < 0 ? r : dump_all(sock, each, context);
}

struct search {
	uint64_t cookie;
	struct shunt_diag_socket found;
};

static int is_it(const struct shunt_diag_socket *socket, void *context)
{
	struct search *search = context;

	if (socket->cookie != search->cookie)
		return 0;
	search->found = *socket;
	return 1;
}

static void write_address(int family, const struct shunt_address *address, uint32_t *words, uint16_t *port)
{
	if (family == AF_INET6)
		memcpy(words, address->ip, sizeof(address->ip));
	else
		memcpy(words, address->ip + 12, 4);
	*port = htons(address->port);
}

static int send_destroy(struct nl_sock *sock, const struct shunt_diag_socket *target)
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = target->family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = STATES,
		.id.idiag_if = target->interface,
		.id.idiag_cookie = {(uint32_t)target->cookie, (uint32_t)(target->cookie >> 32)},
	};

	write_address(target->family, &target->local, request.id.idiag_src, &request.id.idiag_sport);
	write_address(target->family, &target->remote, request.id.idiag_dst, &request.id.idiag_dport);
	return send_request(sock, SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, &request);
}

static int no_socket(const struct shunt_diag_socket *socket, void *context)
{
	return 0;
}

/* A socket of its own: the search may have ended in the middle of its dump. */
static int destroy(int netns_fd, const struct shunt_diag_socket *target)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = NULL;
	_cleanup_free_ char *buffer = malloc(RECEIVE_BYTES);
	struct dump answer = {.each = no_socket};
	int size = 0;
	int ignored;

	if (!buffer)
		return -ENOMEM;
	int r = open_diag(netns_fd, &sock);
	if (r == 0)
		r = send_destroy(sock, target);
	if (r == 0)
		r = receive(sock, buffer, &size);
	if (r < 0)
		return r;
	struct nlmsghdr *header = (struct nlmsghdr *)buffer;
	return nlmsg_ok(header, size) ? read_part(&answer, header, &ignored) : -EBADMSG;
}

int shunt_diag_destroy(int netns_fd, uint64_t cookie)
{
	struct search search = {.cookie = cookie};

	int r = shunt_diag_dump(netns_fd, is_it, &search);
	if (r < 0)
		return r;
	return r == 1 ? destroy(netns_fd, &search.found) : -ENOENT;
}
