/* SPDX-License-Identifier: MIT */
/* forge.c: a TCP_REPAIR socket that claims, with both sequence numbers of a handshake under way, to be its client. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "peer.h"

struct handshake {
	uint32_t client;
	uint32_t server;
};

static int open_sniffer(void)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));

	address.sll_ifindex = (int)if_nametoindex("lo");
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return fd;
}

/* The sequence number of the SYN-ACK from port, and of the SYN that it acknowledges. */
static int sniff(int fd, uint16_t port, struct handshake *ret)
{
	for (int packets = 0; packets < 1000; packets++) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		union {
			struct iphdr ip;
			unsigned char bytes[128];
		} packet;
		struct tcphdr tcp;

		if (poll(&ready, 1, PEER_TIMEOUT_MS) <= 0)
			return -ETIMEDOUT;
		if (recv(fd, &packet, sizeof(packet), 0) < (ssize_t)(sizeof(struct iphdr) + sizeof(tcp)))
			continue;
		memcpy(&tcp, packet.bytes + packet.ip.ihl * 4u, sizeof(tcp));
		if (packet.ip.protocol != IPPROTO_TCP || !tcp.syn || !tcp.ack || ntohs(tcp.source) != port)
			continue;
		*ret = (struct handshake){ntohl(tcp.ack_seq) - 1, ntohl(tcp.seq)};
		return 0;
	}
	return -ENOENT;
}

static int set(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_sequence(int fd, int queue, uint32_t sequence)
{
	int r = set(fd, TCP_REPAIR_QUEUE, queue);

	return r < 0 ? r : set(fd, TCP_QUEUE_SEQ, (int)sequence);
}

/* Established without a packet; leaving repair without a window probe keeps the server from hearing of it. */
static int forge(const struct peer_options *options, const struct handshake *seen)
{
	int fd = socket(options->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = set(fd, TCP_REPAIR, TCP_REPAIR_ON);
	if (r == 0)
		r = set_sequence(fd, TCP_SEND_QUEUE, seen->client);
	if (r == 0)
		r = set_sequence(fd, TCP_RECV_QUEUE, seen->server + 1);
	if (r == 0 && connect(fd, (const struct sockaddr *)&options->at, options->at_length) < 0)
		r = -errno;
	if (r == 0)
		r = set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int forge_beside(const struct peer_options *options, int sniffer, int victim)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	struct handshake seen;
	char line[32];
	int fd;
	int r;

	if (connect(victim, (const struct sockaddr *)&options->at, options->at_length) < 0 && errno != EINPROGRESS)
		return -errno;
	r = sniff(sniffer, peer_port(&options->at), &seen);
	if (r < 0)
		return r;
	fd = forge(options, &seen);
	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	snprintf(line, sizeof(line), "forged %u", peer_port(&address));
	peer_hold(line);
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		return -EPIPE;
	r = peer_await_connected(victim);
	return r < 0 ? r : peer_converse(victim, options->messages);
}

/* The SYN-ACK must be dropped on its way in, so that the handshake stays open. A line on standard input says it is let
 * through. */
int peer_forge(const struct peer_options *options)
{
	int sniffer = open_sniffer();
	int victim = peer_socket(options);
	int r = -EBADF;

	if (sniffer >= 0 && victim >= 0)
		r = forge_beside(options, sniffer, victim);
	if (r == 0)
		peer_hold("ready");
	close(victim);
	close(sniffer);
	return r;
}
