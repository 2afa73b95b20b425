/* SPDX-License-Identifier: MIT */
/* test_cgroup.c: mountinfo, paths and their relations; and, where cgroup2 is mounted, the host's own cgroups, read
 * only. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "cleanup.h"

static int find_mount(const char *mountinfo, const char *type, char **ret)
{
	char name[32];
	_cleanup_close_ int fd = memfd_create("mountinfo", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, mountinfo, strlen(mountinfo)), strlen(mountinfo));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return shunt_mount_find(name, type, ret);
}

static void test_mountinfo(void **state)
{
	static const char mountinfo[] =
		"22 1 0:5 / /proc rw,relatime - proc proc rw\n"
		"30 1 0:30 /kubepods /host/cgroup rw - cgroup2 cgroup2 rw\n"
		"31 1 0:30 / /sys/fs/cgroup\\040two rw shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n"
		"32 1 0:31 / /sys/fs/bpf rw shared:5 - bpf none rw,mode=700\n"
		"33 1 0:31 / /other/bpf rw - bpf none rw\n"
		"34 garbage\n";
	_cleanup_free_ char *cgroup = NULL;
	_cleanup_free_ char *bpf = NULL;
	char *none = NULL;

	assert_return_code(find_mount(mountinfo, "cgroup2", &cgroup), 0);
	assert_string_equal(cgroup, "/sys/fs/cgroup two");
	assert_return_code(find_mount(mountinfo, "bpf", &bpf), 0);
	assert_string_equal(bpf, "/sys/fs/bpf");
	assert_int_equal(find_mount(mountinfo, "cgroup", &none), -ENOENT);
	assert_int_equal(find_mount("", "bpf", &none), -ENOENT);
	assert_int_equal(shunt_mount_find("/nonexistent", "bpf", &none), -ENOENT);
	assert_null(none);
}

static void test_relations(void **state)
{
	assert_int_equal(shunt_cgroup_relate("/a", "/a"), SHUNT_CGROUP_SAME);
	assert_int_equal(shunt_cgroup_relate("/a", "/a/b"), SHUNT_CGROUP_ABOVE);
	assert_int_equal(shunt_cgroup_relate("/a/b/c", "/a"), SHUNT_CGROUP_BELOW);
	assert_int_equal(shunt_cgroup_relate("/a", "/ab"), SHUNT_CGROUP_APART);
	assert_int_equal(shunt_cgroup_relate("/ab", "/a"), SHUNT_CGROUP_APART);
	assert_int_equal(shunt_cgroup_relate("/a/b", "/a/c"), SHUNT_CGROUP_APART);
	assert_int_equal(shunt_cgroup_relate("/", "/a"), SHUNT_CGROUP_ABOVE);
	assert_int_equal(shunt_cgroup_relate("/a/b", "/"), SHUNT_CGROUP_BELOW);
	assert_int_equal(shunt_cgroup_relate("/", "/"), SHUNT_CGROUP_SAME);
}

static const char *require_mount(void)
{
	const char *mount = NULL;

	if (shunt_cgroup_mount(&mount) < 0)
		skip();
	return mount;
}

static void test_resolve_own(void **state)
{
	const char *mount = require_mount();
	_cleanup_free_ char *own = NULL;
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *from_name = NULL;
	_cleanup_free_ char *from_path = NULL;
	_cleanup_free_ char *root = NULL;

	assert_return_code(shunt_cgroup_of_pid(getpid(), &own), 0);
	assert_return_code(shunt_cgroup_filename(own, &name), 0);
	assert_return_code(shunt_cgroup_resolve(name, &from_name), 0);
	assert_string_equal(from_name, own);
	assert_return_code(shunt_cgroup_resolve(strcmp(own, "/") ? own + 1 : ".", &from_path), 0);
	assert_string_equal(from_path, own);
	assert_return_code(shunt_cgroup_resolve(mount, &root), 0);
	assert_string_equal(root, "/");
}

static void expect_refusal(const char *argument, int error)
{
	char *path = NULL;

	assert_int_equal(shunt_cgroup_resolve(argument, &path), error);
	assert_null(path);
}

static void test_resolve_refuses(void **state)
{
	const char *mount = require_mount();
	char name[512];

	expect_refusal("/tmp", -EXDEV);
	expect_refusal("/", -EXDEV);
	expect_refusal("..", -EXDEV);
	expect_refusal("", -ENOENT);
	expect_refusal("no/such/cgroup", -ENOENT);
	expect_refusal("/no/such/cgroup", -ENOENT);
	expect_refusal("cgroup.procs", -ENOTDIR);
	snprintf(name, sizeof(name), "%s/../../../../../../../../tmp", mount);
	expect_refusal(name, -EXDEV);
}

static void test_id(void **state)
{
	const char *mount = require_mount();
	struct stat stat_buffer;
	uint64_t id = 0;

	assert_return_code(stat(mount, &stat_buffer), 0);
	assert_return_code(shunt_cgroup_path_id("/", &id), 0);
	assert_int_equal(id, stat_buffer.st_ino);
	assert_int_equal(shunt_cgroup_path_id("/no-such-cgroup", &id), -ENOENT);
}

static int find_self(pid_t pid, void *context)
{
	*(int *)context += 1;
	return pid == getpid() ? 1 : 0;
}

static void test_processes(void **state)
{
	require_mount();
	_cleanup_free_ char *own = NULL;
	int seen = 0;

	assert_return_code(shunt_cgroup_of_pid(getpid(), &own), 0);
	assert_int_equal(shunt_cgroup_procs(own, find_self, &seen), 1);
	assert_int_equal(shunt_cgroup_procs("/", find_self, &seen), 1);
	assert_true(seen > 1);
	assert_int_equal(shunt_cgroup_procs("/no-such-cgroup", find_self, &seen), -ENOENT);
	assert_int_equal(shunt_cgroup_populated(own), 1);
	assert_int_equal(shunt_cgroup_populated("/no-such-cgroup"), -ENOENT);
}

static void test_process_that_has_gone(void **state)
{
	char *path = NULL;

	assert_int_equal(shunt_cgroup_of_pid(0x7ffffff, &path), -ESRCH);
	assert_null(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_relations),
		cmocka_unit_test(test_resolve_own),
		cmocka_unit_test(test_resolve_refuses),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_process_that_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
