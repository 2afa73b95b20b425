/* SPDX-License-Identifier: MIT */
/* odd.c: connections without a listener: a socket with itself, and two that open to each other at the same time. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define ATTEMPTS 20000

struct crossing {
	struct peer_options options;
	pthread_barrier_t *barrier;
	int fd;
	int result;
};

/* What is sent comes back on the same socket. */
int peer_self(const struct peer_options *options)
{
	struct peer_options self = *options;
	int fd;
	int r = 0;

	memcpy(&self.from, &options->at, sizeof(self.from));
	self.from_length = options->at_length;
	fd = peer_socket(&self);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&self.at, self.at_length) < 0 && errno != EINPROGRESS)
		return -errno;
	r = peer_await_connected(fd);
	if (r == 0)
		r = peer_converse(fd, options->messages);
	if (r == 0)
		peer_hold("ready");
	close(fd);
	return r;
}

static void *cross_main(void *crossing)
{
	struct crossing *c = crossing;

	pthread_barrier_wait(c->barrier);
	c->result = 0;
	if (connect(c->fd, (const struct sockaddr *)&c->options.at, c->options.at_length) < 0 && errno != EINPROGRESS)
		c->result = -errno;
	return NULL;
}

static int try_crossing(struct crossing ends[2])
{
	pthread_t threads[2];
	pthread_barrier_t barrier;
	int r = 0;

	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++) {
		ends[i].barrier = &barrier;
		ends[i].fd = peer_socket(&ends[i].options);
		if (ends[i].fd < 0)
			return ends[i].fd;
	}
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, cross_main, &ends[i]) != 0)
			abort();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	for (int i = 0; i < 2 && r == 0; i++)
		r = ends[i].result < 0 ? ends[i].result : peer_await_connected(ends[i].fd);
	for (int i = 0; i < 2 && r < 0; i++)
		close(ends[i].fd);
	return r;
}

static int echo(int from, int to)
{
	char bytes[PEER_MESSAGE];
	char back[PEER_MESSAGE];
	int r;

	peer_message(bytes, 1);
	r = peer_send(from, bytes, sizeof(bytes));
	if (r == 0)
		r = peer_receive(to, back, sizeof(back));
	if (r == 0 && memcmp(bytes, back, sizeof(back)) != 0)
		r = -EBADMSG;
	return r;
}

/* Loopback delivers a SYN before connect() returns: only two CPUs at once can cross. It takes some attempts. */
int peer_cross(const struct peer_options *options)
{
	struct crossing ends[2] = {{.options = *options}, {.options = *options}};
	int r = -ECONNREFUSED;

	peer_set_port(&ends[1].options.at, peer_port(&options->at) + 1);
	for (int i = 0; i < 2; i++) {
		memcpy(&ends[i].options.from, &ends[!i].options.at, sizeof(ends[i].options.from));
		ends[i].options.from_length = options->at_length;
	}
	for (int i = 0; i < ATTEMPTS && r == -ECONNREFUSED; i++)
		r = try_crossing(ends);
	for (uint32_t i = 0; r == 0 && i < options->messages; i++) {
		r = echo(ends[0].fd, ends[1].fd);
		if (r == 0)
			r = echo(ends[1].fd, ends[0].fd);
	}
	if (r == 0)
		peer_hold("ready");
	return r;
}
