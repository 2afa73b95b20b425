/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * reason.h: why a connection is, or is not, accelerated. One list: enum, counter, metric label and CLI text.
 * The order is the order of judgement: the first that holds is the one shown.
 */
#ifndef SHUNT_REASON_H
#define SHUNT_REASON_H

/* X(ENUM, word, sentence) */
#define SHUNT_REASONS(X)                                                                                               \
	X(OK, ok, "redirected from socket to socket")                                                                  \
	X(OFF, off, "the pod's mode is off")                                                                           \
	X(OBSERVE, observe, "the pod's mode is observe: counted and explained, never redirected")                      \
	X(REVOKED, revoked, "an operator took this connection off the fast path")                                      \
	X(DRAINING, draining, "shunt is draining or its daemon has been silent for 10 s")                              \
	X(KERNEL, kernel, "this kernel lacks or breaks what a redirect needs; see shuntctl doctor")                    \
	X(MAP_FULL, map_full, "a table was full when the connection came; raise max_flows")                            \
	X(QUOTA, quota, "the pod has used up its quota of flows")                                                      \
	X(REMOTE, remote, "the other end is not on this node")                                                         \
	X(PEER_UNMANAGED, peer_unmanaged, "the other end is on this node, in a cgroup that shunt does not manage")     \
	X(UNPROVEN, unproven, "the handshake gave no proof that both ends are on this node")                           \
	X(OLDER_THAN_ATTACH, older_than_attach, "the connection existed before shunt was attached")                    \
	X(MPTCP, mptcp, "an end speaks Multipath TCP")                                                                 \
	X(FOREIGN_PSOCK, foreign_psock, "another program owns the socket's psock or user data")                        \
	X(ULP, ulp, "an end uses an upper layer protocol such as kernel TLS")                                          \
	X(FILTER, filter, "an end has a socket filter")                                                                \
	X(REPAIR, repair, "an end is in TCP_REPAIR")                                                                   \
	X(ZEROCOPY, zerocopy, "an end uses SO_ZEROCOPY")                                                               \
	X(TIMESTAMPS, timestamps, "an end asks for receive timestamps")                                                \
	X(INQ, inq, "an end uses TCP_INQ")                                                                             \
	X(LOWAT, lowat, "an end uses SO_RCVLOWAT")                                                                     \
	X(PEEK_OFF, peek_off, "an end uses SO_PEEK_OFF")                                                               \
	X(URGENT, urgent, "urgent data was seen")                                                                      \
	X(UNACCEPTED, unaccepted, "no process has accepted the connection yet")                                        \
	X(BLOCKING, blocking, "an end is a blocking socket")                                                           \
	X(WAITER, waiter, "a thread sleeps inside recv() or send() of an end")                                         \
	X(MAY_SPLICE, may_splice, "a program of an end's cgroup can splice(2) from sockets, or is not judged yet")     \
	X(SPLICE_SEEN, splice_seen, "an end was read by splice(2)")                                                    \
	X(TAINTED, tainted, "splice(2) was seen in an end's cgroup")                                                   \
	X(FIONREAD, fionread, "a program of an end's cgroup may ask FIONREAD, which this kernel answers wrongly")      \
	X(NEW, new, "too young to judge: too few turns seen so far")                                                   \
	X(ONE_WAY, one_way, "bytes flow mostly one way: the kernel's TCP is as fast")                                  \
	X(BACKOFF, backoff, "was demoted a moment ago; will be judged again")                                          \
	X(SPILL, spill, "the reader is behind its budget: bytes take TCP until it catches up")                         \
	X(HALF_CLOSED, half_closed, "an end has closed one direction, or both")

enum shunt_reason {
#define X(name, word, sentence) SHUNT_REASON_##name,
	SHUNT_REASONS(X)
#undef X
		SHUNT_REASON_COUNT
};

#endif
