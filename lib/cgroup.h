/* SPDX-License-Identifier: MIT */
/* cgroup.h: paths, ids and processes of cgroup2. A "path" here is below the mount with a leading slash; "/" is the
 * root. */
#ifndef SHUNT_CGROUP_H
#define SHUNT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum shunt_cgroup_relation {
	SHUNT_CGROUP_APART = 0,
	SHUNT_CGROUP_SAME,
	SHUNT_CGROUP_ABOVE, /* the first contains the second */
	SHUNT_CGROUP_BELOW,
};

/* Where cgroup2 and bpffs are mounted, from /proc/self/mountinfo; found once, valid for the life of the process.
 * -ENOENT: nowhere. */
int shunt_cgroup_mount(const char **ret);
int shunt_bpffs_mount(const char **ret);
/* The same search, uncached: mount point of the first mount of that type whose root is the file system's own. */
int shunt_mount_find(const char *mountinfo, const char *fstype, char **ret);

/*
 * Turns what a user wrote (an absolute path, or one below the mount with or without a leading slash) into a path.
 * -ENOENT: no such cgroup; -ENOTDIR: a file; -EXDEV: exists, but outside the cgroup2 mount.
 */
int shunt_cgroup_resolve(const char *argument, char **ret);
/* The absolute file name of a path. */
int shunt_cgroup_filename(const char *path, char **ret);
/* A directory descriptor, good for bpf links and openat. */
int shunt_cgroup_open(const char *path, int *ret);
/* The kernel's cgroup id (bpf_get_current_cgroup_id, sh_pods) of an open directory, or of a path. */
int shunt_cgroup_id(int fd, uint64_t *ret);
int shunt_cgroup_path_id(const char *path, uint64_t *ret);
/* The path of a process's cgroup2 membership. -ESRCH: the process has gone. */
int shunt_cgroup_of_pid(pid_t pid, char **ret);
/* Pure: how two paths lie to each other. */
enum shunt_cgroup_relation shunt_cgroup_relate(const char *first, const char *second);
/* 1: a process lives in it or below; 0: none; -ENOENT. The root counts as populated. */
int shunt_cgroup_populated(const char *path);

/* Called for each cgroup of a subtree, parents first; the descriptor is borrowed. Non-zero ends the walk and is
 * returned. */
typedef int (*shunt_cgroup_fn)(const char *path, int fd, void *context);
int shunt_cgroup_walk(const char *path, shunt_cgroup_fn each, void *context);

/* Called for each process of one cgroup. Non-zero ends the reading and is returned. */
typedef int (*shunt_cgroup_pid_fn)(pid_t pid, void *context);
int shunt_cgroup_pids(int fd, shunt_cgroup_pid_fn each, void *context);
/* The processes of a whole subtree. */
int shunt_cgroup_procs(const char *path, shunt_cgroup_pid_fn each, void *context);

#endif
