/* SPDX-License-Identifier: MIT */
/* report_table.c: the results as a table: one block a cell, headed by the scheduler's regime in which its figures were
 * taken. */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "report.h"

#define TEXT 32
#define NOISY_CPUS 0.25

static void size_text(const struct shunt_cell *cell, char ret[TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	size_t value = cell->size, unit = 0;

	while (value >= 1024 && value % 1024 == 0 && unit + 1 < SHUNT_COUNT_OF(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(ret, TEXT, "%zu %s", value, units[unit]);
}

/* Three significant digits and a decimal prefix. */
static void scaled_text(double value, const char *unit, char ret[TEXT])
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T"};
	size_t prefix = 0;

	while (value >= 1000 && prefix + 1 < SHUNT_COUNT_OF(prefixes)) {
		value /= 1000;
		prefix++;
	}
	snprintf(ret, TEXT, "%.*f %s%s", value < 10 ? 2 : value < 100 ? 1 : 0, value, prefixes[prefix], unit);
}

static void value_text(const struct shunt_row *row, enum shunt_metric metric, char ret[TEXT])
{
	bool bytes = row->spec.cell.workload == SHUNT_WORKLOAD_STREAM;
	double median = row->values[metric].median;

	if (!row->values[metric].n)
		snprintf(ret, TEXT, "-");
	else if (metric == SHUNT_METRIC_RATE)
		scaled_text(median, bytes ? "B/s" : "/s", ret);
	else if (metric == SHUNT_METRIC_CPU && !bytes)
		snprintf(ret, TEXT, "%.1f us", median / 1000);
	else if (metric == SHUNT_METRIC_CPU)
		snprintf(ret, TEXT, "%.3f ns", median);
	else
		snprintf(ret, TEXT, "%.1f us", median);
}

static void ratio_text(const struct shunt_spread *ratio, char ret[TEXT])
{
	if (!ratio->n)
		snprintf(ret, TEXT, "-");
	else
		snprintf(ret, TEXT, "%.2f [%.2f-%.2f]", ratio->median, ratio->q1, ratio->q3);
}

static void share_text(const struct shunt_spread *share, char ret[TEXT])
{
	if (!share->n)
		snprintf(ret, TEXT, "-");
	else
		snprintf(ret, TEXT, "%.0f %%", share->median * 100);
}

static void print_row(const struct shunt_row *row, FILE *out)
{
	char rate[TEXT], p50[TEXT], p99[TEXT], cpu[TEXT], rates[TEXT], cpus[TEXT], busy[TEXT], share[TEXT], note[256];

	value_text(row, SHUNT_METRIC_RATE, rate);
	value_text(row, SHUNT_METRIC_P50, p50);
	value_text(row, SHUNT_METRIC_P99, p99);
	value_text(row, SHUNT_METRIC_CPU, cpu);
	ratio_text(&row->to_plain[SHUNT_METRIC_RATE], rates);
	ratio_text(&row->to_plain[SHUNT_METRIC_CPU], cpus);
	ratio_text(&row->to_plain[SHUNT_METRIC_BUSY], busy);
	share_text(&row->values[SHUNT_METRIC_REDIRECTED], share);
	shunt_row_note(row, note, sizeof(note));
	fprintf(out, "  %-9s %11s %10s %10s %10s   %-18s %-18s %-18s %10s  %s\n",
		shunt_variant_words[row->spec.variant], rate, p50, p99, cpu, rates, cpus, busy, share, note);
}

/* Where the scheduler put the two processes decides the absolute figures more than anything else: say it with every
 * cell. */
static void print_regime(const struct shunt_row *plain, FILE *out)
{
	const struct shunt_spread *across = &plain->values[SHUNT_METRIC_ACROSS];
	const char *unit = plain->spec.cell.workload == SHUNT_WORKLOAD_STREAM
				   ? "MB"
				   : shunt_workload_units[plain->spec.cell.workload];
	double scale = plain->spec.cell.workload == SHUNT_WORKLOAD_STREAM ? 1e6 : 1;

	if (!plain->values[SHUNT_METRIC_RATE].n)
		return;
	fprintf(out, "  regime of plain:");
	if (plain->values[SHUNT_METRIC_P50].n)
		fprintf(out, " p50 %.1f us,", plain->values[SHUNT_METRIC_P50].median);
	if (across->n)
		fprintf(out, " ends on different CPUs %.0f %% [%.0f-%.0f],", across->median * 100, across->q1 * 100,
			across->q3 * 100);
	fprintf(out, " switches a %s %.2f voluntary %.3f involuntary; others used %.2f CPUs\n", unit,
		plain->values[SHUNT_METRIC_VOLUNTARY].median * scale,
		plain->values[SHUNT_METRIC_INVOLUNTARY].median * scale, plain->values[SHUNT_METRIC_FOREIGN].median);
}

static void print_cell_head(const struct shunt_cell *cell, FILE *out)
{
	char size[TEXT];

	size_text(cell, size);
	fprintf(out, "\n%s %s, %s, %s, pin %s\n", shunt_workload_words[cell->workload], size, shunt_io_words[cell->io],
		shunt_net_words[cell->net], shunt_pin_words[cell->pin]);
}

static void print_columns(const struct shunt_cell *cell, FILE *out)
{
	static const char *const per_unit[SHUNT_WORKLOAD_COUNT] = {
		[SHUNT_WORKLOAD_RR] = "CPU/req",
		[SHUNT_WORKLOAD_CRR] = "CPU/conn",
		[SHUNT_WORKLOAD_STREAM] = "CPU/byte",
	};

	fprintf(out, "  %-9s %11s %10s %10s %10s   %-18s %-18s %-18s %10s\n", "variant", "rate", "p50", "p99",
		per_unit[cell->workload], "rate to plain", "CPU to plain", "busy to plain", "redirected");
}

static int print_cell(const struct shunt_report *report, const struct shunt_cell *cell, FILE *out)
{
	const struct shunt_spec plain = {.cell = *cell, .variant = SHUNT_VARIANT_PLAIN};
	struct shunt_row row;

	int r = shunt_row_of(report->results, &plain, &row);
	if (r < 0)
		return r;
	print_cell_head(cell, out);
	print_regime(&row, out);
	print_columns(cell, out);
	for (size_t i = 0; i < report->plan->n; i++) {
		if (!shunt_cell_equal(&report->plan->specs[i].cell, cell))
			continue;
		r = shunt_row_of(report->results, &report->plan->specs[i], &row);
		if (r < 0)
			return r;
		print_row(&row, out);
	}
	return 0;
}

static bool seen_before(const struct shunt_plan *plan, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (shunt_cell_equal(&plan->specs[i].cell, &plan->specs[at].cell))
			return true;
	return false;
}

static int print_claims(const struct shunt_report *report, FILE *out)
{
	fprintf(out, "\n%-78s %-18s %3s  %-18s %3s\n", "ratio within rounds (geometric mean over sizes)",
		"median [quartiles]", "n", "placed alike only", "n");
	for (size_t i = 0; i < shunt_claims_count; i++) {
		struct shunt_claim_result result;
		char ratio[TEXT], alike[TEXT];

		int r = shunt_claim_evaluate(report->results, &shunt_claims[i], &result);
		if (r < 0)
			return r;
		ratio_text(&result.ratio, ratio);
		ratio_text(&result.alike, alike);
		fprintf(out, "%-78s %-18s %3zu  %-18s %3zu", shunt_claims[i].text, ratio, result.ratio.n, alike,
			result.alike.n);
		if (result.below)
			fprintf(out, "  %u runs were not redirected", result.below);
		fputc('\n', out);
	}
	return 0;
}

/* Foreign load moves wall-clock figures far more than CPU time per unit: a reader must not learn it from the spreads
 * alone. */
static int print_noise(const struct shunt_results *results, FILE *out)
{
	struct shunt_spread foreign;
	_cleanup_free_ double *values = calloc(results->n + 1, sizeof(*values));

	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < results->n; i++)
		values[i] = shunt_sample_metric(&results->samples[i], SHUNT_METRIC_FOREIGN);
	if (shunt_spread_of(values, results->n, &foreign) < 0 || foreign.median < NOISY_CPUS)
		return 0;
	fprintf(out,
		"\nwarning: other work used %.2f CPUs [%.2f-%.2f] meanwhile: trust p50 and CPU per unit, not rates, "
		"busy and p99\n",
		foreign.median, foreign.q1, foreign.q3);
	return 0;
}

int shunt_report_table(const struct shunt_report *report, FILE *out)
{
	const struct shunt_results *results = report->results;

	fprintf(out, "%u rounds in random order, %.1f s a run, %zu runs, daemon: %s%s\n", results->rounds,
		report->seconds, results->n, report->daemon, report->interrupted ? ", interrupted" : "");
	for (size_t i = 0; i < report->plan->n; i++) {
		if (seen_before(report->plan, i))
			continue;
		int r = print_cell(report, &report->plan->specs[i].cell, out);
		if (r < 0)
			return r;
	}
	int r = report->claims ? print_claims(report, out) : 0;
	return r < 0 ? r : print_noise(results, out);
}
