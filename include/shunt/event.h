/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* event.h: what the datapath tells the daemon through the ring buffer sh_events. Lossy: drops are counted. */
#ifndef SHUNT_EVENT_H
#define SHUNT_EVENT_H

#include <linux/types.h>

/* X(ENUM, word) */
#define SHUNT_EVENTS(X)                                                                                                \
	X(PROMOTED, promoted) X(DEMOTED, demoted) X(SPLICE_SEEN, splice_seen) X(STUCK, stuck) X(MAP_FULL, map_full)

enum shunt_event_kind {
#define X(name, word) SHUNT_EVENT_##name,
	SHUNT_EVENTS(X)
#undef X
		SHUNT_EVENT_COUNT
};

struct shunt_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 flow;    /* flow id, 0 if none */
	__u64 cookie;  /* of the end concerned */
	__u64 netns;   /* cookie of its network namespace */
	__u32 kind;    /* enum shunt_event_kind */
	__u32 reason;  /* enum shunt_reason */
};

_Static_assert(sizeof(struct shunt_event) == 40, "shunt_event is part of the contract");

#endif
