/* SPDX-License-Identifier: MIT */
/* workloads.c: the loops of the client and the server process. They allocate before the first byte and log nothing. */
#include "workloads.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAM_READ_SIZE (64 * 1024)
#define HOP_INTERVAL 64 /* operations between two looks at the CPUs: the look itself moves a cache line */

struct worker {
	struct shunt_shared *shared;
	struct shunt_side *side;
	const struct shunt_cell *cell;
	struct shunt_endpoint listener;
	struct shunt_endpoint connection;
	enum shunt_bench_phase phase; /* as of the last look */
	int ready_fd;
	bool nodelay;
	char *buffer;
	size_t buffer_size;
};

static void take_snapshot(struct worker *worker, unsigned which)
{
	worker->side->operations_at[which] = worker->side->operations;
	shunt_usage_read(&worker->side->usage_at[which]);
	__atomic_store_n(&worker->side->snapshots, which + 1, __ATOMIC_RELEASE);
}

/* Follows the conductor; false once it is over. The window's ends are noted by the worker itself, between two
 * operations. */
static bool follow(struct worker *worker)
{
	enum shunt_bench_phase now = shunt_bench_phase_get(worker->shared);

	if (now == worker->phase)
		return true;
	if (now >= SHUNT_BENCH_MEASURE && worker->phase < SHUNT_BENCH_MEASURE)
		take_snapshot(worker, 0);
	if (now >= SHUNT_BENCH_COOL && worker->phase < SHUNT_BENCH_COOL)
		take_snapshot(worker, 1);
	worker->phase = now;
	return now != SHUNT_BENCH_STOP;
}

static void count(struct worker *worker, uint64_t operations, uint64_t sent_bytes)
{
	__atomic_store_n(&worker->side->operations, worker->side->operations + operations, __ATOMIC_RELAXED);
	__atomic_store_n(&worker->side->sent_bytes, worker->side->sent_bytes + sent_bytes, __ATOMIC_RELAXED);
}

static bool hop_due(const struct worker *worker)
{
	return worker->side->operations % HOP_INTERVAL == 0;
}

static void server_note_cpu(struct worker *worker)
{
	if (hop_due(worker))
		__atomic_store_n(&worker->side->cpu, sched_getcpu(), __ATOMIC_RELAXED);
}

static void client_compare_cpu(struct worker *worker)
{
	if (worker->phase != SHUNT_BENCH_MEASURE || !hop_due(worker))
		return;
	worker->shared->hops++;
	if (sched_getcpu() != __atomic_load_n(&worker->shared->sides[SHUNT_BENCH_SERVER].cpu, __ATOMIC_RELAXED))
		worker->shared->hops_across++;
}

static void note_latency(struct worker *worker, uint64_t ns)
{
	if (worker->phase == SHUNT_BENCH_MEASURE)
		shunt_hist_add(&worker->shared->latency, ns);
}

static int announce(struct worker *worker)
{
	return write(worker->ready_fd, "r", 1) == 1 ? 0 : -EPIPE;
}

static int rr_client(struct worker *worker)
{
	uint64_t start = shunt_bench_now();

	while (follow(worker)) {
		int r = shunt_endpoint_send(&worker->connection, worker->buffer, worker->cell->size);
		if (r < 0)
			return r;
		r = shunt_endpoint_receive(&worker->connection, worker->buffer, worker->cell->size);
		if (r <= 0)
			return r < 0 ? r : -ECONNRESET;
		uint64_t end = shunt_bench_now();
		note_latency(worker, end - start);
		start = end;
		client_compare_cpu(worker);
		count(worker, 1, worker->cell->size);
	}
	return 0;
}

static int rr_server(struct worker *worker)
{
	for (;;) {
		int r = shunt_endpoint_receive(&worker->connection, worker->buffer, worker->cell->size);
		if (r <= 0)
			return r;
		follow(worker);
		server_note_cpu(worker);
		r = shunt_endpoint_send(&worker->connection, worker->buffer, worker->cell->size);
		if (r < 0)
			return r;
		count(worker, 1, worker->cell->size);
	}
}

/* A request and its response if the cell has a size, then the server hangs up first. */
static int crr_once(struct worker *worker)
{
	struct shunt_endpoint *connection = &worker->connection;
	int r = shunt_endpoint_connect(connection, &worker->shared->address, worker->nodelay);

	if (r < 0)
		return r;
	r = shunt_endpoint_send(connection, worker->buffer, worker->cell->size);
	if (r < 0)
		return r;
	r = shunt_endpoint_receive(connection, worker->buffer, worker->cell->size);
	if (r < 0)
		return r;
	ssize_t n = shunt_endpoint_receive_some(connection, worker->buffer, 1);
	if (n != 0)
		return n < 0 ? (int)n : -EPROTO;
	return shunt_endpoint_abort_on_close(connection);
}

static int crr_client(struct worker *worker)
{
	while (follow(worker)) {
		uint64_t start = shunt_bench_now();
		int r = crr_once(worker);
		shunt_endpoint_hang_up(&worker->connection);
		if (r < 0)
			return r;
		note_latency(worker, shunt_bench_now() - start);
		client_compare_cpu(worker);
		count(worker, 1, worker->cell->size);
	}
	return 0;
}

static int crr_serve(struct worker *worker)
{
	int r = shunt_endpoint_receive(&worker->connection, worker->buffer, worker->cell->size);

	if (r < 0 || worker->cell->size == 0)
		return r;
	return shunt_endpoint_send(&worker->connection, worker->buffer, worker->cell->size);
}

static int crr_server(struct worker *worker)
{
	while (follow(worker)) {
		int r = shunt_endpoint_accept(&worker->listener, &worker->connection, worker->nodelay);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		server_note_cpu(worker);
		r = crr_serve(worker);
		shunt_endpoint_hang_up(&worker->connection);
		if (r < 0)
			return r;
		count(worker, 1, worker->cell->size);
	}
	return 0;
}

static int stream_client(struct worker *worker)
{
	while (follow(worker)) {
		int r = shunt_endpoint_send(&worker->connection, worker->buffer, worker->cell->size);
		if (r < 0)
			return r;
		client_compare_cpu(worker);
		count(worker, 1, worker->cell->size);
	}
	return 0;
}

static int stream_server(struct worker *worker)
{
	for (;;) {
		ssize_t n = shunt_endpoint_receive_some(&worker->connection, worker->buffer, worker->buffer_size);
		if (n <= 0)
			return (int)n;
		follow(worker);
		__atomic_store_n(&worker->side->cpu, sched_getcpu(), __ATOMIC_RELAXED);
		count(worker, (uint64_t)n, 0);
	}
}

typedef int (*loop_fn)(struct worker *worker);
static const loop_fn loops[SHUNT_WORKLOAD_COUNT][2] = {
	[SHUNT_WORKLOAD_RR] = {rr_client, rr_server},
	[SHUNT_WORKLOAD_CRR] = {crr_client, crr_server},
	[SHUNT_WORKLOAD_STREAM] = {stream_client, stream_server},
};

static int prepare_client(struct worker *worker)
{
	struct shunt_bench_address *own = &worker->shared->client;

	if (worker->cell->workload == SHUNT_WORKLOAD_CRR)
		return 0;
	int r = shunt_endpoint_connect(&worker->connection, &worker->shared->address, worker->nodelay);
	if (r < 0)
		return r;
	own->len = sizeof(own->sa);
	return getsockname(worker->connection.fd, (struct sockaddr *)&own->sa, &own->len) < 0 ? -errno : 0;
}

static int accept_only(struct worker *worker)
{
	int r = -EAGAIN;

	for (int waited = 0; r == -EAGAIN && waited < SHUNT_ENDPOINT_WAIT_MS; waited += SHUNT_ACCEPT_WAIT_MS)
		r = shunt_endpoint_accept(&worker->listener, &worker->connection, worker->nodelay);
	return r;
}

static int run_role(struct worker *worker, enum shunt_bench_role role)
{
	bool is_server = role == SHUNT_BENCH_SERVER;
	int r = is_server ? shunt_endpoint_listen(&worker->listener, &worker->shared->address) : prepare_client(worker);

	if (r >= 0)
		r = announce(worker);
	if (r >= 0 && is_server && worker->cell->workload != SHUNT_WORKLOAD_CRR)
		r = accept_only(worker);
	return r < 0 ? r : loops[worker->cell->workload][role](worker);
}

int shunt_worker_run(struct shunt_shared *shared, const struct shunt_spec *spec, enum shunt_bench_role role,
		     int ready_fd)
{
	bool blocking = spec->cell.io == SHUNT_IO_BLOCKING;
	struct worker worker = {
		.shared = shared,
		.side = &shared->sides[role],
		.cell = &spec->cell,
		.listener = SHUNT_ENDPOINT_NONE(blocking),
		.connection = SHUNT_ENDPOINT_NONE(blocking),
		.ready_fd = ready_fd,
		.nodelay = spec->cell.workload != SHUNT_WORKLOAD_STREAM,
		.buffer_size = spec->cell.size > STREAM_READ_SIZE ? spec->cell.size : STREAM_READ_SIZE,
	};

	worker.buffer = calloc(1, worker.buffer_size);
	int r = worker.buffer ? run_role(&worker, role) : -ENOMEM;
	shunt_endpoint_close(&worker.connection);
	shunt_endpoint_close(&worker.listener);
	free(worker.buffer);
	worker.side->error = r;
	return r;
}
