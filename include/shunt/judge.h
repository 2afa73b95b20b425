/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* judge.h: whether a socket may be a member, and whether a flow is worth it. Pure: the caller reads sockets and maps.
 */
#ifndef SHUNT_JUDGE_H
#define SHUNT_JUDGE_H

#include <linux/types.h>
#include "flow.h"
#include "mode.h"
#include "reason.h"

/* Membership swaps the socket's proto: these are the uses of a socket that would see it (docs/semantics.md). */
struct shunt_socket_facts {
	__u64 cgroup; /* id of the cgroup of the socket's creator; 0 unknown */
	__u8 established;
	__u8 half_closed; /* either direction shut, or an error is pending */
	__u8 has_file;
	__u8 nonblocking;
	__u8 waiter;
	__u8 mptcp;
	__u8 foreign_psock;
	__u8 ulp;
	__u8 filter;
	__u8 repair;
	__u8 zerocopy;
	__u8 timestamps;
	__u8 inq;
	__u8 lowat;
	__u8 peek_off;
	__u8 urgent;
	__u8 spliced;
	__u8 tainted;
	__u8 programs; /* SHUNT_JUDGED | SHUNT_MAY_SPLICE | SHUNT_MAY_FIONREAD of the cgroup */
	__u8 pad[5];
};

/* Things that any mode refuses, in the order of enum shunt_reason. OK: none. */
static inline enum shunt_reason shunt_judge_options(const struct shunt_socket_facts *facts)
{
	if (facts->mptcp)
		return SHUNT_REASON_MPTCP;
	if (facts->foreign_psock)
		return SHUNT_REASON_FOREIGN_PSOCK;
	if (facts->ulp)
		return SHUNT_REASON_ULP;
	if (facts->filter)
		return SHUNT_REASON_FILTER;
	if (facts->repair)
		return SHUNT_REASON_REPAIR;
	if (facts->zerocopy)
		return SHUNT_REASON_ZEROCOPY;
	if (facts->timestamps)
		return SHUNT_REASON_TIMESTAMPS;
	if (facts->inq)
		return SHUNT_REASON_INQ;
	if (facts->lowat)
		return SHUNT_REASON_LOWAT;
	if (facts->peek_off)
		return SHUNT_REASON_PEEK_OFF;
	if (facts->urgent)
		return SHUNT_REASON_URGENT;
	return SHUNT_REASON_OK;
}

/* What the readers of the socket may do; eager asserts the first three away. */
static inline enum shunt_reason shunt_judge_readers(const struct shunt_socket_facts *facts, int eager,
						    int fionread_wrong)
{
	if (!eager && !facts->has_file)
		return SHUNT_REASON_UNACCEPTED;
	if (!eager && !facts->nonblocking)
		return SHUNT_REASON_BLOCKING;
	if (!eager && facts->waiter)
		return SHUNT_REASON_WAITER;
	if (!(facts->programs & SHUNT_JUDGED) || (facts->programs & SHUNT_MAY_SPLICE))
		return SHUNT_REASON_MAY_SPLICE;
	if (facts->spliced)
		return SHUNT_REASON_SPLICE_SEEN;
	if (facts->tainted)
		return SHUNT_REASON_TAINTED;
	if (fionread_wrong && (facts->programs & SHUNT_MAY_FIONREAD))
		return SHUNT_REASON_FIONREAD;
	return SHUNT_REASON_OK;
}

static inline enum shunt_reason shunt_judge_socket(const struct shunt_socket_facts *facts, int eager,
						   int fionread_wrong)
{
	enum shunt_reason reason = shunt_judge_options(facts);

	if (reason == SHUNT_REASON_OK)
		reason = shunt_judge_readers(facts, eager, fionread_wrong);
	if (reason == SHUNT_REASON_OK && (!facts->established || facts->half_closed))
		reason = SHUNT_REASON_HALF_CLOSED;
	return reason;
}

/* Of two reasons the one that comes first in the order of judgement; OK yields to everything. */
static inline enum shunt_reason shunt_first_reason(enum shunt_reason a, enum shunt_reason b)
{
	if (a == SHUNT_REASON_OK)
		return b;
	if (b == SHUNT_REASON_OK)
		return a;
	return a < b ? a : b;
}

/* The more careful of two pods' modes decides for the flow. */
static inline enum shunt_mode shunt_lesser_mode(__u32 a, __u32 b)
{
	return (enum shunt_mode)(a < b ? a : b);
}

static inline enum shunt_reason shunt_judge_mode(enum shunt_mode mode)
{
	if (mode == SHUNT_MODE_OFF)
		return SHUNT_REASON_OFF;
	if (mode == SHUNT_MODE_OBSERVE)
		return SHUNT_REASON_OBSERVE;
	return SHUNT_REASON_OK;
}

/* What an unpromoted connection did since its judgement window began. */
struct shunt_window {
	__u32 segs_out; /* data segments */
	__u32 segs_in;
	__u64 bytes; /* both directions */
	__u64 age_ns;
};

/* The turns that a window can hold at most: one data segment each way is one turn. */
static inline __u32 shunt_window_turns(const struct shunt_window *window)
{
	return window->segs_out < window->segs_in ? window->segs_out : window->segs_in;
}

static inline int shunt_window_is_stream(const struct shunt_window *window, __u32 min_turns)
{
	__u64 turns = shunt_window_turns(window);

	return window->bytes > (turns > min_turns ? turns : min_turns) * SHUNT_TURN_BYTES;
}

/* OK: it takes turns and is worth promoting. ONE_WAY: judged a stream, begin a new window. NEW: wait. */
static inline enum shunt_reason shunt_judge_window(const struct shunt_window *window, __u32 min_turns)
{
	if (shunt_window_is_stream(window, min_turns ? min_turns : 1))
		return SHUNT_REASON_ONE_WAY;
	if (shunt_window_turns(window) < min_turns)
		return SHUNT_REASON_NEW;
	return SHUNT_REASON_OK;
}

/* Does a member still take turns? bulk and turns count since the last time this was asked. */
static inline int shunt_is_bulk(__u64 bulk, __u64 turns)
{
	return bulk >= SHUNT_BULK_MIN && bulk > turns;
}

static inline __u64 shunt_backoff_ns(__u32 shift)
{
	return SHUNT_BACKOFF_BASE_NS << (shift > SHUNT_BACKOFF_MAX_SHIFT ? SHUNT_BACKOFF_MAX_SHIFT : shift);
}

#endif
