/* SPDX-License-Identifier: MIT */
/* end.c: plays one end's part of the script and checks every byte, every end of stream and every wake-up. */
#include "end.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PLANT_AT 1000 /* bytes sent before a fault is planted */

/*
 * Why an end stops before its script is over. All are negative, so that every function just hands them up:
 * -ECANCELED the script says to abort, -ECONNRESET the other end's script did, -ENODATA a steady client has finished,
 * -EBADMSG a failure was reported.
 */

static int fail_read(struct stress_end *end, const char *call, ssize_t at)
{
	const char *stream = "nowhere near in this connection";
	uint64_t place = 0;

	if (stress_locate(end->in + at, end->receive_seed, end->received + (uint64_t)at, &place))
		stream = "in this stream";
	else if (stress_locate(end->in + at, end->send_seed, end->received + (uint64_t)at, &place))
		stream = "in the stream of the other direction";
	stress_fail(end->slot, end->role,
		    "corrupt: %s gave a wrong byte at offset %llu; what came belongs to offset %llu %s", call,
		    (unsigned long long)(end->received + (uint64_t)at), (unsigned long long)place, stream);
	return -EBADMSG;
}

static void set_state(struct stress_end *end, enum stress_side_state state)
{
	end->mine->changed_ns = stress_now_ns();
	stress_set(&end->mine->state, state);
}

/* An error or an end of stream: as the script of the other end wants it, or a failure. */
int stress_broken(struct stress_end *end, const char *call, int error)
{
	if (end->slot->failed)
		return -EBADMSG;
	if (end->theirs->state == STRESS_SIDE_ABORTED && (error == 0 || error == -ECONNRESET || error == -EPIPE))
		return -ECONNRESET;
	if (error == 0 && end->script->steady && end->role == STRESS_SERVER &&
	    end->received % STRESS_STEADY_BYTES == 0 && end->theirs->state == STRESS_SIDE_SHUT)
		return -ENODATA;
	if (error == 0)
		stress_fail(end->slot, end->role,
			    "lost: %s said end of stream after %llu bytes, the other end has sent %llu", call,
			    (unsigned long long)end->received, (unsigned long long)end->theirs->sent);
	else
		stress_fail(end->slot, end->role, "unexpected error from %s: %s", call, strerror(-error));
	return -EBADMSG;
}

static void pause_reading(struct stress_end *end)
{
	struct timespec ts = {.tv_nsec = end->style->pause_us * 1000l};

	if (stress_chance(&end->rng, end->style->pause_per_mille))
		nanosleep(&ts, NULL);
}

/* Reads once. Returns the bytes, 0 at end of stream, or negative. A failure of the socket is not yet judged. */
static ssize_t receive_once(struct stress_end *end, const char **call)
{
	enum stress_read method = end->style->mixed ? stress_below(&end->rng, STRESS_READ_COUNT) : end->style->read;
	size_t n = end->style->read_size;
	ssize_t bad;
	ssize_t got;

	if (method == STRESS_READ_URING_ARMED && end->sent < end->send_goal)
		method = STRESS_READ_URING_RECV;
	*call = stress_read_word(method);
	got = stress_receive(end, n, method);
	stress_note(end->mine, *call, (uint32_t)n, got, end->received);
	if (got <= 0)
		return got;
	atomic_fetch_add_explicit(&stress_ledger->totals.reads[method], 1, memory_order_relaxed);
	bad = stress_verify(end->in, (size_t)got, end->receive_seed, end->received);
	if (bad >= 0)
		return fail_read(end, *call, bad);
	end->received += (uint64_t)got;
	atomic_store_explicit(&end->mine->received, end->received, memory_order_relaxed);
	end->mine->changed_ns = stress_now_ns();
	return got;
}

static int receive_some(struct stress_end *end, bool *moved)
{
	const char *call;
	ssize_t got;

	pause_reading(end);
	got = receive_once(end, &call);
	if (got == -EAGAIN)
		return 0;
	if (got == -EBADMSG)
		return -EBADMSG;
	if (got <= 0)
		return stress_broken(end, call, (int)got);
	*moved = true;
	if (end->received > end->script->total[!end->role]) {
		stress_fail(end->slot, end->role, "extra: %llu bytes came, the script sends %llu",
			    (unsigned long long)end->received, (unsigned long long)end->script->total[!end->role]);
		return -EBADMSG;
	}
	return 0;
}

/* Plants a fault into n bytes that are ready in end->out; returns how many of them to claim without sending. */
static size_t plant(struct stress_end *end, size_t n)
{
	enum stress_plant fault = stress_ledger->options.plant;
	bool last = end->sent + n == end->script->total[end->role];

	if (fault == STRESS_PLANT_HANG && end->planted)
		return n;
	if (fault == STRESS_PLANT_NONE || end->planted || end->sent < PLANT_AT || (fault == STRESS_PLANT_LOSE && !last))
		return 0;
	end->planted = true;
	if (fault == STRESS_PLANT_FLIP)
		end->out[n / 2] ^= 1;
	if (fault == STRESS_PLANT_SKIP)
		stress_fill(end->out, n, end->send_seed, end->sent + 1);
	if (fault == STRESS_PLANT_REPEAT)
		stress_fill(end->out, n, end->send_seed, end->sent - 20);
	return fault == STRESS_PLANT_LOSE || fault == STRESS_PLANT_HANG ? n : 0;
}

static void count_sent(struct stress_end *end, size_t n)
{
	end->sent += n;
	atomic_store_explicit(&end->mine->sent, end->sent, memory_order_relaxed);
	end->mine->changed_ns = stress_now_ns();
}

static int send_some(struct stress_end *end, bool *moved)
{
	enum stress_write method = end->style->mixed ? stress_below(&end->rng, STRESS_WRITE_COUNT) : end->style->write;
	uint64_t left = end->send_goal - end->sent;
	size_t n = left < end->style->write_size ? (size_t)left : end->style->write_size;
	ssize_t done;

	stress_fill(end->out, n, end->send_seed, end->sent);
	if (plant(end, n) > 0) {
		count_sent(end, n);
		return 0;
	}
	done = stress_transmit(end, n, n < left, method);
	stress_note(end->mine, stress_write_word(method), (uint32_t)n, done, end->sent);
	if (done == -EAGAIN) {
		atomic_fetch_add_explicit(&stress_ledger->totals.again, 1, memory_order_relaxed);
		return 0;
	}
	if (done < 0)
		return stress_broken(end, stress_write_word(method), (int)done);
	atomic_fetch_add_explicit(&stress_ledger->totals.writes[method], 1, memory_order_relaxed);
	*moved = true;
	count_sent(end, (size_t)done);
	return 0;
}

static bool aborts(const struct stress_end *end)
{
	enum stress_ending ending = end->script->ending;

	if (end->script->steady)
		return false;
	if (end->role == STRESS_CLIENT)
		return ending == STRESS_END_CLIENT_RESET || ending == STRESS_END_UNSPEC;
	return ending == STRESS_END_SERVER_RESET;
}

static int step(struct stress_end *end, bool *moved)
{
	int r = 0;

	if (end->sent < end->send_goal)
		r = send_some(end, moved);
	if (r == 0 && end->received < end->receive_goal)
		r = receive_some(end, moved);
	return r;
}

/* Sends out and receives in further bytes, whichever is possible first. */
static int transfer(struct stress_end *end, uint64_t out, uint64_t in)
{
	end->send_goal += out;
	end->receive_goal += in;
	end->moved_ns = stress_now_ns();
	while (end->sent < end->send_goal || end->received < end->receive_goal) {
		bool moved = false;
		short events = 0;
		int r;

		if (aborts(end) && end->sent + end->received >= end->script->abort_after)
			return -ECANCELED;
		r = step(end, &moved);
		if (r < 0)
			return r;
		events |= end->sent < end->send_goal ? POLLOUT : 0;
		events |= end->received < end->receive_goal ? POLLIN : 0;
		if (moved)
			end->moved_ns = stress_now_ns();
		else if (events && (r = stress_await(end, events)) < 0)
			return r;
	}
	return 0;
}

static int turn(struct stress_end *end, enum stress_role first, const uint32_t bytes[2])
{
	uint32_t out = bytes[end->role];
	uint32_t in = bytes[!end->role];
	int r = first == end->role ? transfer(end, out, 0) : transfer(end, 0, in);

	if (r < 0)
		return r;
	return first == end->role ? transfer(end, 0, in) : transfer(end, out, 0);
}

static int run_phase(struct stress_end *end, const struct stress_phase *phase)
{
	if (!phase->in_turns)
		return transfer(end, phase->bytes[end->role], phase->bytes[!end->role]);
	for (uint32_t i = 0; i < phase->turns; i++) {
		int r = turn(end, phase->first, phase->bytes);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Small turns until the client has been told to stop; -ENODATA at the server then. */
static int run_steady(struct stress_end *end)
{
	static const uint32_t bytes[2] = {STRESS_STEADY_BYTES, STRESS_STEADY_BYTES};
	struct timespec ts = {.tv_nsec = 1000000};
	int r = 0;

	while (r == 0 && (end->role == STRESS_SERVER || !stress_ledger->stop)) {
		r = turn(end, STRESS_CLIENT, bytes);
		if (end->role == STRESS_CLIENT)
			nanosleep(&ts, NULL);
	}
	return r;
}

static int expect_end_of_stream(struct stress_end *end)
{
	end->moved_ns = stress_now_ns();
	for (;;) {
		const char *call;
		ssize_t got = receive_once(end, &call);
		int r;

		if (got == 0 && end->theirs->state >= STRESS_SIDE_SHUT)
			return 0;
		if (got > 0) {
			stress_fail(end->slot, end->role, "extra: %zd bytes came after the last of the script", got);
			return -EBADMSG;
		}
		if (got != -EAGAIN)
			return got == -EBADMSG ? -EBADMSG : stress_broken(end, call, (int)got);
		r = stress_await(end, POLLIN);
		if (r < 0)
			return r;
	}
}

static int half_close(struct stress_end *end)
{
	stress_note(end->mine, "shutdown", 0, 0, end->sent);
	set_state(end, STRESS_SIDE_SHUT);
	return shutdown(end->fd, SHUT_WR) < 0 ? stress_broken(end, "shutdown", -errno) : 0;
}

/* The end that shuts first, then gets the other's tail. */
static int finish_half(struct stress_end *end, enum stress_role first)
{
	uint32_t tail = end->script->tail;
	int r = end->role == first ? half_close(end) : expect_end_of_stream(end);

	if (r < 0)
		return r;
	if (end->role != first)
		return transfer(end, tail, 0);
	r = transfer(end, 0, tail);
	return r < 0 ? r : expect_end_of_stream(end);
}

static int finish(struct stress_end *end)
{
	int r;

	switch (end->script->ending) {
	case STRESS_END_CLIENT_CLOSES:
		return end->role == STRESS_CLIENT ? 0 : expect_end_of_stream(end);
	case STRESS_END_SERVER_CLOSES:
		return end->role == STRESS_SERVER ? 0 : expect_end_of_stream(end);
	case STRESS_END_CLIENT_HALF:
		return finish_half(end, STRESS_CLIENT);
	case STRESS_END_SERVER_HALF:
		return finish_half(end, STRESS_SERVER);
	case STRESS_END_BOTH_HALF:
		r = half_close(end);
		return r < 0 ? r : expect_end_of_stream(end);
	default:
		return aborts(end) ? -ECANCELED : expect_end_of_stream(end);
	}
}

/* A steady client ends like any half-closing one, without a tail. */
static int finish_steady(struct stress_end *end)
{
	int r = end->role == STRESS_CLIENT ? half_close(end) : 0;

	if (r < 0 || end->role == STRESS_SERVER)
		return r;
	return expect_end_of_stream(end);
}

static void close_end(struct stress_end *end, bool reset)
{
	struct linger linger = {.l_onoff = 1};

	if (reset)
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	stress_note(end->mine, reset ? "reset" : "close", 0, 0, end->sent);
	set_state(end, reset ? STRESS_SIDE_ABORTED : STRESS_SIDE_CLOSED);
	close(end->fd);
	end->fd = -1;
}

/* The server must have accepted: an accept() that finds a reset connection has nothing to tell. */
static void abort_end(struct stress_end *end)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	stress_await_change(&end->theirs->state, STRESS_SIDE_NONE, stress_ledger->options.patience_ms);
	if (end->script->ending != STRESS_END_UNSPEC) {
		close_end(end, true);
		return;
	}
	stress_note(end->mine, "unspec", 0, 0, end->sent);
	set_state(end, STRESS_SIDE_ABORTED);
	if (connect(end->fd, &nowhere, sizeof(nowhere)) == 0)
		return;
	stress_fail(end->slot, end->role, "connect(AF_UNSPEC): %s", strerror(errno));
	close_end(end, true);
}

static int send_extra(struct stress_end *end)
{
	stress_fill(end->out, 1, end->send_seed, end->sent);
	return send(end->fd, end->out, 1, MSG_NOSIGNAL) < 0 ? stress_broken(end, "send", -errno) : 0;
}

static int play(struct stress_end *end)
{
	int r = 0;

	if (end->script->steady) {
		r = run_steady(end);
		return r == 0 || r == -ENODATA ? finish_steady(end) : r;
	}
	for (uint32_t i = 0; r == 0 && i < end->script->phases; i++)
		r = run_phase(end, &end->script->phase[i]);
	if (r == 0 && stress_ledger->options.plant == STRESS_PLANT_EXTRA && !aborts(end))
		r = send_extra(end);
	return r < 0 ? r : finish(end);
}

int stress_end_init(struct stress_end *end, int fd, enum stress_role role, struct stress_slot *slot,
		    const struct stress_script *script)
{
	*end = (struct stress_end){
		.fd = fd,
		.role = role,
		.slot = slot,
		.mine = &slot->side[role],
		.theirs = &slot->side[!role],
		.script = script,
		.style = &script->style[role],
		.rng = {script->seed + role},
		.send_seed = stress_stream_seed(script->seed, role),
		.receive_seed = stress_stream_seed(script->seed, !role),
		.in = malloc(STRESS_BUFFER),
		.out = malloc(STRESS_BUFFER),
		.memfd = -1,
		.pipe = {-1, -1},
		.epoll = -1,
	};
	return end->in && end->out ? 0 : -ENOMEM;
}

void stress_end_free(struct stress_end *end)
{
	int fds[] = {end->memfd, end->pipe[0], end->pipe[1], end->epoll, end->fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (end->has_ring)
		io_uring_queue_exit(&end->ring);
	free(end->in);
	free(end->out);
}

void stress_end_run(struct stress_end *end)
{
	int r;

	set_state(end, STRESS_SIDE_OPEN);
	r = play(end);
	atomic_fetch_add(&stress_ledger->totals.bytes, end->received);
	if (r == -ECANCELED)
		abort_end(end);
	else
		close_end(end, r == -EBADMSG);
}
