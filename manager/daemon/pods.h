/* SPDX-License-Identifier: MIT */
/* pods.h: the attached cgroups. Their truth is the pinned map sh_pods; a restarted daemon reads it back. */
#ifndef SHUNT_PODS_H
#define SHUNT_PODS_H

#include "index.h"
#include "tables.h"
#include "shunt/mode.h"

struct shunt_pods;

int shunt_pods_new(struct shunt_pods **ret, struct shunt_datapath *datapath);
void shunt_pods_free(struct shunt_pods *pods);

/*
 * Attaches a cgroup (a path below the mount), or changes an attached one's mode. name may be NULL: the path without its
 * slash. *ret_slot is the pod's. *ret_error is a sentence. -ENOENT: no such cgroup; -EEXIST: nested, or the name is
 * taken; -ENOSPC: no slot.
 */
int shunt_pods_attach(struct shunt_pods *pods, const char *cgroup, const char *name, enum shunt_mode mode,
		      bool transient, uint32_t *ret_slot, char **ret_error);
/* By name or cgroup; 0: none. */
uint32_t shunt_pods_find(const struct shunt_pods *pods, const char *name);
/* The pod in this slot; NULL if there is none, or it is leaving. */
const struct shunt_pod *shunt_pods_get(const struct shunt_pods *pods, uint32_t slot);
/* Is the slot taken, by an attached pod or by one that is leaving? */
bool shunt_pods_uses(const struct shunt_pods *pods, uint32_t slot);
size_t shunt_pods_count(const struct shunt_pods *pods);
/* The next used slot after this one; 0: no more. Begin with 0. */
uint32_t shunt_pods_next(const struct shunt_pods *pods, uint32_t slot);
/* Does some pod's mode allow promotion? */
bool shunt_pods_any_active(const struct shunt_pods *pods);

/* The slot of every cgroup in and below the attached ones, by id; sorted. */
int shunt_pods_cgroups(const struct shunt_pods *pods, struct shunt_index *ret);

/* Mode off now: with the next message nothing is redirected any more. The pod stays until shunt_pods_release. */
int shunt_pods_leave(struct shunt_pods *pods, uint32_t slot);
/* Takes the links away and hides the pod. Its slot is used again once no flow names it. */
int shunt_pods_release(struct shunt_pods *pods, uint32_t slot);

/* Flows of leaving pods are forgotten where no end is a member, and empty slots become free. */
int shunt_pods_reap(struct shunt_pods *pods, const struct shunt_snapshot *snapshot);

/* Calls gone for each pod whose cgroup has vanished (or was made again under its name) and each transient one nobody
 * lives in. */
typedef void (*shunt_pod_fn)(uint32_t slot, const struct shunt_pod *pod, void *context);
void shunt_pods_sweep(const struct shunt_pods *pods, shunt_pod_fn gone, void *context);

#endif
