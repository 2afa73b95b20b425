/* SPDX-License-Identifier: MIT */
/* epoll.c: probes of epoll: level and edge, one shot, exclusive, the end of a stream. */
#include "semantics.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static int watch(int fd, unsigned events)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = events};

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
	return epoll;
}

static void note_wait(struct shunt_ctx *ctx, const char *what, int epoll, int timeout_ms)
{
	struct epoll_event e = {0};

	if (epoll_wait(epoll, &e, 1, timeout_ms) < 0)
		shunt_note_result(ctx, what, -1);
	else
		shunt_note_events(ctx, what, e.events);
}

static void epoll_level(struct shunt_ctx *ctx)
{
	int epoll = watch(ctx->rx, EPOLLIN | EPOLLRDHUP);

	note_wait(ctx, "idle", epoll, 0);
	shunt_put(ctx, ctx->tx, 100);
	note_wait(ctx, "data", epoll, 0);
	note_wait(ctx, "again", epoll, 0);
	shunt_get(ctx, ctx->rx, 50, 0);
	note_wait(ctx, "half", epoll, 0);
	shunt_get(ctx, ctx->rx, 50, 0);
	note_wait(ctx, "empty", epoll, 0);
}

static void epoll_edge(struct shunt_ctx *ctx)
{
	int epoll = watch(ctx->rx, EPOLLIN | EPOLLRDHUP | EPOLLET);

	note_wait(ctx, "idle", epoll, 0);
	shunt_put(ctx, ctx->tx, 100);
	note_wait(ctx, "data", epoll, 0);
	note_wait(ctx, "again", epoll, 0);
	shunt_get(ctx, ctx->rx, 50, 0);
	note_wait(ctx, "half", epoll, 0);
	shunt_put(ctx, ctx->tx, 100);
	note_wait(ctx, "more", epoll, 0);
	shunt_get(ctx, ctx->rx, 500, 0);
	note_wait(ctx, "empty", epoll, 0);
	shutdown(ctx->tx, SHUT_WR);
	note_wait(ctx, "end", epoll, ctx->patience_ms);
	note_wait(ctx, "again", epoll, 0);
}

/* Edge-triggered room: the reader empties a full pair, the writer must hear of it. */
static void epoll_edge_room(struct shunt_ctx *ctx)
{
	int epoll = watch(ctx->tx, EPOLLOUT | EPOLLET);
	size_t total;

	note_wait(ctx, "idle", epoll, 0);
	total = shunt_fill(ctx, ctx->tx, 60000);
	note_wait(ctx, "full", epoll, 0);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
	note_wait(ctx, "room", epoll, ctx->patience_ms);
}

static void epoll_oneshot(struct shunt_ctx *ctx)
{
	int epoll = watch(ctx->rx, EPOLLIN | EPOLLONESHOT);
	struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT};

	shunt_put(ctx, ctx->tx, 10);
	note_wait(ctx, "first", epoll, 0);
	shunt_put(ctx, ctx->tx, 10);
	note_wait(ctx, "spent", epoll, 0);
	epoll_ctl(epoll, EPOLL_CTL_MOD, ctx->rx, &again);
	note_wait(ctx, "armed", epoll, 0);
	shunt_get(ctx, ctx->rx, 100, 0);
}

static void epoll_end(struct shunt_ctx *ctx)
{
	int epoll = watch(ctx->rx, EPOLLIN | EPOLLOUT | EPOLLRDHUP);

	shunt_put(ctx, ctx->tx, 10);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	note_wait(ctx, "end", epoll, 0);
	shunt_get(ctx, ctx->rx, 100, 0);
	note_wait(ctx, "read", epoll, 0);
	shutdown(ctx->rx, SHUT_WR);
	note_wait(ctx, "both", epoll, 0);
}

static void epoll_reset(struct shunt_ctx *ctx)
{
	struct linger now = {.l_onoff = 1};
	int epoll = watch(ctx->rx, EPOLLIN | EPOLLOUT | EPOLLRDHUP);

	setsockopt(ctx->tx, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(ctx->tx);
	shunt_wait(ctx, ctx->rx, POLLHUP);
	note_wait(ctx, "reset", epoll, 0);
	shunt_get(ctx, ctx->rx, 10, 0);
	note_wait(ctx, "told", epoll, 0);
}

static ssize_t call_epoll(struct shunt_task *task)
{
	struct epoll_event e = {0};
	int n = epoll_wait(task->fd, &e, 1, 10000);

	return n > 0 ? (ssize_t)e.events : n;
}

static void wake(struct shunt_ctx *ctx, unsigned events)
{
	struct shunt_task task = {.call = call_epoll, .fd = watch(ctx->rx, events)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_epoll_wait);
	shunt_put(ctx, ctx->tx, 10);
	if (shunt_task_join(ctx, &task))
		shunt_note_events(ctx, "woken", (unsigned)task.result);
	shunt_get(ctx, ctx->rx, 10, 0);
	close(task.fd);
}

static void epoll_wakes(struct shunt_ctx *ctx)
{
	wake(ctx, EPOLLIN);
	wake(ctx, EPOLLIN | EPOLLET);
	wake(ctx, EPOLLIN | EPOLLRDHUP | EPOLLET | EPOLLONESHOT);
}

static unsigned woken(const struct shunt_task *task)
{
	return __atomic_load_n(&task->done, __ATOMIC_ACQUIRE) && task->result > 0;
}

/* Two exclusive sleepers of two instances: at least one wakes, and nobody loses the byte. */
static void epoll_exclusive(struct shunt_ctx *ctx)
{
	struct shunt_task a = {.call = call_epoll, .fd = watch(ctx->rx, EPOLLIN | EPOLLEXCLUSIVE)};
	struct shunt_task b = {.call = call_epoll, .fd = watch(ctx->rx, EPOLLIN | EPOLLEXCLUSIVE)};
	int64_t until = shunt_now_ms() + ctx->patience_ms;

	shunt_task_start(&a);
	shunt_task_start(&b);
	shunt_task_asleep(ctx, &a, SYS_epoll_wait);
	shunt_task_asleep(ctx, &b, SYS_epoll_wait);
	shunt_put(ctx, ctx->tx, 10);
	while (!woken(&a) && !woken(&b) && shunt_now_ms() < until)
		poll(NULL, 0, 1);
	shunt_note(ctx, "someone=%d", woken(&a) || woken(&b));
	poll(NULL, 0, 20);
	shunt_note(ctx, "all=%d", woken(&a) && woken(&b));
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void epoll_nested(struct shunt_ctx *ctx)
{
	int inner = watch(ctx->rx, EPOLLIN | EPOLLET), outer = watch(inner, EPOLLIN);

	note_wait(ctx, "idle", outer, 0);
	shunt_put(ctx, ctx->tx, 10);
	note_wait(ctx, "outer", outer, 0);
	note_wait(ctx, "inner", inner, 0);
	note_wait(ctx, "outer", outer, 0);
	shunt_get(ctx, ctx->rx, 10, 0);
}

/* Added after the bytes came: an edge is due at once. */
static void epoll_late(struct shunt_ctx *ctx)
{
	int epoll;

	shunt_put(ctx, ctx->tx, 10);
	epoll = watch(ctx->rx, EPOLLIN | EPOLLOUT | EPOLLET);
	note_wait(ctx, "added", epoll, 0);
	note_wait(ctx, "again", epoll, 0);
	shunt_get(ctx, ctx->rx, 10, 0);
}

const struct shunt_probe shunt_probes_epoll[] = {
	PROBE(epoll_level, SHUNT_BOTH),
	PROBE(epoll_edge, SHUNT_BOTH),
	PROBE(epoll_edge_room, SHUNT_BOTH),
	PROBE(epoll_oneshot, SHUNT_BOTH),
	PROBE(epoll_end, SHUNT_BOTH),
	PROBE(epoll_reset, SHUNT_BOTH),
	PROBE(epoll_wakes, SHUNT_BOTH),
	PROBE(epoll_exclusive, SHUNT_BOTH),
	PROBE(epoll_nested, SHUNT_BOTH),
	PROBE(epoll_late, SHUNT_BOTH),
	{0},
};
