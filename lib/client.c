/* SPDX-License-Identifier: MIT */
/* client.c: the calling side of varlink over a Unix stream socket. */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "varlink.h"

struct shunt_client {
	int fd;
	struct shunt_frames in;
};

const char *shunt_client_socket(void)
{
	const char *path = getenv("SHUNT_SOCKET");

	return path && *path ? path : SHUNT_SOCKET_PATH;
}

static long now_ms(void)
{
	return shunt_now_ns() / 1000000;
}

/* 0 once one of events holds (or the peer is gone), -ETIMEDOUT at the deadline. */
static int wait_for(int fd, short events, long deadline)
{
	struct pollfd pollfd = {.fd = fd, .events = events};

	for (;;) {
		long left = deadline - now_ms();
		int n = poll(&pollfd, 1, left > 0 ? (int)left : 0);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int set_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return 0;
}

/* A full backlog of a Unix socket shows as EAGAIN, and nothing tells when it empties: ask again until the deadline. */
static int connect_before(int fd, const struct sockaddr_un *address, long deadline)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		poll(NULL, 0, 5);
	}
	return 0;
}

int shunt_client_connect(struct shunt_client **ret, const char *path, int timeout_ms)
{
	struct sockaddr_un address;
	_cleanup_close_ int fd = -1;
	_cleanup_free_ struct shunt_client *client = NULL;

	int r = set_address(&address, path ? path : shunt_client_socket());
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect_before(fd, &address, now_ms() + timeout_ms);
	if (r < 0)
		return r;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->fd = TAKE_FD(fd);
	*ret = TAKE_PTR(client);
	return 0;
}

void shunt_client_free(struct shunt_client *client)
{
	if (!client)
		return;
	close(client->fd);
	shunt_frames_clear(&client->in);
	free(client);
}

/* A peer that closed may have said why before: sending into its closed socket is no error yet, reading tells. */
static int send_all(int fd, const char *bytes, size_t length, long deadline)
{
	while (length) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0) {
			int r = wait_for(fd, POLLOUT, deadline);
			if (r < 0)
				return r;
			continue;
		}
		bytes += n;
		length -= n;
	}
	return 0;
}

static int send_call(struct shunt_client *client, const char *method, const json_t *params, bool more, long deadline)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length;
	json_auto_t *message = json_pack("{s:s++, s:O*}", "method", strchr(method, '.') ? "" : SHUNT_INTERFACE,
					 strchr(method, '.') ? "" : ".", method, "parameters", (json_t *)params);

	if (!message || (more && json_object_set_new(message, "more", json_true()) < 0))
		return -ENOMEM;
	int r = shunt_varlink_encode(message, &bytes, &length);
	if (r < 0)
		return r;
	return send_all(client->fd, bytes, length, deadline);
}

/* Appends what is there to the buffer. */
static int receive(struct shunt_client *client)
{
	char chunk[SHUNT_FRAME_CHUNK];
	ssize_t n = recv(client->fd, chunk, sizeof(chunk), 0);

	if (n > 0)
		return shunt_frames_append(&client->in, chunk, n);
	if (n == 0)
		return -EPIPE;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int next_message(struct shunt_client *client, long deadline, json_t **ret)
{
	for (;;) {
		int r = shunt_frames_pop(&client->in, ret);
		if (r != 0)
			return r < 0 ? r : 0;
		r = wait_for(client->fd, POLLIN, deadline);
		if (r < 0)
			return r;
		r = receive(client);
		if (r < 0)
			return r;
	}
}

static char *error_text(const json_t *parameters)
{
	const char *message = json_string_value(json_object_get(parameters, "message"));

	if (message)
		return strdup(message);
	return parameters ? json_dumps(parameters, JSON_COMPACT) : strdup("");
}

static int take_error(const char *name, const json_t *parameters, struct shunt_client_error *error)
{
	if (!error)
		return -EREMOTEIO;
	shunt_client_error_clear(error);
	error->name = strdup(name);
	error->text = error_text(parameters);
	return error->name && error->text ? -EREMOTEIO : -ENOMEM;
}

void shunt_client_error_clear(struct shunt_client_error *error)
{
	free(error->name);
	free(error->text);
	*error = (struct shunt_client_error){};
}

/* One answer's parameters; 1: more will follow. */
static int next_answer(struct shunt_client *client, long deadline, json_t **ret, struct shunt_client_error *error)
{
	json_auto_t *message = NULL;

	int r = next_message(client, deadline, &message);
	if (r < 0)
		return r;
	const json_t *name = json_object_get(message, "error");
	json_t *parameters = json_object_get(message, "parameters");
	if (name)
		return json_is_string(name) ? take_error(json_string_value(name), parameters, error) : -EBADMSG;
	if (parameters && !json_is_object(parameters))
		return -EBADMSG;
	*ret = parameters ? json_incref(parameters) : json_object();
	return json_is_true(json_object_get(message, "continues"));
}

int shunt_client_call(struct shunt_client *client, const char *method, const json_t *params, int timeout_ms,
		      json_t **ret, struct shunt_client_error *error)
{
	long deadline = now_ms() + timeout_ms;
	json_auto_t *reply = NULL;

	int r = send_call(client, method, params, false, deadline);
	if (r < 0)
		return r;
	r = next_answer(client, deadline, &reply, error);
	if (r < 0)
		return r;
	if (r > 0)
		return -EBADMSG;
	*ret = TAKE_PTR(reply);
	return 0;
}

int shunt_client_stream(struct shunt_client *client, const char *method, const json_t *params, int timeout_ms,
			shunt_client_part_fn part, void *context, struct shunt_client_error *error)
{
	int more = send_call(client, method, params, true, now_ms() + timeout_ms);

	if (more < 0)
		return more;
	do {
		json_auto_t *reply = NULL;

		more = next_answer(client, now_ms() + timeout_ms, &reply, error);
		if (more < 0)
			return more;
		int r = part(reply, context);
		if (r < 0)
			return r;
	} while (more);
	return 0;
}
