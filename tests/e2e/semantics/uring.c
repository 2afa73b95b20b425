/* SPDX-License-Identifier: MIT */
/* uring.c: probes of io_uring: send, receive, poll, zerocopy, the cancelled and the repeated request. */
#include "semantics.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <unistd.h>

static struct io_uring ring;

static bool ready(struct shunt_ctx *ctx)
{
	int r = io_uring_queue_init(16, &ring, 0);

	if (r)
		shunt_note(ctx, "no-io_uring=%s", shunt_error_name(-r));
	return !r;
}

/* The next completion; -ETIME when none comes. */
static int completed(int timeout_ms, unsigned *ret_flags)
{
	struct __kernel_timespec ts = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
	struct io_uring_cqe *cqe;
	int r = io_uring_wait_cqe_timeout(&ring, &cqe, &ts);

	if (r)
		return r;
	r = cqe->res;
	if (ret_flags)
		*ret_flags = cqe->flags;
	io_uring_cqe_seen(&ring, cqe);
	return r;
}

static void note_completed(struct shunt_ctx *ctx, const char *what, int timeout_ms)
{
	int r = completed(timeout_ms, NULL);

	errno = -r;
	shunt_note_result(ctx, what, r < 0 ? -1 : r);
}

static void submit_recv(int fd, char *buf, size_t len, int flags)
{
	io_uring_prep_recv(io_uring_get_sqe(&ring), fd, buf, len, flags);
	io_uring_submit(&ring);
}

static void uring_send(struct shunt_ctx *ctx)
{
	char buf[500];

	if (!ready(ctx))
		return;
	shunt_pattern(0, buf, sizeof(buf));
	io_uring_prep_send(io_uring_get_sqe(&ring), ctx->tx, buf, sizeof(buf), MSG_NOSIGNAL);
	io_uring_submit(&ring);
	note_completed(ctx, "send", ctx->patience_ms);
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 1000, 0);
}

static void uring_recv(struct shunt_ctx *ctx)
{
	char buf[500];

	if (!ready(ctx))
		return;
	shunt_put(ctx, ctx->tx, 300);
	submit_recv(ctx->rx, buf, sizeof(buf), 0);
	shunt_check(ctx, "recv", ctx->rx, buf, completed(ctx->patience_ms, NULL));
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	submit_recv(ctx->rx, buf, sizeof(buf), 0);
	note_completed(ctx, "end", ctx->patience_ms);
}

/* Armed before the bytes come. */
static void uring_recv_armed(struct shunt_ctx *ctx)
{
	char buf[500];

	if (!ready(ctx))
		return;
	submit_recv(ctx->rx, buf, sizeof(buf), 0);
	note_completed(ctx, "idle", 20);
	shunt_put(ctx, ctx->tx, 300);
	shunt_check(ctx, "recv", ctx->rx, buf, completed(ctx->patience_ms, NULL));
}

static void uring_waitall(struct shunt_ctx *ctx)
{
	char buf[100];

	if (!ready(ctx))
		return;
	shunt_put(ctx, ctx->tx, 50);
	submit_recv(ctx->rx, buf, sizeof(buf), MSG_WAITALL);
	note_completed(ctx, "half", 20);
	shunt_put(ctx, ctx->tx, 50);
	note_completed(ctx, "whole", 500);
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void uring_poll(struct shunt_ctx *ctx)
{
	int events;

	if (!ready(ctx))
		return;
	io_uring_prep_poll_add(io_uring_get_sqe(&ring), ctx->rx, POLLIN);
	io_uring_submit(&ring);
	note_completed(ctx, "idle", 20);
	shunt_put(ctx, ctx->tx, 10);
	events = completed(ctx->patience_ms, NULL);
	shunt_note_events(ctx, "poll", events > 0 ? (unsigned)events : 0);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void uring_poll_multishot(struct shunt_ctx *ctx)
{
	unsigned flags = 0;

	if (!ready(ctx))
		return;
	io_uring_prep_poll_multishot(io_uring_get_sqe(&ring), ctx->rx, POLLIN);
	io_uring_submit(&ring);
	for (int i = 0; i < 3; i++) {
		int events;

		shunt_put(ctx, ctx->tx, 10);
		events = completed(ctx->patience_ms, &flags);
		shunt_note_events(ctx, "poll", events > 0 ? (unsigned)events : 0);
		shunt_get(ctx, ctx->rx, 10, 0);
	}
	shunt_note(ctx, "more=%d", (flags & IORING_CQE_F_MORE) != 0);
}

static void uring_multishot(struct shunt_ctx *ctx)
{
	static char pool[8][1000];
	struct io_uring_sqe *sqe;
	unsigned flags;

	if (!ready(ctx))
		return;
	io_uring_prep_provide_buffers(io_uring_get_sqe(&ring), pool, sizeof(pool[0]), 8, 7, 0);
	io_uring_submit(&ring);
	note_completed(ctx, "buffers", ctx->patience_ms);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv_multishot(sqe, ctx->rx, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 7;
	io_uring_submit(&ring);
	note_completed(ctx, "idle", 20);
	for (int i = 0; i < 3; i++) {
		int n;

		shunt_put(ctx, ctx->tx, 200);
		n = completed(ctx->patience_ms, &flags);
		errno = -n;
		shunt_check(ctx, "shot", ctx->rx, pool[n > 0 ? flags >> IORING_CQE_BUFFER_SHIFT : 0], n < 0 ? -1 : n);
	}
}

static void uring_cancel(struct shunt_ctx *ctx)
{
	char buf[100];

	if (!ready(ctx))
		return;
	submit_recv(ctx->rx, buf, sizeof(buf), 0);
	io_uring_prep_cancel_fd(io_uring_get_sqe(&ring), ctx->rx, 0);
	io_uring_submit(&ring);
	for (int i = 0; i < 2; i++) {
		int r = completed(ctx->patience_ms, NULL);

		errno = -r;
		shunt_note_result(ctx, "end", r < 0 ? -1 : r);
	}
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 10, 0);
}

/* Two completions: the send, and the notice that the buffer is free. */
static void uring_send_zerocopy(struct shunt_ctx *ctx)
{
	static char buf[5000];
	unsigned flags = 0;
	int r;

	if (!ready(ctx))
		return;
	shunt_pattern(0, buf, sizeof(buf));
	io_uring_prep_send_zc(io_uring_get_sqe(&ring), ctx->tx, buf, sizeof(buf), MSG_NOSIGNAL, 0);
	io_uring_submit(&ring);
	r = completed(ctx->patience_ms, &flags);
	errno = -r;
	shunt_note_result(ctx, "send", r < 0 ? -1 : r);
	shunt_note(ctx, "more=%d", (flags & IORING_CQE_F_MORE) != 0);
	shunt_arrived(ctx, ctx->tx);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, r > 0 ? (size_t)r : 0));
	if (flags & IORING_CQE_F_MORE)
		note_completed(ctx, "notice", ctx->patience_ms);
}

/* A pair that was promoted once and is TCP's again. */
static void uring_zerocopy_after(struct shunt_ctx *ctx)
{
	int two = 2, one = 1;

	setsockopt(ctx->rx, SOL_SOCKET, SO_RCVLOWAT, &two, sizeof(two));
	shunt_settle(ctx, "lowat");
	setsockopt(ctx->rx, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	uring_send_zerocopy(ctx);
}

static void uring_read_write(struct shunt_ctx *ctx)
{
	char out[100], in[100];

	if (!ready(ctx))
		return;
	shunt_pattern(0, out, sizeof(out));
	io_uring_prep_write(io_uring_get_sqe(&ring), ctx->tx, out, sizeof(out), 0);
	io_uring_submit(&ring);
	note_completed(ctx, "write", ctx->patience_ms);
	shunt_arrived(ctx, ctx->tx);
	io_uring_prep_read(io_uring_get_sqe(&ring), ctx->rx, in, sizeof(in), 0);
	io_uring_submit(&ring);
	shunt_check(ctx, "read", ctx->rx, in, completed(ctx->patience_ms, NULL));
}

/* Worker threads do what the submitter would: no inline attempt. */
static void uring_async(struct shunt_ctx *ctx)
{
	struct io_uring_sqe *sqe;
	char buf[100];

	if (!ready(ctx))
		return;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv(sqe, ctx->rx, buf, sizeof(buf), 0);
	sqe->flags |= IOSQE_ASYNC;
	shunt_put(ctx, ctx->tx, 60);
	io_uring_submit(&ring);
	shunt_check(ctx, "recv", ctx->rx, buf, completed(ctx->patience_ms, NULL));
}

const struct shunt_probe shunt_probes_uring[] = {
	PROBE(uring_send, SHUNT_BOTH),
	PROBE(uring_recv, SHUNT_BOTH),
	PROBE(uring_recv_armed, SHUNT_BOTH),
	PROBE(uring_waitall, SHUNT_BOTH),
	PROBE(uring_poll, SHUNT_BOTH),
	PROBE(uring_poll_multishot, SHUNT_BOTH),
	PROBE(uring_multishot, SHUNT_BOTH),
	PROBE(uring_cancel, SHUNT_BOTH),
	PROBE(uring_send_zerocopy, SHUNT_BOTH | SHUNT_CLIENT_SENDS),
	PROBE(uring_zerocopy_after, SHUNT_BOTH | SHUNT_CLIENT_SENDS),
	PROBE(uring_read_write, SHUNT_BOTH),
	PROBE(uring_async, SHUNT_BOTH),
	{0},
};
