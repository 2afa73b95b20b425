/* SPDX-License-Identifier: MIT */
/* flows.c: paired connections as JSON. What has no record is explained by unpaired.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "flow_json.h"
#include "manager.h"
#include "tables.h"
#include "unpaired.h"

static const char *const reason_words[] = {
#define X(name, word, sentence) #word,
	SHUNT_REASONS(X)
#undef X
};

static const char *const reason_sentences[] = {
#define X(name, word, sentence) sentence,
	SHUNT_REASONS(X)
#undef X
};

static const char *const state_words[] = {
#define X(name, word) #word,
	SHUNT_STATES(X)
#undef X
};

const char *shunt_reason_word(enum shunt_reason reason)
{
	return (unsigned)reason < SHUNT_REASON_COUNT ? reason_words[reason] : "unknown";
}

const char *shunt_state_word(enum shunt_state state)
{
	return state_words[state];
}

void shunt_address_format(const struct shunt_address *address, char out[SHUNT_ADDRESS_TEXT])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char ip[INET6_ADDRSTRLEN] = "?";
	int v4 = !memcmp(address->ip, mapped, sizeof(mapped));

	inet_ntop(v4 ? AF_INET : AF_INET6, address->ip + (v4 ? sizeof(mapped) : 0), ip, sizeof(ip));
	snprintf(out, SHUNT_ADDRESS_TEXT, v4 ? "%s:%u" : "[%s]:%u", ip, address->port);
}

bool shunt_flow_filter_match(const struct shunt_flow_filter *filter, const struct shunt_end_view *view)
{
	if (filter->pod && strcmp(filter->pod, view->pod))
		return false;
	if (filter->state && strcmp(filter->state, "all") && strcmp(filter->state, shunt_state_word(view->state)))
		return false;
	if (filter->reason && strcmp(filter->reason, shunt_reason_word(view->reason)))
		return false;
	return !filter->id || filter->id == view->id;
}

static json_t *known(bool is_known, uint64_t value)
{
	return is_known ? json_integer((json_int_t)value) : json_null();
}

int shunt_end_view_append(json_t *array, const struct shunt_end_view *view)
{
	char local[SHUNT_ADDRESS_TEXT];
	char remote[SHUNT_ADDRESS_TEXT];
	json_t *object;

	shunt_address_format(&view->local, local);
	shunt_address_format(&view->remote, remote);
	object = json_pack("{s:I, s:s, s:s, s:s, s:s?, s:s, s:s, s:s, s:n, s:o, s:o, s:o, s:o, s:o, s:I}", "id",
			   (json_int_t)view->id, "pod", view->pod, "local", local, "remote", remote, "peer_pod",
			   view->peer_pod, "state", shunt_state_word(view->state), "reason",
			   shunt_reason_word(view->reason), "reason_text", reason_sentences[view->reason], "packets",
			   "bytes_redirected", known(view->paired, view->bytes_redirected), "bytes_tcp",
			   known(view->bytes_known, view->bytes_tcp), "messages_redirected",
			   known(view->paired, view->messages_redirected), "messages_tcp",
			   known(view->messages_known, view->messages_tcp), "age_seconds",
			   view->paired ? json_real((double)view->age_ns / SHUNT_NS_PER_S) : json_null(), "netns",
			   (json_int_t)view->netns);
	return object && !json_array_append_new(array, object) ? 0 : -ENOMEM;
}

/* The switches act with the next message, the scan's reason follows within a scan: show the switch. */
static enum shunt_reason current_reason(struct shunt_manager *manager, const struct shunt_flow *flow)
{
	const struct shunt_pod *client = shunt_pods_get(manager->pods, flow->end[SHUNT_CLIENT].pod);
	const struct shunt_pod *server = shunt_pods_get(manager->pods, flow->end[SHUNT_SERVER].pod);
	enum shunt_mode mode;

	if (!client || !server)
		return SHUNT_REASON_PEER_UNMANAGED;
	mode = client->mode < server->mode ? client->mode : server->mode;
	if (mode == SHUNT_MODE_OFF)
		return SHUNT_REASON_OFF;
	if (mode == SHUNT_MODE_OBSERVE)
		return SHUNT_REASON_OBSERVE;
	if (shunt_datapath_control(manager->datapath)->stop)
		return SHUNT_REASON_DRAINING;
	if (shunt_datapath_control(manager->datapath)->kernel_unfit)
		return SHUNT_REASON_KERNEL;
	if (flow->phase == SHUNT_PHASE_RUN || flow->reason >= SHUNT_REASON_COUNT)
		return SHUNT_REASON_OK;
	if (flow->reason == SHUNT_REASON_NEW && flow->recorded != 3)
		return SHUNT_REASON_ONE_WAY; /* an end that only receives gets no record, and is not judged */
	return flow->reason == SHUNT_REASON_OK ? SHUNT_REASON_NEW : flow->reason;
}

static void view_end(struct shunt_manager *manager, const struct shunt_flow *flow, int role, uint64_t now,
		     struct shunt_end_view *ret)
{
	const struct shunt_flow_end *end = &flow->end[role];
	const struct shunt_pod *pod = shunt_pods_get(manager->pods, end->pod);
	const struct shunt_pod *peer = shunt_pods_get(manager->pods, flow->end[!role].pod);
	bool was_member = end->redirected_messages + end->passed_messages > 0;

	*ret = (struct shunt_end_view){
		.id = flow->id,
		.pod = pod ? pod->name : NULL,
		.peer_pod = peer ? peer->name : NULL,
		.local = end->local,
		.remote = end->remote,
		.reason = current_reason(manager, flow),
		.paired = true,
		.bytes_known = true,
		.messages_known = was_member,
		.bytes_redirected = end->redirected_bytes,
		.bytes_tcp = end->tcp_bytes,
		.messages_redirected = end->redirected_messages,
		.messages_tcp = end->passed_messages,
		.age_ns = now - flow->created_ns,
		.netns = end->netns,
	};
	if (ret->reason == SHUNT_REASON_OK && end->spilling)
		ret->reason = SHUNT_REASON_SPILL;
	ret->state = ret->reason == SHUNT_REASON_OK ? SHUNT_STATE_REDIRECT : SHUNT_STATE_TCP;
}

static bool is_listed(const struct shunt_flow *flow, int role)
{
	return (flow->recorded & (1u << role)) && !(flow->closed & (1u << role));
}

static int list_paired(struct shunt_manager *manager, const struct shunt_snapshot *snapshot,
		       const struct shunt_flow_filter *filter, json_t *array)
{
	uint64_t now = shunt_now_ns();

	for (size_t i = 0; i < snapshot->count; i++) {
		for (int role = SHUNT_CLIENT; role <= SHUNT_SERVER; role++) {
			struct shunt_end_view view;

			if (!is_listed(&snapshot->flows[i], role))
				continue;
			view_end(manager, &snapshot->flows[i], role, now, &view);
			if (view.pod && shunt_flow_filter_match(filter, &view) && shunt_end_view_append(array, &view))
				return -ENOMEM;
		}
	}
	return 0;
}

/* A filter for what only paired flows can be needs no look at the node's sockets. */
static bool wants_unpaired(const struct shunt_flow_filter *filter)
{
	return !filter->state || strcmp(filter->state, shunt_state_word(SHUNT_STATE_REDIRECT));
}

int shunt_flows_list(struct shunt_manager *manager, const struct shunt_flow_filter *filter, json_t **ret)
{
	struct shunt_snapshot snapshot = {};
	json_auto_t *array = json_array();
	int r = array ? shunt_tables_flows(manager->datapath, &snapshot) : -ENOMEM;

	if (!r)
		r = list_paired(manager, &snapshot, filter, array);
	if (!r && wants_unpaired(filter))
		r = shunt_unpaired_list(manager, &snapshot, filter, array);
	shunt_snapshot_clear(&snapshot);
	if (!r)
		*ret = json_incref(array);
	return r;
}

size_t shunt_flows_members(const struct shunt_snapshot *snapshot, uint32_t slot)
{
	size_t members = 0;

	for (size_t i = 0; i < snapshot->count; i++) {
		const struct shunt_flow *flow = &snapshot->flows[i];

		if (!slot || flow->end[SHUNT_CLIENT].pod == slot || flow->end[SHUNT_SERVER].pod == slot)
			members += !!(flow->inside & 1) + !!(flow->inside & 2);
	}
	return members;
}
