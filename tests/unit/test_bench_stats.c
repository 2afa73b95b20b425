/* SPDX-License-Identifier: MIT */
/* test_bench_stats.c: the arithmetic of shunt-bench: quantiles, histogram, ratios within rounds, notes, plans and
 * options. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/options.h"
#include "../../bench/results.h"

static void assert_near(double value, double expected, double tolerance)
{
	if (!(fabs(value - expected) <= tolerance))
		fail_msg("%g is not within %g of %g", value, tolerance, expected);
}

static void quartiles_interpolate(void **state)
{
	const double values[] = {4, 1, 3, 2};
	struct shunt_spread spread;

	assert_int_equal(shunt_spread_of(values, 4, &spread), 0);
	assert_near(spread.q1, 1.75, 1e-12);
	assert_near(spread.median, 2.5, 1e-12);
	assert_near(spread.q3, 3.25, 1e-12);
	assert_int_equal(spread.n, 4);
	assert_near(values[0], 4, 0);
}

static void quartiles_of_one_value(void **state)
{
	const double value = 7;
	struct shunt_spread spread;

	assert_int_equal(shunt_spread_of(&value, 1, &spread), 0);
	assert_near(spread.q1, 7, 0);
	assert_near(spread.q3, 7, 0);
}

static void quartiles_leave_out_what_is_no_number(void **state)
{
	const double values[] = {NAN, 2, INFINITY, 4, -INFINITY, 3};
	struct shunt_spread spread;

	assert_int_equal(shunt_spread_of(values, 6, &spread), 0);
	assert_int_equal(spread.n, 3);
	assert_near(spread.median, 3, 0);
}

static void no_values_leave_the_output_alone(void **state)
{
	const double none = NAN;
	struct shunt_spread spread = {.median = 42};

	assert_int_equal(shunt_spread_of(&none, 1, &spread), -ENODATA);
	assert_int_equal(shunt_spread_of(NULL, 0, &spread), -ENODATA);
	assert_near(spread.median, 42, 0);
}

static void geometric_mean(void **state)
{
	const double values[] = {0.5, 2, 8}, with_zero[] = {1, 0}, with_nan[] = {1, NAN};

	assert_near(shunt_geomean(values, 3), 2, 1e-12);
	assert_true(isnan(shunt_geomean(values, 0)));
	assert_true(isnan(shunt_geomean(with_zero, 2)));
	assert_true(isnan(shunt_geomean(with_nan, 2)));
}

static void ratios_never_divide_by_zero(void **state)
{
	assert_near(shunt_ratio(3, 2), 1.5, 1e-12);
	assert_true(isnan(shunt_ratio(3, 0)));
	assert_true(isnan(shunt_ratio(NAN, 1)));
}

static void buckets_are_monotonic_and_narrow(void **state)
{
	unsigned last = 0;

	for (uint64_t ns = 1; ns < 1ull << SHUNT_HIST_MAX_BITS; ns += 1 + ns / 1000) {
		unsigned bucket = shunt_hist_bucket(ns);
		assert_true(bucket >= last && bucket < SHUNT_HIST_BUCKETS);
		last = bucket;
	}
	assert_int_equal(shunt_hist_bucket(63), 63);
	assert_int_equal(shunt_hist_bucket(64), 64);
	assert_int_equal(shunt_hist_bucket(128), 128);
	assert_int_equal(shunt_hist_bucket(129), 128);
	assert_int_equal(shunt_hist_bucket(UINT64_MAX), SHUNT_HIST_BUCKETS - 1);
}

static void histogram_quantiles(void **state)
{
	static struct shunt_hist hist;

	memset(&hist, 0, sizeof(hist));
	assert_true(isnan(shunt_hist_quantile(&hist, 0.5)));
	for (uint64_t ns = 1; ns <= 100000; ns++)
		shunt_hist_add(&hist, ns);
	assert_near(shunt_hist_quantile(&hist, 0.5), 50000, 50);
	assert_near(shunt_hist_quantile(&hist, 0.99), 99000, 1000);
	assert_near(shunt_hist_quantile(&hist, 0), 1, 1);
}

static void proc_stat_counts_work_only(void **state)
{
	struct shunt_busy busy;

	/* user nice system idle iowait irq softirq steal */
	assert_int_equal(shunt_busy_parse("cpu  10 1 20 5000 300 2 7 9 0 0\n", 100, &busy), 0);
	assert_int_equal(busy.busy_ns, 40 * 10000000ull);
	assert_int_equal(busy.softirq_ns, 7 * 10000000ull);
	assert_int_equal(shunt_busy_parse("intr 1 2 3", 100, &busy), -EBADMSG);
	assert_int_equal(shunt_busy_parse("cpu  10 1 20 5000 300 2 7", 0, &busy), -EBADMSG);
}

static struct shunt_sample sample(enum shunt_variant variant, size_t size, unsigned round, double rate,
				  double redirected)
{
	return (struct shunt_sample){
		.spec = {.cell = {.workload = SHUNT_WORKLOAD_RR, .size = size}, .variant = variant},
		.round = round,
		.rate = rate,
		.p50_us = 1e6 / rate,
		.redirected = redirected,
		.reason = "new",
	};
}

/* Three rounds on a machine that slows down: only ratios within a round are 2. */
static void fill(struct shunt_results *results, double last_share)
{
	static const double plain[] = {100, 50, 10};

	for (unsigned round = 0; round < 3; round++) {
		struct shunt_sample a = sample(SHUNT_VARIANT_PLAIN, 64, round, plain[round], NAN);
		struct shunt_sample b =
			sample(SHUNT_VARIANT_ADAPTIVE, 64, round, plain[round] * 2, round == 2 ? last_share : 1);
		assert_int_equal(shunt_results_add(results, &b), 0);
		assert_int_equal(shunt_results_add(results, &a), 0);
	}
	results->rounds = 3;
}

static void ratios_stay_within_rounds(void **state)
{
	struct shunt_results results = {0};
	struct shunt_row row;
	char note[128];

	fill(&results, 0.99);
	assert_int_equal(shunt_row_of(&results, &results.samples[0].spec, &row), 0);
	assert_int_equal(row.runs, 3);
	assert_near(row.values[SHUNT_METRIC_RATE].median, 100, 1e-9);
	assert_near(row.to_plain[SHUNT_METRIC_RATE].q1, 2, 1e-9);
	assert_near(row.to_plain[SHUNT_METRIC_RATE].q3, 2, 1e-9);
	assert_near(row.to_plain[SHUNT_METRIC_P50].median, 0.5, 1e-9);
	assert_int_equal(row.to_unix[SHUNT_METRIC_RATE].n, 0);
	assert_int_equal(row.to_plain_alike[SHUNT_METRIC_RATE].n, 3);
	shunt_row_note(&row, note, sizeof(note));
	assert_string_equal(note, "");
	shunt_results_done(&results);
}

static void runs_on_other_cpus_are_told_apart(void **state)
{
	struct shunt_results results = {0};
	struct shunt_row row;

	fill(&results, 1);
	results.samples[0].across = 1; /* the adaptive run of round 0: its plain run stayed on one CPU */
	results.samples[2].across = 0.2;
	results.samples[4].across = NAN;
	assert_int_equal(shunt_row_of(&results, &results.samples[0].spec, &row), 0);
	assert_int_equal(row.to_plain[SHUNT_METRIC_RATE].n, 3);
	assert_int_equal(row.to_plain_alike[SHUNT_METRIC_RATE].n, 1);
	shunt_results_done(&results);
}

static void an_unpromoted_run_is_never_sold_as_accelerated(void **state)
{
	struct shunt_results results = {0};
	struct shunt_row row;
	char note[128];

	fill(&results, 0.94);
	assert_int_equal(shunt_row_of(&results, &results.samples[0].spec, &row), 0);
	shunt_row_note(&row, note, sizeof(note));
	assert_string_equal(note, "not redirected in 1 of 3 runs: new");
	shunt_results_done(&results);
}

static void failed_runs_count_and_give_no_figures(void **state)
{
	struct shunt_results results = {0};
	struct shunt_row row;
	char note[128];

	fill(&results, 1);
	results.samples[0].error = -ETIMEDOUT;
	assert_int_equal(shunt_row_of(&results, &results.samples[0].spec, &row), 0);
	assert_int_equal(row.failed, 1);
	assert_int_equal(row.values[SHUNT_METRIC_RATE].n, 2);
	assert_int_equal(row.to_plain[SHUNT_METRIC_RATE].n, 2);
	shunt_row_note(&row, note, sizeof(note));
	assert_string_equal(note, "1 of 3 runs failed: Connection timed out");
	shunt_results_done(&results);
}

static void streams_are_expected_to_stay_tcp(void **state)
{
	struct shunt_row row = {
		.spec = {.cell = {.workload = SHUNT_WORKLOAD_STREAM, .size = 64}, .variant = SHUNT_VARIANT_ADAPTIVE},
		.runs = 2,
		.below = 2,
		.reason = "one_way",
	};
	char note[128];

	shunt_row_note(&row, note, sizeof(note));
	assert_string_equal(note, "stays TCP, as it should: one_way");
	row.above = 1;
	shunt_row_note(&row, note, sizeof(note));
	assert_string_equal(note, "redirected in 1 of 3 runs, which it should not be");
}

static void claims_take_the_mean_over_sizes_in_each_round(void **state)
{
	struct shunt_results results = {.rounds = 0};
	const struct shunt_claim claim = {
		.cell = {.workload = SHUNT_WORKLOAD_RR},
		.sizes = {64, 1024},
		.n = 2,
		.variant = SHUNT_VARIANT_ADAPTIVE,
		.base = SHUNT_VARIANT_PLAIN,
		.metric = SHUNT_METRIC_RATE,
	};
	struct shunt_claim_result result;

	fill(&results, 0.5);
	struct shunt_sample a = sample(SHUNT_VARIANT_PLAIN, 1024, 2, 10, NAN),
			    b = sample(SHUNT_VARIANT_ADAPTIVE, 1024, 2, 80, 1);
	assert_int_equal(shunt_results_add(&results, &a), 0);
	assert_int_equal(shunt_results_add(&results, &b), 0);
	assert_int_equal(shunt_claim_evaluate(&results, &claim, &result), 0);
	assert_int_equal(result.ratio.n, 1); /* the other rounds lack a size */
	assert_near(result.ratio.median, 4, 1e-9);
	assert_int_equal(result.below, 1);
	shunt_results_done(&results);
}

static void every_claim_can_be_measured(void **state)
{
	struct shunt_plan plan = {0};

	assert_int_equal(shunt_claims_plan(&plan), 0);
	assert_true(plan.n > 0);
	for (size_t i = 0; i < shunt_claims_count; i++) {
		assert_true(shunt_claims[i].n > 0 &&
			    shunt_claims[i].n <= sizeof(shunt_claims[i].sizes) / sizeof(size_t));
		assert_int_not_equal(shunt_claims[i].variant, shunt_claims[i].base);
	}
	shunt_plan_done(&plan);
}

static void a_plan_has_each_run_once_in_any_order(void **state)
{
	struct shunt_plan plan = {0};
	size_t sum = 0;
	unsigned seed = 1;

	for (size_t size = 1; size <= 10; size++)
		for (int again = 0; again < 2; again++)
			assert_int_equal(shunt_plan_add(&plan, &(struct shunt_spec){.cell.size = size}), 0);
	assert_int_equal(plan.n, 10);
	shunt_plan_shuffle(&plan, &seed);
	for (size_t i = 0; i < plan.n; i++)
		sum += plan.specs[i].cell.size;
	assert_int_equal(sum, 55);
	shunt_plan_done(&plan);
}

static void sizes_are_parsed_strictly(void **state)
{
	size_t size = 7;

	assert_int_equal(shunt_bench_size_parse("64", &size), 0);
	assert_int_equal(size, 64);
	assert_int_equal(shunt_bench_size_parse("4k", &size), 0);
	assert_int_equal(size, 4096);
	assert_int_equal(shunt_bench_size_parse("1M", &size), 0);
	assert_int_equal(size, 1048576);
	assert_int_equal(shunt_bench_size_parse("0", &size), 0);
	assert_int_equal(shunt_bench_size_parse("", &size), -EINVAL);
	assert_int_equal(shunt_bench_size_parse("-1", &size), -EINVAL);
	assert_int_equal(shunt_bench_size_parse("4kB", &size), -EINVAL);
	assert_int_equal(shunt_bench_size_parse("65M", &size), -ERANGE);
	assert_int_equal(shunt_bench_size_parse("99999999999999999999", &size), -ERANGE);
	assert_int_equal(size, 0);
}

static size_t planned(int argc, char **argv)
{
	struct shunt_bench_options options;
	struct shunt_plan plan = {0};

	optind = 0;
	assert_int_equal(shunt_bench_options_parse(argc, argv, &options), 0);
	int r = shunt_bench_options_plan(&options, &plan);
	size_t n = r < 0 ? 0 : plan.n;
	shunt_plan_done(&plan);
	return n;
}

static void options_multiply(void **state)
{
	char *two[] = {"b", "--workload", "rr,crr", "--size", "0,64", "--variant", "plain,unix", NULL};
	char *pins[] = {"b",	 "--workload", "rr",	  "--size",  "64", "--variant",
			"plain", "--pin",      "one,two", "--netns", NULL};
	char *none[] = {"b", "--workload", "rr", "--size", "0", NULL};

	assert_int_equal(planned(7, two), 6); /* rr has no size 0 */
	assert_int_equal(planned(10, pins), 2);
	assert_int_equal(planned(5, none), 0);
}

static void wrong_options_are_refused(void **state)
{
	char *wrong[][4] = {
		{"b", "--variant", "fast", NULL}, {"b", "--rounds", "0", NULL}, {"b", "--seconds", "nan", NULL},
		{"b", "--size", "1,,2", NULL},	  {"b", "--pin", "", NULL},	{"b", "--workload", "rr", "more"},
	};
	struct shunt_bench_options options;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		optind = 0;
		assert_int_equal(shunt_bench_options_parse(wrong[i][3] ? 4 : 3, wrong[i], &options), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quartiles_interpolate),
		cmocka_unit_test(quartiles_of_one_value),
		cmocka_unit_test(quartiles_leave_out_what_is_no_number),
		cmocka_unit_test(no_values_leave_the_output_alone),
		cmocka_unit_test(geometric_mean),
		cmocka_unit_test(ratios_never_divide_by_zero),
		cmocka_unit_test(buckets_are_monotonic_and_narrow),
		cmocka_unit_test(histogram_quantiles),
		cmocka_unit_test(proc_stat_counts_work_only),
		cmocka_unit_test(ratios_stay_within_rounds),
		cmocka_unit_test(runs_on_other_cpus_are_told_apart),
		cmocka_unit_test(an_unpromoted_run_is_never_sold_as_accelerated),
		cmocka_unit_test(failed_runs_count_and_give_no_figures),
		cmocka_unit_test(streams_are_expected_to_stay_tcp),
		cmocka_unit_test(claims_take_the_mean_over_sizes_in_each_round),
		cmocka_unit_test(every_claim_can_be_measured),
		cmocka_unit_test(a_plan_has_each_run_once_in_any_order),
		cmocka_unit_test(sizes_are_parsed_strictly),
		cmocka_unit_test(options_multiply),
		cmocka_unit_test(wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
