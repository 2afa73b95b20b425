/* SPDX-License-Identifier: MIT */
/* memory.c: probes of a reader that has stopped while its writer goes on: what the kernel accepts and what it costs,
 * bounded. */
#include "semantics.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 200 };

static uint32_t charged(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len);
	return info[SK_MEMINFO_RMEM_ALLOC] + info[SK_MEMINFO_WMEM_QUEUED] + info[SK_MEMINFO_BACKLOG];
}

static void note_drained(struct shunt_ctx *ctx, size_t total)
{
	shunt_note(ctx, "drained=%d", shunt_drain(ctx, ctx->rx, total) == total);
	shunt_note(ctx, "left=%zu", (size_t)(ctx->put[0] - ctx->got[0]));
}

static void stopped_bytes(struct shunt_ctx *ctx, size_t message)
{
	size_t total = shunt_fill(ctx, ctx->tx, message);

	shunt_note(ctx, "%zu", total);
	note_drained(ctx, total);
}

static void stopped_reader_64(struct shunt_ctx *ctx)
{
	stopped_bytes(ctx, 64);
}

static void stopped_reader_1400(struct shunt_ctx *ctx)
{
	stopped_bytes(ctx, 1400);
}

static void stopped_reader_64k(struct shunt_ctx *ctx)
{
	stopped_bytes(ctx, 65536);
}

static void stopped_charge(struct shunt_ctx *ctx, size_t message)
{
	size_t total = shunt_fill(ctx, ctx->tx, message);

	shunt_note(ctx, "%u", charged(ctx->tx) + charged(ctx->rx));
	note_drained(ctx, total);
}

static void stopped_memory_64(struct shunt_ctx *ctx)
{
	stopped_charge(ctx, 64);
}

static void stopped_memory_64k(struct shunt_ctx *ctx)
{
	stopped_charge(ctx, 65536);
}

static size_t memory_used(void)
{
	char line[128];
	size_t total = 0, available = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "MemTotal: %zu", &total);
		sscanf(line, "MemAvailable: %zu", &available);
	}
	if (f)
		fclose(f);
	return (total - available) * 1024;
}

static int tx[MANY], rx[MANY];
static size_t total[MANY];

/* One more round of writing: how many bytes were taken. */
static size_t fill_all(struct shunt_ctx *ctx)
{
	size_t taken = 0;

	for (int i = 0; i < MANY; i++) {
		ssize_t n;

		ctx->put[0] = total[i];
		while ((n = shunt_send(ctx, tx[i], 300, MSG_DONTWAIT)) > 0) {
			total[i] += (size_t)n;
			taken += (size_t)n;
		}
	}
	return taken;
}

/* Every writer goes on until nothing fits; then the machine's memory is compared with before. Small messages: what a
 * redirect queues beside the bytes is not charged to any socket. */
static void stopped_readers_200(struct shunt_ctx *ctx)
{
	struct rlimit files = {4096, 4096};
	size_t before, right = 0;

	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < MANY; i++) {
		if (shunt_pair_make(ctx, &tx[i], &rx[i]) || shunt_pair_warm(ctx, tx[i], rx[i]))
			shunt_note(ctx, "no-pair=%d", i);
	}
	before = memory_used();
	while (fill_all(ctx))
		poll(NULL, 0, 200);
	shunt_note(ctx, "%zu", memory_used() - before);
	for (int i = 0; i < MANY; i++) {
		ctx->got[0] = 0;
		right += shunt_drain(ctx, rx[i], total[i]) == total[i];
	}
	shunt_note(ctx, "drained=%zu", right);
}

const struct shunt_probe shunt_probes_memory[] = {
	PROBE(stopped_reader_64, SHUNT_BOTH | SHUNT_BOUND),
	PROBE(stopped_reader_1400, SHUNT_BOTH | SHUNT_BOUND),
	PROBE(stopped_reader_64k, SHUNT_BOTH | SHUNT_BOUND),
	PROBE(stopped_memory_64, SHUNT_BOTH | SHUNT_BOUND),
	PROBE(stopped_memory_64k, SHUNT_BOTH | SHUNT_BOUND),
	PROBE(stopped_readers_200, SHUNT_NONBLOCKING | SHUNT_BOUND | SHUNT_LONG, .sockets = MANY),
	{0},
};
