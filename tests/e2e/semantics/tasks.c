/* SPDX-License-Identifier: MIT */
/* tasks.c: blocking calls in threads and child processes, and how to know that one sleeps inside a system call. */
#include "semantics.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

ssize_t shunt_call_recv(struct shunt_task *task)
{
	return recv(task->fd, task->buf, task->len, task->flags);
}

ssize_t shunt_call_send(struct shunt_task *task)
{
	return send(task->fd, task->buf, task->len, task->flags | MSG_NOSIGNAL);
}

static void *task_main(void *arg)
{
	struct shunt_task *task = arg;

	__atomic_store_n(&task->tid, gettid(), __ATOMIC_RELEASE);
	task->result = task->call(task);
	task->error = errno;
	__atomic_store_n(&task->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void shunt_task_start(struct shunt_task *task)
{
	if (pthread_create(&task->thread, NULL, task_main, task))
		abort();
	while (!__atomic_load_n(&task->tid, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* The kernel shows a system call's number here only while its thread is off the CPU inside it. */
static bool inside(pid_t tid, long nr)
{
	char path[64], line[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return line[0] >= '0' && line[0] <= '9' && strtol(line, NULL, 10) == nr;
}

void shunt_task_asleep(struct shunt_ctx *ctx, struct shunt_task *task, long nr)
{
	int64_t deadline = shunt_now_ms() + ctx->patience_ms;

	while (!__atomic_load_n(&task->done, __ATOMIC_ACQUIRE) && !inside(task->tid, nr)) {
		if (shunt_now_ms() > deadline) {
			shunt_note(ctx, "never-asleep");
			return;
		}
		poll(NULL, 0, 1);
	}
}

bool shunt_task_join(struct shunt_ctx *ctx, struct shunt_task *task)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ctx->patience_ms / 1000;
	if (!pthread_timedjoin_np(task->thread, NULL, &until))
		return true;
	shunt_note(ctx, "hang");
	return false;
}

void shunt_task_note(struct shunt_ctx *ctx, const char *what, struct shunt_task *task)
{
	if (!shunt_task_join(ctx, task))
		return;
	errno = task->error;
	shunt_note_result(ctx, what, task->result);
}

pid_t shunt_child(struct shunt_ctx *ctx, void (*body)(struct shunt_ctx *ctx))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	body(ctx);
	_exit(0);
}

static bool ended(pid_t pid)
{
	siginfo_t info = {0};

	return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid;
}

bool shunt_child_asleep(struct shunt_ctx *ctx, pid_t pid, long nr)
{
	int64_t deadline = shunt_now_ms() + ctx->patience_ms;

	while (!inside(pid, nr)) {
		if (ended(pid))
			return false;
		if (shunt_now_ms() > deadline) {
			shunt_note(ctx, "never-asleep");
			return false;
		}
		poll(NULL, 0, 1);
	}
	return true;
}

bool shunt_child_end(struct shunt_ctx *ctx, pid_t pid)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int n = poll(&p, 1, ctx->patience_ms);

	close(p.fd);
	if (n <= 0) {
		shunt_note(ctx, "hang");
		kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
	return n > 0;
}

void shunt_fd_send(int channel, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	sendmsg(channel, &msg, 0);
}

int shunt_fd_receive(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(channel, &msg, 0) < 0 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}
