/* SPDX-License-Identifier: MIT */
/* send.c: probes of the ways to write: flags, vectors, several messages, full buffers, a closed direction. */
#include "semantics.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile sig_atomic_t pipes;

static void count_pipe(int sig)
{
	pipes++;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static void send_zero(struct shunt_ctx *ctx)
{
	shunt_note_result(ctx, "send", send(ctx->tx, "", 0, 0));
	shunt_put(ctx, ctx->tx, 10);
	shunt_note_result(ctx, "send", send(ctx->tx, NULL, 0, MSG_DONTWAIT));
	shunt_get(ctx, ctx->rx, 100, 0);
}

static void send_flags(struct shunt_ctx *ctx)
{
	shunt_note_result(ctx, "dontwait", shunt_send(ctx, ctx->tx, 10, MSG_DONTWAIT));
	shunt_note_result(ctx, "confirm", shunt_send(ctx, ctx->tx, 10, MSG_CONFIRM));
	shunt_note_result(ctx, "eor", shunt_send(ctx, ctx->tx, 10, MSG_EOR));
	shunt_note_result(ctx, "dontroute", shunt_send(ctx, ctx->tx, 10, MSG_DONTROUTE));
	shunt_note_result(ctx, "zerocopy", shunt_send(ctx, ctx->tx, 10, MSG_ZEROCOPY));
	shunt_arrived(ctx, ctx->tx);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, ctx->put[0]));
	shunt_get(ctx, ctx->tx, 10, MSG_ERRQUEUE);
}

static void send_fastopen(struct shunt_ctx *ctx)
{
	shunt_note_result(ctx, "fastopen", shunt_send(ctx, ctx->tx, 10, MSG_FASTOPEN | MSG_DONTWAIT));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

static void sendto_name(struct shunt_ctx *ctx)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char buf[10];

	shunt_pattern(0, buf, sizeof(buf));
	shunt_note_result(ctx, "sendto", sendto(ctx->tx, buf, sizeof(buf), 0, (struct sockaddr *)&a, sizeof(a)));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

static void send_bad_buffer(struct shunt_ctx *ctx)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page + 4096, 4096, PROT_NONE);
	shunt_pattern(0, page + 4046, 50);
	shunt_note_result(ctx, "none", send(ctx->tx, page + 4096, 100, MSG_NOSIGNAL));
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
	shunt_note_result(ctx, "half", send(ctx->tx, page + 4046, 100, MSG_NOSIGNAL));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 100, MSG_DONTWAIT);
}

static void writev_calls(struct shunt_ctx *ctx)
{
	char buf[300];
	struct iovec iov[4] = {{buf, 100}, {buf, 0}, {buf + 100, 199}, {buf + 299, 1}};

	shunt_pattern(0, buf, sizeof(buf));
	shunt_note_result(ctx, "writev", writev(ctx->tx, iov, 4));
	shunt_note_result(ctx, "writev", writev(ctx->tx, iov, 0));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 1000, 0);
}

static void write_call(struct shunt_ctx *ctx)
{
	char buf[100];

	shunt_pattern(0, buf, sizeof(buf));
	shunt_note_result(ctx, "write", write(ctx->tx, buf, sizeof(buf)));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 100, 0);
}

static void sendmmsg_calls(struct shunt_ctx *ctx)
{
	struct mmsghdr messages[3] = {0};
	struct iovec iov[3];
	char buf[300];

	shunt_pattern(0, buf, sizeof(buf));
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){buf + 100 * i, 100};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	shunt_note_result(ctx, "sendmmsg", sendmmsg(ctx->tx, messages, 3, MSG_NOSIGNAL));
	shunt_note(ctx, "each=%u,%u,%u", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 1000, 0);
}

/* A control message that no socket knows. */
static void sendmsg_bad_cmsg(struct shunt_ctx *ctx)
{
	char buf[10], control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = 9999};
	shunt_pattern(0, buf, sizeof(buf));
	shunt_note_result(ctx, "sendmsg", sendmsg(ctx->tx, &msg, MSG_NOSIGNAL));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

/* Plain TCP holds the bytes for 200 ms; a redirect would have delivered them before send() returned. */
static void more(struct shunt_ctx *ctx)
{
	shunt_note_result(ctx, "more", shunt_send(ctx, ctx->tx, 10, MSG_MORE));
	shunt_note(ctx, "held=%d", !readable(ctx->rx));
	shunt_put(ctx, ctx->tx, 10);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, 20));
}

static void cork(struct shunt_ctx *ctx)
{
	int on = 1, off = 0;

	shunt_note_result(ctx, "cork", setsockopt(ctx->tx, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)));
	shunt_note_result(ctx, "send", shunt_send(ctx, ctx->tx, 10, 0));
	shunt_note_result(ctx, "send", shunt_send(ctx, ctx->tx, 10, 0));
	shunt_note(ctx, "held=%d", !readable(ctx->rx));
	setsockopt(ctx->tx, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	shunt_arrived(ctx, ctx->tx);
	shunt_get(ctx, ctx->rx, 100, 0);
}

/* The end of MSG_MORE by FIN instead of by another send. */
static void more_then_end(struct shunt_ctx *ctx)
{
	shunt_send(ctx, ctx->tx, 10, MSG_MORE);
	shutdown(ctx->tx, SHUT_WR);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, 10));
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void nodelay(struct shunt_ctx *ctx)
{
	int value = 1;
	socklen_t len = sizeof(value);

	shunt_note_result(ctx, "set", setsockopt(ctx->tx, IPPROTO_TCP, TCP_NODELAY, &value, len));
	for (int i = 0; i < 5; i++)
		shunt_put(ctx, ctx->tx, 3);
	shunt_note_result(ctx, "get", getsockopt(ctx->tx, IPPROTO_TCP, TCP_NODELAY, &value, &len));
	shunt_note(ctx, "value=%d drained=%zu", value, shunt_drain(ctx, ctx->rx, 15));
}

static void epipe(struct shunt_ctx *ctx)
{
	signal(SIGPIPE, count_pipe);
	shutdown(ctx->tx, SHUT_WR);
	shunt_note_result(ctx, "quiet", send(ctx->tx, "x", 1, MSG_NOSIGNAL));
	shunt_note(ctx, "signals=%d", (int)pipes);
	shunt_note_result(ctx, "loud", send(ctx->tx, "x", 1, 0));
	shunt_note_result(ctx, "write", write(ctx->tx, "x", 1));
	shunt_note(ctx, "signals=%d", (int)pipes);
	shunt_wait(ctx, ctx->rx, POLLRDHUP);
	shunt_get(ctx, ctx->rx, 10, 0);
}

/* The other end has read everything and gone: the first send is taken, its RST fails the next. */
static void epipe_after_close(struct shunt_ctx *ctx)
{
	signal(SIGPIPE, count_pipe);
	shunt_put(ctx, ctx->tx, 10);
	shunt_get(ctx, ctx->rx, 10, 0);
	close(ctx->rx);
	shunt_wait(ctx, ctx->tx, POLLRDHUP);
	shunt_poll(ctx, "closed", ctx->tx);
	shunt_note_result(ctx, "first", send(ctx->tx, "x", 1, 0));
	shunt_wait(ctx, ctx->tx, POLLHUP);
	shunt_poll(ctx, "reset", ctx->tx);
	shunt_note_result(ctx, "second", send(ctx->tx, "x", 1, 0));
	shunt_note_result(ctx, "third", send(ctx->tx, "x", 1, 0));
	shunt_note(ctx, "signals=%d", (int)pipes);
	shunt_get(ctx, ctx->tx, 10, 0);
}

static void full_buffer(struct shunt_ctx *ctx)
{
	size_t accepted = shunt_fill(ctx, ctx->tx, 60000);

	shunt_note_result(ctx, "send", shunt_send(ctx, ctx->tx, 60000, MSG_DONTWAIT));
	shunt_poll(ctx, "full", ctx->tx);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, accepted) == accepted);
	shunt_wait(ctx, ctx->tx, POLLOUT);
	shunt_poll(ctx, "empty", ctx->tx);
	shunt_put(ctx, ctx->tx, 100);
	shunt_get(ctx, ctx->rx, 1000, 0);
}

static void blocked_send(struct shunt_ctx *ctx)
{
	char *buf = calloc(1, 16 << 20);
	struct shunt_task task = {.call = shunt_call_send, .fd = ctx->tx, .buf = buf, .len = 16 << 20};

	shunt_pattern(0, buf, task.len);
	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_sendto);
	shunt_note(ctx, "blocked=%d", !__atomic_load_n(&task.done, __ATOMIC_ACQUIRE));
	shunt_note(ctx, "drained=%zu", shunt_drain(ctx, ctx->rx, task.len));
	shunt_task_note(ctx, "send", &task);
}

/* A blocking send of which only a part fits before its deadline. */
static void send_timeout(struct shunt_ctx *ctx)
{
	struct timeval tv = {.tv_usec = 50000};
	char *buf = calloc(1, 64 << 20);
	ssize_t part;

	setsockopt(ctx->tx, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	shunt_pattern(0, buf, 64 << 20);
	part = send(ctx->tx, buf, 64 << 20, MSG_NOSIGNAL);
	shunt_note(ctx, "part=%d", part > 0 && part < 64 << 20);
	ctx->put[0] = part > 0 ? (uint64_t)part : 0;
	do
		part = shunt_send(ctx, ctx->tx, 60000, 0);
	while (part > 0);
	shunt_note_result(ctx, "then", part);
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, ctx->put[0]) == ctx->put[0]);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

static void big_message(struct shunt_ctx *ctx)
{
	size_t len = 3 << 20, total = 0;

	while (total < len) {
		ssize_t n = shunt_send(ctx, ctx->tx, len - total, MSG_DONTWAIT);

		if (n <= 0 && errno != EAGAIN)
			break;
		if (n > 0)
			total += (size_t)n;
		shunt_drain(ctx, ctx->rx, n > 0 ? (size_t)n : 0);
	}
	shunt_note(ctx, "sent=%zu got=%ju", total, (uintmax_t)ctx->got[0]);
}

const struct shunt_probe shunt_probes_send[] = {
	PROBE(send_zero, SHUNT_BOTH),
	PROBE(send_flags, SHUNT_BOTH),
	PROBE(send_fastopen, SHUNT_BOTH),
	PROBE(sendto_name, SHUNT_BOTH),
	PROBE(send_bad_buffer, SHUNT_BOTH),
	PROBE(writev_calls, SHUNT_BOTH),
	PROBE(write_call, SHUNT_BOTH),
	PROBE(sendmmsg_calls, SHUNT_BOTH),
	PROBE(sendmsg_bad_cmsg, SHUNT_BOTH),
	PROBE(more, SHUNT_BOTH),
	PROBE(cork, SHUNT_BOTH),
	PROBE(more_then_end, SHUNT_BOTH),
	PROBE(nodelay, SHUNT_BOTH),
	PROBE(epipe, SHUNT_BOTH),
	PROBE(epipe_after_close, SHUNT_BOTH),
	PROBE(full_buffer, SHUNT_BOTH),
	PROBE(blocked_send, SHUNT_BLOCKING),
	PROBE(send_timeout, SHUNT_BLOCKING),
	PROBE(big_message, SHUNT_BOTH),
	{0},
};
