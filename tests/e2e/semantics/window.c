/* SPDX-License-Identifier: MIT */
/*
 * window.c: probes of what membership does not survive. An application that asks for one of these on a promoted pair is
 * taken back to TCP by the next scan: X looks at the window until then, X_settled at the time after it, when nothing
 * may differ.
 */
#include "semantics.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void set(struct shunt_ctx *ctx, int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		shunt_note_result(ctx, "setsockopt", -1);
}

static void lowat_asked(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	shunt_poll(ctx, "below", ctx->rx);
	shunt_put(ctx, ctx->tx, 500);
	shunt_poll(ctx, "above", ctx->rx);
	shunt_get(ctx, ctx->rx, 1000, MSG_DONTWAIT);
}

static void lowat(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_RCVLOWAT, 500);
	lowat_asked(ctx);
}

static void lowat_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_RCVLOWAT, 500);
	shunt_settle(ctx, "lowat");
	lowat_asked(ctx);
}

static void peek_off_asked(struct shunt_ctx *ctx)
{
	char buf[100];

	shunt_put(ctx, ctx->tx, 100);
	for (int i = 0; i < 3; i++) {
		ssize_t n = recv(ctx->rx, buf, 30, MSG_PEEK | MSG_DONTWAIT);

		shunt_note_result(ctx, "peek", n);
		shunt_note(ctx, "next=%d", n > 0 && shunt_right((uint64_t)i * 30, buf, (size_t)n));
	}
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void peek_off(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_PEEK_OFF, 0);
	peek_off_asked(ctx);
}

static void peek_off_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_PEEK_OFF, 0);
	shunt_settle(ctx, "peek_off");
	peek_off_asked(ctx);
}

/* The control messages of one recvmsg, by type. */
static void note_control(struct shunt_ctx *ctx, const char *what, int fd, int flags)
{
	char buf[1000], control[512];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, flags | MSG_DONTWAIT);

	shunt_note_result(ctx, what, n);
	if (n < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		shunt_note(ctx, "cmsg=%d.%d", c->cmsg_level, c->cmsg_type);
		if (c->cmsg_level == IPPROTO_TCP && c->cmsg_type == TCP_CM_INQ)
			shunt_note(ctx, "inq=%d", *(int *)CMSG_DATA(c));
	}
}

static void inq_asked(struct shunt_ctx *ctx)
{
	char buf[30];
	struct iovec iov = {buf, sizeof(buf)};
	char control[64];
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};

	shunt_put(ctx, ctx->tx, 100);
	shunt_check(ctx, "recvmsg", ctx->rx, buf, recvmsg(ctx->rx, &msg, MSG_DONTWAIT));
	if (CMSG_FIRSTHDR(&msg))
		shunt_note(ctx, "inq=%d", *(int *)CMSG_DATA(CMSG_FIRSTHDR(&msg)));
	note_control(ctx, "rest", ctx->rx, 0);
}

static void inq(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_INQ, 1);
	inq_asked(ctx);
}

static void inq_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_INQ, 1);
	shunt_settle(ctx, "inq");
	inq_asked(ctx);
}

static void timestamps_asked(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	note_control(ctx, "recvmsg", ctx->rx, 0);
}

static void timestamp(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_TIMESTAMP, 1);
	timestamps_asked(ctx);
}

static void timestamp_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_TIMESTAMP, 1);
	shunt_settle(ctx, "timestamps");
	timestamps_asked(ctx);
}

static void timestamping(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	timestamps_asked(ctx);
}

static void timestamping_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->rx, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	shunt_settle(ctx, "timestamps");
	timestamps_asked(ctx);
}

/* Transmit timestamps come back on the error queue once the bytes have left, and once more when acknowledged. */
static void tx_asked(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	poll(&(struct pollfd){.fd = ctx->tx}, 1, 50);
	note_control(ctx, "errqueue", ctx->tx, MSG_ERRQUEUE);
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void tx_timestamps(struct shunt_ctx *ctx)
{
	set(ctx, ctx->tx, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	tx_asked(ctx);
}

static void tx_timestamps_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->tx, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	shunt_settle(ctx, "timestamps");
	tx_asked(ctx);
}

/* Notes the range of completions, however many messages they come in. */
static void note_completions(struct shunt_ctx *ctx, uint32_t last)
{
	uint32_t low = UINT32_MAX, high = 0;

	while (high != last) {
		char control[128];
		struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
		struct pollfd p = {.fd = ctx->tx};
		struct sock_extended_err *e;

		if (poll(&p, 1, 300) <= 0 || recvmsg(ctx->tx, &msg, MSG_ERRQUEUE) < 0 || !CMSG_FIRSTHDR(&msg))
			break;
		e = (struct sock_extended_err *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
		low = e->ee_info < low ? e->ee_info : low;
		high = e->ee_data > high ? e->ee_data : high;
	}
	if (low <= high)
		shunt_note(ctx, "completed=%u..%u", low, high);
	else
		shunt_note(ctx, "completed=none");
}

/* The pages stay as they are until the kernel has given them back. */
static void zerocopy_asked(struct shunt_ctx *ctx)
{
	static char buf[60000];
	int sent = 0;

	shunt_pattern(0, buf, sizeof(buf));
	for (int i = 0; i < 3; i++)
		sent += send(ctx->tx, buf + 20000 * i, 20000, MSG_ZEROCOPY | MSG_NOSIGNAL) == 20000;
	shunt_arrived(ctx, ctx->tx);
	shunt_note(ctx, "sent=%d drained=%zu", sent, shunt_drain(ctx, ctx->rx, 60000));
	note_completions(ctx, 2);
}

static void zerocopy(struct shunt_ctx *ctx)
{
	set(ctx, ctx->tx, SOL_SOCKET, SO_ZEROCOPY, 1);
	zerocopy_asked(ctx);
}

static void zerocopy_settled(struct shunt_ctx *ctx)
{
	set(ctx, ctx->tx, SOL_SOCKET, SO_ZEROCOPY, 1);
	shunt_settle(ctx, "zerocopy");
	zerocopy_asked(ctx);
}

/* Takes the first four bytes of every segment: TCP itself then drops what a filter cut, so only "accept all" is asked.
 */
static void filter_settled(struct shunt_ctx *ctx)
{
	struct sock_filter code = {.code = BPF_RET | BPF_K, .k = 0xffffffff};
	struct sock_fprog program = {.len = 1, .filter = &code};

	shunt_note_result(ctx, "attach", setsockopt(ctx->rx, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	shunt_settle(ctx, "filter");
	shunt_put(ctx, ctx->tx, 100);
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void repair_settled(struct shunt_ctx *ctx)
{
	uint32_t before = 0, after = 0;
	socklen_t len = sizeof(before);

	set(ctx, ctx->rx, IPPROTO_TCP, TCP_REPAIR, 1);
	shunt_settle(ctx, "repair");
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	getsockopt(ctx->rx, IPPROTO_TCP, TCP_QUEUE_SEQ, &before, &len);
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_REPAIR, 0);
	shunt_put(ctx, ctx->tx, 100);
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_REPAIR, 1);
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	len = sizeof(after);
	getsockopt(ctx->rx, IPPROTO_TCP, TCP_QUEUE_SEQ, &after, &len);
	set(ctx, ctx->rx, IPPROTO_TCP, TCP_REPAIR, 0);
	shunt_note(ctx, "moved=%u", after - before);
}

static void blocking_asked(struct shunt_ctx *ctx)
{
	char buf[64];
	struct shunt_task task = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	shunt_put(ctx, ctx->tx, 10);
	shunt_task_note(ctx, "recv", &task);
	shunt_put(ctx, ctx->tx, 10);
	shunt_note_result(ctx, "recv", recv(ctx->rx, buf, sizeof(buf), 0));
}

/* The reader becomes blocking: the next message must already go by TCP. */
static void turns_blocking(struct shunt_ctx *ctx)
{
	shunt_nonblocking(ctx->rx, false);
	blocking_asked(ctx);
}

static void turns_blocking_settled(struct shunt_ctx *ctx)
{
	shunt_nonblocking(ctx->rx, false);
	shunt_settle(ctx, "blocking|waiter");
	blocking_asked(ctx);
}

/* And back: bytes of both roads, in order. */
static void turns_back(struct shunt_ctx *ctx)
{
	for (int i = 0; i < 20; i++) {
		shunt_nonblocking(ctx->rx, i & 1);
		shunt_put(ctx, ctx->tx, 50);
		if (i % 3 == 0)
			poll(NULL, 0, 7);
	}
	shunt_nonblocking(ctx->rx, true);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, 1000));
	shunt_get(ctx, ctx->rx, 10, 0);
}

const struct shunt_probe shunt_probes_window[] = {
	PROBE(lowat, SHUNT_BOTH),
	PROBE(lowat_settled, SHUNT_NONBLOCKING),
	PROBE(peek_off, SHUNT_BOTH),
	PROBE(peek_off_settled, SHUNT_NONBLOCKING),
	PROBE(inq, SHUNT_BOTH),
	PROBE(inq_settled, SHUNT_NONBLOCKING),
	PROBE(timestamp, SHUNT_BOTH),
	PROBE(timestamp_settled, SHUNT_NONBLOCKING),
	PROBE(timestamping, SHUNT_BOTH),
	PROBE(timestamping_settled, SHUNT_NONBLOCKING),
	PROBE(tx_timestamps, SHUNT_BOTH),
	PROBE(tx_timestamps_settled, SHUNT_NONBLOCKING),
	PROBE(zerocopy, SHUNT_BOTH),
	PROBE(zerocopy_settled, SHUNT_NONBLOCKING),
	PROBE(filter_settled, SHUNT_BOTH),
	PROBE(repair_settled, SHUNT_BOTH),
	PROBE(turns_blocking, SHUNT_BOTH),
	PROBE(turns_blocking_settled, SHUNT_NONBLOCKING),
	PROBE(turns_back, SHUNT_NONBLOCKING),
	{0},
};
