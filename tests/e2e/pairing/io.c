/* SPDX-License-Identifier: MIT */
/* io.c: addresses, sockets and exact transfers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* ADDR:PORT or [ADDR]:PORT */
int peer_parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_length)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	const char *colon = strrchr(text, ':');
	char host[64] = "";
	uint16_t port;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	v4.sin_port = v6.sin6_port = port;
	if (text[0] == '[') {
		memcpy(host, text + 1, (size_t)(colon - text) - 2);
		if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
			return -EINVAL;
		memcpy(ret, &v6, sizeof(v6));
		*ret_length = sizeof(v6);
		return 0;
	}
	memcpy(host, text, (size_t)(colon - text));
	if (inet_pton(AF_INET, host, &v4.sin_addr) != 1)
		return -EINVAL;
	memcpy(ret, &v4, sizeof(v4));
	*ret_length = sizeof(v4);
	return 0;
}

/* The port has the same place in both families. */
uint16_t peer_port(const struct sockaddr_storage *address)
{
	return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

void peer_set_port(struct sockaddr_storage *address, uint16_t port)
{
	((struct sockaddr_in *)address)->sin_port = htons(port);
}

int peer_socket(const struct peer_options *options)
{
	int type = SOCK_STREAM | SOCK_CLOEXEC | (options->blocking_connect ? 0 : SOCK_NONBLOCK);
	int fd = socket(options->at.ss_family, type, options->mptcp ? IPPROTO_MPTCP : 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (options->from_length && bind(fd, (const struct sockaddr *)&options->from, options->from_length) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int await(int fd, short events)
{
	struct pollfd ready = {.fd = fd, .events = events};
	int r = poll(&ready, 1, PEER_TIMEOUT_MS);

	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

int peer_await_connected(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);
	int r = await(fd, POLLOUT);

	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	return -error;
}

int peer_send(int fd, const char *from, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, from, n, MSG_NOSIGNAL);
		int r;

		if (done < 0 && errno != EAGAIN)
			return -errno;
		if (done >= 0) {
			from += done;
			n -= (size_t)done;
			continue;
		}
		r = await(fd, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

int peer_receive(int fd, char *to, size_t n)
{
	while (n > 0) {
		ssize_t done = recv(fd, to, n, MSG_DONTWAIT);
		int r;

		if (done == 0)
			return -EPIPE;
		if (done < 0 && errno != EAGAIN)
			return -errno;
		if (done > 0) {
			to += done;
			n -= (size_t)done;
			continue;
		}
		r = await(fd, POLLIN);
		if (r < 0)
			return r;
	}
	return 0;
}

void peer_message(char *to, uint32_t number)
{
	for (uint32_t i = 0; i < PEER_MESSAGE; i++)
		to[i] = (char)((number * 2654435761u >> 8) + i * 7);
}

int peer_converse(int fd, uint32_t messages)
{
	for (uint32_t i = 0; i < messages; i++) {
		char want[PEER_MESSAGE];
		char got[PEER_MESSAGE];
		int r;

		peer_message(want, i);
		r = peer_send(fd, want, sizeof(want));
		if (r == 0)
			r = peer_receive(fd, got, sizeof(got));
		if (r < 0)
			return r;
		if (memcmp(want, got, sizeof(got)) != 0)
			return -EBADMSG;
	}
	return 0;
}

void peer_hold(const char *line)
{
	struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};

	printf("%s\n", line);
	fflush(stdout);
	poll(&end, 1, 120000);
}
