/* SPDX-License-Identifier: MIT */
/* scan.c: the periodic work: judge the programs of each pod, let the iterator visit every end, react to what it tells.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "clock.h"
#include "flow_json.h"
#include "log.h"
#include "manager.h"
#include "sockets.h"
#include "tables.h"

#define MS 1000ull /* in microseconds */
#define LONGEST_INTERVAL_MS 2000
#define CPU_SHARE 100 /* a scan may take one part in this of a core */
#define JUDGE_TRIES 3
#define FRESH_NS 5000000ull
#define HOUSEKEEPING_NS 1000000000ull

struct judging {
	struct shunt_manager *manager;
	bool failed;
};

static int judge_cgroup(const char *path, int fd, void *context)
{
	struct judging *judging = context;
	const struct shunt_datapath *datapath = judging->manager->datapath;
	unsigned verdict = 0;
	uint32_t known;
	uint64_t id;

	if (shunt_cgroup_id(fd, &id))
		return 0;
	if (shunt_judge_cgroup(judging->manager->judge, path, &verdict))
		verdict = 0; /* not judged: nothing is promoted there */
	if (!shunt_tables_word(datapath, SHUNT_MAP_CGROUPS, id, &known) && known == verdict)
		return 0;
	if (shunt_tables_word_set(datapath, SHUNT_MAP_CGROUPS, id, verdict))
		judging->failed = true;
	return 0;
}

static void judge_all(struct shunt_manager *manager)
{
	struct judging judging = {.manager = manager};

	for (uint32_t slot = shunt_pods_next(manager->pods, 0); slot; slot = shunt_pods_next(manager->pods, slot))
		shunt_cgroup_walk(shunt_pods_get(manager->pods, slot)->cgroup, judge_cgroup, &judging);
	if (judging.failed)
		shunt_warning("more than %d cgroups to judge: the connections of the others stay TCP (may_splice)",
			      SHUNT_MAX_CGROUPS);
}

/* A first look at large programs takes a while, in which others may start: what is judged must be fresh at the scan. */
void shunt_scan_judge(struct shunt_manager *manager)
{
	for (int tries = 0; tries < JUDGE_TRIES; tries++) {
		uint64_t began = shunt_now_ns();

		judge_all(manager);
		if (shunt_now_ns() - began < FRESH_NS)
			return;
	}
}

/* Better a reset that the application sees than bytes that it never gets. */
static void reset_stuck(const struct shunt_event *event)
{
	int r = shunt_node_socket_destroy(event->netns, event->cookie);

	if (r)
		shunt_warning("flow %llu was read by splice(2) with redirected bytes queued and cannot be reset: %s",
			      event->flow, strerror(-r));
	else
		shunt_warning("flow %llu was reset: splice(2) began while redirected bytes were queued; name the "
			      "program in no splice_allow",
			      event->flow);
}

static void on_event(const struct shunt_event *event, void *context)
{
	static const char *const words[] = {
#define X(name, word) #word,
		SHUNT_EVENTS(X)
#undef X
	};

	if (event->kind < SHUNT_EVENT_COUNT)
		shunt_debug("flow %llu: %s (%s)", event->flow, words[event->kind], shunt_reason_word(event->reason));
	if (event->kind == SHUNT_EVENT_STUCK)
		reset_stuck(event);
}

static int on_event_fd(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct shunt_manager *manager = context;

	shunt_datapath_events(manager->datapath, on_event, manager);
	return 0;
}

static void forget_pod(uint32_t slot, const struct shunt_pod *pod, void *context)
{
	struct shunt_manager *manager = context;
	_cleanup_free_ char *path = NULL;

	shunt_info("%s: its cgroup %s has gone", pod->name, pod->cgroup);
	shunt_judge_forget(manager->judge, pod->cgroup);
	if (pod->transient && !shunt_cgroup_filename(pod->cgroup, &path))
		rmdir(path); /* the command's own cgroup, left behind by a killed "shuntctl run" */
	shunt_pods_release(manager->pods, slot);
}

static void attach_found(struct shunt_manager *manager, const struct shunt_config_attach *attach, const char *cgroup)
{
	_cleanup_free_ char *error = NULL;
	uint32_t slot;
	int r;

	if (shunt_pods_find(manager->pods, cgroup))
		return;
	r = shunt_pods_attach(manager->pods, cgroup, attach->name, attach->mode, false, &slot, &error);
	if (r) {
		shunt_debug("config: %s", error ? error : strerror(-r));
		return;
	}
	shunt_flows_mark_older(manager, slot);
	shunt_info("attached %s (%s), as the config says", cgroup, shunt_mode_word(attach->mode));
}

/* The config's patterns name cgroups that may come, go and return. */
static void attach_configured(struct shunt_manager *manager)
{
	const char *mount;

	if (shunt_cgroup_mount(&mount))
		return;
	for (size_t i = 0; i < manager->config->attach_count; i++) {
		const struct shunt_config_attach *attach = &manager->config->attach[i];
		_cleanup_free_ char *pattern = NULL;
		glob_t found = {};

		if (shunt_cgroup_filename(attach->cgroup, &pattern))
			continue;
		if (!glob(pattern, GLOB_ONLYDIR | GLOB_NOSORT, NULL, &found))
			for (size_t j = 0; j < found.gl_pathc; j++)
				attach_found(manager, attach, found.gl_pathv[j] + strlen(mount));
		globfree(&found);
	}
}

static void warn_map_full(struct shunt_manager *manager, const struct shunt_snapshot *snapshot)
{
	bool full = snapshot->count >= shunt_tables_max_entries(manager->datapath, SHUNT_MAP_FLOWS);

	if (full && !manager->map_full_warned)
		shunt_warning("all %zu records are in use: new connections stay TCP (map_full); raise max_flows and "
			      "uninstall once",
			      snapshot->count);
	manager->map_full_warned = full;
}

static void keep_house(struct shunt_manager *manager, uint64_t now)
{
	struct shunt_snapshot snapshot = {};

	if (now < manager->housekeeping_ns)
		return;
	manager->housekeeping_ns = now + HOUSEKEEPING_NS;
	attach_configured(manager);
	shunt_pods_sweep(manager->pods, forget_pod, manager);
	shunt_datapath_collect(manager->datapath);
	shunt_flows_forget(manager);
	if (!shunt_tables_flows(manager->datapath, &snapshot)) {
		shunt_pods_reap(manager->pods, &snapshot);
		warn_map_full(manager, &snapshot);
	}
	shunt_snapshot_clear(&snapshot);
}

struct namespaces {
	struct shunt_manager *manager;
	struct shunt_index candidates; /* cookies of namespaces with recorded ends */
};

static int scan_namespace(const struct shunt_netns *netns, uint64_t cookie, void *context)
{
	struct namespaces *namespaces = context;
	int home;
	int r;

	if (!shunt_index_find(&namespaces->candidates, cookie))
		return 0;
	r = shunt_netns_enter(netns->fd, &home);
	if (r)
		return r;
	r = shunt_datapath_scan(namespaces->manager->datapath);
	shunt_netns_leave(home);
	return r;
}

/* iter/tcp (from 7.1 on) sees one namespace and costs milliseconds in each: only where something is to be judged. */
static int scan_namespaces(struct shunt_manager *manager)
{
	struct namespaces namespaces = {.manager = manager};
	struct shunt_snapshot snapshot = {};
	int r = shunt_tables_flows(manager->datapath, &snapshot);

	for (size_t i = 0; !r && i < 2 * snapshot.count; i++)
		r = shunt_index_add(&namespaces.candidates, snapshot.flows[i / 2].end[i % 2].netns, 1);
	shunt_index_sort(&namespaces.candidates);
	if (!r && namespaces.candidates.count)
		r = shunt_node_namespaces(scan_namespace, &namespaces);
	shunt_index_clear(&namespaces.candidates);
	shunt_snapshot_clear(&snapshot);
	return r;
}

static int visit_ends(struct shunt_manager *manager)
{
	switch (manager->probe->scan) {
	case SHUNT_SCAN_STORAGE:
		return shunt_datapath_scan(manager->datapath);
	case SHUNT_SCAN_TCP:
		return scan_namespaces(manager);
	default:
		return 0;
	}
}

int shunt_scan_once(struct shunt_manager *manager)
{
	int r;

	shunt_datapath_splice_hook(manager->datapath, shunt_pods_any_active(manager->pods));
	shunt_scan_judge(manager);
	shunt_datapath_control(manager->datapath)->heartbeat_ns = shunt_now_ns();
	r = shunt_datapath_commit(manager->datapath);
	if (!r)
		r = visit_ends(manager);
	shunt_datapath_events(manager->datapath, on_event, manager);
	return r;
}

/*
 * A node with many flows is scanned less often, so that the daemon stays under one percent of a core on average. A
 * single dear pass (programs to judge for the first time) hardly counts: new connections must not wait for it.
 */
static uint64_t next_interval_us(struct shunt_manager *manager)
{
	uint64_t interval = manager->scan.average_us * CPU_SHARE;

	if (interval > LONGEST_INTERVAL_MS * MS)
		interval = LONGEST_INTERVAL_MS * MS;
	if (interval < manager->config->scan_interval_ms * MS)
		interval = manager->config->scan_interval_ms * MS;
	return interval;
}

static int on_scan_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct shunt_manager *manager = context;
	uint64_t began = shunt_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t interval;
	int r = shunt_scan_once(manager);

	if (r)
		shunt_warning("the scan failed: %s; members stay as they are until it works again", strerror(-r));
	keep_house(manager, shunt_now_ns());
	shunt_wait_check(manager);
	manager->scan.last_us = (shunt_clock_ns(CLOCK_THREAD_CPUTIME_ID) - began) / 1000;
	manager->scan.average_us = (15 * manager->scan.average_us + manager->scan.last_us) / 16;
	/* waiting calls want every pass they can get */
	interval = manager->waits ? 10 * MS : next_interval_us(manager);
	manager->scan.interval_ms = interval / MS;
	manager->scan.cpu_share =
		0.9 * manager->scan.cpu_share + 0.1 * ((double)manager->scan.last_us / (double)interval);
	sd_event_source_set_time_relative(source, interval);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int shunt_scan_start(struct shunt_manager *manager)
{
	int r = sd_event_add_time_relative(manager->event, &manager->scan_timer, CLOCK_MONOTONIC, 0, 1, on_scan_timer,
					   manager);

	if (r < 0)
		return r;
	return sd_event_add_io(manager->event, &manager->event_source, shunt_datapath_event_fd(manager->datapath),
			       EPOLLIN, on_event_fd, manager);
}
