/* SPDX-License-Identifier: MIT */
/* index.c: a sorted list of 64-bit keys. */
#include "index.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ALLOCATION 256

int shunt_index_add(struct shunt_index *index, uint64_t key, uint32_t value)
{
	if (index->count == index->allocated) {
		size_t allocated = index->allocated ? 2 * index->allocated : FIRST_ALLOCATION;
		struct shunt_index_entry *list = realloc(index->list, allocated * sizeof(*list));

		if (!list)
			return -ENOMEM;
		index->list = list;
		index->allocated = allocated;
	}
	index->list[index->count++] = (struct shunt_index_entry){.key = key, .value = value};
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t first = ((const struct shunt_index_entry *)a)->key;
	uint64_t second = ((const struct shunt_index_entry *)b)->key;

	return first < second ? -1 : first > second;
}

void shunt_index_sort(struct shunt_index *index)
{
	if (index->count)
		qsort(index->list, index->count, sizeof(*index->list), compare);
}

uint32_t shunt_index_find(const struct shunt_index *index, uint64_t key)
{
	struct shunt_index_entry wanted = {.key = key};
	const struct shunt_index_entry *found =
		index->count ? bsearch(&wanted, index->list, index->count, sizeof(*index->list), compare) : NULL;

	return found ? found->value : 0;
}

void shunt_index_clear(struct shunt_index *index)
{
	free(index->list);
	*index = (struct shunt_index){};
}
