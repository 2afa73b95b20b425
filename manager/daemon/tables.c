/* SPDX-License-Identifier: MIT */
/* tables.c: reads and writes the datapath's maps. */
#include "tables.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define BATCH 1024

static int error_of(int r)
{
	return r < 0 ? -errno : 0;
}

/* One batch call; *ret_count is what it delivered. 1: the table has ended. A bucket larger than the batch (ENOSPC)
 * wants more room. */
static int read_batch(int fd, void *in, void *out, void *keys, void *values, uint32_t *count)
{
	if (!bpf_map_lookup_batch(fd, in, out, keys, values, count, NULL))
		return 0;
	return errno == ENOENT ? 1 : -errno;
}

/*
 * Every key and value of a hash, appended to growing arrays. A table that changes meanwhile is read loosely: what stays
 * is seen once.
 */
static int read_all(int fd, size_t key_size, size_t value_size, char **ret_keys, char **ret_values, size_t *ret_count)
{
	_cleanup_free_ char *keys = NULL;
	_cleanup_free_ char *values = NULL;
	uint64_t position = 0;
	size_t total = 0;
	int r = 0;

	while (!r) {
		uint32_t count = BATCH;
		char *more_keys = realloc(keys, (total + BATCH) * key_size);
		char *more_values;

		keys = more_keys ? more_keys : keys;
		more_values = realloc(values, (total + BATCH) * value_size);
		values = more_values ? more_values : values;
		if (!more_keys || !more_values)
			return -ENOMEM;
		r = read_batch(fd, total ? &position : NULL, &position, keys + total * key_size,
			       values + total * value_size, &count);
		if (r < 0)
			return r;
		total += count;
		if (!total)
			break;
	}
	*ret_keys = TAKE_PTR(keys);
	*ret_values = TAKE_PTR(values);
	*ret_count = total;
	return 0;
}

int shunt_tables_flows(const struct shunt_datapath *datapath, struct shunt_snapshot *ret)
{
	_cleanup_free_ char *keys = NULL;
	char *values = NULL;
	size_t count = 0;
	int r = read_all(shunt_datapath_map_fd(datapath, SHUNT_MAP_FLOWS), sizeof(uint64_t), sizeof(struct shunt_flow),
			 &keys, &values, &count);

	if (r)
		return r;
	ret->flows = (struct shunt_flow *)values;
	ret->count = 0;
	for (size_t i = 0; i < count; i++) /* a record between its insertion and its first word has no id yet */
		if (ret->flows[i].id)
			ret->flows[ret->count++] = ret->flows[i];
	return 0;
}

void shunt_snapshot_clear(struct shunt_snapshot *snapshot)
{
	free(snapshot->flows);
	*snapshot = (struct shunt_snapshot){};
}

int shunt_tables_flow(const struct shunt_datapath *datapath, uint64_t id, struct shunt_flow *ret)
{
	return error_of(bpf_map_lookup_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_FLOWS), &id, ret));
}

int shunt_tables_flow_delete(const struct shunt_datapath *datapath, uint64_t id)
{
	return error_of(bpf_map_delete_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_FLOWS), &id));
}

int shunt_tables_pod(const struct shunt_datapath *datapath, uint32_t slot, struct shunt_pod *ret)
{
	return error_of(bpf_map_lookup_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_PODS), &slot, ret));
}

int shunt_tables_pod_set(const struct shunt_datapath *datapath, uint32_t slot, const struct shunt_pod *pod)
{
	return error_of(bpf_map_update_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_PODS), &slot, pod, BPF_ANY));
}

int shunt_tables_counters(const struct shunt_datapath *datapath, uint32_t slot, uint64_t ret[SHUNT_COUNTER_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = cpus > 0 ? calloc(cpus, SHUNT_COUNTER_COUNT * sizeof(uint64_t)) : NULL;

	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_COUNTERS), &slot, values) < 0)
		return -errno;
	memset(ret, 0, SHUNT_COUNTER_COUNT * sizeof(uint64_t));
	for (int cpu = 0; cpu < cpus; cpu++)
		for (int i = 0; i < SHUNT_COUNTER_COUNT; i++)
			ret[i] += values[cpu * SHUNT_COUNTER_COUNT + i];
	return 0;
}

static int counters_write(const struct shunt_datapath *datapath, uint32_t slot,
			  const uint64_t counters[SHUNT_COUNTER_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = cpus > 0 ? calloc(cpus, SHUNT_COUNTER_COUNT * sizeof(uint64_t)) : NULL;

	if (!values)
		return -ENOMEM;
	memcpy(values, counters, SHUNT_COUNTER_COUNT * sizeof(uint64_t));
	return error_of(
		bpf_map_update_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_COUNTERS), &slot, values, BPF_ANY));
}

int shunt_tables_counters_clear(const struct shunt_datapath *datapath, uint32_t slot)
{
	static const uint64_t zero[SHUNT_COUNTER_COUNT];

	return counters_write(datapath, slot, zero);
}

int shunt_tables_counters_retire(const struct shunt_datapath *datapath, uint32_t slot)
{
	uint64_t retired[SHUNT_COUNTER_COUNT];
	uint64_t counters[SHUNT_COUNTER_COUNT];
	int r = shunt_tables_counters(datapath, SHUNT_RETIRED_SLOT, retired);

	if (!r)
		r = shunt_tables_counters(datapath, slot, counters);
	if (r)
		return r;
	for (int i = 0; i < SHUNT_COUNTER_COUNT; i++)
		retired[i] += counters[i];
	r = counters_write(datapath, SHUNT_RETIRED_SLOT, retired);
	return r ? r : shunt_tables_counters_clear(datapath, slot);
}

int shunt_tables_word(const struct shunt_datapath *datapath, enum shunt_map map, uint64_t key, uint32_t *ret)
{
	return error_of(bpf_map_lookup_elem(shunt_datapath_map_fd(datapath, map), &key, ret));
}

int shunt_tables_word_set(const struct shunt_datapath *datapath, enum shunt_map map, uint64_t key, uint32_t value)
{
	return error_of(bpf_map_update_elem(shunt_datapath_map_fd(datapath, map), &key, &value, BPF_ANY));
}

int shunt_tables_word_delete(const struct shunt_datapath *datapath, enum shunt_map map, uint64_t key)
{
	return error_of(bpf_map_delete_elem(shunt_datapath_map_fd(datapath, map), &key));
}

int shunt_tables_words(const struct shunt_datapath *datapath, enum shunt_map map, shunt_word_fn each, void *context)
{
	_cleanup_free_ char *keys = NULL;
	_cleanup_free_ char *values = NULL;
	size_t count = 0;
	int r = read_all(shunt_datapath_map_fd(datapath, map), sizeof(uint64_t), sizeof(uint32_t), &keys, &values,
			 &count);

	for (size_t i = 0; !r && i < count; i++)
		r = each(((uint64_t *)keys)[i], ((uint32_t *)values)[i], context);
	return r;
}

static int compare_cookies(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a;
	uint64_t second = *(const uint64_t *)b;

	return first < second ? -1 : first > second;
}

int shunt_tables_young(const struct shunt_datapath *datapath, struct shunt_young *ret)
{
	_cleanup_free_ char *keys = NULL;
	_cleanup_free_ char *values = NULL;
	const struct shunt_rendezvous *entries;
	size_t count = 0;
	int r = read_all(shunt_datapath_map_fd(datapath, SHUNT_MAP_RENDEZVOUS), sizeof(struct shunt_isns),
			 sizeof(struct shunt_rendezvous), &keys, &values, &count);

	if (r)
		return r;
	ret->cookies = calloc(2 * count + 1, sizeof(uint64_t));
	if (!ret->cookies)
		return -ENOMEM;
	ret->count = 0;
	entries = (const struct shunt_rendezvous *)values;
	for (size_t i = 0; i < count; i++) {
		if (!entries[i].sock[SHUNT_CLIENT] || !entries[i].sock[SHUNT_SERVER])
			continue;
		ret->cookies[ret->count++] = entries[i].cookie[SHUNT_CLIENT];
		ret->cookies[ret->count++] = entries[i].cookie[SHUNT_SERVER];
	}
	qsort(ret->cookies, ret->count, sizeof(uint64_t), compare_cookies);
	return 0;
}

bool shunt_young_has(const struct shunt_young *young, uint64_t cookie)
{
	return young->count && bsearch(&cookie, young->cookies, young->count, sizeof(uint64_t), compare_cookies);
}

void shunt_young_clear(struct shunt_young *young)
{
	free(young->cookies);
	*young = (struct shunt_young){};
}

static bool has_keys(enum shunt_map map)
{
	switch (map) {
	case SHUNT_MAP_SOCKS:
	case SHUNT_MAP_FLOWS:
	case SHUNT_MAP_RENDEZVOUS:
	case SHUNT_MAP_REFUSED:
	case SHUNT_MAP_OLDER:
	case SHUNT_MAP_CGROUPS:
	case SHUNT_MAP_TAINTED:
		return true;
	default:
		return false;
	}
}

size_t shunt_tables_entries(const struct shunt_datapath *datapath, enum shunt_map map)
{
	int fd = shunt_datapath_map_fd(datapath, map);
	size_t limit = 2 * (size_t)shunt_tables_max_entries(datapath, map);
	size_t count = 0;
	uint64_t key;
	uint64_t next;

	if (!has_keys(map) || bpf_map_get_next_key(fd, NULL, &next) < 0)
		return 0;
	do {
		key = next;
		count++;
	} while (count < limit && !bpf_map_get_next_key(fd, &key, &next));
	return count;
}

uint32_t shunt_tables_max_entries(const struct shunt_datapath *datapath, enum shunt_map map)
{
	struct bpf_map_info info = {};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(shunt_datapath_map_fd(datapath, map), &info, &length) < 0)
		return 0;
	return info.max_entries;
}
