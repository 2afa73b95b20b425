/* SPDX-License-Identifier: MIT */
/* ledger.c: writes and prints the history of connections. */
#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_REPORTS 8

struct stress_ledger *stress_ledger;

uint64_t stress_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void stress_set(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	wake(word);
}

void stress_add(_Atomic uint32_t *word, uint32_t n)
{
	atomic_fetch_add(word, n);
	wake(word);
}

int stress_await_change(_Atomic uint32_t *word, uint32_t value, uint32_t timeout_ms)
{
	uint64_t deadline = stress_now_ns() + timeout_ms * 1000000ull;

	while (atomic_load(word) == value) {
		struct timespec slice = {.tv_nsec = 500000000};

		if (stress_now_ns() >= deadline)
			return -ETIMEDOUT;
		syscall(SYS_futex, word, FUTEX_WAIT, value, &slice, NULL, 0);
	}
	return 0;
}

const char *stress_road_word(enum stress_road road)
{
	static const char *const words[] = {
#define X(name, word, listener) #word,
		STRESS_ROADS(X)
#undef X
	};

	return words[road];
}

enum stress_listener stress_road_listener(enum stress_road road)
{
	static const enum stress_listener listeners[] = {
#define X(name, word, listener) listener,
		STRESS_ROADS(X)
#undef X
	};

	return listeners[road];
}

void stress_note(struct stress_side *side, const char *call, uint32_t asked, int64_t result, uint64_t offset)
{
	struct stress_event *event = &side->event[side->events++ % STRESS_EVENTS];

	event->ns = stress_now_ns();
	event->offset = offset;
	event->result = result;
	event->asked = asked;
	strncpy(event->call, call, sizeof(event->call) - 1);
}

static void print_style(FILE *out, const char *who, const struct stress_style *style)
{
	fprintf(out, "#   %s: %s, %s, %s%s%s, rcvbuf %u, sndbuf %u, reads of %u, writes of %u, pause %u/1000 x %u us\n",
		who, stress_read_word(style->read), stress_write_word(style->write), stress_wait_word(style->wait),
		style->mixed ? ", mixed" : "", style->nodelay ? ", nodelay" : "", style->receive_buffer,
		style->send_buffer, style->read_size, style->write_size, style->pause_per_mille, style->pause_us);
}

static void print_script(FILE *out, const struct stress_script *script)
{
	fprintf(out, "#   script: ending %s, tail %u, abort after %" PRIu64 ", totals %" PRIu64 " and %" PRIu64 "%s\n",
		stress_ending_word(script->ending), script->tail, script->abort_after, script->total[0],
		script->total[1], script->steady ? ", steady" : "");
	for (uint32_t i = 0; i < script->phases; i++) {
		const struct stress_phase *phase = &script->phase[i];

		fprintf(out, "#   phase %u: %s, first %u, %u turns, client sends %u, server sends %u\n", i,
			phase->in_turns ? "turns" : "stream", phase->first, phase->turns, phase->bytes[0],
			phase->bytes[1]);
	}
	print_style(out, "client", &script->style[STRESS_CLIENT]);
	print_style(out, "server", &script->style[STRESS_SERVER]);
}

static void print_side(FILE *out, const char *who, const struct stress_side *side, uint64_t now)
{
	uint32_t first = side->events > STRESS_EVENTS ? side->events - STRESS_EVENTS : 0;

	fprintf(out, "#   %s end: sent %" PRIu64 ", received %" PRIu64 ", state %u; its last calls:\n", who, side->sent,
		side->received, side->state);
	for (uint32_t i = first; i < side->events; i++) {
		const struct stress_event *event = &side->event[i % STRESS_EVENTS];

		fprintf(out, "#     -%9.3f ms  %-11s asked %6u  got %6" PRId64 "  at %" PRIu64 "\n",
			(double)(now - event->ns) / 1e6, event->call, event->asked, event->result, event->offset);
	}
}

static void print_history(FILE *out, const struct stress_slot *slot, enum stress_role role, const char *text)
{
	struct stress_script script;
	uint64_t now = stress_now_ns();

	stress_script_make(&script, slot->seed, slot->steady);
	fprintf(out, "# FAILURE %8.3f s, connection seed %" PRIu64 " (%s, ports %u -> %u), %s end: %s\n",
		(double)(now - stress_ledger->start_ns) / 1e9, slot->seed, stress_road_word(slot->road),
		slot->client_port, slot->server_port, role == STRESS_CLIENT ? "client" : "server", text);
	print_script(out, &script);
	print_side(out, "client", &slot->side[STRESS_CLIENT], now);
	print_side(out, "server", &slot->side[STRESS_SERVER], now);
}

void stress_fail(struct stress_slot *slot, enum stress_role role, const char *format, ...)
{
	char *report = NULL;
	size_t size = 0;
	char text[512];
	va_list ap;
	FILE *out;

	if (atomic_exchange(&slot->failed, true))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (atomic_fetch_add(&stress_ledger->failures, 1) >= MOST_REPORTS)
		return;
	out = open_memstream(&report, &size);
	if (!out)
		return;
	print_history(out, slot, role, text);
	fclose(out);
	if (write(STDOUT_FILENO, report, size) < 0)
		perror("stress: write");
	free(report);
}

void stress_print_totals(void)
{
	const struct stress_totals *totals = &stress_ledger->totals;

	printf("# connections %" PRIu64 ", bytes verified %" PRIu64 ", full writes %" PRIu64 ", waits %" PRIu64
	       ", over 5 s %" PRIu64 ", resets lost by TCP %" PRIu64 "\n",
	       totals->connections, totals->bytes, totals->again, totals->waits, totals->slow, totals->lost_resets);
	printf("# endings:");
	for (int i = 0; i < STRESS_END_COUNT; i++)
		printf(" %s %" PRIu64, stress_ending_word(i), totals->endings[i]);
	printf("\n# reads:");
	for (int i = 0; i < STRESS_READ_COUNT; i++)
		printf(" %s %" PRIu64, stress_read_word(i), totals->reads[i]);
	printf("\n# writes:");
	for (int i = 0; i < STRESS_WRITE_COUNT; i++)
		printf(" %s %" PRIu64, stress_write_word(i), totals->writes[i]);
	printf("\n# roads:");
	for (int i = 0; i < STRESS_ROAD_COUNT; i++)
		printf(" %s %" PRIu64, stress_road_word(i), totals->roads[i]);
	printf("\n");
}
