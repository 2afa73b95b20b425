/* SPDX-License-Identifier: MIT */
/* remote.c: a machine that is not this one: a TUN device behind which a few lines speak just enough TCP to echo. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "peer.h"

#define DEVICE "st-pairing-tun"
#define MAX_PACKET 2048
#define OUR_ISN 1000u

struct packet {
	struct iphdr ip;
	struct tcphdr tcp;
	char data[MAX_PACKET];
};

static uint32_t sum(const void *from, size_t n)
{
	const unsigned char *p = from;
	uint32_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return total;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons((uint16_t)~total);
}

static int open_tun(void)
{
	struct ifreq request = {.ifr_name = DEVICE, .ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		return -errno;
	return fd;
}

/* The answer to what came: addresses and ports turned round, everything so far acknowledged, n bytes of it sent back.
 */
static void reply(int fd, const struct packet *in, uint32_t seq, uint32_t ack, bool syn, const char *data, size_t n)
{
	struct packet out = {0};
	size_t tcp_length = sizeof(out.tcp) + n;

	out.ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
	out.ip.saddr = in->ip.daddr;
	out.ip.daddr = in->ip.saddr;
	out.ip.tot_len = htons((uint16_t)(sizeof(out.ip) + tcp_length));
	out.ip.check = fold(sum(&out.ip, sizeof(out.ip)));
	out.tcp.source = in->tcp.dest;
	out.tcp.dest = in->tcp.source;
	out.tcp.seq = htonl(seq);
	out.tcp.ack_seq = htonl(ack);
	out.tcp.doff = 5;
	out.tcp.syn = syn;
	out.tcp.ack = 1;
	out.tcp.window = htons(60000);
	memcpy(out.data, data, n);
	out.tcp.check = fold(sum(&out.ip.saddr, 8) + IPPROTO_TCP + (uint32_t)tcp_length + sum(&out.tcp, tcp_length));
	if (write(fd, &out, sizeof(out.ip) + tcp_length) < 0)
		return;
}

static void handle(int fd, const struct packet *in, size_t length)
{
	size_t header = in->ip.ihl * 4u + in->tcp.doff * 4u;
	uint32_t seq = ntohl(in->tcp.seq);
	size_t n;

	if (in->ip.version != 4 || in->ip.protocol != IPPROTO_TCP || in->ip.ihl != 5 || length < header)
		return;
	n = ntohs(in->ip.tot_len) - header;
	if (in->tcp.syn)
		reply(fd, in, OUR_ISN, seq + 1, true, "", 0);
	else if (n > 0 && n <= 1400)
		reply(fd, in, ntohl(in->tcp.ack_seq), seq + (uint32_t)n, false, (const char *)in + header, n);
}

static void *answer_main(void *tun)
{
	int fd = (int)(intptr_t)tun;
	union {
		struct packet packet;
		char bytes[MAX_PACKET];
	} in;

	for (;;) {
		ssize_t n = read(fd, &in, sizeof(in.bytes));

		if (n < (ssize_t)(sizeof(in.packet.ip) + sizeof(in.packet.tcp)))
			continue;
		handle(fd, &in.packet, (size_t)n);
	}
	return NULL;
}

static int bring_up(void)
{
	return system("ip address add 192.0.2.1/24 dev " DEVICE " && ip link set " DEVICE " up") == 0 ? 0 : -EIO;
}

int peer_remote(const struct peer_options *options)
{
	int tun = open_tun();
	pthread_t thread;
	int r;

	if (tun < 0)
		return tun;
	r = bring_up();
	if (r == 0)
		r = -pthread_create(&thread, NULL, answer_main, (void *)(intptr_t)tun);
	return r < 0 ? r : peer_connect(options);
}
