/* SPDX-License-Identifier: MIT */
/* probe.c: the probe answers everything on this kernel, says so when it cannot, and leaves nothing behind. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../manager/daemon/probe.h"
#include "../unit/test.h"
#include "cleanup.h"

SHUNT_DEFINE_CLEANUP(struct shunt_probe *, shunt_probe_free)

static const struct shunt_probe_item *item(const struct shunt_probe *probe, const char *name)
{
	for (size_t i = 0; i < probe->count; i++)
		if (!strcmp(probe->items[i].name, name))
			return &probe->items[i];
	return NULL;
}

static struct shunt_probe *run(void)
{
	struct shunt_probe *probe;

	assert_int_equal(shunt_probe_run(&probe), 0);
	return probe;
}

static void answers_everything(void **state)
{
	static const char *const names[] = {"kernel",	    "scan",	"jit",	      "cgroup2",     "bpffs",
					    "btf",	    "fentry",	"tp_btf",     "kallsyms",    "sockmap",
					    "sockmap_link", "fionread", "second_map", "ktls_member", "bpf_rdonly_cast"};
	_cleanup_(shunt_probe_free_p) struct shunt_probe *probe = run();

	for (size_t i = 0; i < SHUNT_COUNT_OF(names); i++)
		if (!item(probe, names[i]))
			fail_msg("no item %s", names[i]);
	for (size_t i = 0; i < probe->count; i++) {
		assert_true(strlen(probe->items[i].text) > 10);
		assert_ptr_equal(item(probe, probe->items[i].name), &probe->items[i]);
		if (probe->items[i].result != SHUNT_PROBE_OK)
			print_message("# %s %s: %s\n", shunt_probe_result_word(probe->items[i].result),
				      probe->items[i].name, probe->items[i].text);
	}
	for (size_t i = 0; i < SHUNT_KERNEL_BUGS; i++)
		assert_non_null(item(probe, shunt_kernel_bugs[i].label));
}

/* What is known of every kernel shunt supports (facts of the project), and of these releases in particular. */
static void facts_hold(void **state)
{
	_cleanup_(shunt_probe_free_p) struct shunt_probe *probe = run();
	const struct shunt_kernel_version *v = &probe->version;

	assert_int_equal(item(probe, "sockmap")->result, SHUNT_PROBE_OK);
	assert_int_equal(item(probe, "second_map")->result, SHUNT_PROBE_OK);
	assert_int_not_equal(probe->fionread, SHUNT_FIONREAD_UNKNOWN);
	assert_int_equal(probe->fionread_wrong, probe->fionread != SHUNT_FIONREAD_C);
	assert_true(probe->level <= probe->decision.level);
	assert_int_equal(probe->scan, probe->decision.scan);
	assert_int_equal(probe->has_sockmap_link, shunt_kernel_at_least(v, 6, 10, 0));
	assert_int_equal(probe->has_rdonly_cast, shunt_kernel_at_least(v, 6, 2, 0));
	assert_int_equal(probe->has_sock_destroy, shunt_kernel_at_least(v, 6, 5, 0));
	if (shunt_kernel_is_series(v, 6, 12) && v->patch >= 114)
		assert_int_equal(probe->fionread, SHUNT_FIONREAD_C);
	if (shunt_kernel_is_series(v, 6, 1))
		assert_int_equal(probe->fionread, SHUNT_FIONREAD_A);
	if (shunt_kernel_is_series(v, 6, 18) && v->patch == 44)
		assert_int_equal(probe->fionread, SHUNT_FIONREAD_B);
}

static void address_is_the_kernels(void **state)
{
	_cleanup_(shunt_probe_free_p) struct shunt_probe *probe = run();
	FILE *pipe = popen("grep -wm1 woken_wake_function /proc/kallsyms | cut -d' ' -f1", "re");
	unsigned long long expected = 0;

	assert_non_null(pipe);
	int read = fscanf(pipe, "%llx", &expected);
	pclose(pipe);
	assert_int_equal(read, 1);
	assert_true(probe->woken_wake_function == expected);
}

static unsigned open_files(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	return count;
}

static unsigned named_programs(void)
{
	unsigned count = 0;

	for (unsigned id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
		struct bpf_prog_info info = {};
		unsigned size = sizeof(info);
		_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			count += !strncmp(info.name, "sh_probe", 8);
	}
	return count;
}

static unsigned named_maps(void)
{
	unsigned count = 0;

	for (unsigned id = 0; bpf_map_get_next_id(id, &id) == 0;) {
		struct bpf_map_info info = {};
		unsigned size = sizeof(info);
		_cleanup_close_ int fd = bpf_map_get_fd_by_id(id);
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			count += !strncmp(info.name, "sh_probe", 8);
	}
	return count;
}

/* The kernel frees programs and maps a moment after their last user went; other daemons of this machine may be probing
 * too. */
static void nothing_remains(void **state)
{
	unsigned files = open_files();
	unsigned left = 1;

	for (int i = 0; i < 5; i++)
		shunt_probe_free(run());
	assert_int_equal(open_files(), files);
	for (int i = 0; i < 100 && left; i++) {
		left = named_programs() + named_maps();
		if (left)
			usleep(50000);
	}
	assert_int_equal(left, 0);
}

static void is_quick(void **state)
{
	struct timespec start;
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	shunt_probe_free(run());
	clock_gettime(CLOCK_MONOTONIC, &end);
	double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	print_message("# one probe took %.3f s\n", seconds);
	assert_true(seconds < 5);
}

/* In a child: a namespace whose lo is down. */
static int probe_without_loopback(void)
{
	struct shunt_probe *probe;

	if (unshare(CLONE_NEWNET) < 0 || shunt_probe_run(&probe) < 0)
		return 1;
	if (probe->level != SHUNT_KERNEL_OBSERVE || !probe->fionread_wrong || probe->fionread != SHUNT_FIONREAD_UNKNOWN)
		return 2;
	const struct shunt_probe_item *sockmap = item(probe, "sockmap");
	int r = sockmap && sockmap->result == SHUNT_PROBE_FAIL ? 0 : 3;
	shunt_probe_free(probe);
	return r;
}

static void says_what_cannot_be_tried(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(probe_without_loopback());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_everything),
		cmocka_unit_test(facts_hold),
		cmocka_unit_test(address_is_the_kernels),
		cmocka_unit_test(nothing_remains),
		cmocka_unit_test(is_quick),
		cmocka_unit_test(says_what_cannot_be_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
