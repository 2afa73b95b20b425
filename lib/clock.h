/* SPDX-License-Identifier: MIT */
/* clock.h: the clock of the datapath: CLOCK_MONOTONIC in nanoseconds, as bpf_ktime_get_ns() gives it. */
#ifndef SHUNT_CLOCK_H
#define SHUNT_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SHUNT_NS_PER_S 1000000000ull

static inline uint64_t shunt_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SHUNT_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t shunt_now_ns(void)
{
	return shunt_clock_ns(CLOCK_MONOTONIC);
}

#endif
