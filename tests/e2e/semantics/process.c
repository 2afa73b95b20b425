/* SPDX-License-Identifier: MIT */
/* process.c: probes of sockets shared by threads and processes: two readers, fork, dup, SCM_RIGHTS, sudden death. */
#include "semantics.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int finished(const struct shunt_task *a, const struct shunt_task *b)
{
	return __atomic_load_n(&a->done, __ATOMIC_ACQUIRE) + __atomic_load_n(&b->done, __ATOMIC_ACQUIRE);
}

/* One byte for two sleepers: one returns with it; the other must go on sleeping until the second byte. */
static void two_readers(struct shunt_ctx *ctx)
{
	char buf[2];
	struct shunt_task a = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = 1};
	struct shunt_task b = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf + 1, .len = 1};
	int64_t until = shunt_now_ms() + ctx->patience_ms;

	shunt_task_start(&a);
	shunt_task_start(&b);
	shunt_task_asleep(ctx, &a, SYS_recvfrom);
	shunt_task_asleep(ctx, &b, SYS_recvfrom);
	shunt_put(ctx, ctx->tx, 1);
	while (!finished(&a, &b) && shunt_now_ms() < until)
		poll(NULL, 0, 1);
	poll(NULL, 0, 20);
	shunt_note(ctx, "returned=%d", finished(&a, &b));
	shunt_put(ctx, ctx->tx, 1);
	if (!shunt_task_join(ctx, &a) || !shunt_task_join(ctx, &b))
		return;
	shunt_note(ctx, "bytes=%zd", (a.result > 0) + (ssize_t)(b.result > 0));
	errno = a.result < 0 ? a.error : b.error;
	if (a.result < 0 || b.result < 0)
		shunt_note_result(ctx, "other", -1);
}

static ssize_t call_poll_recv(struct shunt_task *task)
{
	struct pollfd p = {.fd = task->fd, .events = POLLIN};
	ssize_t n = -1;

	while (n < 0 && poll(&p, 1, 10000) > 0)
		n = recv(task->fd, task->buf, task->len, MSG_DONTWAIT);
	return n;
}

static void two_pollers(struct shunt_ctx *ctx)
{
	char buf[2];
	struct shunt_task a = {.call = call_poll_recv, .fd = ctx->rx, .buf = buf, .len = 1};
	struct shunt_task b = {.call = call_poll_recv, .fd = ctx->rx, .buf = buf + 1, .len = 1};

	shunt_task_start(&a);
	shunt_task_start(&b);
	shunt_task_asleep(ctx, &a, SYS_poll);
	shunt_task_asleep(ctx, &b, SYS_poll);
	shunt_put(ctx, ctx->tx, 1);
	shunt_put(ctx, ctx->tx, 1);
	if (shunt_task_join(ctx, &a) && shunt_task_join(ctx, &b))
		shunt_note(ctx, "bytes=%zd", a.result + b.result);
}

/* A listener without room: its next client's SYN is dropped, and comes again after a second. */
static int crowded(uint16_t *port, int *first)
{
	int listener = shunt_listen(AF_INET, port, false);

	listen(listener, 0);
	*first = shunt_connect(AF_INET, *port);
	return listener;
}

static int connect_later(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	connect(fd, (struct sockaddr *)&a, sizeof(a));
	shunt_nonblocking(fd, false);
	return fd;
}

/* A thread that went to sleep in recv() while its connection was still being made. */
static void early_reader(struct shunt_ctx *ctx)
{
	uint16_t port = 0;
	int first, listener = crowded(&port, &first), client = connect_later(port), server;
	char buf[10];
	struct shunt_task task = {.call = shunt_call_recv, .fd = client, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	shunt_note(ctx, "crowd=%d", shunt_accept(listener, 5000) >= 0);
	server = shunt_accept(listener, 5000);
	shunt_note_result(ctx, "send", send(server, "0123456789", 10, MSG_NOSIGNAL));
	shunt_task_note(ctx, "recv", &task);
}

/* A reader that sleeps again and again while its socket is filled in bulk. */
static ssize_t call_recv_many(struct shunt_task *task)
{
	ssize_t total = 0, n;

	while (total < task->flags) {
		n = recv(task->fd, task->buf, task->len, 0);
		if (n <= 0)
			return n;
		total += n;
	}
	return total;
}

static void bulk_reader(struct shunt_ctx *ctx)
{
	struct shunt_task task = {
		.call = call_recv_many, .fd = ctx->rx, .buf = malloc(4096), .len = 4096, .flags = 1 << 20};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	for (int sent = 0; sent < 1 << 20;) {
		ssize_t n = shunt_send(ctx, ctx->tx, 1 << 14, 0);

		if (n <= 0)
			break;
		sent += (int)n;
	}
	shunt_task_note(ctx, "read", &task);
}

static void child_reads(struct shunt_ctx *ctx)
{
	shunt_get(ctx, ctx->rx, 400, 0);
}

static void fork_shares(struct shunt_ctx *ctx)
{
	pid_t pid;

	shunt_put(ctx, ctx->tx, 1000);
	pid = shunt_child(ctx, child_reads);
	shunt_child_end(ctx, pid);
	shunt_get(ctx, ctx->rx, 1000, 0);
	shunt_poll(ctx, "poll", ctx->tx);
}

static void child_writes(struct shunt_ctx *ctx)
{
	close(ctx->rx);
	shunt_note_result(ctx, "child", shunt_send(ctx, ctx->tx, 100, 0));
}

/* The child's exit closes its copies: no FIN as long as the parent holds one. */
static void fork_writes(struct shunt_ctx *ctx)
{
	shunt_child_end(ctx, shunt_child(ctx, child_writes));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 1000, 0);
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_put(ctx, ctx->tx, 100);
	shunt_get(ctx, ctx->rx, 1000, 0);
}

static void duplicates(struct shunt_ctx *ctx)
{
	int tx = dup(ctx->tx), rx = dup(ctx->rx);

	close(ctx->tx);
	shunt_note_result(ctx, "send", shunt_send(ctx, tx, 100, 0));
	shunt_arrived(ctx, tx);
	shunt_get(ctx, rx, 40, 0);
	shunt_poll(ctx, "poll", ctx->rx);
	close(rx);
	shunt_get(ctx, ctx->rx, 100, 0);
	close(tx);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_get(ctx, ctx->rx, 100, 0);
}

/* The socket travels: while it is in flight no process holds it, and bytes arrive all the same. */
static void rights(struct shunt_ctx *ctx)
{
	int channel[2], fd;

	socketpair(AF_UNIX, SOCK_STREAM, 0, channel);
	shunt_put(ctx, ctx->tx, 100);
	shunt_fd_send(channel[0], ctx->rx);
	fd = dup(ctx->rx);
	close(ctx->rx);
	close(fd);
	shunt_note_result(ctx, "flying", shunt_send(ctx, ctx->tx, 100, MSG_DONTWAIT));
	fd = shunt_fd_receive(channel[1]);
	ctx->rx = fd;
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, fd, 1000, 0);
	shunt_poll(ctx, "poll", fd);
}

static void wait_forever(struct shunt_ctx *ctx)
{
	for (;;)
		pause();
}

static void killed(struct shunt_ctx *ctx, int victim, int survivor)
{
	pid_t pid = shunt_child(ctx, wait_forever);

	close(victim);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	shunt_wait(ctx, survivor, POLLRDHUP);
}

static void sender_killed(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	killed(ctx, ctx->tx, ctx->rx);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
	shunt_get(ctx, ctx->rx, 600, 0);
}

static void reader_killed(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	shunt_get(ctx, ctx->rx, 1000, 0);
	killed(ctx, ctx->rx, ctx->tx);
	shunt_get(ctx, ctx->tx, 600, 0);
	shunt_note_result(ctx, "first", send(ctx->tx, "x", 1, MSG_NOSIGNAL));
	shunt_wait(ctx, ctx->tx, POLLHUP);
	shunt_note_result(ctx, "second", send(ctx->tx, "x", 1, MSG_NOSIGNAL));
}

static void reader_killed_unread(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	killed(ctx, ctx->rx, ctx->tx);
	shunt_get(ctx, ctx->tx, 600, 0);
	shunt_note_result(ctx, "first", send(ctx->tx, "x", 1, MSG_NOSIGNAL));
	shunt_wait(ctx, ctx->tx, POLLHUP);
	shunt_note_result(ctx, "second", send(ctx->tx, "x", 1, MSG_NOSIGNAL));
}

/* Both ends are in one process here; a child that reads while its parent writes is two. */
static void child_echoes(struct shunt_ctx *ctx)
{
	char buf[2000];

	close(ctx->tx);
	for (;;) {
		struct pollfd p = {.fd = ctx->rx, .events = POLLIN};
		ssize_t n = poll(&p, 1, 10000) > 0 ? recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT) : 0;

		if (n <= 0 || send(ctx->rx, buf, (size_t)n, MSG_NOSIGNAL) != n)
			return;
	}
}

static void two_processes(struct shunt_ctx *ctx)
{
	pid_t pid = shunt_child(ctx, child_echoes);
	size_t total = 0;

	close(ctx->rx);
	for (size_t i = 0; i < 500; i++) {
		size_t len = 1 + i * 13 % 1999;

		if (shunt_send(ctx, ctx->tx, len, 0) != (ssize_t)len)
			break;
		total += shunt_drain(ctx, ctx->tx, len);
	}
	shunt_note(ctx, "echoed=%zu", total);
	close(ctx->tx);
	shunt_child_end(ctx, pid);
}

const struct shunt_probe shunt_probes_process[] = {
	PROBE(two_readers, SHUNT_BLOCKING),
	PROBE(two_pollers, SHUNT_BOTH),
	PROBE(early_reader, SHUNT_BLOCKING),
	PROBE(bulk_reader, SHUNT_BLOCKING),
	PROBE(fork_shares, SHUNT_BOTH),
	PROBE(fork_writes, SHUNT_BOTH),
	PROBE(duplicates, SHUNT_BOTH),
	PROBE(rights, SHUNT_BOTH),
	PROBE(sender_killed, SHUNT_BOTH),
	PROBE(reader_killed, SHUNT_BOTH),
	PROBE(reader_killed_unread, SHUNT_BOTH),
	PROBE(two_processes, SHUNT_BOTH),
	{0},
};
