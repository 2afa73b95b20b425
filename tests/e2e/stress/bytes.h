/* SPDX-License-Identifier: MIT */
/* bytes.h: the bytes of a stream as a function of its seed and the offset, and the random numbers that scripts are made
 * of. */
#ifndef STRESS_BYTES_H
#define STRESS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stress_rng {
	uint64_t state;
};

uint64_t stress_mix(uint64_t x);
uint64_t stress_next(struct stress_rng *rng);
/* below n; n is at least 1 */
uint32_t stress_below(struct stress_rng *rng, uint32_t n);
bool stress_chance(struct stress_rng *rng, uint32_t per_mille);

void stress_fill(void *to, size_t n, uint64_t seed, uint64_t offset);
/* Returns the index of the first wrong byte, or -1 if all n are right. */
ssize_t stress_verify(const void *from, size_t n, uint64_t seed, uint64_t offset);
/* Looks for the place near offset whose bytes these 16 are; true if there is one. */
bool stress_locate(const void *from, uint64_t seed, uint64_t offset, uint64_t *ret);

#endif
