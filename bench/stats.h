/* SPDX-License-Identifier: MIT */
/* stats.h: medians, quartiles and geometric means of small sets of measurements. */
#ifndef SHUNT_BENCH_STATS_H
#define SHUNT_BENCH_STATS_H

#include <stddef.h>

/* Values that are not finite are left out; n says how many were counted. */
struct shunt_spread {
	double q1;
	double median;
	double q3;
	size_t n;
};

/* Quartiles by linear interpolation between the two nearest ranks. -ENODATA if no value is finite. The values stay in
 * place. */
int shunt_spread_of(const double *values, size_t n, struct shunt_spread *ret);

/* NAN unless there is a value and all are finite and positive. */
double shunt_geomean(const double *values, size_t n);

/* NAN instead of a division by zero or an operand that is not finite. */
double shunt_ratio(double numerator, double denominator);

#endif
