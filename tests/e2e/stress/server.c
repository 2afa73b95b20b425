/* SPDX-License-Identifier: MIT */
/* server.c: accepts connections, finds out whose they are, and plays the server's part on each in a thread of its own.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "end.h"
#include "worker.h"

#define THREAD_STACK (256 * 1024)
#define ACCEPT_SLICE_MS 200

static int listeners[STRESS_LISTENERS];
static uint32_t own_number;
static _Atomic uint32_t serving;

/* What a serving thread gets in its one argument. */
struct accepted {
	int32_t fd;
	uint32_t listener;
};

_Static_assert(sizeof(struct accepted) == sizeof(void *), "accepted travels as a pointer");

static int bind_any(int fd, enum stress_listener kind)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	int only = kind == STRESS_LISTEN_V6;
	int r;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = kind == STRESS_LISTEN_V6 ? in6addr_loopback : in6addr_any;
	if (kind == STRESS_LISTEN_V4)
		return bind(fd, (struct sockaddr *)&v4, sizeof(v4)) < 0 ? -errno : 0;
	r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	return r < 0 || bind(fd, (struct sockaddr *)&v6, sizeof(v6)) < 0 ? -errno : 0;
}

static int listen_on(uint32_t worker, enum stress_listener kind)
{
	int fd = socket(kind == STRESS_LISTEN_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 address; /* the port is at the same place in both families */
	socklen_t length = sizeof(address);
	int r;

	if (fd < 0)
		return -errno;
	r = bind_any(fd, kind);
	if (r == 0 && (listen(fd, 1024) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0))
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	listeners[kind] = fd;
	stress_ledger->listener[worker][kind] = ntohs(address.sin6_port);
	return 0;
}

int stress_server_listen(uint32_t worker)
{
	own_number = worker;
	for (int kind = 0; kind < STRESS_LISTENERS; kind++) {
		int r = listen_on(worker, kind);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The slot that the client has written beside its port; NULL if it never does. */
static struct stress_slot *find_slot(int fd, uint32_t listener)
{
	struct sockaddr_in6 peer = {0};
	socklen_t length = sizeof(peer);
	_Atomic uint32_t *port;
	bool v6;

	if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
		return NULL;
	v6 = peer.sin6_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr);
	port = &stress_ledger->port[own_number][listener][v6][ntohs(peer.sin6_port)];
	if (stress_await_change(port, 0, stress_ledger->options.patience_ms) < 0)
		return NULL;
	return &stress_ledger->slot[atomic_exchange(port, 0) - 1];
}

static void serve(int fd, uint32_t listener)
{
	struct stress_slot *slot = find_slot(fd, listener);
	struct stress_script script;
	struct stress_end end;

	if (!slot) {
		printf("# FAILURE a connection was accepted that no client has opened\n");
		atomic_fetch_add(&stress_ledger->failures, 1);
		close(fd);
		return;
	}
	stress_script_make(&script, slot->seed, slot->steady);
	stress_tune_socket(fd, &script.style[STRESS_SERVER]);
	if (stress_end_init(&end, fd, STRESS_SERVER, slot, &script) == 0)
		stress_end_run(&end);
	stress_end_free(&end);
	stress_set(&slot->server_done, 1);
}

static void *serve_main(void *argument)
{
	struct accepted accepted;

	memcpy(&accepted, &argument, sizeof(accepted));
	serve(accepted.fd, accepted.listener);
	atomic_fetch_sub(&serving, 1);
	return NULL;
}

static void start_serving(int fd, uint32_t listener)
{
	struct accepted accepted = {fd, listener};
	void *argument;
	pthread_attr_t attributes;
	pthread_t thread;

	memcpy(&argument, &accepted, sizeof(argument));
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&serving, 1);
	if (pthread_create(&thread, &attributes, serve_main, argument) != 0) {
		atomic_fetch_sub(&serving, 1);
		close(fd);
	}
	pthread_attr_destroy(&attributes);
}

int stress_server_run(void)
{
	struct pollfd fds[STRESS_LISTENERS];

	for (int i = 0; i < STRESS_LISTENERS; i++)
		fds[i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
	while (stress_ledger->clients > 0 || serving > 0) {
		if (poll(fds, STRESS_LISTENERS, ACCEPT_SLICE_MS) < 0)
			return -errno;
		for (int i = 0; i < STRESS_LISTENERS; i++) {
			int fd = -1;

			if (fds[i].revents & POLLIN)
				fd = accept4(fds[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd >= 0)
				start_serving(fd, (uint32_t)i);
		}
	}
	return 0;
}
