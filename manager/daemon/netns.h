/* SPDX-License-Identifier: MIT */
/* netns.h: which network namespaces processes live in, and short visits to them by the calling thread. */
#ifndef SHUNT_NETNS_H
#define SHUNT_NETNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct shunt_netns {
	uint64_t inode;
	int fd;	   /* owned by the list */
	pid_t pid; /* one process that lives there */
};

/* An open descriptor of the process's namespace and its inode number. -ESRCH: the process has gone. */
int shunt_netns_of_pid(pid_t pid, int *ret_fd, uint64_t *ret_inode);

/* The distinct namespaces of the processes in and below these cgroups (paths as in cgroup.h). What has gone, or may not
 * be looked at, is left out. */
int shunt_netns_list(const char *const *cgroups, size_t count, struct shunt_netns **ret, size_t *ret_count);
void shunt_netns_list_free(struct shunt_netns *list, size_t count);

/* The number in SO_NETNS_COOKIE: what the programs call netns. netns_fd -1: the caller's own. */
int shunt_netns_cookie(int netns_fd, uint64_t *ret);

/* Moves the calling thread there; *ret_home leads back. netns_fd -1: stays, and *ret_home is -1. */
int shunt_netns_enter(int netns_fd, int *ret_home);
/* The way back; closes home. A thread that cannot go back must not go on: it ends the process. */
void shunt_netns_leave(int home);

#endif
