/* SPDX-License-Identifier: MIT */
/* measure.c: clocks, CPU time and the latency histogram. */
#include "measure.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double bucket_floor(unsigned bucket)
{
	if (bucket < (2u << SHUNT_HIST_SUB_BITS))
		return bucket;
	unsigned shift = (bucket >> SHUNT_HIST_SUB_BITS) - 1;
	return (double)((uint64_t)(bucket - (shift << SHUNT_HIST_SUB_BITS)) << shift);
}

double shunt_hist_quantile(const struct shunt_hist *hist, double q)
{
	double wanted = q * (double)hist->total, seen = 0;

	if (!hist->total)
		return NAN;
	for (unsigned i = 0; i < SHUNT_HIST_BUCKETS; i++) {
		double here = hist->buckets[i];
		if (here > 0 && seen + here >= wanted)
			return bucket_floor(i) + (bucket_floor(i + 1) - bucket_floor(i)) * (wanted - seen) / here;
		seen += here;
	}
	return bucket_floor(SHUNT_HIST_BUCKETS - 1);
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

void shunt_usage_read(struct shunt_usage *ret)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	*ret = (struct shunt_usage){
		.at_ns = shunt_bench_now(),
		.cpu_ns = timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime),
		.voluntary = (uint64_t)usage.ru_nvcsw,
		.involuntary = (uint64_t)usage.ru_nivcsw,
	};
}

int shunt_busy_parse(const char *line, long ticks_per_second, struct shunt_busy *ret)
{
	uint64_t user, nice, system, idle, iowait, irq, softirq;
	const char *format = "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64;

	if (ticks_per_second <= 0 || sscanf(line, format, &user, &nice, &system, &idle, &iowait, &irq, &softirq) != 7)
		return -EBADMSG;
	uint64_t tick_ns = 1000000000u / (uint64_t)ticks_per_second;
	*ret = (struct shunt_busy){
		.busy_ns = (user + nice + system + irq + softirq) * tick_ns,
		.softirq_ns = softirq * tick_ns,
	};
	return 0;
}

int shunt_busy_read(struct shunt_busy *ret)
{
	char line[512];
	FILE *stat = fopen("/proc/stat", "re");

	if (!stat)
		return -errno;
	char *got = fgets(line, sizeof(line), stat);
	fclose(stat);
	int r = got ? shunt_busy_parse(line, sysconf(_SC_CLK_TCK), ret) : -EIO;
	if (r >= 0)
		ret->at_ns = shunt_bench_now();
	return r;
}
