/* SPDX-License-Identifier: MIT */
/* compare.h: two result files side by side. */
#ifndef SHUNT_BENCH_COMPARE_H
#define SHUNT_BENCH_COMPARE_H

#include <stdbool.h>

/*
 * Prints the ratios to plain of each row that both files have, as a line or as an object of a JSON array. Says on
 * stderr what is wrong: -EINVAL: with a file; -ENOENT: no common row.
 */
int shunt_bench_compare(const char *first, const char *second, bool json);

#endif
