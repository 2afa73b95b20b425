/* SPDX-License-Identifier: MIT */
/* test_server_limits.c: clients that send garbage, too much, too slowly or nothing, that never read, and too many of
 * them. */
#include "test.h"

#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "dummy.h"

static void expect_refusal(struct fixture *fixture, const char *bytes, size_t length)
{
	char text[1024];
	_cleanup_close_ int fd = dummy_raw_of(fixture);

	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
	assert_in_range(dummy_read_message(fd, text, sizeof(text)), 1, sizeof(text));
	assert_non_null(strstr(text, "io.shunt.Manager.InvalidMessage"));
	assert_int_equal(recv(fd, text, sizeof(text), 0), 0);
	dummy_assert_alive(fixture);
}

static void test_garbage_is_told_and_closed(void **state)
{
	static const char *const garbage[] = {
		"",
		"GET / HTTP/1.0\r\n\r\n",
		"[]",
		"7",
		"{",
		"{\"method\":7}",
		"{\"method\":\"NoDot\"}",
		"{}",
		"{\"method\":\"io.shunt.Manager.Echo\",\"parameters\":[]}",
		"{\"method\":\"io.shunt.Manager.Echo\",\"more\":1}",
		"{\"method\":\"io.shunt.Manager.Echo\",\"oneway\":\"x\"}",
		"\xff\xfe\xfd",
		"{\"method\":\"a.b\",\"method\":\"a.b\"}",
	};

	for (size_t i = 0; i < SHUNT_COUNT_OF(garbage); i++)
		expect_refusal(*state, garbage[i], strlen(garbage[i]) + 1);
}

static void test_deep_nesting(void **state)
{
	static char deep[100001];

	memset(deep, '[', sizeof(deep) - 1);
	expect_refusal(*state, deep, sizeof(deep));
}

static void test_ten_mebibytes_are_refused(void **state)
{
	static char block[1024 * 1024];
	char text[1024];
	_cleanup_close_ int fd = dummy_raw_of(*state);

	memset(block, ' ', sizeof(block));
	for (int i = 0; i < 10; i++)
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			break;
	assert_in_range(dummy_read_message(fd, text, sizeof(text)), 1, sizeof(text));
	assert_non_null(strstr(text, "longer than 5 MiB"));
	dummy_assert_alive(*state);
}

static void test_five_hundred_idle_clients(void **state)
{
	int fds[500];
	int held = 0;
	int told = 0;
	struct rlimit limit = {2048, 2048};

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 500; i++)
		fds[i] = dummy_raw_of(*state);
	for (int i = 0; i < 500; i++) {
		char text[512];
		struct pollfd pollfd = {.fd = fds[i], .events = POLLIN};
		if (i >= SHUNT_SERVER_CLIENTS) {
			dummy_read_message(fds[i], text, sizeof(text));
			told += strstr(text, "io.shunt.Manager.Busy") != NULL;
		} else {
			held += poll(&pollfd, 1, 0) == 0;
		}
	}
	assert_int_equal(held, SHUNT_SERVER_CLIENTS);
	assert_int_equal(told, 500 - SHUNT_SERVER_CLIENTS);
	for (int i = 0; i < 500; i++)
		close(fds[i]);
	dummy_assert_alive(*state);
}

/* The client sends before it reads: it must still learn why it was turned away. */
static void test_client_learns_that_the_server_is_full(void **state)
{
	int fds[SHUNT_SERVER_CLIENTS];

	for (int i = 0; i < SHUNT_SERVER_CLIENTS; i++)
		fds[i] = dummy_raw_of(*state);
	dummy_expect_error(*state, "Echo", "io.shunt.Manager.Busy");
	for (int i = 0; i < SHUNT_SERVER_CLIENTS; i++)
		close(fds[i]);
}

static void test_reader_that_never_reads_is_dropped(void **state)
{
	static const char call[] = "{\"method\":\"io.shunt.Manager.Flood\",\"more\":true}";
	static char block[1024 * 1024];
	size_t total = 0;
	_cleanup_close_ int fd = dummy_raw_of(*state);

	assert_int_equal(send(fd, call, sizeof(call), 0), sizeof(call));
	dummy_assert_alive(*state); /* answered only once the flood has ended: one loop serves all */
	for (ssize_t n = 1; n > 0; total += n > 0 ? n : 0)
		n = recv(fd, block, sizeof(block), 0);
	assert_in_range(total, 1, 20 * 1024 * 1024);
	assert_in_range(((struct fixture *)*state)->flooded * PART_BYTES, 16 * 1024 * 1024, 20 * 1024 * 1024);
}

/* An idle client and one that sends half a message are both closed; a parked call is not idle. */
static void test_idle_clients_are_closed(void **state)
{
	static const char call[] = "{\"method\":\"io.shunt.Manager.Park\"}";
	char text[64];
	_cleanup_close_ int idle = dummy_raw_of(*state);
	_cleanup_close_ int half = dummy_raw_of(*state);
	_cleanup_close_ int busy = dummy_raw_of(*state);

	assert_int_equal(send(half, call, 5, 0), 5);
	assert_int_equal(send(busy, call, sizeof(call), 0), sizeof(call));
	assert_int_equal(recv(idle, text, sizeof(text), 0), 0);
	assert_int_equal(recv(half, text, sizeof(text), 0), 0);
	struct pollfd pollfd = {.fd = busy, .events = POLLIN};
	assert_int_equal(poll(&pollfd, 1, 500), 0);
	dummy_assert_alive(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_garbage_is_told_and_closed),
		WITH_SERVER(test_deep_nesting),
		WITH_SERVER(test_ten_mebibytes_are_refused),
		WITH_SERVER(test_five_hundred_idle_clients),
		WITH_SERVER(test_client_learns_that_the_server_is_full),
		WITH_SERVER(test_reader_that_never_reads_is_dropped),
		cmocka_unit_test_setup_teardown(test_idle_clients_are_closed, dummy_start_impatient, dummy_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
