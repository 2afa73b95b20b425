/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* verdict.h: whether one message may go from a sender straight into its peer's
 * queue. Pure: the caller reads the sockets. */
#ifndef SHUNT_VERDICT_H
#define SHUNT_VERDICT_H

#include "mode.h"
#include <linux/types.h>

enum shunt_verdict {
	SHUNT_VERDICT_REDIRECT,
	SHUNT_VERDICT_PASS,
	SHUNT_VERDICT_SPILL, /* as PASS; only the reader's backlog forbids the
				shortcut */
};

struct shunt_message_facts {
	__u32 peer_is_ours;	/* the peer's memory still carries the cookie that was
				   paired */
	__u32 peer_established; /* its state is TCP_ESTABLISHED */
	__u32 peer_nonblocking; /* its file has O_NONBLOCK */
	__u32 peer_watches;	/* timestamps, SO_PEEK_OFF or TCP_INQ: only TCP tells them
				 */
	__u32 own_watches;	/* timestamps or SO_ZEROCOPY: only TCP completes them */
	__u32 urgent;		/* sent with MSG_OOB */
	__s32 peer_lowat;	/* SO_RCVLOWAT, bytes */
	__u32 peer_copied_seq;	/* next byte of the TCP stream that its application
				   will read */
	__u32 own_write_seq;	/* next byte that this socket would put into the TCP
				   stream */
	__u32 own_send_closed;	/* SHUT_WR was done */
	__u32 eager;		/* both pods assert that their sockets are non-blocking */
	__u32 queued_bytes;	/* in the peer's queues */
	__s32 peer_rcvbuf;	/* bytes */
	__u32 queued_messages;	/* upper bound */
	__u32 spill_bytes;
	__u32 spill_messages;
};

/*
 * The two roads are in step exactly when the peer's application has read every
 * byte that TCP carried: redirecting earlier would overtake them. (The converse
 * needs no check: a reader takes redirected messages before TCP bytes.)
 */
static inline int shunt_roads_in_step(const struct shunt_message_facts *facts)
{
	return facts->peer_copied_seq == facts->own_write_seq;
}

static inline int shunt_over_budget(const struct shunt_message_facts *facts)
{
	return facts->queued_bytes > facts->spill_bytes || (__s64)facts->queued_bytes > facts->peer_rcvbuf ||
	       facts->queued_messages > facts->spill_messages;
}

static inline enum shunt_verdict shunt_judge_message(const struct shunt_message_facts *facts)
{
	if (!facts->peer_is_ours || !facts->peer_established || facts->own_send_closed)
		return SHUNT_VERDICT_PASS;
	if (facts->peer_watches || facts->own_watches || facts->urgent)
		return SHUNT_VERDICT_PASS;
	if (facts->peer_lowat > 1)
		return SHUNT_VERDICT_PASS;
	if (!facts->eager && !facts->peer_nonblocking)
		return SHUNT_VERDICT_PASS;
	if (!shunt_roads_in_step(facts))
		return SHUNT_VERDICT_PASS;
	if (shunt_over_budget(facts))
		return SHUNT_VERDICT_SPILL;
	return SHUNT_VERDICT_REDIRECT;
}

#endif
