/* SPDX-License-Identifier: MIT */
/* sockets.c: gathers the sockets of every namespace. */
#include "sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"

struct gathering {
	struct shunt_node_sockets *sockets;
	uint64_t netns;
};

static int gather(const struct shunt_diag_socket *socket, void *context)
{
	struct gathering *gathering = context;
	struct shunt_node_sockets *sockets = gathering->sockets;

	if (sockets->count == sockets->allocated) {
		size_t allocated = sockets->allocated ? 2 * sockets->allocated : 256;
		struct shunt_node_socket *list = realloc(sockets->list, allocated * sizeof(*list));

		if (!list)
			return -ENOMEM;
		sockets->list = list;
		sockets->allocated = allocated;
	}
	sockets->list[sockets->count++] = (struct shunt_node_socket){.socket = *socket, .netns = gathering->netns};
	return 0;
}

/* Orders by what this socket calls local and remote. */
static int compare_addresses(const struct shunt_address *local_a, const struct shunt_address *remote_a,
			     const struct shunt_address *local_b, const struct shunt_address *remote_b)
{
	int r = memcmp(local_a, local_b, sizeof(*local_a));

	return r ? r : memcmp(remote_a, remote_b, sizeof(*remote_a));
}

static int compare_sockets(const void *a, const void *b)
{
	const struct shunt_diag_socket *first = &((const struct shunt_node_socket *)a)->socket;
	const struct shunt_diag_socket *second = &((const struct shunt_node_socket *)b)->socket;

	return compare_addresses(&first->local, &first->remote, &second->local, &second->remote);
}

/* All processes are below the root cgroup, so its namespaces are the node's. */
int shunt_node_namespaces(shunt_namespace_fn visit, void *context)
{
	const char *root[] = {"/"};
	struct shunt_netns *list = NULL;
	size_t count = 0;
	int r = shunt_netns_list(root, 1, &list, &count);

	for (size_t i = 0; !r && i < count; i++) {
		uint64_t cookie;

		if (!shunt_netns_cookie(list[i].fd, &cookie))
			r = visit(&list[i], cookie, context);
	}
	shunt_netns_list_free(list, count);
	return r;
}

static int dump_namespace(const struct shunt_netns *netns, uint64_t cookie, void *context)
{
	struct gathering gathering = {.sockets = context, .netns = cookie};
	int r = shunt_diag_dump(netns->fd, gather, &gathering);

	if (r && r != -EINTR)
		shunt_debug("cannot list the sockets of network namespace %llu: %s, ignoring",
			    (unsigned long long)netns->inode, strerror(-r));
	return r == -ENOMEM ? r : 0;
}

int shunt_node_sockets_read(struct shunt_node_sockets *ret)
{
	struct shunt_node_sockets sockets = {};
	int r = shunt_node_namespaces(dump_namespace, &sockets);

	if (r) {
		shunt_node_sockets_clear(&sockets);
		return r;
	}
	if (sockets.count)
		qsort(sockets.list, sockets.count, sizeof(*sockets.list), compare_sockets);
	*ret = sockets;
	return 0;
}

void shunt_node_sockets_clear(struct shunt_node_sockets *sockets)
{
	free(sockets->list);
	*sockets = (struct shunt_node_sockets){};
}

const struct shunt_node_socket *shunt_node_sockets_peer(struct shunt_node_sockets *sockets,
							const struct shunt_diag_socket *of)
{
	struct shunt_node_socket key = {.socket = {.local = of->remote, .remote = of->local}};

	if (!sockets->count)
		return NULL;
	return bsearch(&key, sockets->list, sockets->count, sizeof(*sockets->list), compare_sockets);
}

struct victim {
	uint64_t netns;
	uint64_t cookie;
};

static int destroy_in(const struct shunt_netns *netns, uint64_t cookie, void *context)
{
	const struct victim *victim = context;
	int r;

	if (cookie != victim->netns)
		return 0;
	r = shunt_diag_destroy(netns->fd, victim->cookie);
	return r ? r : 1;
}

int shunt_node_socket_destroy(uint64_t netns, uint64_t cookie)
{
	struct victim victim = {.netns = netns, .cookie = cookie};
	int r = shunt_node_namespaces(destroy_in, &victim);

	return r == 1 ? 0 : r ? r : -ENOENT;
}
