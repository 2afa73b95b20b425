/* SPDX-License-Identifier: MIT */
/* recv.c: probes of the ways to read: lengths, vectors, several messages, and their order. */
#include "semantics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static void recv_exact(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	shunt_get(ctx, ctx->rx, 1000, 0);
	shunt_get(ctx, ctx->rx, 1000, MSG_DONTWAIT);
}

static void recv_in_parts(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 1000);
	shunt_get(ctx, ctx->rx, 300, 0);
	shunt_poll(ctx, "poll", ctx->rx);
	shunt_get(ctx, ctx->rx, 2000, 0);
	shunt_poll(ctx, "poll", ctx->rx);
}

static void recv_merges(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	shunt_put(ctx, ctx->tx, 200);
	shunt_put(ctx, ctx->tx, 1);
	shunt_get(ctx, ctx->rx, 1000, 0);
}

static void recv_empty(struct shunt_ctx *ctx)
{
	shunt_get(ctx, ctx->rx, 10, 0);
	shunt_get(ctx, ctx->rx, 0, 0);
	shunt_get(ctx, ctx->rx, 10, MSG_PEEK);
	shunt_get(ctx, ctx->rx, 10, MSG_WAITALL);
}

static void recv_nothing(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 0, 0);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void read_calls(struct shunt_ctx *ctx)
{
	char buf[64];

	shunt_put(ctx, ctx->tx, 100);
	shunt_check(ctx, "read", ctx->rx, buf, read(ctx->rx, buf, 60));
	shunt_check(ctx, "read", ctx->rx, buf, read(ctx->rx, buf, 60));
	shunt_note_result(ctx, "pread", pread(ctx->rx, buf, 1, 0));
}

/* Three pieces of one buffer, so that the whole can be checked at once. */
static void thirds(char *buf, struct iovec iov[3])
{
	iov[0] = (struct iovec){buf, 10};
	iov[1] = (struct iovec){buf + 10, 0};
	iov[2] = (struct iovec){buf + 10, 500};
}

static void readv_calls(struct shunt_ctx *ctx)
{
	struct iovec iov[3];
	char buf[600];

	thirds(buf, iov);
	shunt_put(ctx, ctx->tx, 100);
	shunt_check(ctx, "readv", ctx->rx, buf, readv(ctx->rx, iov, 3));
	shunt_put(ctx, ctx->tx, 600);
	shunt_check(ctx, "readv", ctx->rx, buf, readv(ctx->rx, iov, 3));
	shunt_get(ctx, ctx->rx, 600, 0);
}

static void preadv2_nowait(struct shunt_ctx *ctx)
{
	struct iovec iov = {(char[64]){0}, 64};

	shunt_note_result(ctx, "nowait", preadv2(ctx->rx, &iov, 1, -1, RWF_NOWAIT));
	shunt_put(ctx, ctx->tx, 20);
	shunt_check(ctx, "nowait", ctx->rx, iov.iov_base, preadv2(ctx->rx, &iov, 1, -1, RWF_NOWAIT));
}

/* What a message header says besides the bytes. */
static void recvmsg_header(struct shunt_ctx *ctx)
{
	char buf[600], control[64], name[128];
	struct iovec iov[3];
	struct msghdr msg = {
		.msg_name = name,
		.msg_namelen = sizeof(name),
		.msg_iov = iov,
		.msg_iovlen = 3,
		.msg_control = control,
		.msg_controllen = sizeof(control),
		.msg_flags = MSG_OOB,
	};

	thirds(buf, iov);
	shunt_put(ctx, ctx->tx, 100);
	shunt_check(ctx, "recvmsg", ctx->rx, buf, recvmsg(ctx->rx, &msg, 0));
	shunt_note(ctx, "name=%u control=%zu flags=%#x", msg.msg_namelen, msg.msg_controllen, (unsigned)msg.msg_flags);
}

static void recvfrom_name(struct shunt_ctx *ctx)
{
	char buf[64], name[128];
	socklen_t len = sizeof(name);

	shunt_put(ctx, ctx->tx, 20);
	shunt_check(ctx, "recvfrom", ctx->rx, buf,
		    recvfrom(ctx->rx, buf, sizeof(buf), 0, (struct sockaddr *)name, &len));
	shunt_note(ctx, "name=%u", len);
}

static void recvmmsg_calls(struct shunt_ctx *ctx)
{
	struct mmsghdr messages[4] = {0};
	struct iovec iov[4];
	char buf[400];
	int n;

	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){buf + 100 * i, 100};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	shunt_put(ctx, ctx->tx, 250);
	n = recvmmsg(ctx->rx, messages, 4, MSG_WAITFORONE, NULL);
	shunt_note_result(ctx, "recvmmsg", n);
	for (int i = 0; i < n; i++)
		shunt_check(ctx, "each", ctx->rx, iov[i].iov_base, messages[i].msg_len);
}

static void recv_bad_buffer(struct shunt_ctx *ctx)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page + 4096, 4096, PROT_NONE);
	shunt_put(ctx, ctx->tx, 100);
	shunt_note_result(ctx, "none", recv(ctx->rx, page + 4096, 100, 0));
	shunt_get(ctx, ctx->rx, 100, MSG_PEEK);
	shunt_check(ctx, "half", ctx->rx, page + 4046, recv(ctx->rx, page + 4046, 100, 0));
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void recv_after_fin(struct shunt_ctx *ctx)
{
	shunt_put(ctx, ctx->tx, 100);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, 0);
	shunt_get(ctx, ctx->rx, 60, MSG_PEEK);
	shunt_get(ctx, ctx->rx, 60, MSG_WAITALL);
}

/* More messages than the redirect's budget, none read until all are sent. */
static void many_small(struct shunt_ctx *ctx)
{
	for (int i = 0; i < 1500; i++)
		shunt_send(ctx, ctx->tx, 1 + (size_t)i % 7, 0);
	shunt_arrived(ctx, ctx->tx);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, ctx->put[0]));
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

static void answers(struct shunt_ctx *ctx)
{
	for (size_t i = 0; i < 300; i++) {
		size_t there = 1 + i * 37 % 3000, back = 1 + i * 101 % 5000;

		shunt_put(ctx, ctx->tx, there);
		if (shunt_drain(ctx, ctx->rx, there) != there)
			break;
		shunt_put(ctx, ctx->rx, back);
		if (shunt_drain(ctx, ctx->tx, back) != back)
			break;
	}
	shunt_note(ctx, "there=%ju back=%ju", (uintmax_t)ctx->got[0], (uintmax_t)ctx->got[1]);
}

static void read_in_dribs(struct shunt_ctx *ctx)
{
	char buf[8];

	shunt_put(ctx, ctx->tx, 700);
	for (int i = 0; i < 300 && ctx->got[0] < 700; i++) {
		ssize_t n = recv(ctx->rx, buf, 1 + (size_t)i % 7, MSG_DONTWAIT);

		if (n <= 0 || !shunt_right(ctx->got[0], buf, (size_t)n))
			break;
		ctx->got[0] += (uint64_t)n;
	}
	shunt_note(ctx, "got=%ju", (uintmax_t)ctx->got[0]);
}

const struct shunt_probe shunt_probes_recv[] = {
	PROBE(recv_exact, SHUNT_BOTH),
	PROBE(recv_in_parts, SHUNT_BOTH),
	PROBE(recv_merges, SHUNT_BOTH),
	PROBE(recv_empty, SHUNT_NONBLOCKING),
	PROBE(recv_nothing, SHUNT_BOTH),
	PROBE(read_calls, SHUNT_BOTH),
	PROBE(readv_calls, SHUNT_BOTH),
	PROBE(preadv2_nowait, SHUNT_BOTH),
	PROBE(recvmsg_header, SHUNT_BOTH),
	PROBE(recvfrom_name, SHUNT_BOTH),
	PROBE(recvmmsg_calls, SHUNT_BOTH),
	PROBE(recv_bad_buffer, SHUNT_BOTH),
	PROBE(recv_after_fin, SHUNT_BOTH),
	PROBE(many_small, SHUNT_BOTH),
	PROBE(answers, SHUNT_BOTH),
	PROBE(read_in_dribs, SHUNT_BOTH),
	{0},
};
