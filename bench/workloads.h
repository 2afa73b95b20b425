/* SPDX-License-Identifier: MIT */
/* workloads.h: what the client and the server process of one run do, and the memory they share with the conductor. */
#ifndef SHUNT_BENCH_WORKLOADS_H
#define SHUNT_BENCH_WORKLOADS_H

#include <stdint.h>

#include "endpoint.h"
#include "measure.h"
#include "spec.h"

/* Set by the conductor, looked at by both workers before every operation. Traffic flows in all but the last. */
enum shunt_bench_phase { SHUNT_BENCH_WARM, SHUNT_BENCH_MEASURE, SHUNT_BENCH_COOL, SHUNT_BENCH_STOP };

enum shunt_bench_role { SHUNT_BENCH_CLIENT, SHUNT_BENCH_SERVER };

/* Written by one worker only. */
struct shunt_side {
	uint64_t operations; /* exchanges, connections, or bytes received (a stream's server) */
	uint64_t sent_bytes;
	uint64_t operations_at[2]; /* begin and end of the measured window */
	struct shunt_usage usage_at[2];
	unsigned snapshots; /* how many of the two have been taken */
	int cpu;	    /* where it ran a moment ago */
	int error;	    /* 0 or -errno */
} __attribute__((aligned(128)));

struct shunt_shared {
	enum shunt_bench_phase phase __attribute__((aligned(128)));
	struct shunt_side sides[2];	    /* by enum shunt_bench_role */
	struct shunt_bench_address address; /* of the listener */
	struct shunt_bench_address client;  /* the client's own */
	uint64_t hops;			    /* looks at both workers' CPUs, and how often they differed */
	uint64_t hops_across;
	struct shunt_hist latency;
};

static inline enum shunt_bench_phase shunt_bench_phase_get(const struct shunt_shared *shared)
{
	return __atomic_load_n(&shared->phase, __ATOMIC_RELAXED);
}

static inline unsigned shunt_side_snapshots(const struct shunt_side *side)
{
	return __atomic_load_n(&side->snapshots, __ATOMIC_ACQUIRE);
}

static inline void shunt_bench_phase_set(struct shunt_shared *shared, enum shunt_bench_phase phase)
{
	__atomic_store_n(&shared->phase, phase, __ATOMIC_RELAXED);
}

/*
 * The life of one worker, in the process that was made for it: opens its sockets, writes one byte to ready_fd once it
 * listens (server) or is connected (client), runs until SHUNT_BENCH_STOP or the peer's end. 0 or -errno, also left in
 * its side.
 */
int shunt_worker_run(struct shunt_shared *shared, const struct shunt_spec *spec, enum shunt_bench_role role,
		     int ready_fd);

#endif
