/* SPDX-License-Identifier: MIT */
/* churn.c: opens and closes many connections over 127.0.0.0/8, with no, few or many verified messages on each. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define MAX_PROCESSES 16
#define TIMEOUT_MS 10000
#define MESSAGE 256
#define LONG_EVERY 24 /* of the batches, one goes on for long enough to be promoted */
#define LONG_NS 250000000ll

struct pair {
	int client;
	int server;
};

struct churner {
	int listener;
	uint16_t port;
	uint32_t network; /* second byte of the addresses */
	uint32_t opened;
	uint32_t number; /* of the next message */
	struct pair pairs[BATCH];
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static int await(int fd, short events)
{
	struct pollfd ready = {.fd = fd, .events = events};
	int r = poll(&ready, 1, TIMEOUT_MS);

	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int open_listener(struct churner *c)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	socklen_t length = sizeof(any);

	c->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listener < 0 || bind(c->listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    listen(c->listener, BATCH * 2) < 0)
		return -errno;
	if (getsockname(c->listener, (struct sockaddr *)&any, &length) < 0)
		return -errno;
	c->port = ntohs(any.sin_port);
	return 0;
}

/* Every address lasts for 20 000 connections: ports in TIME_WAIT never run out. */
static int open_pair(struct churner *c, struct pair *ret)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(c->port)};
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int server;
	int r;

	to.sin_addr.s_addr = htonl(127u << 24 | c->network << 16 | (c->opened / 20000) << 8 | (1 + c->opened % 250));
	if (client < 0)
		return -errno;
	r = connect(client, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS
		    ? -errno
		    : await(c->listener, POLLIN);
	server = r == 0 ? accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
	if (server < 0) {
		r = r < 0 ? r : -errno;
		close(client);
		return r;
	}
	c->opened++;
	*ret = (struct pair){client, server};
	return 0;
}

static int receive(int fd, char *to, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, to, n, 0);
		int r = 0;

		if (got == 0)
			return -EPIPE;
		if (got < 0)
			r = errno == EAGAIN ? await(fd, POLLIN) : -errno;
		if (r < 0)
			return r;
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

static int carry(struct churner *c, int from, int to)
{
	uint32_t sent[MESSAGE / 4];
	uint32_t got[MESSAGE / 4];
	int r;

	for (uint32_t i = 0; i < MESSAGE / 4; i++)
		sent[i] = c->number * 2654435761u + i;
	c->number++;
	if (send(from, sent, sizeof(sent), MSG_NOSIGNAL) != sizeof(sent))
		return -errno;
	r = receive(to, (char *)got, sizeof(got));
	return r == 0 && memcmp(sent, got, sizeof(got)) != 0 ? -EBADMSG : r;
}

static int take_turns(struct churner *c, const struct pair *pair, uint32_t turns)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < turns; i++) {
		r = carry(c, pair->client, pair->server);
		if (r == 0)
			r = carry(c, pair->server, pair->client);
	}
	return r;
}

static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* By FIN from either side or by RST from either side. */
static void close_pair(const struct pair *pair, uint32_t number)
{
	int first = number & 1 ? pair->client : pair->server;
	int second = number & 1 ? pair->server : pair->client;

	if (number & 2)
		close(first);
	else
		reset(first);
	close(second);
}

/* Most connections say little; every fourth says enough for a record, every batch LONG_EVERY enough for a promotion. */
static int run_batch(struct churner *c, uint32_t batch)
{
	static const uint32_t turns[] = {0, 1, 6, 3};
	int64_t until = batch % LONG_EVERY == LONG_EVERY - 1 ? now_ns() + LONG_NS : 0;
	int r = 0;

	for (int i = 0; r == 0 && i < BATCH; i++) {
		r = open_pair(c, &c->pairs[i]);
		if (r == 0)
			r = take_turns(c, &c->pairs[i], turns[i % 4]);
	}
	while (r == 0 && now_ns() < until)
		for (int i = 0; r == 0 && i < BATCH; i++)
			r = take_turns(c, &c->pairs[i], 4);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < BATCH; i++)
		close_pair(&c->pairs[i], i / 4 + batch);
	return 0;
}

static int run_process(uint32_t network, uint32_t connections)
{
	struct churner c = {.network = network, .listener = -1};
	int r = open_listener(&c);

	for (uint32_t batch = 0; r == 0 && c.opened < connections; batch++)
		r = run_batch(&c, batch);
	if (r < 0)
		fprintf(stderr, "# churn: process %u, after %u connections: %s\n", network, c.opened, strerror(-r));
	return r;
}

static int enter_cgroup(const char *folder)
{
	char path[4096];
	int fd;
	int r;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	uint32_t connections = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	uint32_t processes = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	pid_t children[MAX_PROCESSES];
	bool good = true;

	if (connections < 1 || processes < 1 || processes > MAX_PROCESSES || argc > 4) {
		fputs("usage: churn CONNECTIONS PROCESSES [CGROUP]\n", stderr);
		return 2;
	}
	if (argc == 4 && enter_cgroup(argv[3]) < 0) {
		perror("churn: cgroup");
		return EXIT_FAILURE;
	}
	for (uint32_t i = 0; i < processes; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_process(16 + i, connections / processes) < 0);
	}
	for (uint32_t i = 0; i < processes; i++) {
		int status = -1;

		good = children[i] > 0 && waitpid(children[i], &status, 0) > 0 && status == 0 && good;
	}
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
