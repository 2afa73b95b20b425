/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* mode.h: what shunt may do with a pod's connections, and the states a connection can be in. */
#ifndef SHUNT_MODE_H
#define SHUNT_MODE_H

/* X(ENUM, word, sentence) */
#define SHUNT_MODES(X)                                                                                                 \
	X(OFF, off, "attached, but nothing is recorded")                                                               \
	X(OBSERVE, observe, "pair, judge, count and explain; never redirect")                                          \
	X(ADAPTIVE, adaptive, "redirect what has been proven safe and takes turns")                                    \
	X(EAGER, eager, "redirect from the first byte; every socket of the pod is asserted non-blocking")

enum shunt_mode {
#define X(name, word, sentence) SHUNT_MODE_##name,
	SHUNT_MODES(X)
#undef X
		SHUNT_MODE_COUNT
};

/* X(ENUM, word): what carries the connection's bytes now */
#define SHUNT_STATES(X) X(TCP, tcp) X(REDIRECT, redirect) X(COLLAPSE, collapse) X(SPLICE, splice)

enum shunt_state {
#define X(name, word) SHUNT_STATE_##name,
	SHUNT_STATES(X)
#undef X
		SHUNT_STATE_COUNT
};

#endif
