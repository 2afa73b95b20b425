/* SPDX-License-Identifier: MIT */
/* client.h: calls methods of a varlink service; every call has a timeout. */
#ifndef SHUNT_CLIENT_H
#define SHUNT_CLIENT_H

#include <jansson.h>

#include "cleanup.h"

struct shunt_client;

/* What the service answered instead of a reply. Zero-initialise; release with shunt_client_error_clear. */
struct shunt_client_error {
	char *name; /* whole: "io.shunt.Manager.NotFound" */
	char *text; /* its message, or its parameters as JSON */
};

/* SHUNT_SOCKET, else the built-in path. */
const char *shunt_client_socket(void);

/* path NULL: shunt_client_socket(). -ETIMEDOUT, or what connect(2) says. */
int shunt_client_connect(struct shunt_client **ret, const char *path, int timeout_ms);
void shunt_client_free(struct shunt_client *client);
SHUNT_DEFINE_CLEANUP(struct shunt_client *, shunt_client_free)
#define _cleanup_client_ _cleanup_(shunt_client_free_p)

/*
 * One call and its answer's parameters. method without a dot belongs to io.shunt.Manager; params may be NULL
 * (borrowed). -EREMOTEIO: the service answered an error, which is in *error; -ETIMEDOUT; -EPIPE: the service went away;
 * -EBADMSG. After any other error than -EREMOTEIO the connection is of no more use.
 */
int shunt_client_call(struct shunt_client *client, const char *method, const json_t *params, int timeout_ms,
		      json_t **ret, struct shunt_client_error *error);

/* Gets one part of a streamed answer (borrowed); a negative value ends the call and is returned by shunt_client_stream.
 */
typedef int (*shunt_client_part_fn)(json_t *parameters, void *context);

/* The same with "more": every part, the last one too, goes to part. The timeout holds for each part. */
int shunt_client_stream(struct shunt_client *client, const char *method, const json_t *params, int timeout_ms,
			shunt_client_part_fn part, void *context, struct shunt_client_error *error);

void shunt_client_error_clear(struct shunt_client_error *error);

#endif
