/* SPDX-License-Identifier: MIT */
/* report.h: results as JSON (schema io.shunt.bench/1, see shunt-bench(1)) and as a table for people. */
#ifndef SHUNT_BENCH_REPORT_H
#define SHUNT_BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "results.h"

#define SHUNT_BENCH_SCHEMA "io.shunt.bench/1"

struct shunt_report {
	const struct shunt_results *results;
	const struct shunt_plan *plan; /* in the order of the rows */
	const char *daemon;	       /* "private", "shared" or "none" */
	double seconds;		       /* of one window */
	bool claims;
	bool interrupted;
};

/* A new reference, NULL without memory. */
json_t *shunt_report_json(const struct shunt_report *report);
int shunt_report_table(const struct shunt_report *report, FILE *out);

#endif
