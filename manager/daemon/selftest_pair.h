/* SPDX-License-Identifier: MIT */
/* selftest_pair.h: the connection of the self-test: a child with a cgroup and a network namespace of its own. */
#ifndef SHUNT_SELFTEST_PAIR_H
#define SHUNT_SELFTEST_PAIR_H

#include <stdint.h>
#include <sys/types.h>

/* What the child does when it is told to; every byte that arrives is compared, every step ends by the deadline. */
enum shunt_pair_step {
	SHUNT_PAIR_ISOLATE,  /* joins the cgroup, makes its network namespace */
	SHUNT_PAIR_TALK,     /* connects, takes the turns, then sends once what nobody reads yet */
	SHUNT_PAIR_SEND,     /* sends once more behind it */
	SHUNT_PAIR_CATCH_UP, /* reads both, then takes one more turn */
	SHUNT_PAIR_BLOCK,    /* the server's socket becomes blocking */
	SHUNT_PAIR_TURN,     /* one more turn */
	SHUNT_PAIR_STEP_COUNT
};

struct shunt_pair {
	pid_t pid;	      /* 0: no child */
	int fd;		      /* to the child */
	uint64_t flow;	      /* the flow's id, known after TALK */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
};

int shunt_pair_start(struct shunt_pair *ret, int cgroup_fd, unsigned turns, uint64_t deadline_ns);
/* -ETIMEDOUT: not done by the deadline; -EILSEQ: other bytes arrived than were sent; -EPIPE: the child has ended. */
int shunt_pair_do(struct shunt_pair *pair, enum shunt_pair_step step);
/* For this long nothing happens, unless the child ends. */
void shunt_pair_pause(const struct shunt_pair *pair, int milliseconds);
/* Its sockets are closed and it is reaped when this returns. */
void shunt_pair_end(struct shunt_pair *pair);

#endif
