/* SPDX-License-Identifier: MIT */
/* daemon.h: the shuntd that a benchmark talks to: the one that answers on the socket, or a private one of its own. */
#ifndef SHUNT_BENCH_DAEMON_H
#define SHUNT_BENCH_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct shunt_bench_daemon {
	char *socket;
	char *directory; /* of a private daemon: socket, configuration, log */
	char *pins;
	pid_t pid; /* of a private daemon, else 0 */
};

/*
 * Takes the daemon that answers on path (NULL: the usual socket). If none does, starts build-neighbour or $PATH shuntd
 * with a socket, pins and configuration of its own. Where no bpffs is mounted it mounts one that only this process tree
 * sees. Says on stderr what went wrong.
 */
int shunt_bench_daemon_open(struct shunt_bench_daemon *ret, const char *path);

/* Ends a private daemon and removes everything it left: programs, pins, socket, log. */
void shunt_bench_daemon_close(struct shunt_bench_daemon *daemon);

/* One call on a fresh connection, bounded. Names the method and the answer on stderr if it fails. Steals params. */
int shunt_bench_daemon_call(const struct shunt_bench_daemon *daemon, const char *method, json_t *params, json_t **ret);

#endif
