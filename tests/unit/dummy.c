/* SPDX-License-Identifier: MIT */
/* dummy.c: the methods and clients of dummy.h. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dummy.h"

static json_t *text_of(size_t bytes)
{
	char *text = malloc(bytes + 1);

	memset(text, 'x', bytes);
	text[bytes] = 0;
	json_t *value = json_pack("{s:s}", "text", text);
	free(text);
	return value;
}

static void echo(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_reply(call, json_deep_copy(params));
}

static void refuse(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_fail(call, "NotFound", "no pod is called \"%s\"",
			json_string_value(json_object_get(params, "name")));
}

static void count(struct shunt_call *call, const json_t *params, void *context)
{
	int to = json_integer_value(json_object_get(params, "to"));

	if (!shunt_call_wants_more(call)) {
		shunt_call_fail(call, "InvalidArgument", "call Count with more");
		return;
	}
	for (int i = 1; i < to; i++)
		if (shunt_call_continue(call, json_pack("{s:i}", "i", i)) < 0)
			break;
	shunt_call_reply(call, json_pack("{s:i}", "i", to));
}

/* Streams without end: only a dropped client stops it. */
static void flood(struct shunt_call *call, const json_t *params, void *context)
{
	struct fixture *fixture = context;

	while (shunt_call_continue(call, text_of(PART_BYTES)) == 0)
		fixture->flooded++;
	shunt_call_reply(call, json_object());
}

static void large(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_reply(call, text_of(json_integer_value(json_object_get(params, "bytes"))));
}

static void park(struct shunt_call *call, const json_t *params, void *context)
{
	struct fixture *fixture = context;

	fixture->parked = call;
}

static void unpark(struct shunt_call *call, const json_t *params, void *context)
{
	struct fixture *fixture = context;

	if (!fixture->parked) {
		shunt_call_fail(call, "NotFound", "nothing is parked");
		return;
	}
	shunt_call_reply(TAKE_PTR(fixture->parked), json_pack("{s:b}", "unparked", 1));
	shunt_call_reply(call, json_object());
}

const struct shunt_method dummy_methods[] = {
	{"Echo", echo},	  {"Refuse", refuse}, {"Count", count},	  {"Flood", flood},
	{"Large", large}, {"Park", park},     {"Unpark", unpark}, {},
};

static int start_with_idle(void **state, uint64_t idle_usec)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	serving_start(&fixture->serving, dummy_methods, fixture, idle_usec);
	*state = fixture;
	return 0;
}

int dummy_start(void **state)
{
	return start_with_idle(state, 60 * 1000000ull);
}

int dummy_start_impatient(void **state)
{
	return start_with_idle(state, 200 * 1000ull);
}

int dummy_stop(void **state)
{
	struct fixture *fixture = *state;

	serving_stop(&fixture->serving);
	if (fixture->parked)
		shunt_call_reply(fixture->parked, json_object());
	free(fixture);
	return 0;
}

struct shunt_client *dummy_client_of(struct fixture *fixture)
{
	struct shunt_client *client = NULL;

	assert_return_code(shunt_client_connect(&client, fixture->serving.path, TIMEOUT), 0);
	return client;
}

int dummy_raw_of(struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = TIMEOUT / 1000};

	strcpy(address.sun_path, fixture->serving.path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

/* Everything up to the end of the stream or one whole message; the count of bytes. */
size_t dummy_read_message(int fd, char *text, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = recv(fd, text + length, 1, 0);
		if (n <= 0)
			break;
		length++;
		if (!text[length - 1])
			break;
	}
	return length;
}

void dummy_assert_alive(struct fixture *fixture)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(fixture);
	json_auto_t *params = json_pack("{s:i}", "a", 7);
	json_auto_t *reply = NULL;

	assert_return_code(shunt_client_call(client, "Echo", params, TIMEOUT, &reply, NULL), 0);
	assert_true(json_equal(params, reply));
}

void dummy_expect_error(struct fixture *fixture, const char *method, const char *expected)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(fixture);
	struct shunt_client_error error = {};
	json_auto_t *reply = NULL;

	assert_int_equal(shunt_client_call(client, method, NULL, TIMEOUT, &reply, &error), -EREMOTEIO);
	assert_string_equal(error.name, expected);
	shunt_client_error_clear(&error);
}
