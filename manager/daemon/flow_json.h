/* SPDX-License-Identifier: MIT */
/* flow_json.h: one managed end of a connection, as people and programs see it. */
#ifndef SHUNT_FLOW_JSON_H
#define SHUNT_FLOW_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "manager.h"
#include "shunt/flow.h"
#include "shunt/mode.h"
#include "shunt/reason.h"

#define SHUNT_ADDRESS_TEXT 64

struct shunt_end_view {
	uint64_t id;
	const char *pod;
	const char *peer_pod;
	struct shunt_address local;
	struct shunt_address remote;
	enum shunt_state state;
	enum shunt_reason reason;
	bool paired;
	bool bytes_known;
	bool messages_known;
	uint64_t bytes_redirected;
	uint64_t bytes_tcp;
	uint64_t messages_redirected;
	uint64_t messages_tcp;
	uint64_t age_ns;
	uint64_t netns;
};

const char *shunt_reason_word(enum shunt_reason reason);
const char *shunt_state_word(enum shunt_state state);
/* "ADDR:PORT" for IPv4 and v4-mapped, "[ADDR]:PORT" for IPv6. */
void shunt_address_format(const struct shunt_address *address, char out[SHUNT_ADDRESS_TEXT]);
bool shunt_flow_filter_match(const struct shunt_flow_filter *filter, const struct shunt_end_view *view);
int shunt_end_view_append(json_t *array, const struct shunt_end_view *view);

#endif
