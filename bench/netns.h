/* SPDX-License-Identifier: MIT */
/* netns.h: two nameless network namespaces joined by a veth pair. They live as long as their descriptors and workers.
 */
#ifndef SHUNT_BENCH_NETNS_H
#define SHUNT_BENCH_NETNS_H

#define SHUNT_NETNS_CLIENT_ADDRESS "198.18.0.1" /* of the range for benchmarks, RFC 2544 */
#define SHUNT_NETNS_SERVER_ADDRESS "198.18.0.2"

struct shunt_netns_pair {
	int fds[2]; /* by enum shunt_bench_role; -1: not made */
};

#define SHUNT_NETNS_NONE                                                                                               \
	{                                                                                                              \
		{                                                                                                      \
			-1, -1                                                                                         \
		}                                                                                                      \
	}

/* Leaves the caller in its own namespace. */
int shunt_netns_open(struct shunt_netns_pair *ret);
void shunt_netns_close(struct shunt_netns_pair *pair);

#endif
