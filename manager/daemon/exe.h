/* SPDX-License-Identifier: MIT */
/* exe.h: the judgement of a cgroup: whether a program that runs there could splice(2) or ask FIONREAD of its sockets.
 */
#ifndef SHUNT_EXE_H
#define SHUNT_EXE_H

#include <stddef.h>

#include "shunt/flow.h"

struct shunt_judge;

/*
 * splice_allow and fionread_allow are NULL-terminated lists of shell patterns on an executable's file name, added to
 * the built-in ones; both are copied and may be NULL.
 */
int shunt_judge_new(struct shunt_judge **ret, const char *const *splice_allow, const char *const *fionread_allow);
void shunt_judge_free(struct shunt_judge *judge);

/*
 * Judges the processes of exactly this cgroup (a path below the mount, as in cgroup.h). *ret_verdict is SHUNT_JUDGED
 * with SHUNT_MAY_SPLICE and SHUNT_MAY_FIONREAD. Processes that did not change since the last call cost two stat calls.
 * -ENOENT: the cgroup has gone, and what was known of it is forgotten.
 */
int shunt_judge_cgroup(struct shunt_judge *judge, const char *cgroup_path, unsigned *ret_verdict);
/* For a cgroup that is not going to be judged again. */
void shunt_judge_forget(struct shunt_judge *judge, const char *cgroup_path);

/* One program of a cgroup, as of its last judgement. Strings are borrowed. */
struct shunt_judged {
	const char *name; /* file name of the executable */
	unsigned processes;
	unsigned found;		 /* what it and its libraries could do */
	unsigned counted;	 /* what is left after the patterns */
	const char *splice_from; /* the file that brings it in; NULL unless found */
	const char *fionread_from;
	const char *splice_allowed_by; /* the pattern that cleared it; NULL if none did */
	const char *fionread_allowed_by;
};

/* Called for each program. Non-zero ends the walk and is returned. -ENOENT: the cgroup was never judged. */
typedef int (*shunt_judged_fn)(const struct shunt_judged *judged, void *context);
int shunt_judge_each(const struct shunt_judge *judge, const char *cgroup_path, shunt_judged_fn each, void *context);

#endif
