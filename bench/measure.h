/* SPDX-License-Identifier: MIT */
/* measure.h: clocks, CPU time and the latency histogram. */
#ifndef SHUNT_BENCH_MEASURE_H
#define SHUNT_BENCH_MEASURE_H

#include <stdint.h>
#include <time.h>

/* Log-linear: 64 buckets an octave (1.6 %), up to 2^40 ns (18 minutes); later values land in the last bucket. */
#define SHUNT_HIST_SUB_BITS 6
#define SHUNT_HIST_MAX_BITS 40
#define SHUNT_HIST_BUCKETS ((SHUNT_HIST_MAX_BITS - SHUNT_HIST_SUB_BITS + 2) << SHUNT_HIST_SUB_BITS)

struct shunt_hist {
	uint64_t total;
	uint32_t buckets[SHUNT_HIST_BUCKETS];
};

static inline unsigned shunt_hist_bucket(uint64_t ns)
{
	if (ns < (1u << SHUNT_HIST_SUB_BITS))
		return (unsigned)ns;
	if (ns >> SHUNT_HIST_MAX_BITS)
		return SHUNT_HIST_BUCKETS - 1;
	unsigned shift = (unsigned)(63 - __builtin_clzll(ns)) - SHUNT_HIST_SUB_BITS;
	return (shift << SHUNT_HIST_SUB_BITS) + (unsigned)(ns >> shift);
}

static inline void shunt_hist_add(struct shunt_hist *hist, uint64_t ns)
{
	hist->buckets[shunt_hist_bucket(ns)]++;
	hist->total++;
}

/* Nanoseconds below which the share q (0..1) of the values lies, interpolated inside the bucket. NAN if there is none.
 */
double shunt_hist_quantile(const struct shunt_hist *hist, double q);

static inline uint64_t shunt_bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What the calling process has used since it started (getrusage). */
struct shunt_usage {
	uint64_t at_ns;	 /* CLOCK_MONOTONIC */
	uint64_t cpu_ns; /* user and system */
	uint64_t voluntary;
	uint64_t involuntary;
};
void shunt_usage_read(struct shunt_usage *ret);

/* The whole machine since boot (/proc/stat), all CPUs. busy counts everything but idle, iowait and steal. */
struct shunt_busy {
	uint64_t at_ns; /* CLOCK_MONOTONIC; 0 if parsed from a text */
	uint64_t busy_ns;
	uint64_t softirq_ns;
};
int shunt_busy_read(struct shunt_busy *ret);
/* From the text of /proc/stat's first line; ticks_per_second as of sysconf. -EBADMSG. */
int shunt_busy_parse(const char *line, long ticks_per_second, struct shunt_busy *ret);

#endif
