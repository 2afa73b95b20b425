/* SPDX-License-Identifier: MIT */
/* tables.h: the contents of the datapath's maps, as values. */
#ifndef SHUNT_TABLES_H
#define SHUNT_TABLES_H

#include "datapath.h"

/* Everything recorded at one moment; the order means nothing. Counters of one flow are read while they move. */
struct shunt_snapshot {
	struct shunt_flow *flows;
	size_t count;
};

int shunt_tables_flows(const struct shunt_datapath *datapath, struct shunt_snapshot *ret);
void shunt_snapshot_clear(struct shunt_snapshot *snapshot);
int shunt_tables_flow(const struct shunt_datapath *datapath, uint64_t id, struct shunt_flow *ret);
int shunt_tables_flow_delete(const struct shunt_datapath *datapath, uint64_t id);

int shunt_tables_pod(const struct shunt_datapath *datapath, uint32_t slot, struct shunt_pod *ret);
int shunt_tables_pod_set(const struct shunt_datapath *datapath, uint32_t slot, const struct shunt_pod *pod);
/* Sums over CPUs. */
int shunt_tables_counters(const struct shunt_datapath *datapath, uint32_t slot, uint64_t ret[SHUNT_COUNTER_COUNT]);
int shunt_tables_counters_clear(const struct shunt_datapath *datapath, uint32_t slot);
/* The slot that no pod has: it keeps what the pods that have gone did. */
#define SHUNT_RETIRED_SLOT 0
/* Moves the counters of a slot there, so that totals never shrink. */
int shunt_tables_counters_retire(const struct shunt_datapath *datapath, uint32_t slot);

/* Maps from a 64-bit key to a 32-bit value: sh_cgroups, sh_refused, sh_older. */
int shunt_tables_word(const struct shunt_datapath *datapath, enum shunt_map map, uint64_t key, uint32_t *ret);
int shunt_tables_word_set(const struct shunt_datapath *datapath, enum shunt_map map, uint64_t key, uint32_t value);
int shunt_tables_word_delete(const struct shunt_datapath *datapath, enum shunt_map map, uint64_t key);
/* Non-zero ends the walk and is returned. The callback may delete the key it is given. */
typedef int (*shunt_word_fn)(uint64_t key, uint32_t value, void *context);
int shunt_tables_words(const struct shunt_datapath *datapath, enum shunt_map map, shunt_word_fn each, void *context);

/* Is the socket with this cookie one end of a connection too young for a record? Reads the whole table once. */
struct shunt_young {
	uint64_t *cookies;
	size_t count;
};
int shunt_tables_young(const struct shunt_datapath *datapath, struct shunt_young *ret);
bool shunt_young_has(const struct shunt_young *young, uint64_t cookie);
void shunt_young_clear(struct shunt_young *young);

/* Keys in a map; counts by walking. 0 for maps without keys of their own. */
size_t shunt_tables_entries(const struct shunt_datapath *datapath, enum shunt_map map);
uint32_t shunt_tables_max_entries(const struct shunt_datapath *datapath, enum shunt_map map);

#endif
