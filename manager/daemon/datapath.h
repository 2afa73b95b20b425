/* SPDX-License-Identifier: MIT */
/* datapath.h: the programs and maps in the kernel: loading, pinning, adopting, attaching. The only user of libbpf's
 * loader. */
#ifndef SHUNT_DATAPATH_H
#define SHUNT_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"
#include "shunt/counter.h"
#include "shunt/event.h"
#include "shunt/flow.h"

struct shunt_datapath;

/* X(ENUM, map name): what is pinned, and what stats shows */
#define SHUNT_MAPS(X)                                                                                                  \
	X(SOCKS, sh_socks)                                                                                             \
	X(FLOWS, sh_flows)                                                                                             \
	X(ENDS, sh_ends)                                                                                               \
	X(RENDEZVOUS, sh_rendezvous)                                                                                   \
	X(REFUSED, sh_refused)                                                                                         \
	X(OLDER, sh_older)                                                                                             \
	X(PODS, sh_pods)                                                                                               \
	X(POD_OF, sh_pod_of)                                                                                           \
	X(COUNTERS, sh_counters)                                                                                       \
	X(CGROUPS, sh_cgroups)                                                                                         \
	X(TAINTED, sh_tainted)                                                                                         \
	X(CONTROL, sh_control)                                                                                         \
	X(EVENTS, sh_events)

enum shunt_map {
#define X(name, map) SHUNT_MAP_##name,
	SHUNT_MAPS(X)
#undef X
		SHUNT_MAP_COUNT
};

struct shunt_datapath_options {
	const char *pin_dir; /* on bpffs, last component without dots */
	uint32_t max_flows;  /* of newly made maps; adopted ones keep their size */
	const struct shunt_probe *probe;
};

/*
 * Loads the programs onto the pinned maps, made now or left by an earlier daemon of the same ABI, and switches pinned
 * links to the new programs. *ret_error is a sentence on failure. -EBUSY: another daemon holds these pins. -EPROTO:
 * pins of another ABI.
 */
int shunt_datapath_open(struct shunt_datapath **ret, const struct shunt_datapath_options *options, char **ret_error);
/* Closes descriptors; pinned programs go on. */
void shunt_datapath_close(struct shunt_datapath *datapath);
bool shunt_datapath_adopted(const struct shunt_datapath *datapath);
/* Every link, map and folder below the pin directory goes. Live sockets keep what they hold. Needs no open datapath. */
int shunt_datapath_unpin(const char *pin_dir);

/* One cgroup: the links live in <pin_dir>/links/<id>-pairing and -setsockopt. slot is written where the programs find
 * it. */
int shunt_datapath_attach(struct shunt_datapath *datapath, int cgroup_fd, uint64_t cgroup_id, uint32_t slot);
int shunt_datapath_detach(struct shunt_datapath *datapath, uint64_t cgroup_id);
/* The splice hook runs for every TCP read of the machine: only while a pod may promote. */
int shunt_datapath_splice_hook(struct shunt_datapath *datapath, bool on);

/* One pass of the iterator. -EOPNOTSUPP: this kernel has no safe one. */
int shunt_datapath_scan(struct shunt_datapath *datapath);
/* Frees flows and rendezvous whose ends have gone unnoticed. Returns how many, or a negative errno. */
int shunt_datapath_collect(struct shunt_datapath *datapath);
/* Descriptor to poll for events, and their delivery. */
int shunt_datapath_event_fd(const struct shunt_datapath *datapath);
typedef void (*shunt_event_fn)(const struct shunt_event *event, void *context);
int shunt_datapath_events(struct shunt_datapath *datapath, shunt_event_fn each, void *context);

/* The control block: change the copy, then commit. */
struct shunt_control *shunt_datapath_control(struct shunt_datapath *datapath);
int shunt_datapath_commit(struct shunt_datapath *datapath);

int shunt_datapath_map_fd(const struct shunt_datapath *datapath, enum shunt_map map);

#endif
