/* SPDX-License-Identifier: MIT */
/* results.h: all samples of a benchmark, and what they say: spreads, ratios within rounds, rows, claims. */
#ifndef SHUNT_BENCH_RESULTS_H
#define SHUNT_BENCH_RESULTS_H

#include "conductor.h"
#include "stats.h"

#define SHUNT_ALIKE_WITHIN 0.25	     /* difference in "across" up to which two runs count as placed alike */
#define SHUNT_REDIRECTED_ENOUGH 0.95 /* share of the bytes below which a run may not be called accelerated */

/* X(ENUM, field of struct shunt_sample and JSON key, has ratios, meaning) */
#define SHUNT_METRICS(X)                                                                                               \
	X(RATE, rate, true, "units per second")                                                                        \
	X(P50, p50_us, true, "median latency in microseconds")                                                         \
	X(P99, p99_us, true, "99th percentile of the latency in microseconds")                                         \
	X(CPU, cpu_ns, true, "user and system time of both processes per unit, in nanoseconds")                        \
	X(BUSY, busy_ns, true, "busy time of the whole machine per unit, softirq included, in nanoseconds")            \
	X(SOFTIRQ, softirq_ns, false, "the part of busy_ns in softirq")                                                \
	X(FOREIGN, foreign_cpus, false, "CPUs kept busy by anything but the two processes")                            \
	X(VOLUNTARY, voluntary, false, "voluntary context switches of both processes per unit")                        \
	X(INVOLUNTARY, involuntary, false, "involuntary context switches of both processes per unit")                  \
	X(ACROSS, across, false, "share of exchanges whose ends ran on different CPUs")                                \
	X(REDIRECTED, redirected, false, "share of the bytes that took the shortcut")

enum shunt_metric {
#define X(name, field, has_ratio, meaning) SHUNT_METRIC_##name,
	SHUNT_METRICS(X)
#undef X
		SHUNT_METRIC_COUNT
};

struct shunt_metric_info {
	const char *key;
	bool has_ratio;
};
extern const struct shunt_metric_info shunt_metrics[SHUNT_METRIC_COUNT];

struct shunt_results {
	struct shunt_sample *samples;
	size_t n;
	unsigned rounds; /* begun */
};

int shunt_results_add(struct shunt_results *results, const struct shunt_sample *sample);
void shunt_results_done(struct shunt_results *results);

double shunt_sample_metric(const struct shunt_sample *sample, enum shunt_metric metric);

/* One cell in one variant over all rounds. A spread with n == 0 has no value. */
struct shunt_row {
	struct shunt_spec spec;
	unsigned runs;
	unsigned failed;
	int error;	    /* of the last failed run */
	unsigned below;	    /* runs with a flow record that redirected too little */
	unsigned above;	    /* ... enough */
	const char *reason; /* of the last of the runs below; points into the samples */
	struct shunt_spread values[SHUNT_METRIC_COUNT];
	struct shunt_spread to_plain[SHUNT_METRIC_COUNT]; /* ratios to the plain run of the same round */
	struct shunt_spread to_unix[SHUNT_METRIC_COUNT];
	struct shunt_spread
		to_plain_alike[SHUNT_METRIC_COUNT]; /* only rounds in which the scheduler placed both runs alike */
};
int shunt_row_of(const struct shunt_results *results, const struct shunt_spec *spec, struct shunt_row *ret);

/* What a reader must know about the row before its ratios; empty if nothing. */
void shunt_row_note(const struct shunt_row *row, char *ret, size_t size);

/* A statement about a set of cells: the geometric mean over the sizes of variant to base, within each round. */
struct shunt_claim {
	const char *text;
	struct shunt_cell cell; /* its size is taken from sizes */
	size_t sizes[8];	/* n of them */
	size_t n;
	enum shunt_variant variant;
	enum shunt_variant base;
	enum shunt_metric metric;
};
extern const struct shunt_claim shunt_claims[];
extern const size_t shunt_claims_count;

struct shunt_claim_result {
	struct shunt_spread ratio; /* over rounds; n == 0: no round is complete */
	struct shunt_spread alike; /* over the rounds in which the scheduler placed both runs of every size alike */
	unsigned below;		   /* runs among them that should have been redirected and were not */
};
int shunt_claim_evaluate(const struct shunt_results *results, const struct shunt_claim *claim,
			 struct shunt_claim_result *ret);
/* Adds every run the claims need. */
int shunt_claims_plan(struct shunt_plan *plan);

#endif
