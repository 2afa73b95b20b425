/* SPDX-License-Identifier: MIT */
/* bytes.c: the counter-based generator. Eight bytes at a time, any offset at the same price. */
#include "bytes.h"

#include <string.h>

#define STRIDE 0x9e3779b97f4a7c15ull
#define LOCATE_RANGE (4u << 20)

uint64_t stress_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t stress_next(struct stress_rng *rng)
{
	rng->state += STRIDE;
	return stress_mix(rng->state);
}

uint32_t stress_below(struct stress_rng *rng, uint32_t n)
{
	return (uint32_t)((stress_next(rng) >> 32) * n >> 32);
}

bool stress_chance(struct stress_rng *rng, uint32_t per_mille)
{
	return stress_below(rng, 1000) < per_mille;
}

static uint64_t word_at(uint64_t seed, uint64_t index)
{
	return stress_mix(seed + (index + 1) * STRIDE);
}

void stress_fill(void *to, size_t n, uint64_t seed, uint64_t offset)
{
	char *p = to;

	while (n > 0) {
		uint64_t word = word_at(seed, offset / 8);
		size_t skip = offset % 8;
		size_t part = 8 - skip < n ? 8 - skip : n;

		memcpy(p, (char *)&word + skip, part);
		p += part;
		n -= part;
		offset += part;
	}
}

static ssize_t first_difference(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return (ssize_t)i;
	return -1;
}

ssize_t stress_verify(const void *from, size_t n, uint64_t seed, uint64_t offset)
{
	char want[4096];

	for (size_t done = 0; done < n;) {
		size_t part = n - done < sizeof(want) ? n - done : sizeof(want);

		stress_fill(want, part, seed, offset + done);
		if (memcmp(want, (const char *)from + done, part) != 0)
			return (ssize_t)done + first_difference(want, (const char *)from + done, part);
		done += part;
	}
	return -1;
}

bool stress_locate(const void *from, uint64_t seed, uint64_t offset, uint64_t *ret)
{
	uint64_t start = offset > LOCATE_RANGE ? offset - LOCATE_RANGE : 0;
	char want[16];

	for (uint64_t at = start; at < offset + LOCATE_RANGE; at++) {
		stress_fill(want, sizeof(want), seed, at);
		if (memcmp(want, from, sizeof(want)) == 0) {
			*ret = at;
			return true;
		}
	}
	return false;
}
