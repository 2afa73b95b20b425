/* SPDX-License-Identifier: MIT */
/* spec.h: what one run of the benchmark is: the axes, their words, and the plan that crosses them. */
#ifndef SHUNT_BENCH_SPEC_H
#define SHUNT_BENCH_SPEC_H

#include <stdbool.h>
#include <stddef.h>

/* X(ENUM, word, unit of one operation) */
#define SHUNT_WORKLOADS(X) X(RR, rr, "request") X(CRR, crr, "connection") X(STREAM, stream, "byte")
/* X(ENUM, word, sentence) */
#define SHUNT_IOS(X) X(EPOLL, epoll, "non-blocking sockets and epoll") X(BLOCKING, blocking, "blocking sockets")
#define SHUNT_NETS(X)                                                                                                  \
	X(LOOPBACK, loopback, "both ends on 127.0.0.1") X(VETH, veth, "two network namespaces joined by a veth pair")
#define SHUNT_PINS(X)                                                                                                  \
	X(NONE, none, "the scheduler places both processes")                                                           \
	X(ONE, one, "both processes on one CPU")                                                                       \
	X(TWO, two, "client and server each on a CPU of its own")
/* X(ENUM, word, mode of the workers' pods, mode of an idle third pod, AF_UNIX, sentence) */
#define SHUNT_VARIANTS(X)                                                                                              \
	X(PLAIN, plain, NULL, NULL, false, "TCP in cgroups that shunt does not manage")                                \
	X(ADAPTIVE, adaptive, "adaptive", NULL, false, "TCP between two pods in mode adaptive")                        \
	X(EAGER, eager, "eager", NULL, false, "TCP between two pods in mode eager")                                    \
	X(OBSERVE, observe, "observe", NULL, false, "TCP between two pods in mode observe: managed, never redirected") \
	X(NEIGHBOUR, neighbour, NULL, "adaptive", false, "plain TCP while another pod is adaptive")                    \
	X(UNIX, unix, NULL, NULL, true, "AF_UNIX stream sockets")

enum shunt_workload {
#define X(name, word, unit) SHUNT_WORKLOAD_##name,
	SHUNT_WORKLOADS(X)
#undef X
		SHUNT_WORKLOAD_COUNT
};

enum shunt_io {
#define X(name, word, sentence) SHUNT_IO_##name,
	SHUNT_IOS(X)
#undef X
		SHUNT_IO_COUNT
};

enum shunt_net {
#define X(name, word, sentence) SHUNT_NET_##name,
	SHUNT_NETS(X)
#undef X
		SHUNT_NET_COUNT
};

enum shunt_pin {
#define X(name, word, sentence) SHUNT_PIN_##name,
	SHUNT_PINS(X)
#undef X
		SHUNT_PIN_COUNT
};

enum shunt_variant {
#define X(name, word, mode, idle, is_unix, sentence) SHUNT_VARIANT_##name,
	SHUNT_VARIANTS(X)
#undef X
		SHUNT_VARIANT_COUNT
};

struct shunt_variant_info {
	const char *mode;
	const char *idle_mode;
	bool is_unix;
};

/* What is compared: the same cell is run in several variants in every round. */
struct shunt_cell {
	enum shunt_workload workload;
	enum shunt_io io;
	enum shunt_net net;
	enum shunt_pin pin;
	size_t size;
};

struct shunt_spec {
	struct shunt_cell cell;
	enum shunt_variant variant;
};

/* Words by enum value, NULL-terminated, so that options, JSON and tables name things alike. */
extern const char *const shunt_workload_words[];
extern const char *const shunt_workload_units[];
extern const char *const shunt_io_words[];
extern const char *const shunt_net_words[];
extern const char *const shunt_pin_words[];
extern const char *const shunt_variant_words[];
extern const char *const shunt_variant_sentences[];
extern const struct shunt_variant_info shunt_variants[];

/* What a daemon is needed for. */
bool shunt_variant_is_managed(enum shunt_variant variant);
/* True if the bytes of this run must be redirected for its figures to mean what the variant's name says. */
bool shunt_spec_wants_redirect(const struct shunt_spec *spec);
bool shunt_cell_equal(const struct shunt_cell *a, const struct shunt_cell *b);

/* A growing list of runs that make up one round. */
struct shunt_plan {
	struct shunt_spec *specs;
	size_t n;
};

/* Appends unless the same run is already there. -ENOMEM. */
int shunt_plan_add(struct shunt_plan *plan, const struct shunt_spec *spec);
void shunt_plan_shuffle(struct shunt_plan *plan, unsigned *seed);
bool shunt_plan_needs_daemon(const struct shunt_plan *plan);
bool shunt_plan_needs_veth(const struct shunt_plan *plan);
void shunt_plan_done(struct shunt_plan *plan);

#endif
