/* SPDX-License-Identifier: MIT */
/* selftest_pair.c: a child that talks to itself over TCP, step by step, as the self-test tells it. */
#include "selftest_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "clock.h"
#include "shunt/flow.h"

#define MESSAGE_BYTES 64
#define STREAM_PERIOD 251 /* no multiple of a message: two messages that change places are seen */

struct child {
	int parent; /* one order in, one answer out */
	int cgroup_fd;
	unsigned turns;
	uint64_t deadline_ns;
	int end[2];	   /* by enum shunt_role */
	uint64_t sent[2];  /* bytes */
	uint64_t heard[2]; /* bytes, and all of them right */
};

struct answer {
	int32_t result;
	uint64_t flow;
};

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	uint64_t now = shunt_now_ns();
	int milliseconds = now < deadline_ns ? (int)((deadline_ns - now) / 1000000) : 0;
	int r = poll(&poller, 1, milliseconds);

	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static uint8_t stream_byte(uint64_t position)
{
	return (uint8_t)(position % STREAM_PERIOD);
}

static int say(struct child *child, enum shunt_role role)
{
	uint8_t bytes[MESSAGE_BYTES];
	ssize_t n;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = stream_byte(child->sent[role] + i);
	n = send(child->end[role], bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != sizeof(bytes))
		return n < 0 ? -errno : -EIO;
	child->sent[role] += sizeof(bytes);
	return 0;
}

static int hear_some(struct child *child, enum shunt_role role)
{
	uint8_t bytes[4 * MESSAGE_BYTES];
	int r = wait_readable(child->end[role], child->deadline_ns);
	ssize_t n;

	if (r < 0)
		return r;
	n = recv(child->end[role], bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i] != stream_byte(child->heard[role]++))
			return -EILSEQ;
	return 0;
}

/* Everything that the other end has said, in order, and nothing else. */
static int hear(struct child *child, enum shunt_role role)
{
	uint64_t said = child->sent[!role];

	while (child->heard[role] < said) {
		int r = hear_some(child, role);

		if (r < 0)
			return r;
	}
	return child->heard[role] == said ? 0 : -EILSEQ;
}

static int turn(struct child *child)
{
	int r = say(child, SHUNT_CLIENT);

	if (!r)
		r = hear(child, SHUNT_SERVER);
	if (!r)
		r = say(child, SHUNT_SERVER);
	return r ? r : hear(child, SHUNT_CLIENT);
}

static int join_cgroup(int cgroup_fd)
{
	_cleanup_close_ int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "0", 1) != 1 ? -errno : 0;
}

static int raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int isolate(struct child *child)
{
	int r = join_cgroup(child->cgroup_fd);

	if (!r && unshare(CLONE_NEWNET) < 0)
		r = -errno;
	return r ? r : raise_loopback();
}

static int open_socket(int *ret)
{
	const int on = 1;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	/* the message behind an unread one must not wait for its acknowledgement */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_listener(int *ret, struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	_cleanup_close_ int fd = -1;
	int r = open_socket(&fd);

	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	*ret_address = address;
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_connection(struct child *child)
{
	struct sockaddr_in address;
	_cleanup_close_ int listener = -1;
	int r = open_listener(&listener, &address);

	if (!r)
		r = open_socket(&child->end[SHUNT_CLIENT]);
	if (r < 0)
		return r;
	if (connect(child->end[SHUNT_CLIENT], (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS)
		return -errno;
	r = wait_readable(listener, child->deadline_ns);
	if (r < 0)
		return r;
	child->end[SHUNT_SERVER] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return child->end[SHUNT_SERVER] < 0 ? -errno : 0;
}

static int talk(struct child *child)
{
	int r = open_connection(child);

	for (unsigned i = 0; !r && i < child->turns; i++)
		r = turn(child);
	return r ? r : say(child, SHUNT_CLIENT);
}

static int send_behind(struct child *child)
{
	return say(child, SHUNT_CLIENT);
}

static int catch_up(struct child *child)
{
	int r = hear(child, SHUNT_SERVER);

	return r ? r : turn(child);
}

static int block(struct child *child)
{
	int flags = fcntl(child->end[SHUNT_SERVER], F_GETFL);

	return flags < 0 || fcntl(child->end[SHUNT_SERVER], F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
}

static int (*const steps[SHUNT_PAIR_STEP_COUNT])(struct child *child) = {
	[SHUNT_PAIR_ISOLATE] = isolate,	  [SHUNT_PAIR_TALK] = talk,   [SHUNT_PAIR_SEND] = send_behind,
	[SHUNT_PAIR_CATCH_UP] = catch_up, [SHUNT_PAIR_BLOCK] = block, [SHUNT_PAIR_TURN] = turn,
};

static uint64_t flow_id(const struct child *child)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (getsockopt(child->end[SHUNT_SERVER], SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0)
		return 0;
	return cookie;
}

static bool obey(struct child *child)
{
	struct answer answer = {};
	uint32_t step;

	if (wait_readable(child->parent, child->deadline_ns) < 0 ||
	    recv(child->parent, &step, sizeof(step), MSG_DONTWAIT) != sizeof(step) || step >= SHUNT_PAIR_STEP_COUNT)
		return false;
	answer.result = steps[step](child);
	answer.flow = flow_id(child);
	return send(child->parent, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(answer);
}

/* A copy of the daemon: it gives back what it inherited, and does not outlive it. */
static _Noreturn void child_main(struct child *child, pid_t parent)
{
	enum { PARENT = 3, CGROUP = 4, FIRST_FREE = 5 };
	int high = fcntl(child->cgroup_fd, F_DUPFD, FIRST_FREE);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (high < 0 || getppid() != parent || dup2(child->parent, PARENT) < 0 || dup2(high, CGROUP) < 0)
		_exit(EXIT_FAILURE);
	close_range(FIRST_FREE, ~0u, 0);
	child->parent = PARENT;
	child->cgroup_fd = CGROUP;
	while (obey(child))
		;
	_exit(EXIT_SUCCESS);
}

int shunt_pair_start(struct shunt_pair *ret, int cgroup_fd, unsigned turns, uint64_t deadline_ns)
{
	struct child child = {.cgroup_fd = cgroup_fd, .turns = turns, .deadline_ns = deadline_ns, .end = {-1, -1}};
	pid_t parent = getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int mine = pair[0];
	_cleanup_close_ int theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		child.parent = theirs;
		child_main(&child, parent);
	}
	*ret = (struct shunt_pair){.pid = pid, .fd = TAKE_FD(mine), .deadline_ns = deadline_ns};
	return 0;
}

int shunt_pair_do(struct shunt_pair *pair, enum shunt_pair_step step)
{
	struct answer answer;
	uint32_t order = step;
	int r;

	if (send(pair->fd, &order, sizeof(order), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(order))
		return -errno;
	r = wait_readable(pair->fd, pair->deadline_ns);
	if (r < 0)
		return r;
	if (recv(pair->fd, &answer, sizeof(answer), MSG_DONTWAIT) != sizeof(answer))
		return -EPIPE;
	pair->flow = answer.flow;
	return answer.result;
}

void shunt_pair_pause(const struct shunt_pair *pair, int milliseconds)
{
	struct pollfd poller = {.fd = pair->fd, .events = POLLIN};

	poll(&poller, 1, milliseconds);
}

void shunt_pair_end(struct shunt_pair *pair)
{
	if (pair->pid <= 0)
		return;
	kill(pair->pid, SIGKILL);
	while (waitpid(pair->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(pair->fd);
	*pair = (struct shunt_pair){.fd = -1};
}
