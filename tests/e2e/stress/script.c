/* SPDX-License-Identifier: MIT */
/* script.c: makes the script of a connection from its seed. */
#include "script.h"

#include <string.h>

#include "bytes.h"

#define WORDS(function, list, type)                                                                                    \
	const char *function(type value)                                                                               \
	{                                                                                                              \
		static const char *const words[] = {list(WORD)};                                                       \
		return words[value];                                                                                   \
	}
#define WORD(name, word) #word,
WORDS(stress_ending_word, STRESS_ENDINGS, enum stress_ending)
WORDS(stress_read_word, STRESS_READS, enum stress_read)
WORDS(stress_write_word, STRESS_WRITES, enum stress_write)
WORDS(stress_wait_word, STRESS_WAITS, enum stress_wait)

uint64_t stress_stream_seed(uint64_t seed, enum stress_role sender)
{
	return stress_mix(seed ^ (sender == STRESS_CLIENT ? 0x636c69656e74ull : 0x736572766572ull));
}

/* small much more often than large, as on a real socket */
static uint32_t size_up_to(struct stress_rng *rng, uint32_t limit)
{
	uint32_t top = limit >> stress_below(rng, 12);

	return 1 + stress_below(rng, top < 16 ? 16 : top);
}

static uint32_t small_buffer(struct stress_rng *rng)
{
	return stress_chance(rng, 400) ? 4096u << stress_below(rng, 7) : 0;
}

static void make_style(struct stress_style *style, struct stress_rng *rng)
{
	style->read = stress_below(rng, STRESS_READ_COUNT);
	style->write = stress_below(rng, STRESS_WRITE_COUNT);
	style->wait = stress_below(rng, STRESS_WAIT_COUNT);
	style->mixed = stress_chance(rng, 300);
	style->nodelay = stress_chance(rng, 850);
	style->receive_buffer = small_buffer(rng);
	style->send_buffer = small_buffer(rng);
	style->read_size = size_up_to(rng, STRESS_BUFFER);
	if (style->read_size < 32)
		style->read_size += 32;
	style->write_size = 32 + size_up_to(rng, STRESS_BUFFER - 32 - 16);
	if (stress_chance(rng, 300)) {
		style->pause_per_mille = 10 + stress_below(rng, 100);
		style->pause_us = 200 + stress_below(rng, 20000);
	}
}

/* Bytes that the slower of the two ends moves in a fair time: small buffers and pauses cost wake-ups, not bandwidth. */
static uint32_t stream_limit(const struct stress_script *script, enum stress_role sender)
{
	const struct stress_style *in = &script->style[!sender];
	const struct stress_style *out = &script->style[sender];
	uint32_t limit = 32u << 20;

	if (in->receive_buffer && in->receive_buffer < 65536)
		limit = in->receive_buffer * 8;
	if (out->send_buffer && out->send_buffer * 16 < limit)
		limit = out->send_buffer * 16;
	if (in->read_size * 200 < limit)
		limit = in->read_size * 200;
	if (out->write_size * 400 < limit)
		limit = out->write_size * 400;
	if (in->pause_us && limit > 131072)
		limit = 131072;
	return limit < 64 ? 64 : limit;
}

static void make_turns(struct stress_script *script, struct stress_phase *phase, struct stress_rng *rng)
{
	const struct stress_style *client = &script->style[STRESS_CLIENT];
	const struct stress_style *server = &script->style[STRESS_SERVER];
	bool quick = client->nodelay && server->nodelay && !client->pause_us && !server->pause_us;
	uint32_t most = quick ? 400 : 15; /* Nagle and a late acknowledgement cost 40 ms a turn */

	phase->in_turns = true;
	phase->turns = 1 + stress_below(rng, stress_chance(rng, 300) ? most : most / 5);
	for (int role = 0; role < 2; role++)
		phase->bytes[role] = size_up_to(rng, stress_chance(rng, 200) ? stream_limit(script, role) / 32 : 4096);
}

static uint32_t stream_size(struct stress_rng *rng, uint32_t limit)
{
	return stress_chance(rng, 250) ? 1 + stress_below(rng, limit) : size_up_to(rng, limit);
}

static void make_phase(struct stress_script *script, struct stress_phase *phase, struct stress_rng *rng)
{
	uint32_t kind = stress_below(rng, 10);

	phase->first = stress_below(rng, 2);
	phase->turns = 1;
	if (kind < 6) {
		make_turns(script, phase, rng);
		return;
	}
	for (int role = 0; role < 2; role++)
		if (kind >= 8 || role == (int)phase->first)
			phase->bytes[role] = stream_size(rng, stream_limit(script, role));
}

static void make_ending(struct stress_script *script, struct stress_rng *rng)
{
	script->ending = stress_below(rng, STRESS_END_COUNT);
	script->tail = size_up_to(rng, 65536);
	script->abort_after = stress_next(rng) % (script->total[0] + script->total[1] + 1);
	if (script->ending == STRESS_END_CLIENT_HALF)
		script->total[STRESS_SERVER] += script->tail;
	if (script->ending == STRESS_END_SERVER_HALF)
		script->total[STRESS_CLIENT] += script->tail;
}

static void make_steady(struct stress_script *script)
{
	script->steady = true;
	script->ending = STRESS_END_CLIENT_HALF;
	script->total[0] = script->total[1] = UINT64_MAX;
	for (int role = 0; role < 2; role++) {
		struct stress_style *style = &script->style[role];

		style->nodelay = true;
		style->pause_per_mille = 0;
		style->receive_buffer = style->send_buffer = 0;
		style->read_size = style->write_size = STRESS_BUFFER / 2;
	}
}

void stress_script_make(struct stress_script *script, uint64_t seed, bool steady)
{
	struct stress_rng rng = {seed};

	memset(script, 0, sizeof(*script));
	script->seed = seed;
	make_style(&script->style[STRESS_CLIENT], &rng);
	make_style(&script->style[STRESS_SERVER], &rng);
	if (steady) {
		make_steady(script);
		return;
	}
	script->phases = 1 + stress_below(&rng, STRESS_MAX_PHASES);
	for (uint32_t i = 0; i < script->phases; i++) {
		struct stress_phase *phase = &script->phase[i];

		make_phase(script, phase, &rng);
		for (int role = 0; role < 2; role++)
			script->total[role] += (uint64_t)phase->turns * phase->bytes[role];
	}
	make_ending(script, &rng);
}
