/* SPDX-License-Identifier: MIT */
/* ready.c: probes of poll(), select() and what the ioctls say is queued. */
#include "semantics.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

static void poll_states(struct shunt_ctx *ctx)
{
	shunt_poll(ctx, "idle", ctx->rx);
	shunt_put(ctx, ctx->tx, 10);
	shunt_poll(ctx, "data", ctx->rx);
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_poll(ctx, "read", ctx->rx);
	shunt_put(ctx, ctx->tx, 10);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_poll(ctx, "data+end", ctx->rx);
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_poll(ctx, "end", ctx->rx);
	shunt_poll(ctx, "sender", ctx->tx);
	shutdown(ctx->rx, SHUT_WR);
	shunt_wait(ctx, ctx->tx, POLLHUP);
	shunt_poll(ctx, "both", ctx->rx);
	shunt_poll(ctx, "sender", ctx->tx);
}

static ssize_t call_poll(struct shunt_task *task)
{
	struct pollfd p = {.fd = task->fd, .events = (short)task->flags};
	int n = poll(&p, 1, 10000);

	return n > 0 ? (unsigned short)p.revents : n;
}

static void poll_wakes(struct shunt_ctx *ctx)
{
	struct shunt_task task = {.call = call_poll, .fd = ctx->rx, .flags = POLLIN};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_poll);
	shunt_put(ctx, ctx->tx, 10);
	if (shunt_task_join(ctx, &task))
		shunt_note_events(ctx, "woken", (unsigned)task.result);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void poll_wakes_at_end(struct shunt_ctx *ctx)
{
	struct shunt_task task = {.call = call_poll, .fd = ctx->rx, .flags = POLLRDHUP};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_poll);
	shunt_put(ctx, ctx->tx, 10);
	shutdown(ctx->tx, SHUT_WR);
	if (shunt_task_join(ctx, &task))
		shunt_note_events(ctx, "woken", (unsigned)task.result);
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void poll_wakes_for_room(struct shunt_ctx *ctx)
{
	struct shunt_task task = {.call = call_poll, .fd = ctx->tx, .flags = POLLOUT};
	size_t total = shunt_fill(ctx, ctx->tx, 60000);

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_poll);
	shunt_note(ctx, "asleep=%d", !__atomic_load_n(&task.done, __ATOMIC_ACQUIRE));
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
	if (shunt_task_join(ctx, &task))
		shunt_note_events(ctx, "woken", (unsigned)task.result);
}

static void note_select(struct shunt_ctx *ctx, int fd)
{
	struct timeval now = {0};
	fd_set in, out, except;
	int n;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &except);
	n = select(fd + 1, &in, &out, &except, &now);
	shunt_note_result(ctx, "select", n);
	shunt_note(ctx, "in=%d out=%d except=%d", FD_ISSET(fd, &in) != 0, FD_ISSET(fd, &out) != 0,
		   FD_ISSET(fd, &except) != 0);
}

static void select_states(struct shunt_ctx *ctx)
{
	note_select(ctx, ctx->rx);
	shunt_put(ctx, ctx->tx, 10);
	note_select(ctx, ctx->rx);
	shunt_get(ctx, ctx->rx, 10, 0);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	note_select(ctx, ctx->rx);
}

static void note_ioctl(struct shunt_ctx *ctx, const char *what, int fd, unsigned long request)
{
	int value = -1, r = ioctl(fd, request, &value);

	shunt_note_result(ctx, what, r ? -1 : value);
}

static void fionread(struct shunt_ctx *ctx)
{
	note_ioctl(ctx, "none", ctx->rx, FIONREAD);
	shunt_put(ctx, ctx->tx, 100);
	note_ioctl(ctx, "one", ctx->rx, FIONREAD);
	shunt_put(ctx, ctx->tx, 200);
	note_ioctl(ctx, "two", ctx->rx, FIONREAD);
	shunt_get(ctx, ctx->rx, 50, 0);
	note_ioctl(ctx, "part", ctx->rx, FIONREAD);
	shunt_get(ctx, ctx->rx, 50, MSG_PEEK);
	note_ioctl(ctx, "peeked", ctx->rx, FIONREAD);
	shunt_get(ctx, ctx->rx, 500, 0);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	note_ioctl(ctx, "end", ctx->rx, FIONREAD);
}

/* Bytes that took TCP although the reader may be a member: the socket's budget of messages is spent first. */
static void fionread_spilled(struct shunt_ctx *ctx)
{
	char buf[2000];
	int value = -1;

	for (int i = 0; i < 1500; i++)
		shunt_send(ctx, ctx->tx, 1, 0);
	shunt_arrived(ctx, ctx->tx);
	while (ctx->got[0] < 1400) {
		ssize_t n = recv(ctx->rx, buf, 100, MSG_DONTWAIT);

		if (n <= 0 || !shunt_right(ctx->got[0], buf, (size_t)n))
			break;
		ctx->got[0] += (uint64_t)n;
	}
	ioctl(ctx->rx, FIONREAD, &value);
	shunt_note(ctx, "left=%s", value == 1500 - (int)ctx->got[0] ? "all" : value ? "some" : "0");
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, 1500 - ctx->got[0]) > 0);
}

/* Acknowledgements may be delayed. */
static void note_acknowledged(struct shunt_ctx *ctx)
{
	int64_t until = shunt_now_ms() + ctx->patience_ms;
	int value = -1;

	while (value && shunt_now_ms() < until) {
		ioctl(ctx->tx, SIOCOUTQ, &value);
		poll(NULL, 0, 1);
	}
	shunt_note(ctx, "acknowledged=%d", !value);
}

/* The reader's window stays open, so that all is acknowledged sooner or later; half of the send buffer is not. */
static void outq(struct shunt_ctx *ctx)
{
	int value = -1;
	size_t total;

	note_acknowledged(ctx);
	total = shunt_fill(ctx, ctx->tx, 60000);
	ioctl(ctx->tx, SIOCOUTQ, &value);
	shunt_note(ctx, "full=%d", value > 0);
	ioctl(ctx->tx, SIOCOUTQNSD, &value);
	shunt_note(ctx, "unsent=%d", value > 0);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
}

static void outq_one(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	note_acknowledged(ctx);
	note_ioctl(ctx, "peer-queue", ctx->rx, SIOCINQ);
}

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	signals++;
}

static void sigio(struct shunt_ctx *ctx)
{
	int64_t until = shunt_now_ms() + ctx->patience_ms;

	signal(SIGUSR2, count_signal);
	fcntl(ctx->rx, F_SETOWN, getpid());
	fcntl(ctx->rx, F_SETSIG, SIGUSR2);
	fcntl(ctx->rx, F_SETFL, fcntl(ctx->rx, F_GETFL) | O_ASYNC);
	signals = 0;
	shunt_put(ctx, ctx->tx, 10);
	while (!signals && shunt_now_ms() < until)
		poll(NULL, 0, 1);
	shunt_note(ctx, "signalled=%d", signals > 0);
	shunt_get(ctx, ctx->rx, 10, 0);
}

const struct shunt_probe shunt_probes_ready[] = {
	PROBE(poll_states, SHUNT_BOTH),
	PROBE(poll_wakes, SHUNT_BOTH),
	PROBE(poll_wakes_at_end, SHUNT_BOTH),
	PROBE(poll_wakes_for_room, SHUNT_BOTH),
	PROBE(select_states, SHUNT_BOTH),
	PROBE(fionread, SHUNT_BOTH),
	PROBE(fionread_spilled, SHUNT_BOTH),
	PROBE(outq, SHUNT_BOTH),
	PROBE(outq_one, SHUNT_BOTH),
	PROBE(sigio, SHUNT_BOTH),
	{0},
};
