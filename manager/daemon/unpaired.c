/* SPDX-License-Identifier: MIT */
/* unpaired.c: finds connections without a record by sock_diag and says why they have none. */
#include "unpaired.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_json.h"
#include "index.h"
#include "shunt/judge.h"
#include "sockets.h"

/* Records of a pod that is leaving explain nothing any more. */
static int index_recorded(const struct shunt_manager *manager, const struct shunt_snapshot *snapshot,
			  struct shunt_index *ret)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		for (int role = SHUNT_CLIENT; role <= SHUNT_SERVER; role++) {
			const struct shunt_flow_end *end = &snapshot->flows[i].end[role];

			if (!(snapshot->flows[i].recorded & (1u << role)) || !shunt_pods_get(manager->pods, end->pod))
				continue;
			if (shunt_index_add(ret, end->cookie, 1))
				return -ENOMEM;
		}
	}
	shunt_index_sort(ret);
	return 0;
}

struct listing {
	struct shunt_manager *manager;
	const struct shunt_flow_filter *filter;
	struct shunt_index cgroups;
	struct shunt_index recorded;
	struct shunt_young young;
	struct shunt_node_sockets sockets;
};

static void listing_clear(struct listing *listing)
{
	shunt_index_clear(&listing->cgroups);
	shunt_index_clear(&listing->recorded);
	shunt_young_clear(&listing->young);
	shunt_node_sockets_clear(&listing->sockets);
}

static int listing_read(struct listing *listing, const struct shunt_snapshot *snapshot)
{
	int r = shunt_pods_cgroups(listing->manager->pods, &listing->cgroups);

	if (!r)
		r = index_recorded(listing->manager, snapshot, &listing->recorded);
	if (!r)
		r = shunt_node_sockets_read(&listing->sockets);
	return r ? r : shunt_tables_young(listing->manager->datapath, &listing->young);
}

/* A stream gets no record, because that takes data both ways. */
static enum shunt_reason judge_young(const struct shunt_diag_socket *socket)
{
	struct shunt_window window = {
		.segs_out = socket->data_segs_out,
		.segs_in = socket->data_segs_in,
		.bytes = socket->bytes_sent + socket->bytes_received,
	};

	return shunt_window_is_stream(&window, SHUNT_RECORD_SEGMENTS) ? SHUNT_REASON_ONE_WAY : SHUNT_REASON_NEW;
}

static enum shunt_reason explain(struct listing *listing, const struct shunt_diag_socket *socket, uint32_t slot,
				 uint32_t peer_slot, bool peer_here)
{
	const struct shunt_datapath *datapath = listing->manager->datapath;
	uint32_t word;

	if (shunt_pods_get(listing->manager->pods, slot)->mode == SHUNT_MODE_OFF)
		return SHUNT_REASON_OFF;
	if (!shunt_tables_word(datapath, SHUNT_MAP_REFUSED, socket->cookie, &word) && word < SHUNT_REASON_COUNT)
		return word;
	if (!shunt_tables_word(datapath, SHUNT_MAP_OLDER, socket->cookie, &word))
		return SHUNT_REASON_OLDER_THAN_ATTACH;
	if (shunt_young_has(&listing->young, socket->cookie))
		return judge_young(socket);
	if (peer_slot)
		return SHUNT_REASON_UNPROVEN;
	return peer_here ? SHUNT_REASON_PEER_UNMANAGED : SHUNT_REASON_REMOTE;
}

static int list_socket(struct listing *listing, const struct shunt_node_socket *node, json_t *array)
{
	const struct shunt_diag_socket *socket = &node->socket;
	uint32_t slot = shunt_index_find(&listing->cgroups, socket->cgroup);
	const struct shunt_node_socket *peer;
	const struct shunt_pod *peer_pod;
	struct shunt_end_view view;
	uint32_t peer_slot;

	if (!slot || shunt_index_find(&listing->recorded, socket->cookie))
		return 0;
	peer = shunt_node_sockets_peer(&listing->sockets, socket);
	peer_slot = peer ? shunt_index_find(&listing->cgroups, peer->socket.cgroup) : 0;
	peer_pod = shunt_pods_get(listing->manager->pods, peer_slot);
	view = (struct shunt_end_view){
		.id = socket->cookie,
		.pod = shunt_pods_get(listing->manager->pods, slot)->name,
		.peer_pod = peer_pod ? peer_pod->name : NULL,
		.local = socket->local,
		.remote = socket->remote,
		.state = SHUNT_STATE_TCP,
		.reason = explain(listing, socket, slot, peer_slot, peer),
		.bytes_known = true,
		.bytes_tcp = socket->bytes_sent - socket->bytes_retrans,
		.netns = node->netns,
	};
	return shunt_flow_filter_match(listing->filter, &view) ? shunt_end_view_append(array, &view) : 0;
}

int shunt_unpaired_list(struct shunt_manager *manager, const struct shunt_snapshot *snapshot,
			const struct shunt_flow_filter *filter, json_t *array)
{
	struct listing listing = {.manager = manager, .filter = filter};
	int r = listing_read(&listing, snapshot);

	for (size_t i = 0; !r && i < listing.sockets.count; i++)
		r = list_socket(&listing, &listing.sockets.list[i], array);
	listing_clear(&listing);
	return r;
}

/* Connections whose handshake the programs did see are young or recorded; everything else in the cgroup is older. */
int shunt_flows_mark_older(struct shunt_manager *manager, uint32_t slot)
{
	struct listing listing = {.manager = manager};
	struct shunt_snapshot snapshot = {};
	int r = shunt_tables_flows(manager->datapath, &snapshot);

	if (!r)
		r = listing_read(&listing, &snapshot);
	for (size_t i = 0; !r && i < listing.sockets.count; i++) {
		const struct shunt_diag_socket *socket = &listing.sockets.list[i].socket;

		if (shunt_index_find(&listing.cgroups, socket->cgroup) != slot ||
		    shunt_index_find(&listing.recorded, socket->cookie) ||
		    shunt_young_has(&listing.young, socket->cookie))
			continue;
		r = shunt_tables_word_set(manager->datapath, SHUNT_MAP_OLDER, socket->cookie, slot);
	}
	listing_clear(&listing);
	shunt_snapshot_clear(&snapshot);
	return r;
}

struct check {
	const struct shunt_manager *manager;
	struct shunt_index alive;
	enum shunt_map map;
};

static int forget_if_gone(uint64_t key, uint32_t value, void *context)
{
	struct check *check = context;

	if (!shunt_index_find(&check->alive, key))
		shunt_tables_word_delete(check->manager->datapath, check->map, key);
	return 0;
}

static int note_any(uint64_t key, uint32_t value, void *context)
{
	return 1;
}

static void forget_gone(struct check *check, enum shunt_map map)
{
	check->map = map;
	shunt_tables_words(check->manager->datapath, map, forget_if_gone, check);
}

static bool has_any(const struct shunt_manager *manager, enum shunt_map map)
{
	return shunt_tables_words(manager->datapath, map, note_any, NULL) == 1;
}

static void forget_sockets(struct shunt_manager *manager)
{
	struct check check = {.manager = manager};
	struct shunt_node_sockets sockets = {};
	int r = 0;

	if (!has_any(manager, SHUNT_MAP_OLDER) && !has_any(manager, SHUNT_MAP_REFUSED))
		return;
	if (shunt_node_sockets_read(&sockets))
		return;
	for (size_t i = 0; !r && i < sockets.count; i++)
		r = shunt_index_add(&check.alive, sockets.list[i].socket.cookie, 1);
	shunt_index_sort(&check.alive);
	if (!r) {
		forget_gone(&check, SHUNT_MAP_OLDER);
		forget_gone(&check, SHUNT_MAP_REFUSED);
	}
	shunt_index_clear(&check.alive);
	shunt_node_sockets_clear(&sockets);
}

static void forget_cgroups(struct shunt_manager *manager)
{
	struct check check = {.manager = manager};

	if (!shunt_pods_cgroups(manager->pods, &check.alive))
		forget_gone(&check, SHUNT_MAP_CGROUPS);
	shunt_index_clear(&check.alive);
}

void shunt_flows_forget(struct shunt_manager *manager)
{
	forget_sockets(manager);
	forget_cgroups(manager);
}
