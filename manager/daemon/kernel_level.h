/* SPDX-License-Identifier: MIT */
/*
 * kernel_level.h: what a kernel's version alone decides: the most that may be done on it, which iterator is safe, and
 * which known bugs it has. Only for what cannot be tried; everything else is probed. Pure, tested on the host.
 */
#ifndef SHUNT_KERNEL_LEVEL_H
#define SHUNT_KERNEL_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct shunt_kernel_version {
	unsigned major;
	unsigned minor;
	unsigned patch;
	bool vendor_known; /* the patch number is that of a stable release; otherwise it is a lower bound, backports are
			      unknown */
};

/* X(ENUM, word, sentence), least first */
#define SHUNT_KERNEL_LEVELS(X)                                                                                         \
	X(REFUSE, refuse, "too old: shunt does not run here")                                                          \
	X(OBSERVE, observe,                                                                                            \
	  "the kernel's socket redirection is not safe here: connections are paired and counted, never redirected")    \
	X(REDUCED, reduced, "redirects, with some programs or features kept out")                                      \
	X(FULL, full, "everything shunt can do")

enum shunt_kernel_level {
#define X(name, word, sentence) SHUNT_KERNEL_##name,
	SHUNT_KERNEL_LEVELS(X)
#undef X
		SHUNT_KERNEL_LEVEL_COUNT
};

/* X(ENUM, word) */
#define SHUNT_SCAN_KINDS(X) X(NONE, none) X(STORAGE, storage) X(TCP, tcp)

enum shunt_scan_kind {
#define X(name, word) SHUNT_SCAN_##name,
	SHUNT_SCAN_KINDS(X)
#undef X
		SHUNT_SCAN_KIND_COUNT
};

/* X(ENUM, words) */
#define SHUNT_BUG_STATES(X) X(FIXED, "fixed") X(ABSENT, "not in this kernel") X(OPEN, "open") X(UNKNOWN, "cannot tell")

enum shunt_bug_state {
#define X(name, words) SHUNT_BUG_##name,
	SHUNT_BUG_STATES(X)
#undef X
};

/* How much an open one matters to shunt. */
enum shunt_bug_weight { SHUNT_BUG_NOTE, SHUNT_BUG_WARN, SHUNT_BUG_ERROR };

/* First release of a series that has the fix. */
struct shunt_kernel_fix {
	unsigned major;
	unsigned minor;
	unsigned patch;
};

#define SHUNT_NEVER 0xffffu /* as patch: the series was seen with the bug, and no fixed release is known */
#define SHUNT_MAX_FIXES 6

struct shunt_kernel_bug {
	const char *name;
	const char *label; /* name of its item in doctor */
	const char *what;
	const char *touches;
	enum shunt_bug_weight weight;
	unsigned since_major; /* 0: in every supported kernel until fixed */
	unsigned since_minor;
	struct shunt_kernel_fix fixes[SHUNT_MAX_FIXES]; /* ascending; ends with major 0 */
	struct shunt_kernel_fix mainline;		/* every series from here on has the fix; major 0: not known */
};

/* Fixes before a series' first release known from the date of the oldest stable one: a fix enters mainline before it
 * enters stable. */
static const struct shunt_kernel_bug shunt_kernel_bugs[] = {
	{"storage_iterator",
	 "bug/storage_iterator",
	 "NULL dereference in __bpf_sk_storage_map_seq_show",
	 "every use of iter/bpf_sk_storage_map, also by others",
	 SHUNT_BUG_WARN,
	 7,
	 0,
	 {},
	 {}},
	{"tcp_iterator",
	 "bug/tcp_iterator",
	 "use after free in bpf_iter_tcp_established_batch (log: refcount_t: addition on 0)",
	 "every iter/tcp scan, also by others (OBI, Beyla)",
	 SHUNT_BUG_WARN,
	 0,
	 0,
	 {{6, 1, 183}, {6, 12, 104}, {6, 18, SHUNT_NEVER}, {6, 19, SHUNT_NEVER}, {7, 0, SHUNT_NEVER}, {7, 1, 13}},
	 {7, 2, 6}},
	{"tcp_iterator_lock",
	 "bug/tcp_iterator_lock",
	 "iter/tcp holds the fast socket lock: self-deadlock with a map update",
	 "iter/tcp scans",
	 SHUNT_BUG_WARN,
	 0,
	 0,
	 {{6, 1, 42}, {6, 4, 7}},
	 {6, 5, 0}},
	{"sockmap_data_loss",
	 "bug/sockmap_data_loss",
	 "data lost on EAGAIN, duplicated data, use after free while sending, kTLS and skb_linearize panics",
	 "every redirected connection",
	 SHUNT_BUG_ERROR,
	 0,
	 0,
	 {{6, 1, 142}, {6, 6, 94}, {6, 12, 35}, {6, 15, 3}},
	 {6, 16, 0}},
	{"mptcp_subflow",
	 "bug/mptcp_subflow",
	 "a Multipath TCP subflow in a sockmap crashes",
	 "eager mode; shunt checks is_mptcp itself",
	 SHUNT_BUG_WARN,
	 0,
	 0,
	 {{6, 1, 159}, {6, 12, 60}},
	 {6, 19, 0}},
	{"rmem_uncharged",
	 "bug/rmem_uncharged",
	 "redirected bytes are not charged to the receive buffer",
	 "memory accounting",
	 SHUNT_BUG_ERROR,
	 0,
	 0,
	 {{6, 1, 123}, {6, 12, 8}},
	 {6, 13, 0}},
	{"replace_close_race",
	 "bug/replace_close_race",
	 "race of replace and close, and of an update with the same element",
	 "connection churn",
	 SHUNT_BUG_ERROR,
	 0,
	 0,
	 {{6, 1, 125}, {6, 12, 6}},
	 {6, 13, 0}},
	{"map_delete_lock",
	 "bug/map_delete_lock",
	 "lock inversion in map delete",
	 "demotion",
	 SHUNT_BUG_ERROR,
	 0,
	 0,
	 {{6, 1, 85}},
	 {6, 9, 0}},
	{"copied_seq_verdict",
	 "bug/copied_seq_verdict",
	 "copied_seq is wrong with a verdict program",
	 "proxy splice",
	 SHUNT_BUG_WARN,
	 0,
	 0,
	 {{6, 1, 165}, {6, 12, 75}},
	 {7, 0, 0}},
	{"verdict_data_ready",
	 "bug/verdict_data_ready",
	 "use after free in sk_psock_verdict_data_ready (CVE-2026-43016)",
	 "proxy splice",
	 SHUNT_BUG_WARN,
	 0,
	 0,
	 {{6, 1, 191}, {6, 12, 81}},
	 {}},
	{"cork",
	 "bug/cork",
	 "use after free in tcp_bpf_sendmsg and in the send verdict",
	 "bpf_msg_cork_bytes and bpf_msg_apply_bytes, which shunt never calls",
	 SHUNT_BUG_NOTE,
	 0,
	 0,
	 {{6, 1, 183}, {6, 12, 104}},
	 {}},
	{"self_redirect",
	 "bug/self_redirect",
	 "copied_seq counted twice when a socket redirects to itself",
	 "nothing: shunt never redirects to the sender",
	 SHUNT_BUG_NOTE,
	 0,
	 0,
	 {{6, 1, 189}, {6, 12, 112}},
	 {}},
	{"ktls",
	 "bug/ktls",
	 "kernel TLS is accepted on a member (CVE-2026-93824)",
	 "programs that start kernel TLS on a redirected connection",
	 SHUNT_BUG_WARN,
	 0,
	 0,
	 {{6, 1, 189}, {6, 12, 111}, {7, 2, 9}},
	 {7, 3, 4}},
	{"ktls_verdict",
	 "bug/ktls_verdict",
	 "verdict data_ready races with kernel TLS (CVE-2026-64025)",
	 "nothing: shunt keeps sockets with an upper layer protocol out",
	 SHUNT_BUG_NOTE,
	 0,
	 0,
	 {{6, 1, 191}, {6, 12, 92}},
	 {}},
	{"push_pop",
	 "bug/push_pop",
	 "overflow in push_data and pop_data",
	 "helpers that shunt never calls",
	 SHUNT_BUG_NOTE,
	 0,
	 0,
	 {{6, 1, 178}, {6, 12, 97}, {7, 1, 3}},
	 {7, 2, 0}},
};

#define SHUNT_KERNEL_BUGS (sizeof(shunt_kernel_bugs) / sizeof(shunt_kernel_bugs[0]))

struct shunt_kernel_decision {
	enum shunt_kernel_level level; /* the most that may be done; the probes lower it further */
	enum shunt_scan_kind scan;
	bool tried;		/* this series was run by the project */
	bool tcp_iterator_safe; /* iter/tcp may be opened, also where it is not the scan */
	enum shunt_bug_state bugs[SHUNT_KERNEL_BUGS];
};

static inline unsigned long shunt_kernel_number(unsigned major, unsigned minor, unsigned patch)
{
	return (unsigned long)major << 32 | (unsigned long)minor << 16 | patch;
}

static inline bool shunt_kernel_at_least(const struct shunt_kernel_version *v, unsigned major, unsigned minor,
					 unsigned patch)
{
	return shunt_kernel_number(v->major, v->minor, v->patch) >= shunt_kernel_number(major, minor, patch);
}

static inline bool shunt_kernel_is_series(const struct shunt_kernel_version *v, unsigned major, unsigned minor)
{
	return v->major == major && v->minor == minor;
}

/* A vendor's version is a lower bound: what it lacks may have been backported. */
static inline enum shunt_bug_state shunt_kernel_unfixed(const struct shunt_kernel_version *v)
{
	return v->vendor_known ? SHUNT_BUG_OPEN : SHUNT_BUG_UNKNOWN;
}

static inline enum shunt_bug_state shunt_kernel_bug_state(const struct shunt_kernel_bug *bug,
							  const struct shunt_kernel_version *v)
{
	const struct shunt_kernel_fix *last = &bug->mainline;

	if (bug->since_major && !shunt_kernel_at_least(v, bug->since_major, bug->since_minor, 0))
		return v->vendor_known ? SHUNT_BUG_ABSENT : SHUNT_BUG_UNKNOWN;
	if (last->major && shunt_kernel_at_least(v, last->major, last->minor, last->patch))
		return SHUNT_BUG_FIXED;
	for (size_t i = 0; i < SHUNT_MAX_FIXES && bug->fixes[i].major; i++) {
		if (!shunt_kernel_is_series(v, bug->fixes[i].major, bug->fixes[i].minor))
			continue;
		return v->patch >= bug->fixes[i].patch ? SHUNT_BUG_FIXED : shunt_kernel_unfixed(v);
	}
	if (last->major && shunt_kernel_is_series(v, last->major, last->minor))
		return shunt_kernel_unfixed(v);
	return bug->since_major ? shunt_kernel_unfixed(v) : SHUNT_BUG_UNKNOWN;
}

static inline bool shunt_kernel_was_tried(const struct shunt_kernel_version *v)
{
	static const unsigned tried[][2] = {{6, 1}, {6, 12}, {6, 18}, {6, 19}, {7, 0}, {7, 1}, {7, 2}, {7, 3}};

	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++)
		if (shunt_kernel_is_series(v, tried[i][0], tried[i][1]))
			return true;
	return false;
}

static inline enum shunt_bug_state shunt_kernel_bug_named(const char *name, const struct shunt_kernel_version *v)
{
	for (size_t i = 0; i < SHUNT_KERNEL_BUGS; i++)
		if (!strcmp(shunt_kernel_bugs[i].name, name))
			return shunt_kernel_bug_state(&shunt_kernel_bugs[i], v);
	return SHUNT_BUG_UNKNOWN;
}

/* Below 7.0 the storage iterator, from 7.1 iter/tcp once it has its fix, on 7.0 neither. */
static inline enum shunt_scan_kind shunt_kernel_scan(const struct shunt_kernel_version *v)
{
	if (!shunt_kernel_at_least(v, 6, 1, 0))
		return SHUNT_SCAN_NONE;
	if (!shunt_kernel_at_least(v, 7, 0, 0))
		return SHUNT_SCAN_STORAGE;
	return shunt_kernel_bug_named("tcp_iterator", v) == SHUNT_BUG_FIXED ? SHUNT_SCAN_TCP : SHUNT_SCAN_NONE;
}

static inline enum shunt_kernel_level shunt_kernel_version_level(const struct shunt_kernel_version *v)
{
	if (!shunt_kernel_at_least(v, 6, 1, 0))
		return SHUNT_KERNEL_REFUSE;
	if (shunt_kernel_bug_named("sockmap_data_loss", v) != SHUNT_BUG_FIXED ||
	    shunt_kernel_scan(v) == SHUNT_SCAN_NONE)
		return SHUNT_KERNEL_OBSERVE;
	if (shunt_kernel_is_series(v, 6, 12) && v->patch >= 114)
		return SHUNT_KERNEL_FULL;
	return shunt_kernel_at_least(v, 7, 2, 6) ? SHUNT_KERNEL_FULL : SHUNT_KERNEL_REDUCED;
}

static inline struct shunt_kernel_decision shunt_kernel_decide(const struct shunt_kernel_version *v)
{
	struct shunt_kernel_decision decision = {
		.level = shunt_kernel_version_level(v),
		.scan = shunt_kernel_scan(v),
		.tried = shunt_kernel_was_tried(v) && v->vendor_known,
		.tcp_iterator_safe = shunt_kernel_bug_named("tcp_iterator", v) == SHUNT_BUG_FIXED,
	};

	for (size_t i = 0; i < SHUNT_KERNEL_BUGS; i++)
		decision.bugs[i] = shunt_kernel_bug_state(&shunt_kernel_bugs[i], v);
	return decision;
}

/*
 * release and version are those of uname(2). Debian's release names no stable version, its version does:
 * "6.1.0-56-cloud-amd64", "#1 SMP ... Debian 6.1.192-2 (2026-11-16)". A release x.y.0 with a suffix is a vendor's own
 * count.
 */
static inline bool shunt_kernel_parse(const char *release, const char *version, struct shunt_kernel_version *ret)
{
	struct shunt_kernel_version v = {.vendor_known = true};
	const char *debian = strstr(version, "Debian ");
	int end = 0;

	if (debian && sscanf(debian, "Debian %u.%u.%u", &v.major, &v.minor, &v.patch) == 3) {
		*ret = v;
		return true;
	}
	v.patch = 0;
	if (sscanf(release, "%u.%u%n.%u%n", &v.major, &v.minor, &end, &v.patch, &end) < 2)
		return false;
	v.vendor_known = v.patch > 0 || !release[end];
	*ret = v;
	return true;
}

#endif
