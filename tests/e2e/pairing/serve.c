/* SPDX-License-Identifier: MIT */
/* serve.c: listens in the way asked for and sends every byte back. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "peer.h"

#define MAX_LISTENERS 4
#define MAX_BYTES 4096

static int tune_listener(int fd, const struct peer_options *options)
{
	int on = 1;
	int queue = 16;

	if (options->reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -errno;
	if (options->defer && setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on)) < 0)
		return -errno;
	if (options->fastopen && setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) < 0)
		return -errno;
	return 0;
}

static int open_listener(const struct peer_options *options)
{
	int fd = peer_socket(options);
	int r;

	if (fd < 0)
		return fd;
	r = tune_listener(fd, options);
	if (r == 0 && bind(fd, (const struct sockaddr *)&options->at, options->at_length) < 0)
		r = -errno;
	if (r == 0 && listen(fd, 256) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int watch(int epoll, int fd, bool listener)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 1 | listener};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int accept_one(int epoll, int listener, const struct peer_options *options)
{
	char greeting[PEER_MESSAGE];
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return 0;
	peer_message(greeting, UINT32_MAX);
	if (options->server_first && peer_send(fd, greeting, sizeof(greeting)) < 0) {
		close(fd);
		return 0;
	}
	return watch(epoll, fd, false);
}

static void answer(int fd)
{
	char bytes[MAX_BYTES];
	ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0 || peer_send(fd, bytes, (size_t)got) < 0)
		close(fd);
}

static int loop(int epoll, const struct peer_options *options)
{
	for (;;) {
		struct epoll_event events[16];
		int count = epoll_wait(epoll, events, 16, 120000);

		if (count <= 0)
			return count < 0 ? -errno : 0;
		for (int i = 0; i < count; i++) {
			int fd = (int)(events[i].data.u64 >> 1);

			if (fd == STDIN_FILENO)
				return 0;
			if (events[i].data.u64 & 1)
				accept_one(epoll, fd, options);
			else
				answer(fd);
		}
	}
}

int peer_serve(const struct peer_options *options)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || watch(epoll, STDIN_FILENO, false) < 0)
		return -errno;
	for (uint32_t i = 0; i < options->listeners && i < MAX_LISTENERS; i++) {
		int fd = open_listener(options);
		int r = fd < 0 ? fd : watch(epoll, fd, true);

		if (r < 0)
			return r;
	}
	printf("listening %d\n", getpid());
	fflush(stdout);
	return loop(epoll, options);
}
