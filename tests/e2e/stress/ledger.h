/* SPDX-License-Identifier: MIT */
/* ledger.h: shared memory in which every end writes down what it did, so that a failure can be told with both ends'
 * history. */
#ifndef STRESS_LEDGER_H
#define STRESS_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "script.h"

#define STRESS_MAX_WORKERS 16
#define STRESS_MAX_CONNECTIONS 1024
#define STRESS_EVENTS 64
#define STRESS_LISTENERS 3

enum stress_listener { STRESS_LISTEN_V4, STRESS_LISTEN_V6, STRESS_LISTEN_DUAL };

/* X(ENUM, word, listener): the ways from a client to a server */
#define STRESS_ROADS(X)                                                                                                \
	X(V4, v4, STRESS_LISTEN_V4)                                                                                    \
	X(V6, v6, STRESS_LISTEN_V6)                                                                                    \
	X(V4_DUAL, v4_to_dual, STRESS_LISTEN_DUAL) X(MAPPED_V4, mapped_to_v4, STRESS_LISTEN_V4)                        \
		X(MAPPED_DUAL, mapped_to_dual, STRESS_LISTEN_DUAL) X(V6_DUAL, v6_to_dual, STRESS_LISTEN_DUAL)

enum stress_road {
#define X(name, word, listener) STRESS_ROAD_##name,
	STRESS_ROADS(X)
#undef X
		STRESS_ROAD_COUNT
};

enum stress_side_state {
	STRESS_SIDE_NONE,
	STRESS_SIDE_OPEN,
	STRESS_SIDE_SHUT,    /* has sent its FIN by shutdown */
	STRESS_SIDE_CLOSED,  /* has closed */
	STRESS_SIDE_ABORTED, /* has sent, or is about to send, its RST */
};

struct stress_event {
	uint64_t ns;
	uint64_t offset;
	int64_t result;
	uint32_t asked;
	char call[12];
};

struct stress_side {
	_Atomic uint64_t sent;
	_Atomic uint64_t received;
	_Atomic uint64_t changed_ns; /* last progress of any kind */
	_Atomic uint32_t state;
	uint32_t events; /* ever written; the last STRESS_EVENTS are kept */
	struct stress_event event[STRESS_EVENTS];
};

/* One client thread's connection of the moment. */
struct stress_slot {
	uint64_t seed;
	bool steady;
	enum stress_road road;
	uint16_t client_port;
	uint16_t server_port;
	_Atomic uint32_t server_done;
	_Atomic bool failed;
	struct stress_side side[2];
};

struct stress_totals {
	_Atomic uint64_t connections;
	_Atomic uint64_t bytes;
	_Atomic uint64_t again; /* writes that found the socket full */
	_Atomic uint64_t waits;
	_Atomic uint64_t lost_resets; /* by TCP itself */
	_Atomic uint64_t slow;	      /* connections that took longer than SLOW_NS */
	_Atomic uint64_t endings[STRESS_END_COUNT];
	_Atomic uint64_t reads[STRESS_READ_COUNT];
	_Atomic uint64_t writes[STRESS_WRITE_COUNT];
	_Atomic uint64_t roads[STRESS_ROAD_COUNT];
};

/* X(ENUM, word): faults planted to prove that the checker sees them */
#define STRESS_PLANTS(X)                                                                                               \
	X(NONE, none) X(FLIP, flip) X(SKIP, skip) X(REPEAT, repeat) X(LOSE, lose) X(HANG, hang) X(EXTRA, extra)

enum stress_plant {
#define X(name, word) STRESS_PLANT_##name,
	STRESS_PLANTS(X)
#undef X
		STRESS_PLANT_COUNT
};

struct stress_options {
	uint64_t seed;
	uint64_t only; /* not 0: every connection uses this seed */
	uint32_t seconds;
	uint32_t connections;
	uint32_t steady;
	uint32_t workers;
	uint32_t patience_ms;
	enum stress_plant plant;
	const char *cgroups[STRESS_MAX_WORKERS];
	uint32_t cgroup_count;
};

struct stress_ledger {
	struct stress_options options;
	uint64_t start_ns;
	_Atomic bool stop;
	_Atomic uint32_t failures;
	_Atomic uint32_t clients; /* still running */
	_Atomic uint64_t next_connection;
	_Atomic uint32_t ready; /* workers that listen */
	struct stress_totals totals;
	_Atomic uint16_t listener[STRESS_MAX_WORKERS][STRESS_LISTENERS];
	/* Slot + 1 of the client, by what its connection is known by: worker, listener, v6 or not, client's port. */
	_Atomic uint32_t port[STRESS_MAX_WORKERS][STRESS_LISTENERS][2][65536];
	struct stress_slot slot[STRESS_MAX_CONNECTIONS];
};

extern struct stress_ledger *stress_ledger;

uint64_t stress_now_ns(void);
/* Both wake those who await a change. */
void stress_add(_Atomic uint32_t *word, uint32_t n);
void stress_set(_Atomic uint32_t *word, uint32_t value);
/* Waits until *word differs from value; 0 or -ETIMEDOUT. */
int stress_await_change(_Atomic uint32_t *word, uint32_t value, uint32_t timeout_ms);
void stress_note(struct stress_side *side, const char *call, uint32_t asked, int64_t result, uint64_t offset);
/* Prints one failure with the connection's history, unless this connection has failed before. */
void stress_fail(struct stress_slot *slot, enum stress_role role, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void stress_print_totals(void);
const char *stress_road_word(enum stress_road road);
enum stress_listener stress_road_listener(enum stress_road road);

#endif
