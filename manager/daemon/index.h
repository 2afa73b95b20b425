/* SPDX-License-Identifier: MIT */
/* index.h: a sorted list of 64-bit keys (cookies, cgroup ids), each with a small number. */
#ifndef SHUNT_INDEX_H
#define SHUNT_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialised: empty. */
struct shunt_index {
	struct shunt_index_entry {
		uint64_t key;
		uint32_t value;
	} * list;
	size_t count;
	size_t allocated;
};

int shunt_index_add(struct shunt_index *index, uint64_t key, uint32_t value);
/* After the last addition, before the first look-up. */
void shunt_index_sort(struct shunt_index *index);
/* 0: not there. */
uint32_t shunt_index_find(const struct shunt_index *index, uint64_t key);
void shunt_index_clear(struct shunt_index *index);

#endif
