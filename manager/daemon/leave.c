/* SPDX-License-Identifier: MIT */
/* leave.c: drain, detach and uninstall: connections go back to TCP in a bounded time, and what is left is named. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "cgroup.h"
#include "flow_json.h"
#include "log.h"
#include "manager.h"
#include "tables.h"

#define PASS_PAUSE_NS 20000000 /* between the scans of a blocking drain */

struct shunt_wait {
	struct shunt_wait *next;
	enum shunt_wait_kind kind;
	uint32_t slot;
	uint64_t deadline_ns;
	struct shunt_call *call;
};

int shunt_set_stop(struct shunt_manager *manager, enum shunt_stop stop)
{
	shunt_datapath_control(manager->datapath)->stop = stop;
	return shunt_datapath_commit(manager->datapath);
}

/* What the caller is told about members that have not left yet. */
static json_t *describe_members(const struct shunt_snapshot *snapshot, uint32_t slot)
{
	json_t *array = json_array();

	for (size_t i = 0; i < snapshot->count; i++) {
		const struct shunt_flow *flow = &snapshot->flows[i];

		if (!flow->inside ||
		    (slot && flow->end[SHUNT_CLIENT].pod != slot && flow->end[SHUNT_SERVER].pod != slot))
			continue;
		for (int role = SHUNT_CLIENT; role <= SHUNT_SERVER; role++) {
			char local[SHUNT_ADDRESS_TEXT];

			if (!(flow->inside & (1u << role)))
				continue;
			shunt_address_format(&flow->end[role].local, local);
			json_array_append_new(array,
					      json_pack("{s:I, s:s}", "id", (json_int_t)flow->id, "local", local));
		}
	}
	return array;
}

/* Empty folders that "shuntctl run" made and could not remove. */
static void remove_run_cgroups(json_t *removed)
{
	const char *mount;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	if (shunt_cgroup_mount(&mount))
		return;
	dir = opendir(mount);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "shunt-run-", strlen("shunt-run-")) &&
		    !unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR))
			json_array_append_new(removed, json_sprintf("cgroup %s/%s", mount, entry->d_name));
}

static json_t *remove_everything(struct shunt_manager *manager)
{
	json_t *removed = json_array();

	for (uint32_t slot = shunt_pods_next(manager->pods, 0); slot; slot = shunt_pods_next(manager->pods, slot)) {
		json_array_append_new(removed,
				      json_sprintf("links of %s", shunt_pods_get(manager->pods, slot)->cgroup));
		shunt_pods_release(manager->pods, slot);
	}
	if (!shunt_datapath_unpin(manager->pin_dir))
		json_array_append_new(removed, json_sprintf("pins in %s", manager->pin_dir));
	remove_run_cgroups(removed);
	return removed;
}

static json_t *finish_uninstall(struct shunt_manager *manager, size_t left, json_t *members)
{
	json_t *removed = remove_everything(manager);

	sd_event_exit(manager->event, 0);
	return json_pack("{s:I, s:o, s:o}", "left", (json_int_t)left, "members", members, "removed", removed);
}

static json_t *finish_detach(struct shunt_manager *manager, uint32_t slot, size_t left, json_t *members)
{
	json_t *reply = json_pack("{s:s, s:I, s:o}", "name", shunt_pods_get(manager->pods, slot)->name, "left",
				  (json_int_t)left, "members", members);

	shunt_judge_forget(manager->judge, shunt_pods_get(manager->pods, slot)->cgroup);
	shunt_pods_release(manager->pods, slot);
	return reply;
}

static void finish(struct shunt_manager *manager, struct shunt_wait *wait, const struct shunt_snapshot *snapshot,
		   size_t left)
{
	json_t *members = describe_members(snapshot, wait->slot);
	json_t *reply = NULL;

	switch (wait->kind) {
	case SHUNT_WAIT_DETACH:
		if (!shunt_pods_get(manager->pods, wait->slot)) { /* its cgroup went meanwhile */
			json_decref(members);
			shunt_call_fail(wait->call, "NotFound",
					"the pod's cgroup vanished while it was being detached; nothing is left to do");
			return;
		}
		reply = finish_detach(manager, wait->slot, left, members);
		break;
	case SHUNT_WAIT_DRAIN:
		reply = json_pack("{s:I, s:o}", "left", (json_int_t)left, "members", members);
		break;
	case SHUNT_WAIT_UNINSTALL:
		reply = finish_uninstall(manager, left, members);
		break;
	}
	shunt_call_reply(wait->call, reply);
}

void shunt_wait_check(struct shunt_manager *manager)
{
	struct shunt_snapshot snapshot = {};
	struct shunt_wait **link = &manager->waits;

	if (!manager->waits || shunt_tables_flows(manager->datapath, &snapshot))
		return;
	while (*link) {
		struct shunt_wait *wait = *link;
		size_t left = shunt_flows_members(&snapshot, wait->slot);

		if (left && shunt_now_ns() < wait->deadline_ns) {
			link = &wait->next;
			continue;
		}
		*link = wait->next;
		finish(manager, wait, &snapshot, left);
		free(wait);
	}
	shunt_snapshot_clear(&snapshot);
}

int shunt_wait_begin(struct shunt_manager *manager, enum shunt_wait_kind kind, uint32_t slot, double timeout_seconds,
		     struct shunt_call *call)
{
	struct shunt_wait *wait = calloc(1, sizeof(*wait));

	if (!wait)
		return -ENOMEM;
	wait->kind = kind;
	wait->slot = slot;
	wait->deadline_ns = shunt_now_ns() + (uint64_t)(timeout_seconds * (double)SHUNT_NS_PER_S);
	wait->call = call;
	wait->next = manager->waits;
	manager->waits = wait;
	return sd_event_source_set_time_relative(manager->scan_timer, 0);
}

void shunt_wait_free(struct shunt_manager *manager)
{
	while (manager->waits) {
		struct shunt_wait *wait = manager->waits;

		manager->waits = wait->next;
		shunt_call_fail(wait->call, "Failed", "the daemon is ending; connections go on as they are");
		free(wait);
	}
}

int shunt_leave_all(struct shunt_manager *manager, double timeout_seconds)
{
	uint64_t deadline = shunt_now_ns() + (uint64_t)(timeout_seconds * (double)SHUNT_NS_PER_S);
	struct timespec pause = {.tv_nsec = PASS_PAUSE_NS};

	for (;;) {
		struct shunt_snapshot snapshot = {};
		size_t left;
		int r = shunt_scan_once(manager);

		if (!r)
			r = shunt_tables_flows(manager->datapath, &snapshot);
		if (r)
			return r;
		left = shunt_flows_members(&snapshot, 0);
		shunt_snapshot_clear(&snapshot);
		if (!left || shunt_now_ns() >= deadline)
			return (int)left;
		nanosleep(&pause, NULL);
	}
}

int shunt_uninstall(struct shunt_manager *manager, double timeout_seconds, json_t **ret_removed, int *ret_left)
{
	int r = shunt_set_stop(manager, SHUNT_STOP_DRAIN);

	if (r)
		return r;
	*ret_left = shunt_leave_all(manager, timeout_seconds);
	*ret_removed = remove_everything(manager);
	return *ret_left < 0 ? *ret_left : 0;
}
