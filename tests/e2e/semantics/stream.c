/* SPDX-License-Identifier: MIT */
/* stream.c: probes of long, changing conversations: every byte at its place while the road changes under it. */
#include "semantics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct talk {
	uint64_t seed;
	int tx;
	int rx;
	uint64_t put;
	uint64_t got;
	bool wrong;
};

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static void push(struct talk *t, size_t len)
{
	char *buf = malloc(len);
	ssize_t n;

	shunt_pattern(t->put, buf, len);
	n = send(t->tx, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	t->put += n > 0 ? (uint64_t)n : 0;
	free(buf);
}

static void pull(struct talk *t, size_t len)
{
	char *buf = malloc(len);
	ssize_t n = recv(t->rx, buf, len, MSG_DONTWAIT);

	if (n > 0 && !shunt_right(t->got, buf, (size_t)n))
		t->wrong = true;
	t->got += n > 0 ? (uint64_t)n : 0;
	free(buf);
}

static void finish(struct shunt_ctx *ctx, struct talk *t, const char *what)
{
	while (t->got < t->put && !t->wrong) {
		struct pollfd p = {.fd = t->rx, .events = POLLIN};

		if (poll(&p, 1, ctx->patience_ms) <= 0)
			break;
		pull(t, SHUNT_CHUNK);
	}
	shunt_note(ctx, "%s=%s", what, t->wrong ? "WRONG-BYTES" : t->got == t->put ? "whole" : "cut");
}

/* Both directions at once, sizes from one byte to 200 kB, readers that sometimes do not come. */
static void duplex(struct shunt_ctx *ctx)
{
	struct talk a = {.seed = 1, .tx = ctx->tx, .rx = ctx->rx}, b = {.seed = 2, .tx = ctx->rx, .rx = ctx->tx};
	uint64_t seed = 3;

	for (int i = 0; i < 3000 && !a.wrong && !b.wrong; i++) {
		struct talk *t = next(&seed) & 1 ? &a : &b;
		size_t len = 1 + next(&t->seed) % (next(&seed) % 10 ? 2000 : 200000);

		if (next(&seed) % 5 < 3)
			push(t, len);
		else
			pull(t, 2 * len);
	}
	finish(ctx, &a, "there");
	finish(ctx, &b, "back");
}

/* Turns, then a stream, then turns: promoted, demoted, promoted again. */
static void changing(struct shunt_ctx *ctx)
{
	struct talk a = {.tx = ctx->tx, .rx = ctx->rx}, b = {.tx = ctx->rx, .rx = ctx->tx};

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++) {
			push(&a, 100);
			finish(ctx, &a, "a");
			ctx->used = 0;
			push(&b, 200);
			finish(ctx, &b, "b");
			ctx->used = 0;
			if (a.wrong || b.wrong)
				break;
		}
		for (int i = 0; i < 200; i++) {
			push(&a, 30000);
			pull(&a, i % 7 ? 30000 : 100);
		}
	}
	finish(ctx, &a, "there");
	finish(ctx, &b, "back");
}

/* Twenty turns of which each is longer than a redirect's budget. */
static void long_turns(struct shunt_ctx *ctx)
{
	struct talk a = {.tx = ctx->tx, .rx = ctx->rx}, b = {.tx = ctx->rx, .rx = ctx->tx};

	for (int i = 0; i < 20; i++) {
		struct talk *t = i & 1 ? &b : &a;

		for (int k = 0; k < 40; k++)
			push(t, 60000);
		for (int k = 0; k < 30; k++)
			pull(t, 50000);
	}
	finish(ctx, &a, "there");
	finish(ctx, &b, "back");
}

const struct shunt_probe shunt_probes_stream[] = {
	PROBE(duplex, SHUNT_BOTH),
	PROBE(changing, SHUNT_BOTH),
	PROBE(long_turns, SHUNT_BOTH),
	{0},
};
