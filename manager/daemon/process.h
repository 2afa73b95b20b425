/* SPDX-License-Identifier: MIT */
/* process.h: one process as the judge sees it: which program it is, and what that program and its libraries could do.
 */
#ifndef SHUNT_PROCESS_H
#define SHUNT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "object.h"

struct shunt_process {
	pid_t pid;
	ino_t identity; /* inode of /proc/PID: bound to the process, not to its number */
	dev_t device;	/* of the executable */
	ino_t inode;
	struct timespec changed;
	uint64_t first_seen_ns; /* CLOCK_MONOTONIC */
	uint64_t read_ns;	/* when its mappings are to be read again */
	char *name;		/* file name of the executable */
	unsigned found;
	char *splice_from; /* the file that brings it in; NULL unless found */
	char *fionread_from;
};

/* Which process has this number now: two stat calls. -ESRCH: none, a dead one or a kernel thread. */
int shunt_process_look(pid_t pid, struct shunt_process *ret);
/* Still the same process, running the same program. */
bool shunt_process_same(const struct shunt_process *left, const struct shunt_process *right);
/* Reads executable and mappings; fills in name, found and where it comes from. -ESRCH: it has gone meanwhile. */
int shunt_process_inspect(struct shunt_process *process, struct shunt_objects *objects);
/* Releases what it owns, not the structure. */
void shunt_process_clear(struct shunt_process *process);

#endif
