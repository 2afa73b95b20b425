/* SPDX-License-Identifier: MIT */
/* options.c: probes of socket options that a redirect must honour as it is, and of what the kernel tells about the
 * connection. */
#include "semantics.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static void recv_timeout(struct shunt_ctx *ctx)
{
	struct timeval tv = {.tv_usec = 50000};
	int64_t start;

	setsockopt(ctx->rx, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	start = shunt_now_ms();
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_note(ctx, "waited=%d", shunt_now_ms() - start >= 45);
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 20, 0);
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 20, MSG_WAITALL);
}

static void receive_buffer(struct shunt_ctx *ctx)
{
	int size = 8192, got = 0;
	socklen_t len = sizeof(got);
	size_t total;

	setsockopt(ctx->rx, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(ctx->tx, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	getsockopt(ctx->rx, SOL_SOCKET, SO_RCVBUF, &got, &len);
	shunt_note(ctx, "rcvbuf=%d", got);
	total = shunt_fill(ctx, ctx->tx, 1000);
	shunt_note(ctx, "bounded=%d", total > 0 && total < 6 << 20);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
}

static void send_buffer(struct shunt_ctx *ctx)
{
	int size = 8192, got = 0;
	socklen_t len = sizeof(got);
	size_t total;

	setsockopt(ctx->tx, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	getsockopt(ctx->tx, SOL_SOCKET, SO_SNDBUF, &got, &len);
	shunt_note(ctx, "sndbuf=%d", got);
	total = shunt_fill(ctx, ctx->tx, 1000);
	shunt_note(ctx, "bounded=%d", total > 0 && total < 40 << 20);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
}

static void names(struct shunt_ctx *ctx)
{
	struct sockaddr_in own = {0}, peer = {0};
	socklen_t len = sizeof(own);

	getsockname(ctx->rx, (struct sockaddr *)&own, &len);
	len = sizeof(peer);
	getpeername(ctx->tx, (struct sockaddr *)&peer, &len);
	shunt_note(ctx, "agree=%d", own.sin_port == peer.sin_port && own.sin_addr.s_addr == peer.sin_addr.s_addr);
	close(ctx->tx);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	len = sizeof(peer);
	shunt_note_result(ctx, "peername", getpeername(ctx->rx, (struct sockaddr *)&peer, &len));
}

static void note_error(struct shunt_ctx *ctx, int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	shunt_note(ctx, "so_error=%s", error ? shunt_error_name(error) : "0");
}

static void so_error(struct shunt_ctx *ctx)
{
	struct linger now = {.l_onoff = 1};

	note_error(ctx, ctx->rx);
	shunt_put(ctx, ctx->tx, 10);
	note_error(ctx, ctx->rx);
	setsockopt(ctx->tx, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(ctx->tx);
	shunt_wait(ctx, ctx->rx, POLLHUP);
	note_error(ctx, ctx->rx);
	note_error(ctx, ctx->rx);
	shunt_get(ctx, ctx->rx, 20, MSG_DONTWAIT);
	shunt_get(ctx, ctx->rx, 20, MSG_DONTWAIT);
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

static void tcp_info_state(struct shunt_ctx *ctx)
{
	shunt_note(ctx, "state=%u,%u", info_of(ctx->tx).tcpi_state, info_of(ctx->rx).tcpi_state);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_note(ctx, "half=%u", info_of(ctx->rx).tcpi_state);
}

static void tcp_info_counters(struct shunt_ctx *ctx)
{
	struct tcp_info tx = info_of(ctx->tx), rx = info_of(ctx->rx);

	shunt_put(ctx, ctx->tx, 5000);
	shunt_note(ctx, "sent=%ju received=%ju", (uintmax_t)(info_of(ctx->tx).tcpi_bytes_sent - tx.tcpi_bytes_sent),
		   (uintmax_t)(info_of(ctx->rx).tcpi_bytes_received - rx.tcpi_bytes_received));
	shunt_note(ctx, "segments=%d,%d", info_of(ctx->tx).tcpi_data_segs_out != tx.tcpi_data_segs_out,
		   info_of(ctx->rx).tcpi_data_segs_in != rx.tcpi_data_segs_in);
	shunt_get(ctx, ctx->rx, 5000, 0);
}

static void meminfo(struct shunt_ctx *ctx)
{
	uint32_t before[SK_MEMINFO_VARS] = {0}, after[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(before);

	getsockopt(ctx->rx, SOL_SOCKET, SO_MEMINFO, before, &len);
	shunt_put(ctx, ctx->tx, 5000);
	len = sizeof(after);
	getsockopt(ctx->rx, SOL_SOCKET, SO_MEMINFO, after, &len);
	shunt_note(ctx, "charged=%d", after[SK_MEMINFO_RMEM_ALLOC] >= before[SK_MEMINFO_RMEM_ALLOC] + 5000);
	shunt_get(ctx, ctx->rx, 5000, 0);
}

/* Keepalive must find the peer alive; an idle connection of which both ends read everything must outlive
 * TCP_USER_TIMEOUT. */
static void keepalive(struct shunt_ctx *ctx)
{
	int on = 1, second = 1, timeout = 1000;

	for (int i = 0; i < 2; i++) {
		int fd = i ? ctx->rx : ctx->tx;

		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &second, sizeof(second));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &second, sizeof(second));
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &second, sizeof(second));
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	}
	shunt_put(ctx, ctx->tx, 10);
	poll(&(struct pollfd){.fd = ctx->rx, .events = POLLRDHUP}, 1, 2300);
	shunt_poll(ctx, "idle", ctx->rx);
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_put(ctx, ctx->rx, 10);
	shunt_get(ctx, ctx->tx, 10, 0);
}

static void options_read(struct shunt_ctx *ctx)
{
	static const struct {
		int level, name;
	} asked[] = {
		{SOL_SOCKET, SO_TYPE},	     {SOL_SOCKET, SO_PROTOCOL},	  {SOL_SOCKET, SO_DOMAIN},
		{SOL_SOCKET, SO_ACCEPTCONN}, {SOL_SOCKET, SO_RCVLOWAT},	  {SOL_SOCKET, SO_PEEK_OFF},
		{IPPROTO_TCP, TCP_NODELAY},  {IPPROTO_TCP, TCP_CORK},	  {IPPROTO_TCP, TCP_INQ},
		{IPPROTO_TCP, TCP_REPAIR},   {IPPROTO_TCP, TCP_FASTOPEN},
	};

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		int value = -77;
		socklen_t len = sizeof(value);

		if (getsockopt(ctx->rx, asked[i].level, asked[i].name, &value, &len))
			shunt_note_result(ctx, "opt", -1);
		else
			shunt_note(ctx, "opt=%d", value);
	}
}

/* An unknown protocol, and one that only a listener may have. */
static void ulp(struct shunt_ctx *ctx)
{
	shunt_note_result(ctx, "none", setsockopt(ctx->rx, IPPROTO_TCP, TCP_ULP, "none", 4));
	shunt_note_result(ctx, "mptcp", setsockopt(ctx->rx, IPPROTO_TCP, TCP_ULP, "mptcp", 5));
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void congestion(struct shunt_ctx *ctx)
{
	shunt_note_result(ctx, "set", setsockopt(ctx->tx, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 10, 0);
}

/* Two listeners share a port; eight connections, wherever they land, speak both ways. */
static void reuseport(struct shunt_ctx *ctx)
{
	uint16_t port = 0;
	int a = shunt_listen(AF_INET, &port, true), b = shunt_listen(AF_INET, &port, true), spoke = 0, landed = 0;
	struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

	for (int i = 0; i < 8; i++) {
		int client = shunt_connect(AF_INET, port), server;

		if (poll(p, 2, ctx->patience_ms) <= 0)
			break;
		server = shunt_accept(p[0].revents ? a : b, 0);
		landed += server >= 0;
		shunt_adopt_mode(ctx, client);
		shunt_adopt_mode(ctx, server);
		spoke += !shunt_pair_warm(ctx, client, server);
		close(client);
		close(server);
	}
	shunt_note(ctx, "landed=%d spoke=%d", landed, spoke);
}

const struct shunt_probe shunt_probes_options[] = {
	PROBE(recv_timeout, SHUNT_BLOCKING),
	PROBE(receive_buffer, SHUNT_BOTH),
	PROBE(send_buffer, SHUNT_BOTH),
	PROBE(names, SHUNT_BOTH),
	PROBE(so_error, SHUNT_BOTH),
	PROBE(tcp_info_state, SHUNT_BOTH),
	PROBE(tcp_info_counters, SHUNT_BOTH),
	PROBE(meminfo, SHUNT_BOTH),
	PROBE(keepalive, SHUNT_BOTH),
	PROBE(options_read, SHUNT_BOTH),
	PROBE(ulp, SHUNT_BOTH),
	PROBE(congestion, SHUNT_BOTH),
	PROBE(reuseport, SHUNT_BOTH),
	{0},
};
