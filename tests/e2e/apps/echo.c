/* SPDX-License-Identifier: MIT */
/* echo.c: a non-blocking epoll server that sends back what it reads; what stands behind the proxies of the stories. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536
#define EVENTS 64

struct client {
	int fd;
	size_t start, end; /* what was read and not yet sent */
	char chunk[CHUNK];
};

static int listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 512))
		return -errno;
	return fd;
}

static void forget(struct client *client)
{
	close(client->fd);
	free(client);
}

static void take(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;
	struct epoll_event event = {.events = EPOLLIN};

	if (fd < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (!client) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	client->fd = fd;
	event.data.ptr = client;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		forget(client);
}

/* 1: moved something; 0: would block; -1: the connection is over. */
static int fill(struct client *client)
{
	ssize_t n;

	if (client->start < client->end)
		return 1;
	n = recv(client->fd, client->chunk, CHUNK, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	client->start = 0;
	client->end = n;
	return 1;
}

static int drain(struct client *client)
{
	ssize_t n = send(client->fd, client->chunk + client->start, client->end - client->start, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	client->start += n;
	return 1;
}

static int serve(struct client *client)
{
	int r = 1;

	while (r > 0) {
		r = fill(client);
		if (r > 0)
			r = drain(client);
	}
	return r;
}

static void handle(int epoll, struct client *client)
{
	struct epoll_event event = {.data.ptr = client};

	if (serve(client) < 0) {
		forget(client);
		return;
	}
	event.events = client->start < client->end ? EPOLLOUT : EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
	int listener = argc == 2 ? listen_on(atoi(argv[1])) : -EINVAL;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) {
		fprintf(stderr, "usage: apps-echo PORT (free on 127.0.0.1)\n");
		return 1;
	}
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				handle(epoll, events[i].data.ptr);
			else
				take(epoll, listener);
		}
	}
}
