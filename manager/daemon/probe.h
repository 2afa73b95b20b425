/* SPDX-License-Identifier: MIT */
/* probe.h: what this kernel can do, found out by trying on private maps and a loopback pair; nothing of it remains. */
#ifndef SHUNT_PROBE_H
#define SHUNT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel_level.h"

/* X(ENUM, word) */
#define SHUNT_PROBE_RESULTS(X) X(OK, ok) X(INFO, info) X(WARN, warn) X(FAIL, fail)

enum shunt_probe_result {
#define X(name, word) SHUNT_PROBE_##name,
	SHUNT_PROBE_RESULTS(X)
#undef X
		SHUNT_PROBE_RESULT_COUNT
};

/* How FIONREAD of a member counts: A forgets redirected bytes, B forgets TCP's, C is right. */
enum shunt_fionread { SHUNT_FIONREAD_UNKNOWN, SHUNT_FIONREAD_A, SHUNT_FIONREAD_B, SHUNT_FIONREAD_C };

struct shunt_probe_item {
	const char *name; /* "fionread", "bug/tcp_iterator" */
	enum shunt_probe_result result;
	char *text;   /* one sentence: what was found and what follows */
	char *detail; /* why it matters, what to do, what was seen; may be NULL */
};

struct shunt_probe {
	char release[128]; /* what uname says, */
	char build[128];
	struct shunt_kernel_version version; /* and what was read from it */
	struct shunt_kernel_decision decision;
	enum shunt_kernel_level level; /* decision.level, lowered by what was found */
	enum shunt_scan_kind scan;
	enum shunt_fionread fionread;
	bool fionread_wrong; /* also when it could not be tried */
	bool has_sockmap_link;
	bool has_rdonly_cast;
	bool has_sock_destroy;
	bool fentry_works;
	bool tp_btf_works;
	bool ktls_on_members;	      /* accepted: CVE-2026-93824 */
	uint64_t woken_wake_function; /* kernel address; 0: hidden */
	struct shunt_probe_item *items;
	size_t count;
};

/*
 * Takes about a second at worst, needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. What could not be tried is an item, not
 * an error. Never opens an iterator.
 */
int shunt_probe_run(struct shunt_probe **ret);
void shunt_probe_free(struct shunt_probe *probe);

const char *shunt_probe_result_word(enum shunt_probe_result result);
const char *shunt_kernel_level_word(enum shunt_kernel_level level);
const char *shunt_scan_kind_word(enum shunt_scan_kind scan);

#endif
