/* SPDX-License-Identifier: MIT */
/* sockets.h: the node's TCP sockets at one moment, over all network namespaces in which processes live. */
#ifndef SHUNT_SOCKETS_H
#define SHUNT_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "netns.h"

/* Calls visit for each namespace in which a process lives. Non-zero ends the walk and is returned. */
typedef int (*shunt_namespace_fn)(const struct shunt_netns *netns, uint64_t cookie, void *context);
int shunt_node_namespaces(shunt_namespace_fn visit, void *context);

struct shunt_node_socket {
	struct shunt_diag_socket socket;
	uint64_t netns; /* cookie */
};

struct shunt_node_sockets {
	struct shunt_node_socket *list;
	size_t count;
	size_t allocated;
};

/* A namespace that cannot be entered is left out. */
int shunt_node_sockets_read(struct shunt_node_sockets *ret);
void shunt_node_sockets_clear(struct shunt_node_sockets *sockets);
/* The socket whose addresses are these the other way round, in any namespace; NULL: none. */
const struct shunt_node_socket *shunt_node_sockets_peer(struct shunt_node_sockets *sockets,
							const struct shunt_diag_socket *of);
/* Resets one socket in the namespace with this cookie. -ENOENT: neither found. */
int shunt_node_socket_destroy(uint64_t netns, uint64_t cookie);

#endif
