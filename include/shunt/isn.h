/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * isn.h: initial sequence numbers, read back from a connection's counters. The arithmetic holds at any moment of an
 * established connection's life: snd_una moves with bytes_acked, rcv_nxt with bytes_received. All of it is modulo 2^32.
 */
#ifndef SHUNT_ISN_H
#define SHUNT_ISN_H

#include "flow.h"

struct shunt_sequence {
	__u32 snd_una;
	__u32 rcv_nxt;
	__u64 bytes_acked;
	__u64 bytes_received;
};

/* The opener counts its SYN in bytes_acked, the accepting end does not. */
static inline struct shunt_isns shunt_isns_of_client(const struct shunt_sequence *seq)
{
	struct shunt_isns isns = {
		.client = seq->snd_una - (__u32)seq->bytes_acked,
		.server = seq->rcv_nxt - 1 - (__u32)seq->bytes_received,
	};
	return isns;
}

static inline struct shunt_isns shunt_isns_of_server(const struct shunt_sequence *seq)
{
	struct shunt_isns isns = {
		.client = seq->rcv_nxt - 1 - (__u32)seq->bytes_received,
		.server = seq->snd_una - 1 - (__u32)seq->bytes_acked,
	};
	return isns;
}

#endif
