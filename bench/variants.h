/* SPDX-License-Identifier: MIT */
/* variants.h: what makes a run plain, adaptive, eager ...: cgroups, and what shuntd is told about them. */
#ifndef SHUNT_BENCH_VARIANTS_H
#define SHUNT_BENCH_VARIANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon.h"
#include "workloads.h"

/*
 * Three cgroups: one a worker and an idle one. A pod is attached for the length of one run only, so that plain runs
 * feel nothing of a hook that is there for a pod of another run.
 */
struct shunt_bench_pods {
	const struct shunt_bench_daemon *daemon; /* NULL: only unmanaged variants can run */
	char *root;				 /* file name of the folder above the three */
	bool attached[3];
};

int shunt_bench_pods_open(struct shunt_bench_pods *ret, const struct shunt_bench_daemon *daemon);
void shunt_bench_pods_close(struct shunt_bench_pods *pods);

/* Before the processes of a run are made, and after they have ended. */
int shunt_bench_pods_attach(struct shunt_bench_pods *pods, enum shunt_variant variant);
int shunt_bench_pods_detach(struct shunt_bench_pods *pods);

/* Called by a worker before it opens a socket: a socket belongs for life to the cgroup it was made in. */
int shunt_bench_pods_join(const struct shunt_bench_pods *pods, enum shunt_bench_role role);

/* What shuntd says of one connection, both ends summed. */
struct shunt_bench_flow {
	bool found;
	bool redirect;	 /* both ends */
	char reason[32]; /* of the first end that is not redirected */
	uint64_t redirected_bytes;
	uint64_t redirected_messages;
};
int shunt_bench_flow_read(const struct shunt_bench_pods *pods, const struct shunt_bench_address *client,
			  struct shunt_bench_flow *ret);

#endif
