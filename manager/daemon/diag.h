/* SPDX-License-Identifier: MIT */
/* diag.h: the TCP connections of a network namespace, asked of the kernel by sock_diag; and the end of one of them. */
#ifndef SHUNT_DIAG_H
#define SHUNT_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "shunt/flow.h"

struct shunt_diag_socket {
	uint64_t cookie;
	uint64_t cgroup; /* id of the cgroup it was created in; 0: the kernel did not say */
	uint64_t bytes_sent;
	uint64_t bytes_retrans;
	uint64_t bytes_received;
	uint32_t data_segs_out;
	uint32_t data_segs_in;
	uint32_t inode; /* 0: no file */
	uint32_t interface;
	int family; /* of the socket: AF_INET or AF_INET6 (which may carry v4-mapped addresses) */
	int state;  /* TCP_ESTABLISHED, TCP_CLOSE_WAIT ... of netinet/tcp.h */
	bool ulp;   /* kernel TLS or another upper layer protocol */
	struct shunt_address local;
	struct shunt_address remote;
};

/* Non-zero ends the dump and is returned. It must not use the netns functions itself. */
typedef int (*shunt_diag_fn)(const struct shunt_diag_socket *socket, void *context);

/*
 * Every established or half-closed TCP connection of a namespace (netns_fd -1: the caller's own), IPv4 first.
 * A dump that the kernel reports as interrupted by change is -EINTR after the last call. -ETIMEDOUT after 5 s of
 * silence.
 */
int shunt_diag_dump(int netns_fd, shunt_diag_fn each, void *context);

/* Resets one connection of that namespace. -ENOENT: no such cookie; -EOPNOTSUPP: the kernel lacks SOCK_DESTROY. */
int shunt_diag_destroy(int netns_fd, uint64_t cookie);

#endif
