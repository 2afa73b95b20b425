/* SPDX-License-Identifier: MIT */
/* test_server.c: calls, answers, streams and errors of the control socket, and its file. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "dummy.h"

static void test_echo_twice(void **state)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);

	for (int i = 0; i < 2; i++) {
		json_auto_t *params = json_pack("{s:i}", "i", i);
		json_auto_t *reply = NULL;
		assert_return_code(shunt_client_call(client, "Echo", params, TIMEOUT, &reply, NULL), 0);
		assert_true(json_equal(params, reply));
	}
}

static void test_error_of_a_method(void **state)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
	struct shunt_client_error error = {};
	json_auto_t *params = json_pack("{s:s}", "name", "web");
	json_auto_t *reply = NULL;

	assert_int_equal(shunt_client_call(client, "Refuse", params, TIMEOUT, &reply, &error), -EREMOTEIO);
	assert_string_equal(error.name, "io.shunt.Manager.NotFound");
	assert_string_equal(error.text, "no pod is called \"web\"");
	assert_null(reply);
	shunt_client_error_clear(&error);
	dummy_assert_alive(*state);
}

static void test_unknown_names(void **state)
{
	dummy_expect_error(*state, "Ecko", "org.varlink.service.MethodNotFound");
	dummy_expect_error(*state, "com.example.Echo", "org.varlink.service.InterfaceNotFound");
	dummy_expect_error(*state, "org.varlink.service.Nothing", "org.varlink.service.MethodNotFound");
	dummy_expect_error(*state, "org.varlink.service.GetInterfaceDescription",
			   "org.varlink.service.InvalidParameter");
}

static void test_service_describes_itself(void **state)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
	json_auto_t *info = NULL;
	json_auto_t *text = NULL;

	assert_return_code(shunt_client_call(client, "org.varlink.service.GetInfo", NULL, TIMEOUT, &info, NULL), 0);
	const json_t *names = json_object_get(info, "interfaces");
	assert_int_equal(json_array_size(names), 2);
	for (size_t i = 0; i < 2; i++) {
		json_auto_t *params = json_pack("{s:O}", "interface", json_array_get(names, i));
		assert_return_code(shunt_client_call(client, "org.varlink.service.GetInterfaceDescription", params,
						     TIMEOUT, &text, NULL),
				   0);
		const char *description = json_string_value(json_object_get(text, "description"));
		assert_non_null(strstr(description, json_string_value(json_array_get(names, i))));
		json_decref(TAKE_PTR(text));
	}
}

struct sum {
	int parts;
	int last;
};

static int add_part(json_t *parameters, void *context)
{
	struct sum *sum = context;

	sum->parts++;
	assert_int_equal(json_integer_value(json_object_get(parameters, "i")), sum->last + 1);
	sum->last++;
	return 0;
}

static void test_more_streams_in_order(void **state)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
	struct sum sum = {};
	json_auto_t *params = json_pack("{s:i}", "to", 20000);

	assert_return_code(shunt_client_stream(client, "Count", params, TIMEOUT, add_part, &sum, NULL), 0);
	assert_int_equal(sum.parts, 20000);
}

static void test_stream_method_without_more(void **state)
{
	dummy_expect_error(*state, "Count", "io.shunt.Manager.InvalidArgument");
}

static void test_large_answers(void **state)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
	struct shunt_client_error error = {};
	json_auto_t *fits = json_pack("{s:i}", "bytes", 5 * 1024 * 1024 - 1024);
	json_auto_t *beyond = json_pack("{s:i}", "bytes", 5 * 1024 * 1024);
	json_auto_t *reply = NULL;

	assert_return_code(shunt_client_call(client, "Large", fits, TIMEOUT, &reply, NULL), 0);
	assert_int_equal(json_string_length(json_object_get(reply, "text")), 5 * 1024 * 1024 - 1024);
	json_decref(TAKE_PTR(reply));
	assert_int_equal(shunt_client_call(client, "Large", beyond, TIMEOUT, &reply, &error), -EREMOTEIO);
	assert_string_equal(error.name, "io.shunt.Manager.Failed");
	shunt_client_error_clear(&error);
}

static void expect_pipeline(struct fixture *fixture, const char *call, const char *answer)
{
	char text[256];
	size_t length = strlen(call) + 1;
	_cleanup_close_ int fd = dummy_raw_of(fixture);

	for (size_t i = 0; i < length; i++)
		assert_int_equal(send(fd, call + i, 1, 0), 1);
	_cleanup_free_ char *many = malloc(99 * length);
	for (int i = 0; i < 99; i++)
		memcpy(many + i * length, call, length);
	assert_int_equal(send(fd, many, 99 * length, 0), 99 * length);
	for (int i = 0; i < 100; i++) {
		dummy_read_message(fd, text, sizeof(text));
		assert_string_equal(text, answer);
	}
	shutdown(fd, SHUT_WR);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 0);
}

static void test_pipelined_and_cut_anywhere(void **state)
{
	expect_pipeline(*state, "{\"method\":\"io.shunt.Manager.Echo\",\"parameters\":{\"a\":1}}",
			"{\"parameters\":{\"a\":1}}");
	expect_pipeline(*state, "{\"method\":\"a.b\"}",
			"{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a\"}}");
}

static void test_oneway_is_not_answered(void **state)
{
	static const char call[] = "{\"method\":\"io.shunt.Manager.Refuse\",\"oneway\":true}";
	char text[256];
	_cleanup_close_ int fd = dummy_raw_of(*state);

	assert_int_equal(send(fd, call, sizeof(call), 0), sizeof(call));
	shutdown(fd, SHUT_WR);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 0);
}

static void test_client_vanishes_during_a_call(void **state)
{
	static const char call[] = "{\"method\":\"io.shunt.Manager.Park\"}";
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
	json_auto_t *reply = NULL;
	int fd = dummy_raw_of(*state);

	assert_int_equal(send(fd, call, sizeof(call), 0), sizeof(call));
	dummy_assert_alive(*state);
	close(fd);
	dummy_assert_alive(*state);
	assert_return_code(shunt_client_call(client, "Unpark", NULL, TIMEOUT, &reply, NULL), 0);
	dummy_assert_alive(*state);
}

static void *call_park(void *context)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(context);
	json_t *reply = NULL;

	shunt_client_call(client, "Park", NULL, TIMEOUT, &reply, NULL);
	return reply;
}

static void test_answer_comes_later(void **state)
{
	pthread_t thread;
	void *answer = NULL;
	int r = -EREMOTEIO;

	pthread_create(&thread, NULL, call_park, *state);
	while (r == -EREMOTEIO) {
		_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
		json_auto_t *reply = NULL;
		r = shunt_client_call(client, "Unpark", NULL, TIMEOUT, &reply, NULL);
	}
	assert_return_code(r, 0);
	pthread_join(thread, &answer);
	assert_true(json_is_true(json_object_get(answer, "unparked")));
	json_decref(answer);
}

static void test_client_times_out(void **state)
{
	_cleanup_client_ struct shunt_client *client = dummy_client_of(*state);
	json_auto_t *reply = NULL;

	assert_int_equal(shunt_client_call(client, "Park", NULL, 50, &reply, NULL), -ETIMEDOUT);
}

static void test_socket_file(void **state)
{
	struct fixture *fixture = *state;
	struct shunt_server *second = NULL;
	struct stat stat_buffer;
	char path[64];
	sd_event *event;

	assert_return_code(stat(fixture->serving.path, &stat_buffer), errno);
	assert_true((stat_buffer.st_mode & 0777) == 0600 || (stat_buffer.st_mode & 0777) == 0660);
	assert_return_code(sd_event_new(&event), 0);
	assert_int_equal(shunt_server_new(&second, event, fixture->serving.path, dummy_methods, NULL), -EADDRINUSE);

	snprintf(path, sizeof(path), "%s/t", fixture->serving.folder);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	_cleanup_close_ int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(stale, (struct sockaddr *)&address, sizeof(address)), errno);
	close(TAKE_FD(stale));
	assert_return_code(shunt_server_new(&second, event, path, dummy_methods, NULL), 0);
	shunt_server_free(TAKE_PTR(second));

	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(shunt_server_new(&second, event, path, dummy_methods, NULL), -EEXIST);
	unlink(path);
	assert_null(second);
	sd_event_unref(event);
}

static void test_path_too_long(void **state)
{
	struct shunt_server *server = NULL;
	char path[200];
	sd_event *event;

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_return_code(sd_event_new(&event), 0);
	assert_int_equal(shunt_server_new(&server, event, path, dummy_methods, NULL), -ENAMETOOLONG);
	sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_echo_twice),
		WITH_SERVER(test_error_of_a_method),
		WITH_SERVER(test_unknown_names),
		WITH_SERVER(test_service_describes_itself),
		WITH_SERVER(test_more_streams_in_order),
		WITH_SERVER(test_stream_method_without_more),
		WITH_SERVER(test_large_answers),
		WITH_SERVER(test_pipelined_and_cut_anywhere),
		WITH_SERVER(test_oneway_is_not_answered),
		WITH_SERVER(test_client_vanishes_during_a_call),
		WITH_SERVER(test_answer_comes_later),
		WITH_SERVER(test_client_times_out),
		WITH_SERVER(test_socket_file),
		cmocka_unit_test(test_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
