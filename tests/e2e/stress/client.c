/* SPDX-License-Identifier: MIT */
/* client.c: opens connections over every road and plays the client's part on them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "end.h"
#include "worker.h"

#define FAILURES_TO_STOP 32
#define SLOW_NS 5000000000ull

/* A client between connections: after connect(AF_UNSPEC) the socket is used again for the same kind of road. */
struct client {
	struct stress_slot *slot;
	uint32_t number;
	int spare;
	enum stress_road spare_road;
};

void stress_tune_socket(int fd, const struct stress_style *style)
{
	int on = style->nodelay;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (style->receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &style->receive_buffer, sizeof(style->receive_buffer));
	if (style->send_buffer)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &style->send_buffer, sizeof(style->send_buffer));
}

static bool is_v4_socket(enum stress_road road)
{
	return road == STRESS_ROAD_V4 || road == STRESS_ROAD_V4_DUAL;
}

static bool is_v6_on_the_wire(enum stress_road road)
{
	return road == STRESS_ROAD_V6 || road == STRESS_ROAD_V6_DUAL;
}

static bool same_kind(enum stress_road a, enum stress_road b)
{
	return is_v4_socket(a) == is_v4_socket(b) && is_v6_on_the_wire(a) == is_v6_on_the_wire(b);
}

static socklen_t target(enum stress_road road, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = in6addr_loopback;
	if (is_v4_socket(road)) {
		memcpy(ret, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (!is_v6_on_the_wire(road)) {
		memset(&v6.sin6_addr, 0, sizeof(v6.sin6_addr));
		v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&v6.sin6_addr.s6_addr[12], &v4.sin_addr, 4);
	}
	memcpy(ret, &v6, sizeof(v6));
	return sizeof(v6);
}

static uint16_t local_port(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
}

/* Connects without blocking and tells the server, by the port, whose connection it is. */
static int open_road(struct client *client, int fd, enum stress_road road, uint32_t worker)
{
	struct stress_slot *slot = client->slot;
	enum stress_listener listener = stress_road_listener(road);
	struct sockaddr_storage to;
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t length = sizeof(error);

	slot->server_port = stress_ledger->listener[worker][listener];
	if (connect(fd, (struct sockaddr *)&to, target(road, slot->server_port, &to)) < 0 && errno != EINPROGRESS)
		return -errno;
	slot->client_port = local_port(fd);
	stress_set(&stress_ledger->port[worker][listener][is_v6_on_the_wire(road)][slot->client_port],
		   client->number + 1);
	if (poll(&ready, 1, (int)stress_ledger->options.patience_ms) <= 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	return -error;
}

static int take_socket(struct client *client, enum stress_road road)
{
	int fd = client->spare;

	client->spare = -1;
	if (fd >= 0 && same_kind(road, client->spare_road))
		return fd;
	if (fd >= 0)
		close(fd);
	fd = socket(is_v4_socket(road) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static void reset_slot(struct stress_slot *slot, uint64_t seed, bool steady, enum stress_road road)
{
	memset(slot, 0, sizeof(*slot));
	slot->seed = seed;
	slot->steady = steady;
	slot->road = road;
}

static void count(const struct stress_script *script, enum stress_road road)
{
	struct stress_totals *totals = &stress_ledger->totals;

	atomic_fetch_add(&totals->connections, 1);
	atomic_fetch_add(&totals->endings[script->ending], 1);
	atomic_fetch_add(&totals->roads[road], 1);
}

static int play_client(struct client *client, const struct stress_script *script, int fd, enum stress_road road)
{
	struct stress_end end;
	int r = stress_end_init(&end, fd, STRESS_CLIENT, client->slot, script);
	uint64_t start = stress_now_ns();

	if (r < 0)
		return r;
	stress_end_run(&end);
	if (!script->steady && stress_now_ns() - start > SLOW_NS)
		atomic_fetch_add(&stress_ledger->totals.slow, 1);
	if (end.fd >= 0) {
		client->spare = end.fd;
		client->spare_road = road;
		end.fd = -1;
	}
	stress_end_free(&end);
	r = stress_await_change(&client->slot->server_done, 0, stress_ledger->options.patience_ms * 8);
	if (r < 0)
		stress_fail(client->slot, STRESS_SERVER, "stalled: it never finished");
	count(script, road);
	return r;
}

/* For the story: it looks for these among the daemon's flows. */
static void announce(const struct stress_slot *slot)
{
	dprintf(STDOUT_FILENO, "# steady %u %u\n", slot->client_port, slot->server_port);
}

static int one_connection(struct client *client, uint64_t seed)
{
	struct stress_rng rng = {seed ^ 0x726f6164};
	enum stress_road road = stress_below(&rng, STRESS_ROAD_COUNT);
	uint32_t worker = stress_below(&rng, stress_ledger->options.workers);
	bool steady = client->number < stress_ledger->options.steady;
	struct stress_script script;
	int fd = take_socket(client, road);
	int r;

	if (fd < 0)
		return fd;
	stress_script_make(&script, seed, steady);
	reset_slot(client->slot, seed, steady, road);
	stress_tune_socket(fd, &script.style[STRESS_CLIENT]);
	r = open_road(client, fd, road, worker);
	if (r == 0 && steady)
		announce(client->slot);
	if (r == 0)
		return play_client(client, &script, fd, road);
	stress_fail(client->slot, STRESS_CLIENT, "connect: %s", strerror(-r));
	close(fd);
	return r;
}

void *stress_client_main(void *slot_number)
{
	struct client client = {.number = (uint32_t)(uintptr_t)slot_number, .spare = -1};
	int r = 0;

	client.slot = &stress_ledger->slot[client.number];
	while (r == 0 && !stress_ledger->stop && stress_ledger->failures < FAILURES_TO_STOP) {
		uint64_t number = atomic_fetch_add(&stress_ledger->next_connection, 1);
		uint64_t seed = stress_ledger->options.only;

		r = one_connection(&client, seed ? seed : stress_mix(stress_ledger->options.seed + number));
	}
	if (client.spare >= 0)
		close(client.spare);
	atomic_fetch_sub(&stress_ledger->clients, 1);
	return NULL;
}
