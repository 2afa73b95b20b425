/* SPDX-License-Identifier: MIT */
/* endpoint.h: one end of a connection, blocking or epoll-driven. Every wait ends after SHUNT_ENDPOINT_WAIT_MS with
 * -ETIMEDOUT. */
#ifndef SHUNT_BENCH_ENDPOINT_H
#define SHUNT_BENCH_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SHUNT_ENDPOINT_WAIT_MS 5000
#define SHUNT_ACCEPT_WAIT_MS 100 /* a waiting listener looks at the phase ten times a second */

struct shunt_endpoint {
	int fd;
	int readable; /* epoll; -1 for a blocking endpoint */
	int writable; /* epoll, made when the first connect or send has to wait */
	bool watches_writable;
	bool blocking;
};

#define SHUNT_ENDPOINT_NONE(is_blocking)                                                                               \
	{                                                                                                              \
		.fd = -1, .readable = -1, .writable = -1, .blocking = (is_blocking)                                    \
	}

struct shunt_bench_address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "127.0.0.1" with port 0, or an AF_UNIX name that the kernel chooses. */
int shunt_bench_address_inet(struct shunt_bench_address *ret, const char *text);
void shunt_bench_address_unix(struct shunt_bench_address *ret);

/* Binds and listens; *address becomes what clients connect to. The endpoint must be SHUNT_ENDPOINT_NONE. */
int shunt_endpoint_listen(struct shunt_endpoint *endpoint, struct shunt_bench_address *address);
/* -EAGAIN after SHUNT_ACCEPT_WAIT_MS without a connection. ret must be SHUNT_ENDPOINT_NONE; its epoll, if it has one,
 * is kept. */
int shunt_endpoint_accept(struct shunt_endpoint *listener, struct shunt_endpoint *ret, bool nodelay);
int shunt_endpoint_connect(struct shunt_endpoint *endpoint, const struct shunt_bench_address *address, bool nodelay);

int shunt_endpoint_send(struct shunt_endpoint *endpoint, const char *data, size_t size);
/* Waits and reads once: bytes read, 0 at the end, -errno. */
ssize_t shunt_endpoint_receive_some(struct shunt_endpoint *endpoint, char *data, size_t size);
/* size bytes: 1; the end before the first byte: 0; -errno, the end in between: -ECONNRESET. */
int shunt_endpoint_receive(struct shunt_endpoint *endpoint, char *data, size_t size);

/* The next close resets: no TIME_WAIT is left to slow down later connections. */
int shunt_endpoint_abort_on_close(struct shunt_endpoint *endpoint);
/* Closes the socket and keeps the epolls for the next one. */
void shunt_endpoint_hang_up(struct shunt_endpoint *endpoint);
void shunt_endpoint_close(struct shunt_endpoint *endpoint);

#endif
