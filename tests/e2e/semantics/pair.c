/* SPDX-License-Identifier: MIT */
/* pair.c: connected pairs on loopback, and the turns that earn them a redirect. */
#include "semantics.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_TURNS = 16, FAMILY = AF_INET };

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		six->sin6_addr = in6addr_loopback;
		six->sin6_port = htons(port);
		return sizeof(*six);
	}
	four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	four->sin_port = htons(port);
	return sizeof(*four);
}

uint16_t shunt_port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
					     : ((struct sockaddr_in *)&a)->sin_port);
}

int shunt_listen(int family, uint16_t *ret_port, bool reuseport)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(family, *ret_port, &a);
	int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, len) || listen(fd, 64)) {
		int error = errno;

		close(fd);
		return -error;
	}
	*ret_port = shunt_port_of(fd);
	return fd;
}

int shunt_connect(int family, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(family, port, &a);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, len)) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int shunt_accept(int listener, int timeout_ms)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	int fd;

	if (poll(&p, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void shunt_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void shunt_adopt_mode(const struct shunt_ctx *ctx, int fd)
{
	shunt_nonblocking(fd, !ctx->way->blocking);
}

/* Without it Nagle and delayed acknowledgements decide when small messages arrive. */
static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int shunt_pair_make(const struct shunt_ctx *ctx, int *ret_client, int *ret_server)
{
	uint16_t port = 0;
	int listener = shunt_listen(FAMILY, &port, false), client, server;

	if (listener < 0)
		return listener;
	client = shunt_connect(FAMILY, port);
	server = client < 0 ? client : shunt_accept(listener, ctx->patience_ms);
	close(listener);
	if (server < 0)
		return server;
	shunt_adopt_mode(ctx, client);
	shunt_adopt_mode(ctx, server);
	no_delay(client);
	no_delay(server);
	*ret_client = client;
	*ret_server = server;
	return 0;
}

static int hop(const struct shunt_ctx *ctx, int from, int to)
{
	struct pollfd p = {.fd = to, .events = POLLIN};
	char byte = 'w';

	if (send(from, &byte, 1, MSG_NOSIGNAL) != 1)
		return -errno;
	if (poll(&p, 1, ctx->patience_ms) <= 0)
		return -ETIMEDOUT;
	return recv(to, &byte, 1, MSG_DONTWAIT) == 1 ? 0 : -EPROTO;
}

static uint64_t bytes_sent(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_sent;
}

/* One byte there and one back. *ret: TCP carried neither. */
static int turn(const struct shunt_ctx *ctx, int a, int b, bool *ret)
{
	uint64_t from_a = bytes_sent(a), from_b = bytes_sent(b);
	int r = hop(ctx, a, b);

	r = r ? r : hop(ctx, b, a);
	*ret = from_a == bytes_sent(a) && from_b == bytes_sent(b);
	return r;
}

/* Both proofs: TCP's counters stand still, and the daemon says so. */
static int warm_until_redirected(struct shunt_ctx *ctx, int a, int b)
{
	int64_t deadline = shunt_now_ms() + 20000;
	struct shunt_said said;
	bool redirected = false;
	int r = 0;

	while (!redirected && !r && shunt_now_ms() < deadline) {
		r = turn(ctx, a, b, &redirected);
		if (!redirected)
			poll(NULL, 0, 1);
	}
	if (r || (redirected && shunt_flow_becomes(ctx, a, "redirect", "ok", 20000)))
		return r;
	shunt_flow_ask(ctx, a, &said);
	shunt_note(ctx, "counters=%s said=%s/%s", redirected ? "still" : "moving", said.state, said.reason);
	return -ETIME;
}

int shunt_pair_warm(struct shunt_ctx *ctx, int a, int b)
{
	bool redirected;
	int r = 0;

	for (int i = 0; i < WARM_TURNS && !r; i++)
		r = turn(ctx, a, b, &redirected);
	if (r || !ctx->socket || !ctx->way->expect)
		return r;
	if (!strcmp(ctx->way->expect, "redirect"))
		return warm_until_redirected(ctx, a, b);
	return shunt_flow_becomes(ctx, a, "tcp", ctx->way->expect, 20000) ? 0 : -ETIME;
}

int shunt_pair_open(struct shunt_ctx *ctx)
{
	int client, server, r = shunt_pair_make(ctx, &client, &server);

	if (r)
		return r;
	ctx->tx = ctx->swap ? server : client;
	ctx->rx = ctx->swap ? client : server;
	return shunt_pair_warm(ctx, client, server);
}
