/* SPDX-License-Identifier: MIT */
/* connection.h: the transport of one client of the control socket: bytes in, messages out, every buffer and wait
 * bounded. */
#ifndef SHUNT_CONNECTION_H
#define SHUNT_CONNECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define SHUNT_CONNECTION_IDLE_USEC (60 * UINT64_C(1000000))
#define SHUNT_CONNECTION_OUT_MAX (16u * 1024 * 1024) /* bytes a client may leave unread */
#define SHUNT_CONNECTION_STALL_MS 250		     /* what one call may wait for a slow reader, in total */

struct shunt_connection;

/* All are called from the event loop with the context; the connection is valid during the call only. */
struct shunt_connection_handler {
	void (*message)(struct shunt_connection *connection, const json_t *message, void *context);
	/* error: -EBADMSG or -EMSGSIZE; nothing more will be read. */
	void (*garbage)(struct shunt_connection *connection, int error, void *context);
	/* The connection is about to be freed. */
	void (*closed)(struct shunt_connection *connection, void *context);
};

/* Takes the descriptor on success. handler and context are borrowed. The connection frees itself after closed(). */
int shunt_connection_new(struct shunt_connection **ret, sd_event *event, int fd, uint64_t idle_usec,
			 const struct shunt_connection_handler *handler, void *context);
/* At once, without closed(). Not from inside a handler. */
void shunt_connection_free(struct shunt_connection *connection);

/* Sends or queues. -EPIPE: the client has gone, or reads too slowly and is dropped; -EMSGSIZE: too long, nothing was
 * sent. */
int shunt_connection_send(struct shunt_connection *connection, const json_t *message);
/* While held no further message is delivered: a call is in progress. */
void shunt_connection_hold(struct shunt_connection *connection, bool held);
/* Reads nothing more and closes once everything queued has been sent. */
void shunt_connection_finish(struct shunt_connection *connection);

#endif
