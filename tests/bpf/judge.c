/* SPDX-License-Identifier: MIT */
/* judge.c: real programs in a cgroup of their own get the bits they should; changes are seen; a repeated look is cheap.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../manager/daemon/exe.h"
#include "../unit/test.h"
#include "cgroup.h"
#include "cleanup.h"

#define CGROUP "/shunt-test-judge"
#define BOTH (SHUNT_MAY_SPLICE | SHUNT_MAY_FIONREAD)
#define MOST 256

static char folder[] = "/tmp/shunt-test-judge-XXXXXX";
static pid_t children[MOST];
static unsigned child_count;
static int listener = -1;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void join_cgroup(void)
{
	_cleanup_free_ char *name = NULL;
	char procs[512];

	if (shunt_cgroup_filename(CGROUP, &name) < 0)
		_exit(126);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", name);
	_cleanup_close_ int fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(126);
}

/* A command of sh inside the cgroup; input is its standard input, -1 for none. */
static pid_t start(const char *command, int input)
{
	assert_true(child_count < MOST);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(input >= 0 ? input : null, 0);
		dup2(null, 1);
		dup2(null, 2);
		setpgid(0, 0);
		join_cgroup();
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	children[child_count++] = pid;
	return pid;
}

/* Children of the commands are in their process groups; nothing of them stays in the cgroup. */
static int stop_all(void **state)
{
	_cleanup_close_ int fd = -1;

	for (unsigned i = 0; i < child_count; i++) {
		kill(-children[i], SIGKILL);
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	child_count = 0;
	for (int i = 0; i < 500 && shunt_cgroup_populated(CGROUP) == 1; i++)
		usleep(10000);
	return shunt_cgroup_populated(CGROUP) == 0 ? 0 : -1;
}

static void napping(void)
{
	usleep(20000);
}

/* Programs take time to start and to map their libraries: asks until the verdict is the expected one, for at most 10 s.
 */
static unsigned verdict_soon(struct shunt_judge *judge, unsigned expected)
{
	uint64_t end = now_ns() + 10000000000ull;
	unsigned verdict;

	do {
		assert_int_equal(shunt_judge_cgroup(judge, CGROUP, &verdict), 0);
		if (verdict == expected)
			break;
		napping();
	} while (now_ns() < end);
	return verdict;
}

struct wanted {
	const char *name;
	bool seen;
	unsigned processes;
	unsigned found;
	unsigned counted;
	char splice_from[64];
	char fionread_from[64];
	char allowed_by[64];
};

static int note(const struct shunt_judged *judged, void *context)
{
	struct wanted *wanted = context;
	const char *by = judged->splice_allowed_by ? judged->splice_allowed_by : judged->fionread_allowed_by;

	if (strcmp(judged->name, wanted->name) != 0)
		return 0;
	wanted->seen = true;
	wanted->processes = judged->processes;
	wanted->found = judged->found;
	wanted->counted = judged->counted;
	snprintf(wanted->splice_from, sizeof(wanted->splice_from), "%s",
		 judged->splice_from ? judged->splice_from : "");
	snprintf(wanted->fionread_from, sizeof(wanted->fionread_from), "%s",
		 judged->fionread_from ? judged->fionread_from : "");
	snprintf(wanted->allowed_by, sizeof(wanted->allowed_by), "%s", by ? by : "");
	return 0;
}

static struct wanted program_in(struct shunt_judge *judge, const char *name)
{
	struct wanted wanted = {.name = name};

	int r = shunt_judge_each(judge, CGROUP, note, &wanted);
	assert_true(r == 0 || r == -ENOENT);
	return wanted;
}

/* Until the program is there and its libraries are (found holds what is expected), for at most 10 s. */
static struct wanted program_soon(struct shunt_judge *judge, const char *name, unsigned found)
{
	struct wanted wanted = {};
	unsigned verdict;
	uint64_t end = now_ns() + 10000000000ull;

	do {
		assert_int_equal(shunt_judge_cgroup(judge, CGROUP, &verdict), 0);
		wanted = program_in(judge, name);
		if (wanted.seen && (wanted.found & found) == found)
			break;
		napping();
	} while (now_ns() < end);
	return wanted;
}

SHUNT_DEFINE_CLEANUP(struct shunt_judge *, shunt_judge_free)
#define _cleanup_judge_ _cleanup_(shunt_judge_free_p)

static struct shunt_judge *new_judge(const char *const *splice_allow, const char *const *fionread_allow)
{
	struct shunt_judge *judge;

	assert_int_equal(shunt_judge_new(&judge, splice_allow, fionread_allow), 0);
	return judge;
}

static void empty_and_missing(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);
	unsigned verdict = 77;

	assert_int_equal(shunt_judge_cgroup(judge, "/shunt-test-judge-none", &verdict), -ENOENT);
	assert_int_equal(verdict, 77);
	assert_int_equal(shunt_judge_cgroup(judge, CGROUP, &verdict), 0);
	assert_int_equal(verdict, SHUNT_JUDGED);
}

#define PG "/usr/lib/postgresql/15/bin/"

/* What must be found with real programs as Debian 12 ships them, and what is left of it. */
static const struct {
	const char *name;
	const char *needs;
	const char *command;
	unsigned found;
	unsigned counted;
} programs[] = {
	{"redis-check-rdb", "/usr/bin/redis-server",
	 "exec redis-server --port 0 --save '' --unixsocket $HOME/redis.sock", SHUNT_MAY_FIONREAD, 0},
	{"redis-cli", "/usr/bin/redis-cli",
	 "until redis-cli -s $HOME/redis.sock ping; do sleep 0.1; done; exec redis-cli -s $HOME/redis.sock -r "
	 "99 -i 1 ping",
	 SHUNT_MAY_FIONREAD, 0},
	{"haproxy", "/usr/sbin/haproxy", "exec haproxy -f $HOME/haproxy.cfg", BOTH, SHUNT_MAY_SPLICE},
	{"nginx", "/usr/sbin/nginx", "exec nginx -c $HOME/nginx.conf -p $HOME -e stderr", SHUNT_MAY_FIONREAD,
	 SHUNT_MAY_FIONREAD},
	{"wrk", "/usr/bin/wrk", "exec wrk -t 1 -c 1 -d 60 http://127.0.0.1:$PORT/", SHUNT_MAY_FIONREAD, 0},
	{"node", "/usr/bin/node", "exec node -e 'setInterval(() => 0, 1000)'", SHUNT_MAY_FIONREAD, 0},
	{"iperf3", "/usr/bin/iperf3", "exec iperf3 -s -B 127.0.0.1 -p $((PORT - 1))", 0, 0},
	{"curl", "/usr/bin/curl", "exec curl -s http://127.0.0.1:$PORT/", SHUNT_MAY_FIONREAD, 0},
	{"memcached", "/usr/bin/memcached", "exec memcached -u root -s $HOME/memcached.sock", SHUNT_MAY_FIONREAD, 0},
	{"postgres", PG "postgres",
	 "exec setpriv --reuid postgres --regid postgres --clear-groups " PG "postgres -D $HOME/pg -k $HOME/pg "
	 "-c listen_addresses=",
	 SHUNT_MAY_FIONREAD, 0},
	{"psql", PG "psql",
	 "until " PG "pg_isready -q -h $HOME/pg; do sleep 0.1; done; sleep 60 | exec " PG
	 "psql -h $HOME/pg -U postgres postgres",
	 SHUNT_MAY_FIONREAD, 0},
	{"pgbench", PG "pgbench",
	 "until " PG "pg_isready -q -h $HOME/pg; do sleep 0.1; done; exec " PG
	 "pgbench -h $HOME/pg -U postgres -n -T 60 -R 1 -f $HOME/select.sql postgres",
	 SHUNT_MAY_FIONREAD, 0},
};

static void real_programs(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);

	for (size_t i = 0; i < SHUNT_COUNT_OF(programs); i++) {
		if (access(programs[i].needs, X_OK) < 0) {
			print_message("# %s is not installed\n", programs[i].needs);
			continue;
		}
		start(programs[i].command, -1);
		struct wanted wanted = program_soon(judge, programs[i].name, programs[i].found);
		print_message(
			"# %s: found %u, counted %u, splice from \"%s\", FIONREAD from \"%s\", allowed by \"%s\"\n",
			programs[i].name, wanted.found, wanted.counted, wanted.splice_from, wanted.fionread_from,
			wanted.allowed_by);
		if (!wanted.seen || wanted.found != programs[i].found || wanted.counted != programs[i].counted)
			fail_msg("%s: %s, found %u, counted %u", programs[i].name, wanted.seen ? "seen" : "not seen",
				 wanted.found, wanted.counted);
	}
}

static void python_is_allowed(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);
	char target[64] = "";

	if (readlink("/usr/bin/python3", target, sizeof(target) - 1) < 0) {
		print_message("# /usr/bin/python3 is not installed\n");
		skip();
	}
	start("exec /usr/bin/python3 -c 'import time; time.sleep(60)'", -1);
	struct wanted wanted = program_soon(judge, target, BOTH);
	assert_true(wanted.seen);
	assert_int_equal(wanted.found, BOTH);
	assert_int_equal(wanted.counted, 0);
	assert_string_equal(wanted.allowed_by, "python3*");
}

static void operator_allows(void **state)
{
	const char *const splice[] = {"hapr*", NULL};
	_cleanup_judge_ struct shunt_judge *strict = new_judge(NULL, NULL);
	_cleanup_judge_ struct shunt_judge *open_judge = new_judge(splice, NULL);

	start("exec haproxy -f $HOME/haproxy.cfg", -1);
	assert_int_equal(verdict_soon(strict, SHUNT_JUDGED | SHUNT_MAY_SPLICE), SHUNT_JUDGED | SHUNT_MAY_SPLICE);
	assert_int_equal(verdict_soon(open_judge, SHUNT_JUDGED), SHUNT_JUDGED);
	assert_string_equal(program_in(open_judge, "haproxy").allowed_by, "hapr*");
}

static void virtual_machines_by_name(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);

	start("cp /bin/sleep $HOME/java && exec $HOME/java 60", -1);
	struct wanted wanted = program_soon(judge, "java", SHUNT_MAY_FIONREAD);
	assert_true(wanted.seen);
	assert_int_equal(wanted.counted, SHUNT_MAY_FIONREAD);
}

static void static_program(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);

	start("printf 'int pause(void); int main(void) { return pause(); }' >$HOME/s.c && cc -static -o $HOME/still "
	      "$HOME/s.c && exec $HOME/still",
	      -1);
	struct wanted wanted = program_soon(judge, "still", BOTH);
	assert_true(wanted.seen);
	assert_int_equal(wanted.counted, BOTH);
}

static int find_unlinked(pid_t pid, void *context)
{
	char path[32];
	char target[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, context) &&
	       strstr(target, " (deleted)");
}

static bool is_unlinked(char *name)
{
	return shunt_cgroup_procs(CGROUP, find_unlinked, name) == 1;
}

static void unlinked_in_another_mount_namespace(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);

	start("exec unshare -m sh -c 'mount -t tmpfs none /mnt && cp /usr/sbin/haproxy /mnt/inner && { (sleep 1; rm "
	      "/mnt/inner) & "
	      "exec /mnt/inner -f $HOME/haproxy.cfg; }'",
	      -1);
	struct wanted wanted = program_soon(judge, "inner", SHUNT_MAY_SPLICE);
	assert_true(wanted.seen);
	assert_true(wanted.counted & SHUNT_MAY_SPLICE);
	uint64_t end = now_ns() + 5000000000ull;
	bool unlinked = false;
	for (; !unlinked && now_ns() < end; napping())
		unlinked = is_unlinked("inner");
	assert_true(unlinked);
	_cleanup_judge_ struct shunt_judge *later = new_judge(NULL, NULL);
	wanted = program_soon(later, "inner", SHUNT_MAY_SPLICE);
	assert_true(wanted.seen);
	assert_true(wanted.found & SHUNT_MAY_SPLICE);
}

static void exec_and_death_are_seen(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	start("read line && exec haproxy -f $HOME/haproxy.cfg", ends[0]);
	close(ends[0]);
	assert_true(program_soon(judge, "dash", 0).seen);
	assert_int_equal(verdict_soon(judge, SHUNT_JUDGED), SHUNT_JUDGED);
	assert_int_equal(write(ends[1], "\n", 1), 1);
	assert_int_equal(verdict_soon(judge, SHUNT_JUDGED | SHUNT_MAY_SPLICE), SHUNT_JUDGED | SHUNT_MAY_SPLICE);
	assert_false(program_in(judge, "dash").seen);
	close(ends[1]);
	assert_int_equal(stop_all(NULL), 0);
	assert_int_equal(verdict_soon(judge, SHUNT_JUDGED), SHUNT_JUDGED);
	assert_false(program_in(judge, "haproxy").seen);
}

__attribute__((unused)) static void later_libraries_are_seen(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);
	char self[4096] = "";
	_cleanup_free_ char *command = NULL;
	int ends[2];

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_true(asprintf(&command, "exec %s --dlopen", self) > 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	start(command, ends[0]);
	close(ends[0]);
	assert_true(program_soon(judge, "test_judge", 0).seen);
	assert_int_equal(program_in(judge, "test_judge").found, 0);
	assert_int_equal(write(ends[1], "\n", 1), 1);
	struct wanted wanted = program_soon(judge, "test_judge", SHUNT_MAY_FIONREAD);
	close(ends[1]);
	assert_int_equal(wanted.found, SHUNT_MAY_FIONREAD);
	assert_non_null(strstr(wanted.fionread_from, "libstdc++"));
}

/* 200 processes that did not change; the limit is ten times what a quiet machine takes. */
static void second_look_is_cheap(void **state)
{
	_cleanup_judge_ struct shunt_judge *judge = new_judge(NULL, NULL);
	unsigned verdict;

	start("i=0; while [ $i -lt 199 ]; do sleep 60 & i=$((i + 1)); done; wait", -1);
	uint64_t end = now_ns() + 20000000000ull;
	do {
		napping();
		assert_int_equal(shunt_judge_cgroup(judge, CGROUP, &verdict), 0);
	} while (program_in(judge, "sleep").processes < 199 && now_ns() < end);
	assert_int_equal(program_in(judge, "sleep").processes, 199);
	shunt_judge_forget(judge, CGROUP);
	uint64_t took[41];
	for (size_t i = 0; i < SHUNT_COUNT_OF(took); i++) {
		uint64_t start_ns = now_ns();
		assert_int_equal(shunt_judge_cgroup(judge, CGROUP, &verdict), 0);
		took[i] = now_ns() - start_ns;
	}
	uint64_t best = took[1];
	for (size_t i = 2; i < SHUNT_COUNT_OF(took); i++)
		best = took[i] < best ? took[i] : best;
	print_message("# 200 processes: first look %.2f ms, later ones %.3f ms\n", (double)took[0] / 1e6,
		      (double)best / 1e6);
	assert_true(best < 10000000);
}

static void write_text(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	_cleanup_fclose_ FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
}

/* Somebody to talk to for clients that would end without: connections wait in its backlog. */
static int open_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	char port[8];

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)&address, size) < 0 || listen(listener, 64) < 0 ||
	    getsockname(listener, (void *)&address, &size) < 0)
		return -1;
	snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
	return setenv("PORT", port, 1);
}

static int open_story(void **state)
{
	_cleanup_free_ char *name = NULL;

	if (!mkdtemp(folder) || chmod(folder, 0711) < 0 || setenv("HOME", folder, 1) < 0 ||
	    shunt_cgroup_filename(CGROUP, &name) < 0)
		return -1;
	if (open_port() < 0 || (mkdir(name, 0755) < 0 && errno != EEXIST))
		return -1;
	write_text("haproxy.cfg", "global\n stats socket unix@/tmp/shunt-test-judge-haproxy.sock\n");
	write_text("nginx.conf",
		   "daemon off; pid nginx.pid; events {} http { access_log off; server { listen unix:nginx.sock; } }");
	write_text("select.sql", "select 1;\n");
	return system("[ ! -x " PG "initdb ] || { mkdir -m 700 $HOME/pg && chown postgres $HOME/pg && timeout 60 "
		      "setpriv --reuid postgres "
		      "--regid postgres --clear-groups " PG "initdb -N -A trust -D $HOME/pg >/dev/null 2>&1; }") == 0
		       ? 0
		       : -1;
}

static int close_story(void **state)
{
	_cleanup_free_ char *name = NULL;

	stop_all(NULL);
	close(listener);
	if (shunt_cgroup_filename(CGROUP, &name) < 0)
		return -1;
	rmdir(name);
	unlink("/tmp/shunt-test-judge-haproxy.sock");
	return system("rm -rf \"$HOME\"");
}

/* What later_libraries_are_seen starts. */
static int dlopen_on_request(void)
{
	char byte;

	if (read(0, &byte, 1) != 1 || !dlopen("libstdc++.so.6", RTLD_NOW))
		return 1;
	alarm(60);
	return pause();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(empty_and_missing, stop_all),
		cmocka_unit_test_teardown(real_programs, stop_all),
		cmocka_unit_test_teardown(python_is_allowed, stop_all),
		cmocka_unit_test_teardown(operator_allows, stop_all),
		cmocka_unit_test_teardown(virtual_machines_by_name, stop_all),
		cmocka_unit_test_teardown(static_program, stop_all),
		cmocka_unit_test_teardown(unlinked_in_another_mount_namespace, stop_all),
		cmocka_unit_test_teardown(exec_and_death_are_seen, stop_all),
#ifndef __SANITIZE_ADDRESS__ /* whose own library has libstdc++ mapped from the start */
		cmocka_unit_test_teardown(later_libraries_are_seen, stop_all),
#endif
		cmocka_unit_test_teardown(second_look_is_cheap, stop_all),
	};

	if (argc == 2 && !strcmp(argv[1], "--dlopen"))
		return dlopen_on_request();
	return cmocka_run_group_tests(tests, open_story, close_story);
}
