/* SPDX-License-Identifier: MIT */
/* server.c: the listening socket, its at most 64 clients, and the way from a message to a method and back. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cleanup.h"
#include "connection.h"
#include "log.h"
#include "server-internal.h"
#include "service.h"
#include "varlink.h"

/* One client; taken while connection is set. */
struct slot {
	struct shunt_server *server;
	struct shunt_connection *connection;
	struct shunt_call *call;
};

struct shunt_server {
	sd_event *event;
	sd_event_source *source;
	int fd;
	int reserve; /* given up for a moment to turn a client away when descriptors have run out */
	char *path;
	struct stat identity; /* of the socket file, to remove our own only */
	uint64_t idle_usec;
	const struct shunt_method *methods;
	void *context;
	struct slot slots[SHUNT_SERVER_CLIENTS];
};

struct shunt_call {
	struct slot *slot; /* NULL once the client has gone */
	bool more;
	bool oneway;
};

/* What a message asks for. Strings are borrowed from it. */
struct request {
	const char *method;
	const char *name; /* of the method, behind the interface */
	size_t interface_length;
	const json_t *params;
	bool more;
	bool oneway;
};

static json_t *answer_error(const char *error, json_t *parameters)
{
	return json_pack("{s:s, s:o}", "error", error, "parameters", parameters);
}

static json_t *answer_message(const char *error, const char *text)
{
	return answer_error(error, json_pack("{s:s}", "message", text));
}

static bool read_flag(const json_t *message, const char *key, bool *ret)
{
	const json_t *value = json_object_get(message, key);

	*ret = json_is_true(value);
	return !value || json_is_boolean(value);
}

/* Anything that is not a varlink call is refused whole. */
static bool parse_request(const json_t *message, const json_t *nothing, struct request *request)
{
	const json_t *params = json_object_get(message, "parameters");

	request->method = json_string_value(json_object_get(message, "method"));
	request->params = params && !json_is_null(params) ? params : nothing;
	if (!request->method || !json_is_object(request->params))
		return false;
	const char *dot = strrchr(request->method, '.');
	if (!dot)
		return false;
	request->interface_length = dot - request->method;
	request->name = dot + 1;
	return read_flag(message, "more", &request->more) && read_flag(message, "oneway", &request->oneway);
}

static bool of_interface(const struct request *request, const char *interface)
{
	return strlen(interface) == request->interface_length &&
	       !memcmp(request->method, interface, request->interface_length);
}

static void start_call(struct slot *slot, const struct shunt_method *method, const struct request *request)
{
	struct shunt_call *call = calloc(1, sizeof(*call));

	if (!call) {
		shunt_connection_finish(slot->connection);
		return;
	}
	*call = (struct shunt_call){.slot = slot, .more = request->more, .oneway = request->oneway};
	slot->call = call;
	shunt_connection_hold(slot->connection, true);
	method->start(call, request->params, slot->server->context);
}

static const struct shunt_method *find_method(const struct shunt_method *methods, const char *name)
{
	for (; methods->name; methods++)
		if (!strcmp(methods->name, name))
			return methods;
	return NULL;
}

static void answer(struct slot *slot, const struct request *request, json_t *message)
{
	json_auto_t *owned = message;

	if (!request->oneway && owned)
		shunt_connection_send(slot->connection, owned);
}

static void answer_service(struct slot *slot, const struct request *request)
{
	json_t *reply = NULL;
	const char *error = NULL;

	if (shunt_service_answer(request->name, request->params, &reply, &error))
		answer(slot, request, answer_error(error, reply));
	else
		answer(slot, request, json_pack("{s:o}", "parameters", reply));
}

static void dispatch(struct slot *slot, const struct request *request)
{
	if (of_interface(request, SHUNT_VARLINK_SERVICE)) {
		answer_service(slot, request);
		return;
	}
	if (!of_interface(request, SHUNT_INTERFACE)) {
		json_t *name = json_stringn(request->method, request->interface_length);
		answer(slot, request,
		       answer_error(SHUNT_VARLINK_SERVICE ".InterfaceNotFound", json_pack("{s:o}", "interface", name)));
		return;
	}
	const struct shunt_method *method = find_method(slot->server->methods, request->name);
	if (method)
		start_call(slot, method, request);
	else
		answer(slot, request,
		       answer_error(SHUNT_VARLINK_SERVICE ".MethodNotFound",
				    json_pack("{s:s}", "method", request->method)));
}

static void refuse(struct shunt_connection *connection, const char *text)
{
	json_auto_t *message = answer_message(SHUNT_INTERFACE ".InvalidMessage", text);

	if (message)
		shunt_connection_send(connection, message);
	shunt_connection_finish(connection);
}

static void on_message(struct shunt_connection *connection, const json_t *message, void *context)
{
	struct slot *slot = context;
	json_auto_t *nothing = json_object();
	struct request request;

	if (parse_request(message, nothing, &request))
		dispatch(slot, &request);
	else
		refuse(connection, "not a varlink call: it needs a \"method\" of the form INTERFACE.Method, "
				   "\"parameters\" must be an "
				   "object, \"more\" and \"oneway\" booleans");
}

static void on_garbage(struct shunt_connection *connection, int error, void *context)
{
	if (error == -EMSGSIZE)
		refuse(connection, "the message is longer than 5 MiB");
	else
		refuse(connection, "not a JSON object ended by a NUL byte");
}

static void on_closed(struct shunt_connection *connection, void *context)
{
	struct slot *slot = context;

	if (slot->call)
		slot->call->slot = NULL;
	slot->call = NULL;
	slot->connection = NULL;
}

static const struct shunt_connection_handler handler = {
	.message = on_message,
	.garbage = on_garbage,
	.closed = on_closed,
};

/* answering */

bool shunt_call_wants_more(const struct shunt_call *call)
{
	return call->more && !call->oneway;
}

/* Steals message. */
static int send_answer(struct shunt_call *call, json_t *message)
{
	json_auto_t *owned = message;

	if (!call->slot)
		return -EPIPE;
	if (!owned)
		return -ENOMEM;
	return call->oneway ? 0 : shunt_connection_send(call->slot->connection, owned);
}

int shunt_call_continue(struct shunt_call *call, json_t *parameters)
{
	return send_answer(call, json_pack("{s:o, s:b}", "parameters", parameters, "continues", 1));
}

static void end_call(struct shunt_call *call)
{
	if (call->slot) {
		call->slot->call = NULL;
		shunt_connection_hold(call->slot->connection, false);
	}
	free(call);
}

void shunt_call_reply(struct shunt_call *call, json_t *parameters)
{
	int r = send_answer(call, json_pack("{s:o}", "parameters", parameters));

	if (r == -EMSGSIZE)
		send_answer(call,
			    answer_message(SHUNT_INTERFACE ".Failed",
					   "the answer is longer than 5 MiB; ask for it in parts (\"more\": true)"));
	else if (r < 0 && r != -EPIPE)
		send_answer(call, answer_message(SHUNT_INTERFACE ".Failed", "the daemon is out of memory"));
	end_call(call);
}

void shunt_call_fail(struct shunt_call *call, const char *name, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *error = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (asprintf(&error, SHUNT_INTERFACE ".%s", name) < 0)
		error = NULL;
	if (text && error)
		send_answer(call, answer_message(error, text));
	end_call(call);
}

/* listening */

static struct slot *free_slot(struct shunt_server *server)
{
	for (int i = 0; i < SHUNT_SERVER_CLIENTS; i++)
		if (!server->slots[i].connection)
			return &server->slots[i];
	return NULL;
}

/* A client that gets no slot is told so at once; its socket is new and empty, so this cannot block. */
static void turn_away(int fd, const char *text)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length;
	json_auto_t *message = answer_message(SHUNT_INTERFACE ".Busy", text);

	if (message && shunt_varlink_encode(message, &bytes, &length) == 0)
		send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void take_client(struct shunt_server *server, int client)
{
	_cleanup_close_ int fd = client;
	struct slot *slot = free_slot(server);

	if (!slot) {
		turn_away(fd, "64 clients are connected, which is the limit; close one or try again later");
		return;
	}
	slot->server = server;
	if (shunt_connection_new(&slot->connection, server->event, fd, server->idle_usec, &handler, slot) < 0)
		turn_away(fd, "the daemon is out of memory; try again later");
	else
		TAKE_FD(fd);
}

static int accept_client(struct shunt_server *server)
{
	int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Out of descriptors: without taking the client off the queue the loop would spin. */
static void accept_with_reserve(struct shunt_server *server)
{
	if (server->reserve >= 0)
		close(TAKE_FD(server->reserve));
	_cleanup_close_ int fd = accept_client(server);
	if (fd >= 0) {
		turn_away(fd,
			  "the daemon has no file descriptors left; raise its limit (LimitNOFILE) or close clients");
		close(TAKE_FD(fd));
	}
	server->reserve = open_reserve();
}

static int on_listen(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct shunt_server *server = context;
	int client = accept_client(server);

	if (client >= 0)
		take_client(server, client);
	else if (client == -EMFILE || client == -ENFILE)
		accept_with_reserve(server);
	return 0;
}

/* 0: nobody listens there, the file may be removed. */
static int check_stale(const struct sockaddr_un *address)
{
	struct stat stat_buffer;

	if (lstat(address->sun_path, &stat_buffer) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(stat_buffer.st_mode))
		return -EEXIST;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int make_parent(const char *path)
{
	_cleanup_free_ char *parent = strdup(path);

	if (!parent)
		return -ENOMEM;
	char *slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return 0;
	*slash = 0;
	return mkdir(parent, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* The group shunt may use the socket where it exists; unprivileged tests keep their own ownership. */
static int set_owner(const char *path)
{
	struct group group;
	struct group *found = NULL;
	char buffer[4096];

	if (geteuid() != 0 || getgrnam_r("shunt", &group, buffer, sizeof(buffer), &found) != 0 || !found)
		return 0;
	if (chown(path, 0, found->gr_gid) < 0 || chmod(path, 0660) < 0)
		return -errno;
	return 0;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(before);
	return r;
}

static int listen_at(struct shunt_server *server, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	int r = make_parent(path);
	if (r < 0)
		return r;
	r = check_stale(&address);
	if (r < 0)
		return r;
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return -errno;
	r = bind_private(server->fd, &address);
	if (r < 0)
		return r;
	server->path = strdup(path);
	if (!server->path)
		return -ENOMEM;
	if (lstat(path, &server->identity) < 0)
		return -errno;
	r = set_owner(path);
	if (r < 0)
		return r;
	return listen(server->fd, SOMAXCONN) < 0 ? -errno : 0;
}

int shunt_server_new(struct shunt_server **ret, sd_event *event, const char *path, const struct shunt_method *methods,
		     void *context)
{
	struct shunt_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->event = sd_event_ref(event);
	server->fd = -1;
	server->reserve = open_reserve();
	server->idle_usec = SHUNT_CONNECTION_IDLE_USEC;
	server->methods = methods;
	server->context = context;
	int r = listen_at(server, path);
	if (r == 0)
		r = sd_event_add_io(event, &server->source, server->fd, EPOLLIN, on_listen, server);
	if (r < 0) {
		shunt_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void shunt_server_set_idle(struct shunt_server *server, uint64_t usec)
{
	server->idle_usec = usec;
}

static void remove_socket(const struct shunt_server *server)
{
	struct stat now;

	if (!server->path || lstat(server->path, &now) < 0)
		return;
	if (now.st_dev == server->identity.st_dev && now.st_ino == server->identity.st_ino)
		unlink(server->path);
}

void shunt_server_free(struct shunt_server *server)
{
	if (!server)
		return;
	for (int i = 0; i < SHUNT_SERVER_CLIENTS; i++) {
		struct shunt_connection *connection = server->slots[i].connection;
		if (connection)
			on_closed(connection, &server->slots[i]);
		shunt_connection_free(connection);
	}
	remove_socket(server);
	sd_event_source_disable_unref(server->source);
	if (server->fd >= 0)
		close(server->fd);
	if (server->reserve >= 0)
		close(server->reserve);
	free(server->path);
	sd_event_unref(server->event);
	free(server);
}
