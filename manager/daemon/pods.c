/* SPDX-License-Identifier: MIT */
/* pods.c: which cgroups are attached, under which names and modes. */
#include "pods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "fail.h"
#include "clock.h"

#define TRANSIENT_GRACE_NS 2000000000ull /* between attaching and the first process */

struct shunt_pods {
	struct shunt_datapath *datapath;
	struct shunt_pod slots[SHUNT_MAX_PODS]; /* a leaving pod has a name and no cgroup id */
};

static bool is_used(const struct shunt_pod *pod)
{
	return pod->cgroup_id != 0;
}

static bool is_leaving(const struct shunt_pod *pod)
{
	return !pod->cgroup_id && pod->name[0];
}

int shunt_pods_new(struct shunt_pods **ret, struct shunt_datapath *datapath)
{
	struct shunt_pods *pods = calloc(1, sizeof(*pods));

	if (!pods)
		return -ENOMEM;
	pods->datapath = datapath;
	for (uint32_t slot = 1; slot < SHUNT_MAX_PODS; slot++) {
		int r = shunt_tables_pod(datapath, slot, &pods->slots[slot]);

		if (r) {
			free(pods);
			return r;
		}
	}
	*ret = pods;
	return 0;
}

void shunt_pods_free(struct shunt_pods *pods)
{
	free(pods);
}

const struct shunt_pod *shunt_pods_get(const struct shunt_pods *pods, uint32_t slot)
{
	if (!slot || slot >= SHUNT_MAX_PODS || !is_used(&pods->slots[slot]))
		return NULL;
	return &pods->slots[slot];
}

bool shunt_pods_uses(const struct shunt_pods *pods, uint32_t slot)
{
	return is_used(&pods->slots[slot]) || is_leaving(&pods->slots[slot]);
}

uint32_t shunt_pods_next(const struct shunt_pods *pods, uint32_t slot)
{
	for (slot++; slot < SHUNT_MAX_PODS; slot++)
		if (is_used(&pods->slots[slot]))
			return slot;
	return 0;
}

size_t shunt_pods_count(const struct shunt_pods *pods)
{
	size_t count = 0;

	for (uint32_t slot = shunt_pods_next(pods, 0); slot; slot = shunt_pods_next(pods, slot))
		count++;
	return count;
}

bool shunt_pods_any_active(const struct shunt_pods *pods)
{
	for (uint32_t slot = shunt_pods_next(pods, 0); slot; slot = shunt_pods_next(pods, slot))
		if (pods->slots[slot].mode >= SHUNT_MODE_ADAPTIVE)
			return true;
	return false;
}

uint32_t shunt_pods_find(const struct shunt_pods *pods, const char *name)
{
	for (uint32_t slot = shunt_pods_next(pods, 0); slot; slot = shunt_pods_next(pods, slot)) {
		const struct shunt_pod *pod = &pods->slots[slot];

		if (!strcmp(pod->name, name) || !strcmp(pod->cgroup, name) ||
		    (name[0] != '/' && !strcmp(pod->cgroup + 1, name)))
			return slot;
	}
	return 0;
}

static uint32_t find_free(const struct shunt_pods *pods)
{
	for (uint32_t slot = 1; slot < SHUNT_MAX_PODS; slot++)
		if (!shunt_pods_uses(pods, slot))
			return slot;
	return 0;
}

/* Programs of nested cgroups would both run; names are how people find pods. */
static int check_conflicts(const struct shunt_pods *pods, const char *cgroup, const char *name, char **ret_error)
{
	for (uint32_t slot = shunt_pods_next(pods, 0); slot; slot = shunt_pods_next(pods, slot)) {
		const struct shunt_pod *pod = &pods->slots[slot];
		enum shunt_cgroup_relation relation = shunt_cgroup_relate(pod->cgroup, cgroup);

		if (relation == SHUNT_CGROUP_ABOVE || relation == SHUNT_CGROUP_BELOW)
			return shunt_fail(-EEXIST, ret_error,
					  "the cgroup %s lies %s %s, which is attached as \"%s\"; detach that first",
					  cgroup, relation == SHUNT_CGROUP_ABOVE ? "below" : "above", pod->cgroup,
					  pod->name);
		if (!strcmp(pod->name, name))
			return shunt_fail(-EEXIST, ret_error,
					  "the name \"%s\" is taken by the cgroup %s; choose another with --name", name,
					  pod->cgroup);
	}
	return 0;
}

static int store(struct shunt_pods *pods, uint32_t slot, const struct shunt_pod *pod)
{
	int r = shunt_tables_pod_set(pods->datapath, slot, pod);

	if (!r)
		pods->slots[slot] = *pod;
	return r;
}

static int change_mode(struct shunt_pods *pods, uint32_t slot, enum shunt_mode mode)
{
	struct shunt_pod pod = pods->slots[slot];

	pod.mode = mode;
	return store(pods, slot, &pod);
}

/* The same path may be another cgroup by now. */
static uint32_t find_cgroup(const struct shunt_pods *pods, uint64_t id)
{
	for (uint32_t slot = shunt_pods_next(pods, 0); slot; slot = shunt_pods_next(pods, slot))
		if (pods->slots[slot].cgroup_id == id)
			return slot;
	return 0;
}

static int fill(struct shunt_pod *pod, uint64_t id, const char *cgroup, const char *name, enum shunt_mode mode,
		bool transient, char **ret_error)
{
	if (strlen(name) >= sizeof(pod->name) || !name[0])
		return shunt_fail(-EINVAL, ret_error, "the name \"%s\" must have 1 to %zu bytes", name,
				  sizeof(pod->name) - 1);
	if (strlen(cgroup) >= sizeof(pod->cgroup))
		return shunt_fail(-EINVAL, ret_error, "the cgroup's path has more than %zu bytes: %s",
				  sizeof(pod->cgroup) - 1, cgroup);
	*pod = (struct shunt_pod){.cgroup_id = id, .mode = mode, .transient = transient};
	pod->attached_ns = shunt_now_ns();
	strcpy(pod->name, name);
	strcpy(pod->cgroup, cgroup);
	return 0;
}

static int attach_new(struct shunt_pods *pods, int cgroup_fd, const struct shunt_pod *pod, uint32_t *ret_slot,
		      char **ret_error)
{
	uint32_t slot = find_free(pods);
	int r;

	if (!slot)
		return shunt_fail(-ENOSPC, ret_error, "%d cgroups are attached, which is the limit; detach one first",
				  SHUNT_MAX_PODS - 1);
	r = store(pods, slot, pod);
	if (r)
		return shunt_fail(r, ret_error, "cannot record the cgroup %s: %s", pod->cgroup, strerror(-r));
	r = shunt_datapath_attach(pods->datapath, cgroup_fd, pod->cgroup_id, slot);
	if (r) {
		store(pods, slot, &(struct shunt_pod){});
		return shunt_fail(r, ret_error,
				  r == -EPERM ? "another program owns the cgroup %s exclusively (%s); see \"bpftool "
						"cgroup tree\" for its owner"
					      : "cannot attach to the cgroup %s: %s; see \"shuntctl doctor\"",
				  pod->cgroup, strerror(-r));
	}
	*ret_slot = slot;
	return 0;
}

int shunt_pods_attach(struct shunt_pods *pods, const char *cgroup, const char *name, enum shunt_mode mode,
		      bool transient, uint32_t *ret_slot, char **ret_error)
{
	_cleanup_close_ int fd = -1;
	struct shunt_pod pod;
	uint32_t slot;
	uint64_t id;
	int r = shunt_cgroup_open(cgroup, &fd);

	if (!r)
		r = shunt_cgroup_id(fd, &id);
	if (r)
		return shunt_fail(r, ret_error, "cannot open the cgroup %s: %s", cgroup, strerror(-r));
	slot = find_cgroup(pods, id);
	if (slot) {
		*ret_slot = slot;
		return change_mode(pods, slot, mode);
	}
	name = name ? name : cgroup[1] ? cgroup + 1 : "/";
	r = check_conflicts(pods, cgroup, name, ret_error);
	if (!r)
		r = fill(&pod, id, cgroup, name, mode, transient, ret_error);
	return r ? r : attach_new(pods, fd, &pod, ret_slot, ret_error);
}

struct pod_walk {
	struct shunt_index *index;
	uint32_t slot;
};

static int add_cgroup(const char *path, int fd, void *context)
{
	struct pod_walk *walk = context;
	uint64_t id;

	return shunt_cgroup_id(fd, &id) ? 0 : shunt_index_add(walk->index, id, walk->slot);
}

int shunt_pods_cgroups(const struct shunt_pods *pods, struct shunt_index *ret)
{
	struct pod_walk walk = {.index = ret};

	for (walk.slot = shunt_pods_next(pods, 0); walk.slot; walk.slot = shunt_pods_next(pods, walk.slot)) {
		int r = shunt_cgroup_walk(pods->slots[walk.slot].cgroup, add_cgroup, &walk);

		if (r == -ENOMEM)
			return r;
	}
	shunt_index_sort(ret);
	return 0;
}

int shunt_pods_leave(struct shunt_pods *pods, uint32_t slot)
{
	return change_mode(pods, slot, SHUNT_MODE_OFF);
}

int shunt_pods_release(struct shunt_pods *pods, uint32_t slot)
{
	struct shunt_pod pod = pods->slots[slot];
	int r = shunt_datapath_detach(pods->datapath, pod.cgroup_id);
	int r2;

	pod.cgroup_id = 0;
	pod.mode = SHUNT_MODE_OFF;
	r2 = store(pods, slot, &pod);
	return r ? r : r2;
}

int shunt_pods_reap(struct shunt_pods *pods, const struct shunt_snapshot *snapshot)
{
	_cleanup_free_ bool *named = calloc(SHUNT_MAX_PODS, sizeof(bool));

	if (!named)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct shunt_flow *flow = &snapshot->flows[i];
		uint32_t client = flow->end[SHUNT_CLIENT].pod % SHUNT_MAX_PODS;
		uint32_t server = flow->end[SHUNT_SERVER].pod % SHUNT_MAX_PODS;

		if (!is_leaving(&pods->slots[client]) && !is_leaving(&pods->slots[server]))
			continue;
		if (!flow->inside && flow->phase == SHUNT_PHASE_TCP) {
			shunt_tables_flow_delete(pods->datapath, flow->id);
			continue;
		}
		named[client] = true;
		named[server] = true;
	}
	for (uint32_t slot = 1; slot < SHUNT_MAX_PODS; slot++)
		if (is_leaving(&pods->slots[slot]) && !named[slot] &&
		    !shunt_tables_counters_retire(pods->datapath, slot))
			store(pods, slot, &(struct shunt_pod){});
	return 0;
}

static bool has_gone(const struct shunt_pod *pod)
{
	uint64_t id;

	if (shunt_cgroup_path_id(pod->cgroup, &id) || id != pod->cgroup_id)
		return true;
	return pod->transient && shunt_now_ns() > pod->attached_ns + TRANSIENT_GRACE_NS &&
	       shunt_cgroup_populated(pod->cgroup) == 0;
}

void shunt_pods_sweep(const struct shunt_pods *pods, shunt_pod_fn gone, void *context)
{
	for (uint32_t slot = shunt_pods_next(pods, 0); slot; slot = shunt_pods_next(pods, slot))
		if (has_gone(&pods->slots[slot]))
			gone(slot, &pods->slots[slot], context);
}
