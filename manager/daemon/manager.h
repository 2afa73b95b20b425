/* SPDX-License-Identifier: MIT */
/* manager.h: the daemon as one object, and what its parts do with it. */
#ifndef SHUNT_MANAGER_H
#define SHUNT_MANAGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "datapath.h"
#include "exe.h"
#include "pods.h"
#include "probe.h"
#include "server.h"

struct shunt_wait;

/* How the last scans went. */
struct shunt_scan_figures {
	uint64_t interval_ms;
	uint64_t last_us;    /* CPU time of the last one, judgement of programs included */
	uint64_t average_us; /* of the last dozen or so */
	double cpu_share;    /* of one core, smoothed */
};

struct shunt_manager {
	struct shunt_config *config;
	struct shunt_probe *probe;
	struct shunt_datapath *datapath;
	struct shunt_judge *judge;
	struct shunt_pods *pods;
	struct shunt_server *server;
	struct shunt_wait *waits; /* calls that wait for members to leave */
	sd_event *event;
	sd_event_source *scan_timer;
	sd_event_source *event_source;
	const char *pin_dir;
	uint64_t started_ns;
	uint64_t housekeeping_ns;
	struct shunt_scan_figures scan;
	bool drain_on_exit;
	bool map_full_warned;
};

/* scan.c: the periodic work. */
int shunt_scan_start(struct shunt_manager *manager);
/* Judges the programs of every pod. Owed before each pass of the iterator: the verdicts of the last pass may be stale.
 */
void shunt_scan_judge(struct shunt_manager *manager);
/* One pass now, without the timer: judge programs, visit members, deliver events. */
int shunt_scan_once(struct shunt_manager *manager);

/* leave.c: taking connections back to TCP. */
enum shunt_wait_kind { SHUNT_WAIT_DETACH, SHUNT_WAIT_DRAIN, SHUNT_WAIT_UNINSTALL };
/* Answers the call when no member is left, or when the time is up. slot: for DETACH. */
int shunt_wait_begin(struct shunt_manager *manager, enum shunt_wait_kind kind, uint32_t slot, double timeout_seconds,
		     struct shunt_call *call);
/* Called after each scan. */
void shunt_wait_check(struct shunt_manager *manager);
void shunt_wait_free(struct shunt_manager *manager);
/* Blocking, for a daemon that is not running its loop. Returns how many members are left, or a negative errno. */
int shunt_leave_all(struct shunt_manager *manager, double timeout_seconds);
int shunt_set_stop(struct shunt_manager *manager, enum shunt_stop stop);
/* Drains and removes everything below the pin directory; *ret_removed is an array of names. */
int shunt_uninstall(struct shunt_manager *manager, double timeout_seconds, json_t **ret_removed, int *ret_left);

/* flows.c: connections as JSON, in the shape of design's flow list. */
struct shunt_flow_filter {
	const char *pod;    /* NULL: any */
	const char *state;  /* NULL or "all": any */
	const char *reason; /* NULL: any */
	uint64_t id;	    /* 0: any */
};
/* *ret is an array, one object per managed end. */
int shunt_flows_list(struct shunt_manager *manager, const struct shunt_flow_filter *filter, json_t **ret);
/* Remembers the connections that a newly attached pod already has. */
int shunt_flows_mark_older(struct shunt_manager *manager, uint32_t slot);
/* Forgets what was noted of sockets and cgroups that have gone. */
void shunt_flows_forget(struct shunt_manager *manager);
size_t shunt_flows_members(const struct shunt_snapshot *snapshot, uint32_t slot);

/* methods.c: the varlink methods; context is the manager. */
extern const struct shunt_method shunt_methods[];

#endif
