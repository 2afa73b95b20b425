/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* counter.h: what is counted per pod and CPU. Totals over closed and living flows: nothing is lost at close. */
#ifndef SHUNT_COUNTER_H
#define SHUNT_COUNTER_H

/* X(ENUM, word, unit and meaning) */
#define SHUNT_COUNTERS(X)                                                                                              \
	X(REDIRECTED_BYTES, redirected_bytes, "bytes sent past TCP by ends of this pod")                               \
	X(REDIRECTED_MESSAGES, redirected_messages, "messages sent past TCP by ends of this pod")                      \
	X(PASSED_MESSAGES, passed_messages, "messages of members that took TCP")                                       \
	X(TCP_BYTES, tcp_bytes, "bytes sent over TCP by paired ends of this pod, as of the last scan or close")        \
	X(PAIRED, paired, "ends proven to be one half of a node-local pair")                                           \
	X(PROMOTED, promoted, "ends that became members")                                                              \
	X(DEMOTED, demoted, "members that left while their connection lived")                                          \
	X(CLOSED, closed, "paired ends that closed")                                                                   \
	X(MAP_FULL, map_full, "ends that got no record because a table was full")                                      \
	X(UNPROVEN, unproven, "ends whose handshake gave no proof")                                                    \
	X(SPLICE_SEEN, splice_seen, "ends first seen being read by splice(2)")                                         \
	X(RESETS, resets, "connections reset because splice(2) began with redirected bytes queued")                    \
	X(SPILLED, spilled, "messages that took TCP because the reader was behind its budget")

enum shunt_counter {
#define X(name, word, meaning) SHUNT_COUNTER_##name,
	SHUNT_COUNTERS(X)
#undef X
		SHUNT_COUNTER_COUNT
};

#endif
