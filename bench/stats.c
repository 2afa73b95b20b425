/* SPDX-License-Identifier: MIT */
/* stats.c: medians, quartiles and geometric means of small sets of measurements. */
#include "stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t below = (size_t)at;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

int shunt_spread_of(const double *values, size_t n, struct shunt_spread *ret)
{
	double *sorted = calloc(n ? n : 1, sizeof(*sorted));
	size_t kept = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (isfinite(values[i]))
			sorted[kept++] = values[i];
	if (kept) {
		qsort(sorted, kept, sizeof(*sorted), by_value);
		*ret = (struct shunt_spread){
			.q1 = quantile(sorted, kept, 0.25),
			.median = quantile(sorted, kept, 0.5),
			.q3 = quantile(sorted, kept, 0.75),
			.n = kept,
		};
	}
	free(sorted);
	return kept ? 0 : -ENODATA;
}

double shunt_geomean(const double *values, size_t n)
{
	double logs = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(values[i]) || values[i] <= 0)
			return NAN;
		logs += log(values[i]);
	}
	return n ? exp(logs / (double)n) : NAN;
}

double shunt_ratio(double numerator, double denominator)
{
	if (!isfinite(numerator) || !isfinite(denominator) || denominator == 0)
		return NAN;
	return numerator / denominator;
}
