/* SPDX-License-Identifier: MIT */
/* options.h: the command line of shunt-bench, and the plan it stands for. */
#ifndef SHUNT_BENCH_OPTIONS_H
#define SHUNT_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "spec.h"

#define SHUNT_BENCH_SIZES_MAX 16
#define SHUNT_BENCH_ROUNDS_MIN 3
#define SHUNT_BENCH_ROUNDS_MAX 1000

struct shunt_bench_sizes {
	size_t values[SHUNT_BENCH_SIZES_MAX];
	size_t n;
};

struct shunt_bench_options {
	const struct shunt_preset *preset;
	unsigned workloads; /* bit masks by enum value; 0: the preset's */
	unsigned ios;
	unsigned nets;
	unsigned pins;
	unsigned variants;
	struct shunt_bench_sizes sizes; /* n == 0: the preset's */
	unsigned rounds;		/* 0: as many as fit into the budget */
	double seconds;			/* one window */
	double budget_seconds;
	const char *out;
	const char *socket;
	bool json;
	bool target;
	bool help;
};

/* 0, or -EINVAL after saying on stderr what is wrong. */
int shunt_bench_options_parse(int argc, char **argv, struct shunt_bench_options *ret);
void shunt_bench_options_help(void);
/* -EINVAL after saying why: no run fits the options. */
int shunt_bench_options_plan(const struct shunt_bench_options *options, struct shunt_plan *plan);

/* "64", "4k", "1M"; -EINVAL, -ERANGE above 64 MiB. */
int shunt_bench_size_parse(const char *text, size_t *ret);

#endif
