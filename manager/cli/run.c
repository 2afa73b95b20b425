/* SPDX-License-Identifier: MIT */
/* run.c: "shuntctl run": one command in a managed cgroup of its own. */
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cgroup.h"
#include "cleanup.h"
#include "cli.h"

#define EXIT_SHUNT 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NO_COMMAND 127
#define DETACH_MS 15000
#define EMPTY_MS 1000 /* for the kernel to report the last process's end */

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT};

struct run {
	const struct shunt_invocation *invocation;
	const char *mount;
	char name[32]; /* of the cgroup and the pod */
	char path[33]; /* the same with its slash */
	int cgroup;
	pid_t child;
	int go; /* the child waits for a byte from here */
	sigset_t before;
};

/* The child: waits until its cgroup is managed, then becomes the command. */
static void become_command(struct run *run, int gate)
{
	char **argv = run->invocation->rest;
	ssize_t n;
	char byte;

	sigprocmask(SIG_SETMASK, &run->before, NULL);
	do
		n = read(gate, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(EXIT_SHUNT);
	execvp(argv[0], argv);
	int code = errno == ENOENT ? EXIT_NO_COMMAND : EXIT_NOT_EXECUTABLE;
	_exit(shunt_complain(run->invocation, code, "%s: %s", argv[0], strerror(errno)));
}

static void block_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < SHUNT_COUNT_OF(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, before);
}

static int start_child(struct run *run)
{
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	block_signals(&run->before);
	run->child = fork();
	if (run->child == 0) {
		close(gate[1]);
		become_command(run, gate[0]);
	}
	int error = errno;
	signal(SIGCHLD, SIG_DFL); /* ignored by our caller, the command's status would be lost */
	close(gate[0]);
	run->go = gate[1];
	return run->child < 0 ? -error : 0;
}

/* Directly below the mount no ancestor's subtree_control has to change, whatever controllers the host has enabled. */
static int make_cgroup(struct run *run)
{
	_cleanup_close_ int mount = -1;

	int r = shunt_cgroup_mount(&run->mount);
	if (r < 0)
		return r;
	mount = open(run->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0 || mkdirat(mount, run->name, 0755) < 0)
		return -errno;
	run->cgroup = openat(mount, run->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return run->cgroup < 0 ? -errno : 0;
}

/* A controller that the children of the root have, by the kernel's own list. -ENOENT: none. */
static int enabled_controller(const char *mount, char *name, size_t size)
{
	char file[4096];
	char word[64];

	snprintf(file, sizeof(file), "%s/cgroup.subtree_control", mount);
	_cleanup_fclose_ FILE *stream = fopen(file, "re");
	if (!stream)
		return -errno;
	if (fscanf(stream, "%63s", word) != 1)
		return -ENOENT;
	snprintf(name, size, "%s", word);
	return 0;
}

static int attach_with_controller(const char *name, const char *controller, pid_t pid)
{
	struct cgroup *cgroup = cgroup_new_cgroup(name);

	if (!cgroup)
		return -ENOMEM;
	int r = cgroup_add_controller(cgroup, controller) && cgroup_attach_task_pid(cgroup, pid) == 0 ? 0 : -ENOTSUP;
	cgroup_free(&cgroup);
	return r;
}

/*
 * libcgroup 2.0 knows a cgroup2 folder only through a controller: its mount table has one entry for each word of the
 * root's cgroup.controllers (cgroup_process_v2_mnt), attaching walks the struct's controllers (none: nothing is moved,
 * and 0 is returned) and wants each in the parent's subtree_control (cgroupv2_controller_enabled). On hybrid hosts,
 * where the controllers live in cgroup1 and the root's subtree_control is empty, it therefore cannot move a process at
 * all.
 */
static int move_by_libcgroup(const struct run *run)
{
	char controller[64];
	char *where = NULL;

	int r = enabled_controller(run->mount, controller, sizeof(controller));
	if (r < 0)
		return r;
	if (cgroup_init() != 0 || cgroup_get_subsys_mount_point(controller, &where) != 0)
		return -ENOTSUP;
	bool same = !strcmp(where, run->mount);
	free(where);
	return same ? attach_with_controller(run->name, controller, run->child) : -ENOTSUP;
}

static int move_by_kernel(const struct run *run)
{
	char text[16];
	_cleanup_close_ int procs = openat(run->cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (procs < 0)
		return -errno;
	int length = snprintf(text, sizeof(text), "%d", run->child);
	return write(procs, text, length) == length ? 0 : -errno;
}

static int move_child(const struct run *run)
{
	_cleanup_free_ char *now = NULL;

	if (move_by_libcgroup(run) == 0 && shunt_cgroup_of_pid(run->child, &now) == 0 && !strcmp(now, run->path))
		return 0;
	return move_by_kernel(run);
}

/* 0, or an exit code whose cause has been told. */
static int attach(const struct run *run)
{
	struct shunt_invocation invocation = *run->invocation;
	json_auto_t *reply = NULL;
	json_auto_t *params = json_pack("{s:s, s:s, s:b}", "cgroup", run->path, "name", run->name, "transient", 1);
	const char *mode = shunt_local_text(run->invocation, "mode");

	if (mode)
		json_object_set_new(params, "mode", json_string(mode));
	invocation.command = shunt_command_find("attach");
	invocation.params = params;
	return shunt_call_daemon(&invocation, &reply);
}

/* Quiet: the daemon may have forgotten the empty pod by itself, and removing the cgroup ends its links in any case. */
static void detach(const struct run *run)
{
	_cleanup_client_ struct shunt_client *client = NULL;
	json_auto_t *params = json_pack("{s:s}", "pod", run->name);
	json_auto_t *reply = NULL;

	if (shunt_client_connect(&client, shunt_socket_of(run->invocation), DETACH_MS) == 0)
		shunt_client_call(client, "Detach", params, DETACH_MS, &reply, NULL);
}

/* A terminal's own signals reach the whole foreground group, the command included: sending them again would double
 * them. */
static void forward(const struct run *run, const siginfo_t *info)
{
	if (info->si_code != SI_KERNEL)
		kill(run->child, info->si_signo);
}

/* 1 and the command's exit code once it has ended. A stopped command stops shuntctl too, so that the shell gets its
 * prompt. */
static int reap(const struct run *run, int *ret_code)
{
	int status;

	while (waitpid(run->child, &status, WNOHANG | WUNTRACED) == run->child) {
		if (WIFSTOPPED(status)) {
			raise(SIGSTOP);
			continue;
		}
		*ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		return 1;
	}
	return 0;
}

static int wait_for_command(const struct run *run)
{
	int code = EXIT_SHUNT;
	sigset_t set;
	siginfo_t info;

	sigprocmask(SIG_BLOCK, NULL, &set);
	while (!reap(run, &code))
		if (sigwaitinfo(&set, &info) > 0 && info.si_signo != SIGCHLD)
			forward(run, &info);
	return code;
}

/* True once no process is left; cgroup.events tells, a little after the last one has been reaped. */
static bool wait_until_empty(const struct run *run)
{
	_cleanup_close_ int events = openat(run->cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd pollfd = {.fd = events, .events = POLLPRI};
	char text[128];

	for (int tries = 0; tries < 3; tries++) {
		ssize_t n = pread(events, text, sizeof(text) - 1, 0);
		if (n <= 0)
			return false;
		text[n] = 0;
		if (strstr(text, "populated 0"))
			return true;
		poll(&pollfd, 1, tries ? EMPTY_MS : 0);
	}
	return false;
}

static void remove_cgroup(const struct run *run)
{
	_cleanup_free_ char *name = NULL;

	if (shunt_cgroup_filename(run->path, &name) == 0)
		rmdir(name);
}

/* Processes that the command left behind stay accelerated; the daemon forgets the pod with the last of them. */
static void clean_up(const struct run *run, bool attached)
{
	bool empty = wait_until_empty(run);

	if (!empty && attached)
		return;
	if (attached)
		detach(run);
	remove_cgroup(run);
}

static int give_up(struct run *run, const char *what, int error)
{
	if (error)
		shunt_complain(run->invocation, EXIT_SHUNT, "%s: %s", what, strerror(-error));
	if (run->go >= 0)
		close(run->go);
	if (run->child > 0)
		waitpid(run->child, NULL, 0);
	if (run->cgroup >= 0) {
		wait_until_empty(run);
		remove_cgroup(run);
		close(run->cgroup);
	}
	return EXIT_SHUNT;
}

int shunt_run_command(const struct shunt_invocation *invocation)
{
	struct run run = {.invocation = invocation, .cgroup = -1, .child = -1, .go = -1};

	snprintf(run.name, sizeof(run.name), "shunt-run-%d", getpid());
	snprintf(run.path, sizeof(run.path), "/%s", run.name);
	int r = make_cgroup(&run);
	if (r < 0)
		return give_up(&run,
			       "no cgroup could be made below the cgroup2 mount (run as root, outside of containers)",
			       r);
	r = start_child(&run);
	if (r < 0)
		return give_up(&run, "no process could be started", r);
	r = move_child(&run);
	if (r < 0)
		return give_up(&run, "the command could not be moved into its cgroup", r);
	if (attach(&run))
		return give_up(&run, NULL, 0);
	if (write(run.go, "", 1) != 1)
		return give_up(&run, "the command could not be started", -errno);
	close(run.go);
	int code = wait_for_command(&run);
	clean_up(&run, true);
	close(run.cgroup);
	return code;
}
