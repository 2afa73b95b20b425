/* SPDX-License-Identifier: MIT */
/* connect.c: connects in the way asked for, says so much that the datapath can judge, and holds the connections. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

static int start_fastopen(int fd, const struct peer_options *options)
{
	char message[PEER_MESSAGE];
	ssize_t sent;

	peer_message(message, 0);
	sent = sendto(fd, message, sizeof(message), MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr *)&options->at,
		      options->at_length);
	if (sent < 0 && errno != EINPROGRESS)
		return -errno;
	return sent == sizeof(message); /* 1: the message is on its way, in the SYN or behind it */
}

static int start(int fd, const struct peer_options *options)
{
	if (options->fastopen)
		return start_fastopen(fd, options);
	if (connect(fd, (const struct sockaddr *)&options->at, options->at_length) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

static int expect_message(int fd, uint32_t number)
{
	char want[PEER_MESSAGE];
	char got[PEER_MESSAGE];
	int r = peer_receive(fd, got, sizeof(got));

	peer_message(want, number);
	if (r == 0 && memcmp(want, got, sizeof(got)) != 0)
		r = -EBADMSG;
	return r;
}

/* Without a cookie the first call only fetches one and sends nothing; the message then goes out in peer_converse. */
static int finish(int fd, const struct peer_options *options, bool message_sent)
{
	int r = peer_await_connected(fd);

	if (r == 0 && options->blocking_connect && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0 && options->server_first)
		r = expect_message(fd, UINT32_MAX);
	if (r == 0 && message_sent)
		r = expect_message(fd, 0);
	return r < 0 ? r : peer_converse(fd, options->messages);
}

static int open_one(const struct peer_options *options, int fd)
{
	int r = start(fd, options);

	if (r >= 0)
		r = finish(fd, options, r == 1);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* A connection by the side, gone before the others, that leaves a cookie behind. */
static int fetch_cookie(const struct peer_options *options)
{
	struct peer_options first = *options;
	int fd = peer_socket(options);

	if (fd < 0)
		return fd;
	first.messages = 1;
	fd = open_one(&first, fd);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int wait_for_line(void)
{
	struct pollfd line = {.fd = STDIN_FILENO, .events = POLLIN};
	char text[16];

	printf("early\n");
	fflush(stdout);
	if (poll(&line, 1, PEER_TIMEOUT_MS) <= 0)
		return -ETIMEDOUT;
	return read(STDIN_FILENO, text, sizeof(text)) > 0 ? 0 : -EPIPE;
}

int peer_connect(const struct peer_options *options)
{
	int fds[PEER_MAX_CONNECTIONS];
	int r = options->fastopen == PEER_FASTOPEN_DATA ? fetch_cookie(options) : 0;

	for (uint32_t i = 0; r == 0 && i < options->count; i++) {
		fds[i] = peer_socket(options);
		r = fds[i] < 0 ? fds[i] : 0;
	}
	if (r == 0 && options->early)
		r = wait_for_line();
	for (uint32_t i = 0; r == 0 && i < options->count; i++) {
		int fd = open_one(options, fds[i]);

		r = fd < 0 ? fd : 0;
	}
	if (r == 0)
		peer_hold("ready");
	return r;
}
