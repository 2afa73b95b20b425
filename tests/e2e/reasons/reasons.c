/* SPDX-License-Identifier: MIT */
/*
 * reasons.c: brings a connection into each situation that forbids acceleration and asks the daemon for the word. Runs
 * inside a managed cgroup, prints TAP. Every row also checks the way back where there is one: undone, the connection is
 * promoted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "client.h"
#include "clock.h"

#define DEADLINE_NS (6 * SHUNT_NS_PER_S)
#define CALL_MS 5000

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

struct pair {
	int client;
	int server;
	int listener;
	uint64_t id; /* the server's cookie */
};

static struct shunt_client *daemon_client;
static int points;
static int failures;

static void point(int ok, const char *name, const char *detail)
{
	printf("%s %d - reasons: %s%s%s\n", ok ? "ok" : "not ok", ++points, name, detail ? ": " : "",
	       detail ? detail : "");
	failures += !ok;
}

static void set_blocking(int fd, int blocking)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* Non-blocking on both ends, on an address of its own. */
static int pair_open(struct pair *pair, int accept_it)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	socklen_t id_length = sizeof(pair->id);

	*pair = (struct pair){-1, -1, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0};
	if (bind(pair->listener, (struct sockaddr *)&address, length) < 0 || listen(pair->listener, 1) < 0 ||
	    getsockname(pair->listener, (struct sockaddr *)&address, &length) < 0)
		return -errno;
	pair->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(pair->client, (struct sockaddr *)&address, length) < 0)
		return -errno;
	set_blocking(pair->client, 0);
	if (!accept_it)
		return 0;
	pair->server = accept4(pair->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return getsockopt(pair->server, SOL_SOCKET, SO_COOKIE, &pair->id, &id_length) < 0 ? -errno : 0;
}

static void pair_close(struct pair *pair)
{
	close(pair->client);
	close(pair->listener);
	if (pair->server >= 0)
		close(pair->server);
}

/* One byte over and back; readers wait by poll so that the sockets may be of either kind. */
static int pass_byte(int from, int to)
{
	struct pollfd ready = {.fd = to, .events = POLLIN};
	char byte = 'x';

	if (send(from, &byte, 1, MSG_NOSIGNAL) != 1)
		return -errno;
	if (poll(&ready, 1, 2000) != 1)
		return -ETIMEDOUT;
	return recv(to, &byte, 1, 0) == 1 ? 0 : -EIO;
}

static int take_turns(const struct pair *pair, int turns)
{
	int r = 0;

	while (!r && turns-- > 0) {
		r = pass_byte(pair->client, pair->server);
		if (!r)
			r = pass_byte(pair->server, pair->client);
	}
	return r;
}

/* The reason of a flow now, or "unlisted". */
static void ask(uint64_t id, char *reason, size_t size)
{
	struct shunt_client_error error = {};
	json_auto_t *params = json_pack("{s:I}", "id", (json_int_t)id);
	json_auto_t *reply = NULL;
	const char *word = NULL;

	if (!shunt_client_call(daemon_client, "FlowShow", params, CALL_MS, &reply, &error))
		word = json_string_value(json_object_get(json_array_get(json_object_get(reply, "flows"), 0), "reason"));
	snprintf(reason, size, "%s", word ? word : "unlisted");
	shunt_client_error_clear(&error);
}

/* Traffic goes on until the daemon says the word, or too long. traffic 0: the connection stays as it is. */
static void expect(const struct pair *pair, const char *wanted, const char *name, int traffic)
{
	uint64_t deadline = shunt_now_ns() + DEADLINE_NS;
	char reason[64] = "";
	char detail[160];
	int r = 0;

	while (!r && shunt_now_ns() < deadline) {
		if (traffic)
			r = take_turns(pair, 8);
		ask(pair->id, reason, sizeof(reason));
		if (!strcmp(reason, wanted)) {
			point(1, name, NULL);
			return;
		}
	}
	snprintf(detail, sizeof(detail), "wanted %s, got %s%s%s", wanted, reason, r ? ", traffic failed: " : "",
		 r ? strerror(-r) : "");
	point(0, name, detail);
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int add_filter(int fd)
{
	struct sock_filter all = {BPF_RET | BPF_K, 0, 0, 0xffffffff};
	struct sock_fprog program = {.len = 1, .filter = &all};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static int ask_for_tls(int fd)
{
	/* The module may be missing: the mark is made before the kernel looks. */
	setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4);
	return 0;
}

static int send_urgent(const struct pair *pair)
{
	char byte;

	if (send(pair->client, "!", 1, MSG_OOB) != 1)
		return -errno;
	for (int tries = 0; tries < 200; tries++) {
		struct pollfd ready = {.fd = pair->server, .events = POLLPRI};

		if (poll(&ready, 1, 10) == 1)
			return recv(pair->server, &byte, 1, MSG_OOB) == 1 ? 0 : -errno;
	}
	return -ETIMEDOUT;
}

enum how { SOCKOPT, FILTER, ULP, URGENT, BLOCKING };

struct row {
	const char *name;
	const char *reason;
	enum how how;
	int level;
	int option;
	int on;
	int off; /* undone with this value; on == off: for ever */
};

static const struct row rows[] = {
	{"SO_ZEROCOPY", "zerocopy", SOCKOPT, SOL_SOCKET, SO_ZEROCOPY, 1, 0},
	{"SO_TIMESTAMP", "timestamps", SOCKOPT, SOL_SOCKET, SO_TIMESTAMP, 1, 0},
	{"SO_TIMESTAMPING", "timestamps", SOCKOPT, SOL_SOCKET, SO_TIMESTAMPING,
	 SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, 0},
	{"TCP_INQ", "inq", SOCKOPT, IPPROTO_TCP, TCP_INQ, 1, 0},
	{"SO_RCVLOWAT", "lowat", SOCKOPT, SOL_SOCKET, SO_RCVLOWAT, 1000, 1},
	{"SO_PEEK_OFF", "peek_off", SOCKOPT, SOL_SOCKET, SO_PEEK_OFF, 0, -1},
	{"SO_ATTACH_FILTER", "filter", FILTER, 0, 0, 0, 0},
	{"TCP_ULP", "ulp", ULP, 0, 0, 0, 0},
	{"urgent data", "urgent", URGENT, 0, 0, 0, 0},
	{"a blocking socket", "blocking", BLOCKING, 0, 0, 1, 0},
};

static int apply(const struct row *row, const struct pair *pair, int value)
{
	switch (row->how) {
	case SOCKOPT:
		return set_option(pair->server, row->level, row->option, value);
	case FILTER:
		return add_filter(pair->server);
	case ULP:
		return ask_for_tls(pair->server);
	case URGENT:
		return send_urgent(pair);
	case BLOCKING:
		set_blocking(pair->server, value);
		return 0;
	}
	return -EINVAL;
}

/* SO_RCVLOWAT holds single bytes back: such a row is watched, not driven. */
static int can_be_driven(const struct row *row)
{
	return strcmp(row->reason, "lowat") != 0 && strcmp(row->reason, "peek_off") != 0;
}

static void run_row(const struct row *row, int promoted_first)
{
	struct pair pair;
	char name[160];
	int r = pair_open(&pair, 1);

	if (!r && promoted_first) {
		snprintf(name, sizeof(name), "%s: promoted without it", row->name);
		expect(&pair, "ok", name, 1);
	} else if (!r) {
		r = take_turns(&pair, 5); /* enough for a record */
	}
	if (!r)
		r = apply(row, &pair, row->on);
	if (r) {
		point(0, row->name, strerror(-r));
		pair_close(&pair);
		return;
	}
	snprintf(name, sizeof(name), "%s %s", row->name, promoted_first ? "takes it back to TCP" : "keeps it on TCP");
	expect(&pair, row->reason, name, can_be_driven(row));
	if (row->on != row->off && !promoted_first && !apply(row, &pair, row->off)) {
		snprintf(name, sizeof(name), "%s undone: promoted", row->name);
		expect(&pair, "ok", name, 1);
	}
	pair_close(&pair);
}

static void test_unaccepted(void)
{
	struct pair pair;
	char byte = 'x';
	int r = pair_open(&pair, 0);

	for (int i = 0; !r && i < 6; i++)
		r = send(pair.client, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
	point(!r, "an unaccepted connection takes bytes", r ? strerror(-r) : NULL);
	pair.server = accept4(pair.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	for (int i = 0; i < 6; i++)
		point(recv(pair.server, &byte, 1, 0) == 1 && byte == 'x', "and gives them to the late accept", NULL);
	pair_close(&pair);
}

static void *sleep_in_recv(void *fd)
{
	char byte;

	recv(*(int *)fd, &byte, 1, 0);
	return NULL;
}

/* A thread goes to sleep in recv(), then the flag is set: membership would leave it blind. */
static void test_waiter(void)
{
	struct pair pair;
	pthread_t thread;
	int r = pair_open(&pair, 1);

	if (!r)
		r = take_turns(&pair, 6);
	if (r) {
		point(0, "a sleeping reader", strerror(-r));
		return;
	}
	set_blocking(pair.server, 1);
	pthread_create(&thread, NULL, sleep_in_recv, &pair.server);
	expect(&pair, "blocking", "a thread asleep in recv: blocking", 0);
	set_blocking(pair.server, 0);
	expect(&pair, "waiter", "the flag is set, the thread still sleeps", 0);
	point(send(pair.client, "x", 1, MSG_NOSIGNAL) == 1 && !pthread_join(thread, NULL), "it wakes with its byte",
	      NULL);
	expect(&pair, "ok", "it has returned: promoted", 1);
	pair_close(&pair);
}

static void test_half_closed(void)
{
	struct pair pair;

	if (pair_open(&pair, 1) || take_turns(&pair, 6)) {
		point(0, "half close", "no traffic");
		return;
	}
	expect(&pair, "ok", "promoted before the half close", 1);
	shutdown(pair.client, SHUT_WR);
	expect(&pair, "half_closed", "SHUT_WR takes it back to TCP", 0);
	pair_close(&pair);
}

static int read_all(int fd, size_t bytes)
{
	static char buffer[65536];
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	while (bytes) {
		ssize_t n = poll(&ready, 1, 2000) == 1 ? recv(fd, buffer, sizeof(buffer), 0) : -1;

		if (n <= 0)
			return -EIO;
		bytes -= (size_t)n;
	}
	return 0;
}

/* A promoted connection becomes a stream: demoted, not left passing. */
static void test_one_way(void)
{
	static char chunk[65536];
	uint64_t deadline = shunt_now_ns() + DEADLINE_NS;
	struct pair pair;
	char reason[64] = "";

	if (pair_open(&pair, 1)) {
		point(0, "stream", "no connection");
		return;
	}
	expect(&pair, "ok", "promoted before it becomes a stream", 1);
	while (strcmp(reason, "one_way") && shunt_now_ns() < deadline) {
		for (int i = 0; i < 64; i++)
			if (send(pair.client, chunk, sizeof(chunk), MSG_NOSIGNAL) != (ssize_t)sizeof(chunk) ||
			    read_all(pair.server, sizeof(chunk)))
				break;
		ask(pair.id, reason, sizeof(reason));
	}
	point(!strcmp(reason, "one_way"), "a stream is demoted", reason);
	pair_close(&pair);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (shunt_client_connect(&daemon_client, NULL, CALL_MS)) {
		point(0, "the daemon answers", NULL);
		return 1;
	}
	for (size_t i = 0; i < SHUNT_COUNT_OF(rows); i++) {
		run_row(&rows[i], 0);
		if (rows[i].how != URGENT) /* a member's urgent byte comes inline: docs/semantics.md */
			run_row(&rows[i], 1);
	}
	test_unaccepted();
	test_waiter();
	test_half_closed();
	test_one_way();
	shunt_client_free(daemon_client);
	return failures ? 1 : 0;
}
