/* SPDX-License-Identifier: MIT */
/* wait.c: the ways in which a program learns that a socket is ready. */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "end.h"

#define RING_ENTRIES 8

int stress_ring_open(struct stress_end *end)
{
	int r;

	if (end->has_ring)
		return 0;
	r = io_uring_queue_init(RING_ENTRIES, &end->ring, 0);
	end->has_ring = r == 0;
	return r;
}

static int by_poll(struct stress_end *end, short events, uint32_t timeout_ms)
{
	struct pollfd fd = {.fd = end->fd, .events = events};
	int r = poll(&fd, 1, (int)timeout_ms);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int epoll_set(struct stress_end *end, uint32_t interest)
{
	struct epoll_event event = {.events = interest};
	int operation = end->epoll < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (end->epoll < 0)
		end->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (end->epoll < 0)
		return -errno;
	if (end->interest == interest)
		return 0;
	if (epoll_ctl(end->epoll, operation, end->fd, &event) < 0)
		return -errno;
	end->interest = interest;
	return 0;
}

static int epoll_once(struct stress_end *end, uint32_t interest, uint32_t timeout_ms)
{
	struct epoll_event event;
	int r = epoll_set(end, interest);

	if (r < 0)
		return r;
	r = epoll_wait(end->epoll, &event, 1, (int)timeout_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int by_epoll_level(struct stress_end *end, short events, uint32_t timeout_ms)
{
	return epoll_once(end, (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u), timeout_ms);
}

/* Registered once: a wake-up that the socket forgets is never made good. */
static int by_epoll_edge(struct stress_end *end, short events, uint32_t timeout_ms)
{
	return epoll_once(end, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, timeout_ms);
}

/* A poll request that stays armed until it fires; the timeout is its linked request. */
static int by_uring_poll(struct stress_end *end, short events, uint32_t timeout_ms)
{
	struct __kernel_timespec slice = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
	int ready = -ETIMEDOUT;
	struct io_uring_sqe *sqe;
	int r = stress_ring_open(end);

	if (r < 0)
		return r;
	sqe = io_uring_get_sqe(&end->ring);
	io_uring_prep_poll_add(sqe, end->fd, (unsigned int)events);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 1;
	sqe = io_uring_get_sqe(&end->ring);
	io_uring_prep_link_timeout(sqe, &slice, 0);
	sqe->user_data = 2;
	r = io_uring_submit_and_wait(&end->ring, 2);
	for (int i = 0; r >= 0 && i < 2; i++) {
		struct io_uring_cqe *cqe;

		r = io_uring_wait_cqe(&end->ring, &cqe);
		if (r < 0)
			break;
		if (cqe->user_data == 1 && cqe->res >= 0)
			ready = 0;
		io_uring_cqe_seen(&end->ring, cqe);
	}
	return r < 0 ? r : ready;
}

int stress_wait(struct stress_end *end, short events, uint32_t timeout_ms)
{
	static int (*const waiters[])(struct stress_end *, short, uint32_t) = {
#define X(name, word) by_##word,
		STRESS_WAITS(X)
#undef X
	};

	return waiters[end->style->wait](end, events, timeout_ms);
}
