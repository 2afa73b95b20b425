/* SPDX-License-Identifier: MIT */
/* netns.c: finds network namespaces through /proc and visits them with setns. */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "cleanup.h"
#include "log.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static void namespace_name(char *name, size_t size, pid_t pid)
{
	snprintf(name, size, "/proc/%d/ns/net", pid);
}

/* A dead process that was not waited for has no namespaces any more. */
static int process_error(int error)
{
	return error == ENOENT || error == ESRCH ? -ESRCH : -error;
}

int shunt_netns_of_pid(pid_t pid, int *ret_fd, uint64_t *ret_inode)
{
	char name[40];
	struct stat status;

	namespace_name(name, sizeof(name), pid);
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return process_error(errno);
	if (fstat(fd, &status) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	*ret_inode = status.st_ino;
	return 0;
}

struct collection {
	struct shunt_netns *list;
	size_t count;
};

static bool is_known(const struct collection *collection, uint64_t inode)
{
	/* Backwards: processes of one cgroup mostly share the namespace that came last. */
	for (size_t i = collection->count; i > 0; i--)
		if (collection->list[i - 1].inode == inode)
			return true;
	return false;
}

static int add_netns(struct collection *collection, pid_t pid)
{
	_cleanup_close_ int fd = -1;
	uint64_t inode;

	int r = shunt_netns_of_pid(pid, &fd, &inode);
	if (r < 0 || is_known(collection, inode))
		return 0;
	struct shunt_netns *list = reallocarray(collection->list, collection->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	collection->list = list;
	list[collection->count++] = (struct shunt_netns){inode, TAKE_FD(fd), pid};
	return 0;
}

/* The stat comes first: it is cheap, and most processes bring no new namespace. */
static int collect(pid_t pid, void *context)
{
	char name[40];
	struct stat status;

	if (pid == 0)
		return 0;
	namespace_name(name, sizeof(name), pid);
	if (stat(name, &status) < 0)
		return 0; /* gone, or closed to us (pid 1 of a sandbox): its neighbours show the namespace */
	return is_known(context, status.st_ino) ? 0 : add_netns(context, pid);
}

int shunt_netns_list(const char *const *cgroups, size_t count, struct shunt_netns **ret, size_t *ret_count)
{
	struct collection collection = {};

	for (size_t i = 0; i < count; i++) {
		int r = shunt_cgroup_procs(cgroups[i], collect, &collection);
		if (r < 0 && r != -ENOENT) {
			shunt_netns_list_free(collection.list, collection.count);
			return r;
		}
	}
	*ret = collection.list;
	*ret_count = collection.count;
	return 0;
}

void shunt_netns_list_free(struct shunt_netns *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(list[i].fd);
	free(list);
}

int shunt_netns_enter(int netns_fd, int *ret_home)
{
	if (netns_fd < 0) {
		*ret_home = -1;
		return 0;
	}
	_cleanup_close_ int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return -errno;
	*ret_home = TAKE_FD(home);
	return 0;
}

void shunt_netns_leave(int home)
{
	if (home < 0)
		return;
	if (setns(home, CLONE_NEWNET) < 0) {
		shunt_error(
			"cannot return to the own network namespace: %m; giving up rather than act in a foreign one");
		abort();
	}
	close(home);
}

int shunt_netns_cookie(int netns_fd, uint64_t *ret)
{
	int home;
	socklen_t size = sizeof(*ret);

	int r = shunt_netns_enter(netns_fd, &home);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : 0;
	shunt_netns_leave(home);
	if (r < 0)
		return r;
	uint64_t cookie;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		return -errno;
	*ret = cookie;
	return 0;
}
