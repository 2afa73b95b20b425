/* SPDX-License-Identifier: MIT */
/* varlink.h: the wire format of varlink: JSON objects, each ended by a NUL byte. */
#ifndef SHUNT_VARLINK_H
#define SHUNT_VARLINK_H

#include <jansson.h>
#include <stddef.h>

#define SHUNT_MESSAGE_MAX (5u * 1024 * 1024) /* bytes of one message with its NUL */
#define SHUNT_FRAME_CHUNK (64u * 1024)	     /* most bytes to append at once */
#define SHUNT_INTERFACE "io.shunt.Manager"
#define SHUNT_SOCKET_PATH "/run/shunt/shunt.sock"

/* Bytes that came in and are not yet popped. Zero-initialised: empty. */
struct shunt_frames {
	char *data;
	size_t size; /* allocated */
	size_t head; /* start of the first message */
	size_t tail; /* end of the bytes */
	size_t seen; /* no NUL before this */
};

/* -EMSGSIZE: more than one message's limit is waiting already. */
int shunt_frames_append(struct shunt_frames *frames, const void *bytes, size_t count);
/* 1 and the next message (an object); 0: none complete yet; -EBADMSG: not a JSON object; -EMSGSIZE: longer than a
 * message may be. */
int shunt_frames_pop(struct shunt_frames *frames, json_t **ret);
size_t shunt_frames_waiting(const struct shunt_frames *frames);
/* Leaves an empty buffer. */
void shunt_frames_clear(struct shunt_frames *frames);

/* One message as bytes, its NUL included in the length. -EMSGSIZE: longer than SHUNT_MESSAGE_MAX. */
int shunt_varlink_encode(const json_t *message, char **ret, size_t *ret_length);

#endif
