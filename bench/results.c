/* SPDX-License-Identifier: MIT */
/* results.c: from samples to rows: spreads of values, and ratios that are only ever taken within one round. */
#include "results.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define X(name, field, has_ratio, meaning) {#field, has_ratio},
const struct shunt_metric_info shunt_metrics[SHUNT_METRIC_COUNT] = {SHUNT_METRICS(X)};
#undef X

int shunt_results_add(struct shunt_results *results, const struct shunt_sample *sample)
{
	struct shunt_sample *samples = reallocarray(results->samples, results->n + 1, sizeof(*samples));

	if (!samples)
		return -ENOMEM;
	samples[results->n++] = *sample;
	results->samples = samples;
	return 0;
}

void shunt_results_done(struct shunt_results *results)
{
	free(results->samples);
	*results = (struct shunt_results){0};
}

double shunt_sample_metric(const struct shunt_sample *sample, enum shunt_metric metric)
{
	if (sample->error)
		return NAN;
	switch (metric) {
#define X(name, field, has_ratio, meaning)                                                                             \
	case SHUNT_METRIC_##name:                                                                                      \
		return sample->field;
		SHUNT_METRICS(X)
#undef X
	case SHUNT_METRIC_COUNT:
		break;
	}
	return NAN;
}

static const struct shunt_sample *find(const struct shunt_results *results, const struct shunt_cell *cell,
				       enum shunt_variant variant, unsigned round)
{
	for (size_t i = 0; i < results->n; i++) {
		const struct shunt_sample *sample = &results->samples[i];
		if (sample->round == round && sample->spec.variant == variant &&
		    shunt_cell_equal(&sample->spec.cell, cell))
			return sample;
	}
	return NULL;
}

/* Whether the scheduler put the ends of both runs on one CPU, or of both on two: it decides more than any variant does.
 */
static bool placed_alike(const struct shunt_sample *a, const struct shunt_sample *b)
{
	return fabs(a->across - b->across) <= SHUNT_ALIKE_WITHIN;
}

static double ratio_in_round(const struct shunt_results *results, const struct shunt_spec *spec,
			     enum shunt_variant base, enum shunt_metric metric, bool alike, unsigned round)
{
	const struct shunt_sample *this = find(results, &spec->cell, spec->variant, round);
	const struct shunt_sample *other = find(results, &spec->cell, base, round);

	if (!this || !other || (alike && !placed_alike(this, other)))
		return NAN;
	return shunt_ratio(shunt_sample_metric(this, metric), shunt_sample_metric(other, metric));
}

static void count_run(struct shunt_row *row, const struct shunt_sample *sample)
{
	row->runs++;
	if (sample->error) {
		row->failed++;
		row->error = sample->error;
	} else if (sample->redirected >= SHUNT_REDIRECTED_ENOUGH) {
		row->above++;
	} else if (!isnan(sample->redirected)) {
		row->below++;
		row->reason = sample->reason;
	}
}

/* A spread without any value is no failure: n says so. */
static int spread_or_none(const double *values, size_t n, struct shunt_spread *ret)
{
	int r = shunt_spread_of(values, n, ret);

	if (r == -ENODATA)
		*ret = (struct shunt_spread){0};
	return r == -ENODATA ? 0 : r;
}

static int spread_ratios(const struct shunt_results *results, const struct shunt_spec *spec, enum shunt_variant base,
			 enum shunt_metric metric, bool alike, double *scratch, struct shunt_spread *ret)
{
	for (unsigned round = 0; round < results->rounds; round++)
		scratch[round] = ratio_in_round(results, spec, base, metric, alike, round);
	return spread_or_none(scratch, results->rounds, ret);
}

static int fill_metric(const struct shunt_results *results, struct shunt_row *row, enum shunt_metric metric,
		       double *scratch)
{
	for (unsigned round = 0; round < results->rounds; round++) {
		const struct shunt_sample *sample = find(results, &row->spec.cell, row->spec.variant, round);
		scratch[round] = sample ? shunt_sample_metric(sample, metric) : NAN;
	}
	int r = spread_or_none(scratch, results->rounds, &row->values[metric]);
	if (r < 0 || !shunt_metrics[metric].has_ratio)
		return r;
	if (row->spec.variant != SHUNT_VARIANT_PLAIN)
		r = spread_ratios(results, &row->spec, SHUNT_VARIANT_PLAIN, metric, false, scratch,
				  &row->to_plain[metric]);
	if (r >= 0 && row->spec.variant != SHUNT_VARIANT_PLAIN)
		r = spread_ratios(results, &row->spec, SHUNT_VARIANT_PLAIN, metric, true, scratch,
				  &row->to_plain_alike[metric]);
	if (r >= 0 && row->spec.variant != SHUNT_VARIANT_UNIX)
		r = spread_ratios(results, &row->spec, SHUNT_VARIANT_UNIX, metric, false, scratch,
				  &row->to_unix[metric]);
	return r;
}

int shunt_row_of(const struct shunt_results *results, const struct shunt_spec *spec, struct shunt_row *ret)
{
	struct shunt_row row = {.spec = *spec};
	_cleanup_free_ double *scratch = calloc(results->rounds + 1, sizeof(*scratch));

	if (!scratch)
		return -ENOMEM;
	for (unsigned round = 0; round < results->rounds; round++) {
		const struct shunt_sample *sample = find(results, &spec->cell, spec->variant, round);
		if (sample)
			count_run(&row, sample);
	}
	for (int metric = 0; metric < SHUNT_METRIC_COUNT; metric++) {
		int r = fill_metric(results, &row, metric, scratch);
		if (r < 0)
			return r;
	}
	*ret = row;
	return 0;
}

void shunt_row_note(const struct shunt_row *row, char *ret, size_t size)
{
	bool wanted = shunt_spec_wants_redirect(&row->spec);
	unsigned measured = row->above + row->below;
	int n = 0;

	ret[0] = 0;
	if (row->below && wanted)
		n = snprintf(ret, size, "not redirected in %u of %u runs: %s", row->below, measured, row->reason);
	else if (row->above && !wanted)
		n = snprintf(ret, size, "redirected in %u of %u runs, which it should not be", row->above, measured);
	else if (row->below)
		n = snprintf(ret, size, "stays TCP, as it should: %s", row->reason);
	if (row->failed && n >= 0 && (size_t)n < size)
		snprintf(ret + n, size - (size_t)n, "%s%u of %u runs failed: %s", n ? "; " : "", row->failed, row->runs,
			 strerror(-row->error));
}

static double claim_in_round(const struct shunt_results *results, const struct shunt_claim *claim, bool alike,
			     unsigned round)
{
	double ratios[SHUNT_COUNT_OF(claim->sizes)];
	struct shunt_spec spec = {.cell = claim->cell, .variant = claim->variant};

	for (size_t i = 0; i < claim->n; i++) {
		spec.cell.size = claim->sizes[i];
		ratios[i] = ratio_in_round(results, &spec, claim->base, claim->metric, alike, round);
	}
	return shunt_geomean(ratios, claim->n);
}

static unsigned claim_below(const struct shunt_results *results, const struct shunt_claim *claim, unsigned round)
{
	struct shunt_spec spec = {.cell = claim->cell, .variant = claim->variant};
	unsigned below = 0;

	for (size_t i = 0; i < claim->n; i++) {
		spec.cell.size = claim->sizes[i];
		const struct shunt_sample *sample = find(results, &spec.cell, spec.variant, round);
		if (sample && !sample->error && shunt_spec_wants_redirect(&spec) &&
		    sample->redirected < SHUNT_REDIRECTED_ENOUGH)
			below++;
	}
	return below;
}

static int spread_claim(const struct shunt_results *results, const struct shunt_claim *claim, bool alike,
			struct shunt_spread *ret)
{
	_cleanup_free_ double *ratios = calloc(results->rounds + 1, sizeof(*ratios));

	if (!ratios)
		return -ENOMEM;
	for (unsigned round = 0; round < results->rounds; round++)
		ratios[round] = claim_in_round(results, claim, alike, round);
	return spread_or_none(ratios, results->rounds, ret);
}

int shunt_claim_evaluate(const struct shunt_results *results, const struct shunt_claim *claim,
			 struct shunt_claim_result *ret)
{
	struct shunt_claim_result result = {0};

	int r = spread_claim(results, claim, false, &result.ratio);
	if (r >= 0)
		r = spread_claim(results, claim, true, &result.alike);
	if (r < 0)
		return r;
	for (unsigned round = 0; round < results->rounds; round++)
		result.below += claim_below(results, claim, round);
	*ret = result;
	return 0;
}
