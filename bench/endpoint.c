/* SPDX-License-Identifier: MIT */
/* endpoint.c: one end of a connection, blocking or epoll-driven. */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

int shunt_bench_address_inet(struct shunt_bench_address *ret, const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, text, &in.sin_addr) != 1)
		return -EINVAL;
	*ret = (struct shunt_bench_address){.len = sizeof(in)};
	memcpy(&ret->sa, &in, sizeof(in));
	return 0;
}

void shunt_bench_address_unix(struct shunt_bench_address *ret)
{
	*ret = (struct shunt_bench_address){.sa.ss_family = AF_UNIX, .len = sizeof(sa_family_t)};
}

static int watch(int *epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	if (*epoll < 0)
		*epoll = epoll_create1(EPOLL_CLOEXEC);
	if (*epoll < 0 || epoll_ctl(*epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

static int await(int epoll, int timeout_ms)
{
	struct epoll_event event;
	int n = epoll_wait(epoll, &event, 1, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int await_writable(struct shunt_endpoint *endpoint)
{
	if (!endpoint->watches_writable) {
		int r = watch(&endpoint->writable, endpoint->fd, EPOLLOUT);
		if (r < 0)
			return r;
		endpoint->watches_writable = true;
	}
	return await(endpoint->writable, SHUNT_ENDPOINT_WAIT_MS);
}

static int limit_waits(int fd, int receive_ms, int send_ms)
{
	struct timeval receive = {.tv_sec = receive_ms / 1000, .tv_usec = receive_ms % 1000 * 1000};
	struct timeval send = {.tv_sec = send_ms / 1000, .tv_usec = send_ms % 1000 * 1000};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send)) < 0)
		return -errno;
	return 0;
}

static int set_nodelay(int fd, sa_family_t family)
{
	int on = 1;

	if (family == AF_UNIX)
		return 0;
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int open_socket(struct shunt_endpoint *endpoint, sa_family_t family)
{
	endpoint->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | (endpoint->blocking ? 0 : SOCK_NONBLOCK), 0);
	return endpoint->fd < 0 ? -errno : 0;
}

int shunt_endpoint_listen(struct shunt_endpoint *endpoint, struct shunt_bench_address *address)
{
	int r = open_socket(endpoint, address->sa.ss_family);

	if (r < 0)
		return r;
	if (bind(endpoint->fd, (struct sockaddr *)&address->sa, address->len) < 0 || listen(endpoint->fd, BACKLOG) < 0)
		return -errno;
	address->len = sizeof(address->sa);
	if (getsockname(endpoint->fd, (struct sockaddr *)&address->sa, &address->len) < 0)
		return -errno;
	return endpoint->blocking ? limit_waits(endpoint->fd, SHUNT_ACCEPT_WAIT_MS, 0)
				  : watch(&endpoint->readable, endpoint->fd, EPOLLIN);
}

/* What a fresh connection needs before its first byte. */
static int set_up(struct shunt_endpoint *endpoint, sa_family_t family, bool nodelay)
{
	int r = nodelay ? set_nodelay(endpoint->fd, family) : 0;

	if (r < 0)
		return r;
	return endpoint->blocking ? limit_waits(endpoint->fd, SHUNT_ENDPOINT_WAIT_MS, SHUNT_ENDPOINT_WAIT_MS)
				  : watch(&endpoint->readable, endpoint->fd, EPOLLIN);
}

int shunt_endpoint_accept(struct shunt_endpoint *listener, struct shunt_endpoint *ret, bool nodelay)
{
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof(from);

	if (!listener->blocking) {
		int r = await(listener->readable, SHUNT_ACCEPT_WAIT_MS);
		if (r < 0)
			return r == -ETIMEDOUT ? -EAGAIN : r;
	}
	int fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
			 SOCK_CLOEXEC | (listener->blocking ? 0 : SOCK_NONBLOCK));
	if (fd < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	ret->fd = fd;
	return set_up(ret, from.ss_family, nodelay);
}

static int finish_connect(struct shunt_endpoint *endpoint)
{
	int error = 0, r = await_writable(endpoint);
	socklen_t len = sizeof(error);

	if (r < 0)
		return r;
	if (getsockopt(endpoint->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

int shunt_endpoint_connect(struct shunt_endpoint *endpoint, const struct shunt_bench_address *address, bool nodelay)
{
	int r = open_socket(endpoint, address->sa.ss_family);

	if (r < 0)
		return r;
	if (connect(endpoint->fd, (const struct sockaddr *)&address->sa, address->len) < 0) {
		r = errno == EINPROGRESS ? finish_connect(endpoint) : -errno;
		if (r < 0)
			return r;
	}
	return set_up(endpoint, address->sa.ss_family, nodelay);
}

int shunt_endpoint_send(struct shunt_endpoint *endpoint, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(endpoint->fd, data, size, MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int r = endpoint->blocking ? -ETIMEDOUT : await_writable(endpoint);
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t shunt_endpoint_receive_some(struct shunt_endpoint *endpoint, char *data, size_t size)
{
	for (;;) {
		if (!endpoint->blocking) {
			int r = await(endpoint->readable, SHUNT_ENDPOINT_WAIT_MS);
			if (r < 0)
				return r;
		}
		ssize_t n = recv(endpoint->fd, data, size, 0);
		if (n >= 0)
			return n;
		if (errno == EAGAIN && endpoint->blocking)
			return -ETIMEDOUT;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

int shunt_endpoint_receive(struct shunt_endpoint *endpoint, char *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = shunt_endpoint_receive_some(endpoint, data + got, size - got);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return got ? -ECONNRESET : 0;
		got += (size_t)n;
	}
	return 1;
}

int shunt_endpoint_abort_on_close(struct shunt_endpoint *endpoint)
{
	struct linger linger = {.l_onoff = 1};

	return setsockopt(endpoint->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ? -errno : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void shunt_endpoint_hang_up(struct shunt_endpoint *endpoint)
{
	close_fd(&endpoint->fd);
	endpoint->watches_writable = false;
}

void shunt_endpoint_close(struct shunt_endpoint *endpoint)
{
	shunt_endpoint_hang_up(endpoint);
	close_fd(&endpoint->readable);
	close_fd(&endpoint->writable);
}
