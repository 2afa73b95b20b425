/* SPDX-License-Identifier: MIT */
/* signal.c: probes of calls that are interrupted: by signals, by a stop, by the freezer. */
#include "semantics.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void count(int sig)
{
	handled++;
}

static void interrupt(struct shunt_ctx *ctx, struct shunt_task *task, int flags)
{
	struct sigaction action = {.sa_handler = count, .sa_flags = flags};
	int64_t until = shunt_now_ms() + ctx->patience_ms;

	sigaction(SIGUSR1, &action, NULL);
	handled = 0;
	if (!__atomic_load_n(&task->done, __ATOMIC_ACQUIRE))
		pthread_kill(task->thread, SIGUSR1);
	while (!handled && !__atomic_load_n(&task->done, __ATOMIC_ACQUIRE) && shunt_now_ms() < until)
		poll(NULL, 0, 1);
	shunt_note(ctx, "handled=%d", handled);
}

static void recv_interrupted(struct shunt_ctx *ctx, int flags)
{
	char buf[10];
	struct shunt_task task = {.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf)};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	interrupt(ctx, &task, flags);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	shunt_put(ctx, ctx->tx, 1);
	shunt_task_note(ctx, "recv", &task);
}

static void signal_restarts_recv(struct shunt_ctx *ctx)
{
	recv_interrupted(ctx, SA_RESTART);
}

static void signal_ends_recv(struct shunt_ctx *ctx)
{
	recv_interrupted(ctx, 0);
}

/* Half of the bytes are there: the signal returns what there is. */
static void signal_ends_waitall(struct shunt_ctx *ctx)
{
	char buf[10];
	struct shunt_task task = {
		.call = shunt_call_recv, .fd = ctx->rx, .buf = buf, .len = sizeof(buf), .flags = MSG_WAITALL};

	shunt_put(ctx, ctx->tx, 5);
	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	interrupt(ctx, &task, 0);
	shunt_task_asleep(ctx, &task, SYS_recvfrom);
	shunt_put(ctx, ctx->tx, 5);
	shunt_task_note(ctx, "recv", &task);
}

static void signal_ends_send(struct shunt_ctx *ctx)
{
	size_t len = 64 << 20;
	struct shunt_task task = {.call = shunt_call_send, .fd = ctx->tx, .buf = malloc(len), .len = len};

	shunt_pattern(0, task.buf, len);
	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, SYS_sendto);
	interrupt(ctx, &task, 0);
	if (!shunt_task_join(ctx, &task))
		return;
	shunt_note(ctx, "part=%d", task.result > 0 && (size_t)task.result < len);
	shunt_note(ctx, "drained=%d",
		   task.result > 0 && shunt_drain(ctx, ctx->rx, (size_t)task.result) == (size_t)task.result);
	shunt_get(ctx, ctx->rx, 10, MSG_DONTWAIT);
}

static ssize_t call_epoll(struct shunt_task *task)
{
	struct epoll_event e = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, task->fd, &e);
	return epoll_wait(epoll, &e, 1, 10000);
}

static ssize_t call_poll(struct shunt_task *task)
{
	struct pollfd p = {.fd = task->fd, .events = POLLIN};

	return poll(&p, 1, 10000);
}

static ssize_t call_select(struct shunt_task *task)
{
	struct timeval tv = {.tv_sec = 10};
	fd_set in;

	FD_ZERO(&in);
	FD_SET(task->fd, &in);
	return select(task->fd + 1, &in, NULL, NULL, &tv);
}

static void wait_interrupted(struct shunt_ctx *ctx, ssize_t (*call)(struct shunt_task *), long nr)
{
	struct shunt_task task = {.call = call, .fd = ctx->rx};

	shunt_task_start(&task);
	shunt_task_asleep(ctx, &task, nr);
	interrupt(ctx, &task, SA_RESTART);
	shunt_task_note(ctx, "wait", &task);
	shunt_put(ctx, ctx->tx, 1);
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void signal_ends_epoll(struct shunt_ctx *ctx)
{
	wait_interrupted(ctx, call_epoll, SYS_epoll_wait);
}

static void signal_ends_poll(struct shunt_ctx *ctx)
{
	wait_interrupted(ctx, call_poll, SYS_poll);
}

static void signal_ends_select(struct shunt_ctx *ctx)
{
	wait_interrupted(ctx, call_select, SYS_pselect6);
}

/* The same reader, as a process that can be stopped and frozen. A blocking one sleeps in recv, a non-blocking one in
 * epoll_wait. */
static long child_call(const struct shunt_ctx *ctx)
{
	return ctx->way->blocking ? SYS_recvfrom : SYS_epoll_wait;
}

static void child_receives(struct shunt_ctx *ctx)
{
	struct shunt_task task = {.fd = ctx->rx};
	ssize_t n = ctx->way->blocking ? 1 : -1;

	close(ctx->tx);
	while (n < 0) {
		n = call_epoll(&task);
		shunt_note_result(ctx, "wait", n);
	}
	shunt_get(ctx, ctx->rx, 10, 0);
}

static void stopped(struct shunt_ctx *ctx)
{
	pid_t pid = shunt_child(ctx, child_receives);
	siginfo_t info;

	shunt_child_asleep(ctx, pid, child_call(ctx));
	kill(pid, SIGSTOP);
	waitid(P_PID, (id_t)pid, &info, WSTOPPED);
	kill(pid, SIGCONT);
	waitid(P_PID, (id_t)pid, &info, WCONTINUED);
	shunt_child_asleep(ctx, pid, child_call(ctx));
	shunt_put(ctx, ctx->tx, 1);
	shunt_child_end(ctx, pid);
}

/* The bytes come while the reader is stopped. */
static void stopped_with_data(struct shunt_ctx *ctx)
{
	pid_t pid = shunt_child(ctx, child_receives);
	siginfo_t info;

	shunt_child_asleep(ctx, pid, child_call(ctx));
	kill(pid, SIGSTOP);
	waitid(P_PID, (id_t)pid, &info, WSTOPPED);
	shunt_put(ctx, ctx->tx, 1);
	kill(pid, SIGCONT);
	shunt_child_end(ctx, pid);
}

static bool write_file(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX + 32];
	int fd;
	bool written;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) > 0;
	close(fd);
	return written;
}

/* The cgroup's "frozen" line, an event file that poll() watches. */
static void wait_frozen(struct shunt_ctx *ctx, const char *folder, const char *line)
{
	int64_t until = shunt_now_ms() + ctx->patience_ms;
	char path[PATH_MAX + 32], text[256];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.events", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		text[n > 0 ? n : 0] = 0;
		if (strstr(text, line) || shunt_now_ms() > until)
			break;
		poll(&p, 1, 50);
	}
	if (!strstr(text, line))
		shunt_note(ctx, "never=%s", line);
	close(fd);
}

static void frozen(struct shunt_ctx *ctx, bool data_meanwhile)
{
	char folder[PATH_MAX + 64], number[16];
	pid_t pid = shunt_child(ctx, child_receives);

	snprintf(folder, sizeof(folder), "%s/frozen-%d", ctx->cgroup, getpid());
	snprintf(number, sizeof(number), "%d", pid);
	mkdir(folder, 0755);
	write_file(folder, "cgroup.procs", number);
	shunt_child_asleep(ctx, pid, child_call(ctx));
	write_file(folder, "cgroup.freeze", "1");
	wait_frozen(ctx, folder, "frozen 1");
	if (data_meanwhile)
		shunt_put(ctx, ctx->tx, 1);
	write_file(folder, "cgroup.freeze", "0");
	wait_frozen(ctx, folder, "frozen 0");
	if (!data_meanwhile) {
		shunt_child_asleep(ctx, pid, child_call(ctx));
		shunt_put(ctx, ctx->tx, 1);
	}
	shunt_child_end(ctx, pid);
	rmdir(folder);
}

static void freezer(struct shunt_ctx *ctx)
{
	frozen(ctx, false);
}

static void freezer_with_data(struct shunt_ctx *ctx)
{
	frozen(ctx, true);
}

const struct shunt_probe shunt_probes_signal[] = {
	PROBE(signal_restarts_recv, SHUNT_BLOCKING), PROBE(signal_ends_recv, SHUNT_BLOCKING),
	PROBE(signal_ends_waitall, SHUNT_BLOCKING),  PROBE(signal_ends_send, SHUNT_BLOCKING),
	PROBE(signal_ends_epoll, SHUNT_BOTH),	     PROBE(signal_ends_poll, SHUNT_BOTH),
	PROBE(signal_ends_select, SHUNT_BOTH),	     PROBE(stopped, SHUNT_BOTH),
	PROBE(stopped_with_data, SHUNT_BOTH),	     PROBE(freezer, SHUNT_BOTH),
	PROBE(freezer_with_data, SHUNT_BOTH),	     {0},
};
