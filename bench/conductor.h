/* SPDX-License-Identifier: MIT */
/* conductor.h: one run: a fresh server and client process, warm-up, a measured window, and what came out of it. */
#ifndef SHUNT_BENCH_CONDUCTOR_H
#define SHUNT_BENCH_CONDUCTOR_H

#include "netns.h"
#include "spec.h"
#include "variants.h"

/* What every run needs. Borrowed by the conductor. */
struct shunt_stage {
	struct shunt_bench_pods pods;
	struct shunt_netns_pair netns;
	int signal_fd; /* readable: interrupted */
	int cpus[2];   /* for pinned runs; equal if there is only one */
	double seconds;
};

/* One run's figures. A unit is a request, a connection or a byte, by workload. NAN: not known or does not apply. */
struct shunt_sample {
	struct shunt_spec spec;
	unsigned round;
	int error; /* -errno: nothing else is valid */
	double seconds;
	double rate;   /* units per second */
	double p50_us; /* of one exchange or connection */
	double p99_us;
	double cpu_ns;	     /* user and system time of both processes, per unit */
	double busy_ns;	     /* everything the machine did meanwhile, per unit: softirq, the daemon and strangers too */
	double softirq_ns;   /* the part of busy_ns spent in softirq, as the tick saw it */
	double foreign_cpus; /* busy time beyond the two processes, in CPUs: how noisy the machine was */
	double voluntary;    /* context switches of both processes, per unit */
	double involuntary;
	double across;	   /* share of exchanges whose ends ran on different CPUs */
	double redirected; /* share of the window's bytes that took the shortcut */
	char reason[32];   /* shuntd's, if not all was redirected */
};

/* -EINTR: interrupted. Any other failure is in ret->error and 0 is returned: the benchmark goes on. */
int shunt_stage_run(struct shunt_stage *stage, const struct shunt_spec *spec, struct shunt_sample *ret);

#endif
