/* SPDX-License-Identifier: MIT */
/*
 * splice.c: probes of bytes that move without a buffer: sendfile, splice, vmsplice, tee, TCP_ZEROCOPY_RECEIVE.
 * A splice that reads from a socket taints the cgroup the socket belongs to: such probes get a cgroup each.
 */
#include "semantics.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int patterned_file(size_t len)
{
	int fd = memfd_create("semantics", MFD_CLOEXEC);
	char *buf = malloc(len);

	shunt_pattern(0, buf, len);
	if (write(fd, buf, len) != (ssize_t)len)
		abort();
	free(buf);
	return fd;
}

static void open_pipe(int p[2])
{
	if (pipe2(p, O_CLOEXEC))
		abort();
}

static void send_file(struct shunt_ctx *ctx)
{
	int file = patterned_file(100000);
	off_t offset = 0;
	size_t got = 0;

	while (offset < 100000) {
		ssize_t n = sendfile(ctx->tx, file, &offset, 30000);

		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0)
			got += shunt_drain(ctx, ctx->rx, (size_t)n);
	}
	shunt_note(ctx, "offset=%jd got=%zu", (intmax_t)offset, got);
	shunt_note_result(ctx, "beyond", sendfile(ctx->tx, file, &offset, 10));
}

/* What the file holds changes after sendfile: TCP and the redirect both refer to the same pages. */
static void send_file_changed(struct shunt_ctx *ctx)
{
	int file = patterned_file(8192);
	off_t offset = 0;
	char buf[8192];

	shunt_note_result(ctx, "sendfile", sendfile(ctx->tx, file, &offset, 8192));
	shunt_arrived(ctx, ctx->tx);
	if (pwrite(file, "CHANGED!", 8, 4096) != 8)
		abort();
	shunt_note_result(ctx, "recv", recv(ctx->rx, buf, sizeof(buf), MSG_DONTWAIT));
	shunt_note(ctx, "fresh=%d", !__builtin_memcmp(buf + 4096, "CHANGED!", 8));
}

static void splice_in(struct shunt_ctx *ctx)
{
	char buf[3000];
	int p[2];

	open_pipe(p);
	shunt_pattern(0, buf, sizeof(buf));
	if (write(p[1], buf, sizeof(buf)) != sizeof(buf))
		abort();
	shunt_note_result(ctx, "splice", splice(p[0], NULL, ctx->tx, NULL, 1000, 0));
	shunt_note_result(ctx, "more", splice(p[0], NULL, ctx->tx, NULL, 1000, SPLICE_F_MORE));
	shunt_note_result(ctx, "move", splice(p[0], NULL, ctx->tx, NULL, 5000, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
	shunt_arrived(ctx, ctx->tx);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, 3000));
}

/* The same bytes twice, from user pages, without a copy. */
static void vmsplice_tee(struct shunt_ctx *ctx)
{
	static char buf[4096] __attribute__((aligned(4096)));
	struct iovec iov = {buf, sizeof(buf)};
	char got[8192];
	int p[2], q[2];
	ssize_t n;

	open_pipe(p);
	open_pipe(q);
	shunt_pattern(0, buf, sizeof(buf));
	shunt_note_result(ctx, "vmsplice", vmsplice(p[1], &iov, 1, 0));
	shunt_note_result(ctx, "tee", tee(p[0], q[1], 8192, 0));
	shunt_note_result(ctx, "first", splice(p[0], NULL, ctx->tx, NULL, 8192, 0));
	shunt_note_result(ctx, "second", splice(q[0], NULL, ctx->tx, NULL, 8192, 0));
	shunt_arrived(ctx, ctx->tx);
	n = recv(ctx->rx, got, sizeof(got), MSG_DONTWAIT);
	shunt_note_result(ctx, "recv", n);
	shunt_note(ctx, "right=%d", n == 8192 && shunt_right(0, got, 4096) && shunt_right(0, got + 4096, 4096));
}

static void splice_full(struct shunt_ctx *ctx)
{
	size_t total = shunt_fill(ctx, ctx->tx, 60000);
	char byte = 0;
	int p[2];

	open_pipe(p);
	shunt_pattern(total, &byte, 1);
	if (write(p[1], &byte, 1) != 1)
		abort();
	shunt_note_result(ctx, "splice", splice(p[0], NULL, ctx->tx, NULL, 1, SPLICE_F_NONBLOCK));
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
}

/* What came out of the socket through the pipe, checked. */
static void note_spliced(struct shunt_ctx *ctx, const char *what, int pipe_in, int pipe_out, size_t len, unsigned flags)
{
	ssize_t n = splice(ctx->rx, NULL, pipe_in, NULL, len, flags);
	char buf[4096];

	if (n <= 0)
		shunt_note_result(ctx, what, n);
	else
		shunt_check(ctx, what, ctx->rx, buf, read(pipe_out, buf, sizeof(buf)));
}

static void splice_out(struct shunt_ctx *ctx)
{
	int p[2];

	open_pipe(p);
	shunt_put(ctx, ctx->tx, 1000);
	note_spliced(ctx, "splice", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	note_spliced(ctx, "splice", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	if (!ctx->way->blocking)
		note_spliced(ctx, "splice", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	shunt_get(ctx, ctx->rx, 1000, MSG_DONTWAIT);
}

static void splice_out_end(struct shunt_ctx *ctx)
{
	int p[2];

	open_pipe(p);
	shunt_put(ctx, ctx->tx, 1000);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	note_spliced(ctx, "splice", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	note_spliced(ctx, "splice", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	note_spliced(ctx, "splice", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	shunt_get(ctx, ctx->rx, 1000, MSG_DONTWAIT);
}

/* Nothing is queued when the first splice comes: from then on the socket is TCP's, and later bytes reach splice. */
static void splice_out_first(struct shunt_ctx *ctx)
{
	int p[2];

	open_pipe(p);
	note_spliced(ctx, "idle", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	shunt_put(ctx, ctx->tx, 1000);
	note_spliced(ctx, "splice", p[1], p[0], 2000, SPLICE_F_NONBLOCK);
	shunt_settle(ctx, "splice_seen|tainted");
	shunt_put(ctx, ctx->tx, 1000);
	note_spliced(ctx, "splice", p[1], p[0], 2000, SPLICE_F_NONBLOCK);
}

static ssize_t call_splice(struct shunt_task *task)
{
	return splice(task->fd, NULL, *(int *)task->buf, NULL, task->len, 0);
}

static void splice_out_waits(struct shunt_ctx *ctx)
{
	int p[2];
	struct shunt_task task = {.call = call_splice, .fd = ctx->rx, .buf = &p[1], .len = 1000};

	open_pipe(p);
	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_splice);
	shunt_put(ctx, ctx->tx, 1000);
	shunt_task_note(ctx, "splice", &task);
}

static void splice_out_tee(struct shunt_ctx *ctx)
{
	char buf[1000];
	int p[2], q[2];

	open_pipe(p);
	open_pipe(q);
	note_spliced(ctx, "idle", p[1], p[0], 600, SPLICE_F_NONBLOCK);
	shunt_settle(ctx, "splice_seen|tainted");
	shunt_put(ctx, ctx->tx, 500);
	shunt_note_result(ctx, "splice", splice(ctx->rx, NULL, p[1], NULL, 1000, SPLICE_F_NONBLOCK));
	shunt_note_result(ctx, "tee", tee(p[0], q[1], 1000, SPLICE_F_NONBLOCK));
	shunt_check(ctx, "copy", ctx->rx, buf, read(q[0], buf, sizeof(buf)));
}

static void zerocopy_receive(struct shunt_ctx *ctx)
{
	void *map = mmap(NULL, 65536, PROT_READ, MAP_SHARED, ctx->rx, 0);
	char copy[4096];
	struct tcp_zerocopy_receive z = {
		.address = (uintptr_t)map,
		.length = 65536,
		.copybuf_address = (uintptr_t)copy,
		.copybuf_len = sizeof(copy),
	};
	socklen_t len = sizeof(z);

	if (map == MAP_FAILED) {
		shunt_note_result(ctx, "mmap", -1);
		return;
	}
	shunt_put(ctx, ctx->tx, 1000);
	if (getsockopt(ctx->rx, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &len))
		shunt_note_result(ctx, "getsockopt", -1);
	shunt_note(ctx, "mapped=%u copied=%d hint=%u inq=%u error=%d", z.length, z.copybuf_len, z.recv_skip_hint, z.inq,
		   z.err);
}

const struct shunt_probe shunt_probes_splice[] = {
	PROBE(send_file, SHUNT_BOTH),
	PROBE(send_file_changed, SHUNT_BOTH),
	PROBE(splice_in, SHUNT_BOTH),
	PROBE(vmsplice_tee, SHUNT_BOTH),
	PROBE(splice_full, SHUNT_NONBLOCKING),
	PROBE(splice_out, SHUNT_BOTH | SHUNT_OWN_CGROUP),
	PROBE(splice_out_end, SHUNT_BOTH | SHUNT_OWN_CGROUP),
	PROBE(splice_out_first, SHUNT_NONBLOCKING | SHUNT_OWN_CGROUP),
	PROBE(splice_out_waits, SHUNT_BLOCKING | SHUNT_OWN_CGROUP),
	PROBE(splice_out_tee, SHUNT_NONBLOCKING | SHUNT_OWN_CGROUP),
	PROBE(zerocopy_receive, SHUNT_BOTH),
	{0},
};
