/* SPDX-License-Identifier: MIT */
/* server.h: the control socket: varlink wire format (JSON, NUL) over a Unix stream socket, on one sd-event loop. */
#ifndef SHUNT_SERVER_H
#define SHUNT_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

struct shunt_server;
struct shunt_call;

/*
 * Starts one call. The method owes exactly one final answer (shunt_call_reply or shunt_call_fail), now or later; until
 * then it may keep the pointer, which stays valid even when the client has gone (answers then go nowhere). params is a
 * JSON object, borrowed, valid during the function only.
 */
typedef void (*shunt_method_fn)(struct shunt_call *call, const json_t *params, void *context);

struct shunt_method {
	const char *name; /* without the interface: "FlowList" */
	shunt_method_fn start;
};

/*
 * Listens on path (root:shunt 0660 where the group exists, else root 0600; a stale socket file is replaced, a living
 * one is -EADDRINUSE). methods ends with a NULL name and is borrowed, as is context. Limits: 64 connections, 5 MiB a
 * message, 60 s idle.
 */
int shunt_server_new(struct shunt_server **ret, sd_event *event, const char *path, const struct shunt_method *methods,
		     void *context);
void shunt_server_free(struct shunt_server *server);

/* The caller asked for a stream ("more"): shunt_call_continue may be used before the final answer. */
bool shunt_call_wants_more(const struct shunt_call *call);
/* One part of a streamed answer. Steals parameters. Returns -EPIPE once the client has gone. */
int shunt_call_continue(struct shunt_call *call, json_t *parameters);
/* The final answer; steals parameters; the call is freed. */
void shunt_call_reply(struct shunt_call *call, json_t *parameters);
/* The final answer is an error. name without the interface ("NotFound"); the text says what failed, on what, and what
 * to do next. */
void shunt_call_fail(struct shunt_call *call, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
