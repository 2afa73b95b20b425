/* SPDX-License-Identifier: MIT */
/* daemon.c: finds a shuntd, or starts and ends a private one. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "client.h"
#include "measure.h"

#define CALL_TIMEOUT_MS 15000
#define START_TIMEOUT_MS 20000
#define STOP_TIMEOUT_MS 20000
#define PRIVATE_BPFFS "/sys/fs/bpf"

int shunt_bench_daemon_call(const struct shunt_bench_daemon *daemon, const char *method, json_t *params, json_t **ret)
{
	json_auto_t *owned = params, *reply = NULL;
	_cleanup_client_ struct shunt_client *client = NULL;
	struct shunt_client_error error = {0};

	int r = shunt_client_connect(&client, daemon->socket, CALL_TIMEOUT_MS);
	if (r >= 0)
		r = shunt_client_call(client, method, owned, CALL_TIMEOUT_MS, &reply, &error);
	if (r < 0)
		fprintf(stderr, "shunt-bench: shuntd on %s did not do %s: %s\n", daemon->socket, method,
			r == -EREMOTEIO ? error.text : strerror(-r));
	else if (ret)
		*ret = TAKE_PTR(reply);
	shunt_client_error_clear(&error);
	return r;
}

static bool answers(const char *socket)
{
	_cleanup_client_ struct shunt_client *client = NULL;
	json_auto_t *reply = NULL;
	struct shunt_client_error error = {0};

	if (shunt_client_connect(&client, socket, CALL_TIMEOUT_MS) < 0)
		return false;
	bool done = shunt_client_call(client, "Status", NULL, CALL_TIMEOUT_MS, &reply, &error) >= 0;
	shunt_client_error_clear(&error);
	return done;
}

/* The shuntd beside this program, else the one in PATH. */
static int find_program(char *ret, size_t size)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	if ((size_t)snprintf(ret, size, "%s/shuntd", dirname(self)) >= size)
		return -ENAMETOOLONG;
	if (access(ret, X_OK) < 0)
		snprintf(ret, size, "shuntd");
	return 0;
}

/* A mount namespace and a bpffs in it, so that nothing is left on the machine whatever happens. */
static int mount_bpffs(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", PRIVATE_BPFFS, "bpf", 0, NULL) < 0)
		return -errno;
	return 0;
}

static int choose_pins(char **ret)
{
	const char *bpffs = PRIVATE_BPFFS;

	int r = shunt_bpffs_mount(&bpffs);
	if (r == -ENOENT)
		r = mount_bpffs();
	if (r < 0)
		return r;
	return asprintf(ret, "%s/shunt-bench-%d", bpffs, (int)getpid()) < 0 ? -ENOMEM : 0;
}

static int write_file(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	_cleanup_fclose_ FILE *file = fopen(path, "we");
	if (!file)
		return -errno;
	return fputs(text, file) < 0 ? -EIO : 0;
}

static int prepare(struct shunt_bench_daemon *daemon)
{
	if (asprintf(&daemon->directory, "/run/shunt-bench-%d", (int)getpid()) < 0 ||
	    asprintf(&daemon->socket, "%s/shunt.sock", daemon->directory) < 0)
		return -ENOMEM;
	if (mkdir(daemon->directory, 0700) < 0)
		return -errno;
	int r = choose_pins(&daemon->pins);
	return r < 0 ? r : write_file(daemon->directory, "shunt.json", "{}\n");
}

/* In the child: becomes shuntd. Its log goes to a file of the private directory. */
static void become_daemon(const struct shunt_bench_daemon *daemon, const char *program, bool uninstall)
{
	char config[PATH_MAX], log[PATH_MAX];
	sigset_t none;

	snprintf(config, sizeof(config), "%s/shunt.json", daemon->directory);
	snprintf(log, sizeof(log), "%s/shuntd.log", daemon->directory);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	setpgid(0, 0); /* a ^C is for shunt-bench, which then ends its daemon */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execlp(program, "shuntd", "--config", config, "--socket", daemon->socket, "--pin-dir", daemon->pins,
	       uninstall ? "--uninstall" : NULL, NULL);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
	_exit(127);
}

static int spawn(const struct shunt_bench_daemon *daemon, bool uninstall, pid_t *ret)
{
	char program[PATH_MAX + sizeof("/shuntd")];

	int r = find_program(program, sizeof(program));
	if (r < 0)
		return r;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_daemon(daemon, program, uninstall);
	*ret = pid;
	return 0;
}

/* Waits for a child's end; kills it at the deadline. */
static int reap(pid_t pid, int timeout_ms)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	int status = 0;

	if (pidfd < 0 || poll(&end, 1, timeout_ms) <= 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static void show_log(const struct shunt_bench_daemon *daemon)
{
	char path[PATH_MAX], line[512];

	snprintf(path, sizeof(path), "%s/shuntd.log", daemon->directory);
	_cleanup_fclose_ FILE *log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		fprintf(stderr, "shuntd: %s", line);
}

static int await_answer(struct shunt_bench_daemon *daemon)
{
	uint64_t deadline = shunt_bench_now() + START_TIMEOUT_MS * 1000000ull;

	while (!answers(daemon->socket)) {
		if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
			daemon->pid = 0;
			return -ECHILD;
		}
		if (shunt_bench_now() > deadline)
			return -ETIMEDOUT;
		poll(NULL, 0, 20);
	}
	return 0;
}

static int start(struct shunt_bench_daemon *daemon)
{
	int r = prepare(daemon);

	if (r >= 0)
		r = spawn(daemon, false, &daemon->pid);
	if (r >= 0)
		r = await_answer(daemon);
	if (r < 0) {
		fprintf(stderr, "shunt-bench: no shuntd answers and a private one did not start: %s\n", strerror(-r));
		show_log(daemon);
		shunt_bench_daemon_close(daemon);
	}
	return r;
}

int shunt_bench_daemon_open(struct shunt_bench_daemon *ret, const char *path)
{
	const char *socket = path ? path : shunt_client_socket();

	*ret = (struct shunt_bench_daemon){0};
	if (!answers(socket))
		return start(ret);
	ret->socket = strdup(socket);
	return ret->socket ? 0 : -ENOMEM;
}

static void uninstall(struct shunt_bench_daemon *daemon)
{
	pid_t pid;

	if (daemon->pid) {
		kill(daemon->pid, SIGTERM);
		reap(daemon->pid, STOP_TIMEOUT_MS);
	}
	if (!daemon->pins || access(daemon->pins, F_OK) < 0)
		return;
	int r = spawn(daemon, true, &pid);
	if (r >= 0)
		r = reap(pid, STOP_TIMEOUT_MS);
	if (r < 0) {
		fprintf(stderr,
			"shunt-bench: the private shuntd left pins in %s; try: shuntd --pin-dir %s --uninstall\n",
			daemon->pins, daemon->pins);
		show_log(daemon);
	}
}

static void remove_directory(const char *directory)
{
	static const char *const names[] = {"shunt.json", "shuntd.log", "shunt.sock", "splice.sock"};
	char path[PATH_MAX];

	for (size_t i = 0; i < SHUNT_COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	if (rmdir(directory) < 0 && errno != ENOENT)
		fprintf(stderr, "shunt-bench: cannot remove %s: %s\n", directory, strerror(errno));
}

void shunt_bench_daemon_close(struct shunt_bench_daemon *daemon)
{
	if (daemon->directory) {
		uninstall(daemon);
		remove_directory(daemon->directory);
	}
	free(daemon->directory);
	free(daemon->socket);
	free(daemon->pins);
	*daemon = (struct shunt_bench_daemon){0};
}
