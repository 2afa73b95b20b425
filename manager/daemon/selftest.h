/* SPDX-License-Identifier: MIT */
/* selftest.h: what doctor tries through the loaded datapath of the running daemon, on a connection of its own. */
#ifndef SHUNT_SELFTEST_H
#define SHUNT_SELFTEST_H

#include "manager.h"

struct shunt_selftest_check {
	enum shunt_probe_result result;
	char text[400];	    /* one sentence: what was found and what follows */
	const char *detail; /* may be NULL */
};

struct shunt_selftest {
	struct shunt_selftest_check promotion; /* the scan takes a pair in, and out again */
	struct shunt_selftest_check handover;  /* from TCP to the shortcut: no byte is lost or overtaken */
};

/*
 * Blocks the daemon for some 50 ms, at worst for 1.5 s; no user's socket is touched and nothing remains. What could not
 * be tried is a check that says so.
 */
void shunt_selftest_run(struct shunt_manager *manager, struct shunt_selftest *ret);

#endif
