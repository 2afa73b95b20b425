/* SPDX-License-Identifier: MIT */
/* varlink.c: cuts a byte stream into varlink messages, and writes them. */
#include "varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

size_t shunt_frames_waiting(const struct shunt_frames *frames)
{
	return frames->tail - frames->head;
}

void shunt_frames_clear(struct shunt_frames *frames)
{
	free(frames->data);
	*frames = (struct shunt_frames){};
}

static void move_to_front(struct shunt_frames *frames)
{
	if (!frames->head)
		return;
	memmove(frames->data, frames->data + frames->head, shunt_frames_waiting(frames));
	frames->tail -= frames->head;
	frames->seen -= frames->head;
	frames->head = 0;
}

static int make_room(struct shunt_frames *frames, size_t count)
{
	move_to_front(frames);
	if (frames->tail + count <= frames->size)
		return 0;
	size_t size = frames->size ? frames->size : 4096;
	while (size < frames->tail + count)
		size *= 2;
	char *data = realloc(frames->data, size);
	if (!data)
		return -ENOMEM;
	frames->data = data;
	frames->size = size;
	return 0;
}

int shunt_frames_append(struct shunt_frames *frames, const void *bytes, size_t count)
{
	if (shunt_frames_waiting(frames) + count > SHUNT_MESSAGE_MAX + SHUNT_FRAME_CHUNK)
		return -EMSGSIZE;
	int r = make_room(frames, count);
	if (r < 0)
		return r;
	if (count)
		memcpy(frames->data + frames->tail, bytes, count);
	frames->tail += count;
	return 0;
}

static const char *find_end(struct shunt_frames *frames)
{
	if (frames->seen == frames->tail)
		return NULL;
	const char *end = memchr(frames->data + frames->seen, 0, frames->tail - frames->seen);
	frames->seen = end ? (size_t)(end - frames->data) : frames->tail;
	return end;
}

static void drop_through(struct shunt_frames *frames, const char *end)
{
	frames->head = end + 1 - frames->data;
	frames->seen = frames->head;
	if (frames->head == frames->tail)
		shunt_frames_clear(frames);
}

int shunt_frames_pop(struct shunt_frames *frames, json_t **ret)
{
	const char *end = find_end(frames);
	size_t length = (end ? (size_t)(end + 1 - frames->data) : frames->tail) - frames->head;

	if (length > SHUNT_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!end)
		return 0;
	json_t *message = json_loadb(frames->data + frames->head, length - 1, JSON_REJECT_DUPLICATES, NULL);
	drop_through(frames, end);
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	*ret = message;
	return 1;
}

int shunt_varlink_encode(const json_t *message, char **ret, size_t *ret_length)
{
	_cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	size_t length = strlen(text) + 1;
	if (length > SHUNT_MESSAGE_MAX)
		return -EMSGSIZE;
	*ret = TAKE_PTR(text);
	*ret_length = length;
	return 0;
}
