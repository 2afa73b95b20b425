/* SPDX-License-Identifier: MIT */
/* close.c: probes of the ends of a connection: half-close, close, reset, abort, disconnect. */
#include "semantics.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void linger_zero(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void note_send(struct shunt_ctx *ctx, const char *what, int fd)
{
	shunt_note_result(ctx, what, send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* The reader has everything before the end, answers, and only then closes. */
static void half_close(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_put(ctx, ctx->rx, 500);
	shunt_get(ctx, ctx->tx, 1000, 0);
	note_send(ctx, "send", ctx->tx);
	close(ctx->rx);
	shunt_wait(ctx, ctx->tx, POLLIN);
	shunt_get(ctx, ctx->tx, 10, 0);
}

static void close_after_send(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	close(ctx->tx);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, 1000));
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_poll(ctx, "poll", ctx->rx);
}

/* Twice the budget of a redirect, then gone: nothing of it may be lost. */
static void close_after_much(struct shunt_ctx *ctx)
{
	size_t total = 0;

	for (int i = 0; i < 40; i++) {
		ssize_t n = shunt_send(ctx, ctx->tx, 50000, MSG_DONTWAIT);

		total += n > 0 ? (size_t)n : 0;
	}
	close(ctx->tx);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
	shunt_wait(ctx, ctx->rx, POLLIN);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void close_unread(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	shunt_get(ctx, ctx->rx, 100, 0);
	close(ctx->rx);
	shunt_wait(ctx, ctx->tx, POLLRDHUP);
	shunt_poll(ctx, "poll", ctx->tx);
	shunt_get(ctx, ctx->tx, 10, 0);
	note_send(ctx, "first", ctx->tx);
	shunt_wait(ctx, ctx->tx, POLLHUP);
	note_send(ctx, "second", ctx->tx);
}

static void shutdown_read(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	shunt_note_result(ctx, "shut", shutdown(ctx->rx, SHUT_RD));
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_put(ctx, ctx->tx, 100);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, 0);
}

static void shutdown_both(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	shunt_put(ctx, ctx->rx, 100);
	shunt_note_result(ctx, "shut", shutdown(ctx->tx, SHUT_RDWR));
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_get(ctx, ctx->rx, 200, 0);
	shunt_get(ctx, ctx->rx, 200, 0);
	shunt_get(ctx, ctx->tx, 200, 0);
	shunt_get(ctx, ctx->tx, 200, 0);
	shunt_poll(ctx, "poll", ctx->tx);
	shunt_note_result(ctx, "again", shutdown(ctx->tx, SHUT_RDWR));
}

static void linger_reset(struct shunt_ctx *ctx)
{
	linger_zero(ctx->tx);
	close(ctx->tx);
	shunt_wait(ctx, ctx->rx, POLLHUP);
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_get(ctx, ctx->rx, 10, 0);
	note_send(ctx, "send", ctx->rx);
}

static void linger_reset_queued(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	linger_zero(ctx->tx);
	close(ctx->tx);
	shunt_wait(ctx, ctx->rx, POLLHUP);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
}

/* A close that waits until everything is acknowledged. */
static void linger_waits(struct shunt_ctx *ctx)
{
	struct linger five = {.l_onoff = 1, .l_linger = 5};

	setsockopt(ctx->tx, SOL_SOCKET, SO_LINGER, &five, sizeof(five));
	shunt_put(ctx, ctx->tx, 1000);
	shunt_note_result(ctx, "close", close(ctx->tx));
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, 1000));
	shunt_wait(ctx, ctx->rx, POLLIN);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void reset_while_blocked(struct shunt_ctx *ctx)
{
	char buf[10];
	struct shunt_task task = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	linger_zero(ctx->tx);
	close(ctx->tx);
	shunt_task_note(ctx, "recv", &task);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

static void end_while_blocked(struct shunt_ctx *ctx)
{
	char buf[10];
	struct shunt_task task = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	close(ctx->tx);
	shunt_task_note(ctx, "recv", &task);
}

static void shutdown_while_blocked(struct shunt_ctx *ctx)
{
	char buf[10];
	struct shunt_task task = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	shutdown(ctx->rx, SHUT_RD);
	shunt_task_note(ctx, "recv", &task);
}

static void abort_pair(struct shunt_ctx *ctx)
{
	struct sockaddr_in own = {0};
	socklen_t len = sizeof(own);
	char port[16];
	char *argv[] = {"ss", "-HtnK", "state", "established", "sport", "=", port, NULL};
	pid_t pid;

	getsockname(ctx->rx, (struct sockaddr *)&own, &len);
	snprintf(port, sizeof(port), ":%u", ntohs(own.sin_port));
	if (posix_spawnp(&pid, "ss", NULL, NULL, argv, environ))
		shunt_note(ctx, "no-ss");
	else
		waitpid(pid, NULL, 0);
}

/* What ss -K does to a connection. */
static void destroyed(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	abort_pair(ctx);
	shunt_wait(ctx, ctx->rx, POLLHUP);
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_get(ctx, ctx->rx, 1000, MSG_DONTWAIT);
	shunt_get(ctx, ctx->rx, 1000, MSG_DONTWAIT);
	shunt_wait(ctx, ctx->tx, POLLHUP);
	shunt_get(ctx, ctx->tx, 1000, MSG_DONTWAIT);
}

static void destroyed_while_blocked(struct shunt_ctx *ctx)
{
	char buf[10];
	struct shunt_task task = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	abort_pair(ctx);
	shunt_task_note(ctx, "recv", &task);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

/* Its own address family undone, the same socket connects anew: nothing of the old life may show. */
static void reconnect(struct shunt_ctx *ctx)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int client = ctx->swap ? ctx->rx : ctx->tx, server = ctx->swap ? ctx->tx : ctx->rx, listener;
	uint16_t port = 0;
	char stale[10];

	shunt_put(ctx, server, 1000);
	shunt_note_result(ctx, "undo", connect(client, &none, sizeof(none)));
	shunt_note_result(ctx, "recv", recv(client, stale, sizeof(stale), MSG_DONTWAIT));
	shunt_wait(ctx, server, POLLHUP);
	shunt_note_result(ctx, "peer", recv(server, stale, sizeof(stale), MSG_DONTWAIT));
	listener = shunt_listen(AF_INET, &port, false);
	a.sin_port = htons(port);
	shunt_nonblocking(client, false);
	shunt_note_result(ctx, "connect", connect(client, (struct sockaddr *)&a, sizeof(a)));
	shunt_adopt_mode(ctx, client);
	server = shunt_accept(listener, ctx->patience_ms);
	shunt_adopt_mode(ctx, server);
	ctx->tx = client;
	ctx->rx = server;
	memset(ctx->put, 0, sizeof(ctx->put));
	memset(ctx->got, 0, sizeof(ctx->got));
	shunt_get(ctx, client, 10, MSG_DONTWAIT);
	shunt_note(ctx, "warm=%d", shunt_pair_warm(ctx, client, server));
	shunt_put(ctx, client, 100);
	shunt_get(ctx, server, 200, MSG_DONTWAIT);
	shunt_put(ctx, server, 100);
	shunt_get(ctx, client, 200, MSG_DONTWAIT);
}

/* A listener of a cgroup that nobody manages: connections to it have no pair. */
static int listen_elsewhere(const struct shunt_ctx *ctx, uint16_t *ret_port)
{
	int channel[2], fd = -1;
	char above[PATH_MAX + 4];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel))
		return -errno;
	snprintf(above, sizeof(above), "%s/..", ctx->cgroup);
	pid = fork();
	if (pid == 0) {
		if (!shunt_enter_cgroup(above))
			fd = shunt_listen(AF_INET, ret_port, false);
		shunt_fd_send(channel[1], fd);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	fd = shunt_fd_receive(channel[0]);
	*ret_port = shunt_port_of(fd);
	return fd;
}

/* With bytes unread, the same socket connects to somebody else: they must be gone. */
static void reconnect_elsewhere(struct shunt_ctx *ctx)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int client = ctx->swap ? ctx->rx : ctx->tx, server = ctx->swap ? ctx->tx : ctx->rx;
	uint16_t port = 0;
	int listener = listen_elsewhere(ctx, &port);

	shunt_put(ctx, server, 1000);
	connect(client, &none, sizeof(none));
	shunt_nonblocking(client, false);
	a.sin_port = htons(port);
	shunt_note_result(ctx, "connect", connect(client, (struct sockaddr *)&a, sizeof(a)));
	shunt_adopt_mode(ctx, client);
	server = shunt_accept(listener, ctx->patience_ms);
	ctx->tx = client;
	ctx->rx = server;
	memset(ctx->put, 0, sizeof(ctx->put));
	memset(ctx->got, 0, sizeof(ctx->got));
	shunt_get(ctx, client, 10, MSG_DONTWAIT);
	shunt_put(ctx, server, 100);
	shunt_get(ctx, client, 2000, MSG_DONTWAIT);
	shunt_put(ctx, client, 100);
	shunt_get(ctx, server, 2000, MSG_DONTWAIT);
}

static void close_both_queued(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	shunt_put(ctx, ctx->rx, 100);
	shutdown(ctx->tx, SHUT_WR);
	shutdown(ctx->rx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLHUP);
	shunt_wait(ctx, ctx->tx, POLLHUP);
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_get(ctx, ctx->rx, 200, 0);
	shunt_get(ctx, ctx->rx, 200, 0);
	shunt_get(ctx, ctx->tx, 200, 0);
	shunt_get(ctx, ctx->tx, 200, 0);
}

const struct shunt_probe shunt_probes_close[] = {
	PROBE(half_close, SHUNT_BOTH),
	PROBE(close_after_send, SHUNT_BOTH),
	PROBE(close_after_much, SHUNT_BOTH),
	PROBE(close_unread, SHUNT_BOTH),
	PROBE(close_both_queued, SHUNT_BOTH),
	PROBE(shutdown_read, SHUNT_BOTH),
	PROBE(shutdown_both, SHUNT_BOTH),
	PROBE(linger_reset, SHUNT_BOTH),
	PROBE(linger_reset_queued, SHUNT_BOTH),
	PROBE(linger_waits, SHUNT_BOTH),
	PROBE(reset_while_blocked, SHUNT_BLOCKING),
	PROBE(end_while_blocked, SHUNT_BLOCKING),
	PROBE(shutdown_while_blocked, SHUNT_BLOCKING),
	PROBE(destroyed, SHUNT_BOTH),
	PROBE(destroyed_while_blocked, SHUNT_BLOCKING),
	PROBE(reconnect, SHUNT_BOTH),
	PROBE(reconnect_elsewhere, SHUNT_BOTH),
	{0},
};
