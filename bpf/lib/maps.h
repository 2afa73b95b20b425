/* SPDX-License-Identifier: GPL-2.0-only */
/* maps.h: every map of the datapath. Names are what bpftool shows: at most 15 characters. Sizes marked "set at load"
 * come from the config. */
#ifndef SHUNT_BPF_MAPS_H
#define SHUNT_BPF_MAPS_H

#include "kernel.h"
#include "shunt/counter.h"
#include "shunt/event.h"
#include "shunt/flow.h"
#include "shunt/mode.h"
#include "shunt/reason.h"

/* Members, by socket cookie. sk_msg programs only: the proxies' verdict lives in another map. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2 * SHUNT_MAX_FLOWS_DEFAULT); /* set at load */
	__type(key, __u64);
	__type(value, __u64);
} sh_socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SHUNT_MAX_FLOWS_DEFAULT); /* set at load */
	__type(key, __u64);
	__type(value, struct shunt_flow);
} sh_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct shunt_end);
} sh_ends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SHUNT_MAX_RENDEZVOUS);
	__type(key, struct shunt_isns);
	__type(value, struct shunt_rendezvous);
} sh_rendezvous SEC(".maps");

/* Single ends with a reason of their own (enum shunt_reason), by socket cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SHUNT_MAX_REFUSED);
	__type(key, __u64);
	__type(value, __u32);
} sh_refused SEC(".maps");

/* Connections that existed before their pod was attached: the pod's slot by socket cookie. Kept by the daemon for flow
 * list. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SHUNT_MAX_OLDER);
	__type(key, __u64);
	__type(value, __u32);
} sh_older SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHUNT_MAX_PODS);
	__type(key, __u32);
	__type(value, struct shunt_pod);
} sh_pods SEC(".maps");

/* The pod's slot, kept by the kernel beside each attached cgroup: no walk up the hierarchy in a handshake. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u32);
} sh_pod_of SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SHUNT_MAX_PODS);
	__type(key, __u32);
	__type(value, __u64[SHUNT_COUNTER_COUNT]);
} sh_counters SEC(".maps");

/* SHUNT_JUDGED | ... by cgroup id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SHUNT_MAX_CGROUPS);
	__type(key, __u64);
	__type(value, __u32);
} sh_cgroups SEC(".maps");

/* Cgroups in which splice(2) was seen: time by id. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SHUNT_MAX_TAINTED);
	__type(key, __u64);
	__type(value, __u64);
} sh_tainted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct shunt_control);
} sh_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SHUNT_EVENTS_BYTES);
} sh_events SEC(".maps");

static __always_inline struct shunt_control *control_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sh_control, &zero);
}

static __always_inline __u32 pod_mode(__u32 pod)
{
	struct shunt_pod *entry = bpf_map_lookup_elem(&sh_pods, &pod);

	return entry ? entry->mode : SHUNT_MODE_OFF;
}

static __always_inline __u64 *counters_of(__u32 pod)
{
	return bpf_map_lookup_elem(&sh_counters, &pod);
}

static __always_inline void count(__u32 pod, enum shunt_counter counter, __u64 add)
{
	__u64 *counters = counters_of(pod);

	if (counters)
		__sync_fetch_and_add(&counters[counter], add);
}

static __always_inline void tell(enum shunt_event_kind kind, const struct shunt_flow *flow, __u32 role,
				 enum shunt_reason reason)
{
	struct shunt_event *event = bpf_ringbuf_reserve(&sh_events, sizeof(*event), 0);

	if (!event)
		return;
	event->time_ns = bpf_ktime_get_ns();
	event->flow = flow->id;
	event->cookie = flow->end[role & 1].cookie;
	event->netns = flow->end[role & 1].netns;
	event->kind = kind;
	event->reason = reason;
	bpf_ringbuf_submit(event, 0);
}

#endif
