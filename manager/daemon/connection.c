/* SPDX-License-Identifier: MIT */
/*
 * connection.c: one client's socket on the event loop. Whatever happens inside a callback only marks the connection; it
 * is freed by on_work alone, so that no caller holds a pointer to a freed one.
 */
#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "clock.h"
#include "varlink.h"

#define MESSAGES_A_TURN 32	  /* then other event sources get their turn */
#define OUT_BUSY (1024u * 1024)	  /* with more unread than this, further messages wait */
#define SEND_BUFFER (1024 * 1024) /* asked of the kernel */

struct output {
	char *data;
	size_t size;
	size_t head;
	size_t tail;
};

struct shunt_connection {
	int fd;
	sd_event_source *io;
	sd_event_source *idle;
	sd_event_source *work;
	uint64_t idle_usec;
	const struct shunt_connection_handler *handler;
	void *context;
	struct shunt_frames in;
	struct output out;
	int stall_ms; /* left for the message in progress */
	bool held;
	bool finishing; /* flush, then die */
	bool ended;	/* the client sends nothing more */
	bool dead;
};

static size_t unsent(const struct shunt_connection *connection)
{
	return connection->out.tail - connection->out.head;
}

static void schedule_work(struct shunt_connection *connection)
{
	sd_event_source_set_enabled(connection->work, SD_EVENT_ONESHOT);
}

static void die(struct shunt_connection *connection)
{
	connection->dead = true;
	sd_event_source_set_enabled(connection->io, SD_EVENT_OFF);
	sd_event_source_set_enabled(connection->idle, SD_EVENT_OFF);
	schedule_work(connection);
}

static bool may_deliver(const struct shunt_connection *connection)
{
	return !connection->dead && !connection->held && !connection->finishing && unsent(connection) < OUT_BUSY;
}

static bool may_read(const struct shunt_connection *connection)
{
	return may_deliver(connection) && !connection->ended &&
	       shunt_frames_waiting(&connection->in) <= SHUNT_MESSAGE_MAX;
}

static void watch(struct shunt_connection *connection)
{
	uint32_t events = (may_read(connection) ? EPOLLIN : 0) | (unsent(connection) ? EPOLLOUT : 0);

	if (!connection->dead)
		sd_event_source_set_io_events(connection->io, events);
}

static void touch(struct shunt_connection *connection)
{
	sd_event_source_set_time_relative(connection->idle, connection->idle_usec);
	sd_event_source_set_enabled(connection->idle, SD_EVENT_ONESHOT);
}

/* 0, with as much gone as the socket takes; -EPIPE when the client has gone. */
static int flush(struct shunt_connection *connection)
{
	struct output *out = &connection->out;

	while (out->head < out->tail) {
		ssize_t n =
			send(connection->fd, out->data + out->head, out->tail - out->head, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -EPIPE;
		out->head += n;
		touch(connection);
	}
	free(out->data);
	*out = (struct output){};
	return 0;
}

static int queue(struct output *out, const char *bytes, size_t length)
{
	if (out->head) {
		memmove(out->data, out->data + out->head, out->tail - out->head);
		out->tail -= out->head;
		out->head = 0;
	}
	if (out->tail + length > out->size) {
		size_t size = (out->tail + length) * 3 / 2;
		char *data = realloc(out->data, size);
		if (!data)
			return -ENOMEM;
		out->data = data;
		out->size = size;
	}
	memcpy(out->data + out->tail, bytes, length);
	out->tail += length;
	return 0;
}

static long now_ms(void)
{
	return shunt_now_ns() / 1000000;
}

/* A stream is produced faster than it is read: waits a little for a reader that is alive, which costs less than holding
 * it all. */
static int wait_for_room(struct shunt_connection *connection, size_t length)
{
	while (unsent(connection) + length > SHUNT_CONNECTION_OUT_MAX) {
		struct pollfd pollfd = {.fd = connection->fd, .events = POLLOUT};
		long before = now_ms();
		if (connection->stall_ms <= 0)
			return -EPIPE;
		poll(&pollfd, 1, connection->stall_ms);
		connection->stall_ms -= now_ms() - before;
		int r = flush(connection);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_bytes(struct shunt_connection *connection, const char *bytes, size_t length)
{
	int r = wait_for_room(connection, length);

	if (r < 0)
		return r;
	r = queue(&connection->out, bytes, length);
	return r < 0 ? r : flush(connection);
}

int shunt_connection_send(struct shunt_connection *connection, const json_t *message)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length;

	if (connection->dead)
		return -EPIPE;
	int r = shunt_varlink_encode(message, &bytes, &length);
	if (r < 0)
		return r;
	r = send_bytes(connection, bytes, length);
	if (r < 0) {
		die(connection);
		return -EPIPE;
	}
	watch(connection);
	return 0;
}

void shunt_connection_hold(struct shunt_connection *connection, bool held)
{
	if (connection->dead)
		return;
	connection->held = held;
	touch(connection);
	watch(connection);
	if (!held)
		schedule_work(connection);
}

void shunt_connection_finish(struct shunt_connection *connection)
{
	if (connection->dead)
		return;
	connection->finishing = true;
	schedule_work(connection);
	watch(connection);
}

/* 1: a message was delivered. */
static int deliver_one(struct shunt_connection *connection)
{
	json_auto_t *message = NULL;

	if (!may_deliver(connection))
		return 0;
	int r = shunt_frames_pop(&connection->in, &message);
	if (r < 0) {
		connection->ended = true;
		connection->handler->garbage(connection, r, connection->context);
		return 0;
	}
	if (r == 0)
		return 0;
	touch(connection);
	connection->stall_ms = SHUNT_CONNECTION_STALL_MS;
	connection->handler->message(connection, message, connection->context);
	return 1;
}

static bool all_done(const struct shunt_connection *connection)
{
	return (connection->finishing || (connection->ended && !connection->held)) && !unsent(connection);
}

static int on_work(sd_event_source *source, void *context)
{
	struct shunt_connection *connection = context;
	int delivered = 0;

	while (delivered < MESSAGES_A_TURN && deliver_one(connection))
		delivered++;
	if (delivered == MESSAGES_A_TURN)
		schedule_work(connection);
	else if (all_done(connection))
		connection->dead = true;
	if (connection->dead) {
		connection->handler->closed(connection, connection->context);
		shunt_connection_free(connection);
		return 0;
	}
	watch(connection);
	return 0;
}

static void receive(struct shunt_connection *connection)
{
	char chunk[SHUNT_FRAME_CHUNK];
	ssize_t n = recv(connection->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || shunt_frames_append(&connection->in, chunk, n) < 0)
		die(connection);
	else if (n == 0)
		connection->ended = true;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct shunt_connection *connection = context;
	bool gone = events & (EPOLLHUP | EPOLLERR);

	if (unsent(connection) && flush(connection) < 0)
		die(connection);
	else if (events & EPOLLIN)
		receive(connection);
	else if (gone && (connection->held || connection->finishing))
		die(connection);
	else if (gone)
		connection->ended = true;
	schedule_work(connection);
	watch(connection);
	return 0;
}

static int on_idle(sd_event_source *source, uint64_t usec, void *context)
{
	struct shunt_connection *connection = context;

	if (connection->held && !unsent(connection))
		touch(connection);
	else
		die(connection);
	return 0;
}

static int add_sources(struct shunt_connection *connection, sd_event *event)
{
	int r = sd_event_add_io(event, &connection->io, connection->fd, EPOLLIN, on_io, connection);

	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &connection->idle, CLOCK_MONOTONIC, connection->idle_usec, 0, on_idle,
				       connection);
	if (r < 0)
		return r;
	r = sd_event_add_defer(event, &connection->work, on_work, connection);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(connection->work, SD_EVENT_OFF);
}

int shunt_connection_new(struct shunt_connection **ret, sd_event *event, int fd, uint64_t idle_usec,
			 const struct shunt_connection_handler *handler, void *context)
{
	int wanted = SEND_BUFFER;
	struct shunt_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -ENOMEM;
	connection->fd = fd;
	connection->idle_usec = idle_usec;
	connection->handler = handler;
	connection->context = context;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	int r = add_sources(connection, event);
	if (r < 0) {
		connection->fd = -1;
		shunt_connection_free(connection);
		return r;
	}
	*ret = connection;
	return 0;
}

void shunt_connection_free(struct shunt_connection *connection)
{
	if (!connection)
		return;
	sd_event_source_disable_unref(connection->io);
	sd_event_source_disable_unref(connection->idle);
	sd_event_source_disable_unref(connection->work);
	if (connection->fd >= 0)
		close(connection->fd);
	shunt_frames_clear(&connection->in);
	free(connection->out.data);
	free(connection);
}
