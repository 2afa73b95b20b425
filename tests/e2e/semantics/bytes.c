/* SPDX-License-Identifier: MIT */
/* bytes.c: patterned bytes: every byte a probe sends says where in its stream it belongs. */
#include "semantics.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

/* Sends go from tx or its duplicates unless fd is rx; reads are rx's unless fd is tx. */
static int sending(const struct shunt_ctx *ctx, int fd)
{
	return fd == ctx->rx;
}

static int reading(const struct shunt_ctx *ctx, int fd)
{
	return fd == ctx->tx;
}

static char at(uint64_t position)
{
	return (char)(position * 197 + (position >> 8) * 7 + (position >> 16) * 3 + 13);
}

void shunt_pattern(uint64_t position, char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = at(position + i);
}

bool shunt_right(uint64_t position, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != at(position + i))
			return false;
	}
	return true;
}

ssize_t shunt_send(struct shunt_ctx *ctx, int fd, size_t len, int flags)
{
	uint64_t *position = &ctx->put[sending(ctx, fd)];
	char *buf = malloc(len);
	ssize_t sent;
	int error;

	shunt_pattern(*position, buf, len);
	sent = send(fd, buf, len, flags | MSG_NOSIGNAL);
	error = errno;
	if (sent > 0)
		*position += (uint64_t)sent;
	free(buf);
	errno = error;
	return sent;
}

bool shunt_wait(struct shunt_ctx *ctx, int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	if (poll(&p, 1, ctx->patience_ms) > 0)
		return true;
	shunt_note_events(ctx, "never", (unsigned)events);
	return false;
}

void shunt_poll(struct shunt_ctx *ctx, const char *what, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};

	if (poll(&p, 1, 0) < 0)
		shunt_note_result(ctx, what, -1);
	else
		shunt_note_events(ctx, what, (unsigned short)p.revents);
}

/* TCP's own counters: exact, and no probe's observation depends on them. Redirected bytes move neither and have arrived
 * at once. */
static bool in_step(int from, int to)
{
	struct tcp_info a = {0}, b = {0};
	socklen_t alen = sizeof(a), blen = sizeof(b);

	if (getsockopt(from, IPPROTO_TCP, TCP_INFO, &a, &alen) || getsockopt(to, IPPROTO_TCP, TCP_INFO, &b, &blen))
		return true;
	return !a.tcpi_notsent_bytes && b.tcpi_bytes_received + a.tcpi_bytes_retrans >= a.tcpi_bytes_sent;
}

void shunt_arrived(struct shunt_ctx *ctx, int fd)
{
	int other = sending(ctx, fd) ? ctx->tx : ctx->rx;
	int64_t deadline = shunt_now_ms() + ctx->patience_ms;

	while (!in_step(fd, other)) {
		if (shunt_now_ms() > deadline) {
			shunt_note(ctx, "never-arrived");
			return;
		}
		poll(NULL, 0, 1);
	}
}

void shunt_put(struct shunt_ctx *ctx, int fd, size_t len)
{
	while (len) {
		ssize_t sent = shunt_send(ctx, fd, len, 0);

		if (sent < 0 && errno == EAGAIN && shunt_wait(ctx, fd, POLLOUT))
			continue;
		if (sent < 0) {
			shunt_note_result(ctx, "put", -1);
			return;
		}
		len -= (size_t)sent;
	}
	shunt_arrived(ctx, fd);
}

void shunt_check(struct shunt_ctx *ctx, const char *what, int fd, const char *buf, ssize_t result)
{
	uint64_t *position = &ctx->got[reading(ctx, fd)];

	shunt_note_result(ctx, what, result);
	if (result <= 0)
		return;
	if (!shunt_right(*position, buf, (size_t)result))
		shunt_note(ctx, "WRONG-BYTES");
	*position += (uint64_t)result;
}

void shunt_get(struct shunt_ctx *ctx, int fd, size_t len, int flags)
{
	char *buf = malloc(len + 1);
	uint64_t position = ctx->got[reading(ctx, fd)];
	ssize_t n = recv(fd, buf, len, flags);

	shunt_check(ctx, flags & MSG_PEEK ? "peek" : "recv", fd, buf, n);
	if (flags & MSG_PEEK)
		ctx->got[reading(ctx, fd)] = position;
	free(buf);
}

size_t shunt_fill(struct shunt_ctx *ctx, int fd, size_t len)
{
	size_t total = 0;
	bool refused = false; /* once already, and nothing has been taken since */

	for (;;) {
		ssize_t sent = shunt_send(ctx, fd, len, MSG_DONTWAIT);

		if (sent > 0)
			total += (size_t)sent;
		else if (errno != EAGAIN || refused)
			return total;
		refused = sent <= 0;
		/* the last segments may still be on their way into the reader's queue and make room */
		if (refused)
			poll(NULL, 0, 50);
	}
}

size_t shunt_drain(struct shunt_ctx *ctx, int fd, size_t want)
{
	uint64_t *position = &ctx->got[reading(ctx, fd)];
	char *buf = malloc(SHUNT_CHUNK);
	size_t total = 0;

	while (total < want) {
		ssize_t n = recv(fd, buf, SHUNT_CHUNK, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN && shunt_wait(ctx, fd, POLLIN))
			continue;
		if (n <= 0)
			break;
		if (!shunt_right(*position, buf, (size_t)n)) {
			shunt_note(ctx, "WRONG-BYTES");
			break;
		}
		*position += (uint64_t)n;
		total += (size_t)n;
	}
	free(buf);
	return total;
}
