/* SPDX-License-Identifier: MIT */
/* unpaired.h: the managed connections that have no record: they cost nothing, and are explained when somebody asks. */
#ifndef SHUNT_UNPAIRED_H
#define SHUNT_UNPAIRED_H

#include "manager.h"
#include "tables.h"

/* Appends the ends in managed cgroups that are not in the snapshot. */
int shunt_unpaired_list(struct shunt_manager *manager, const struct shunt_snapshot *snapshot,
			const struct shunt_flow_filter *filter, json_t *array);

#endif
