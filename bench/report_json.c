/* SPDX-License-Identifier: MIT */
/* report_json.c: the results as one JSON object. Numbers that do not exist are null, never 0. */
#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "cleanup.h"
#include "report.h"

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *spread(const struct shunt_spread *spread)
{
	if (!spread->n)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:I}", "q1", spread->q1, "median", spread->median, "q3", spread->q3, "n",
			 (json_int_t)spread->n);
}

static json_t *cell_json(const struct shunt_spec *spec)
{
	const struct shunt_cell *cell = &spec->cell;

	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "workload", shunt_workload_words[cell->workload], "size",
			 (json_int_t)cell->size, "io", shunt_io_words[cell->io], "net", shunt_net_words[cell->net],
			 "pin", shunt_pin_words[cell->pin], "variant", shunt_variant_words[spec->variant]);
}

static json_t *sample_json(const struct shunt_sample *sample)
{
	json_t *object = cell_json(&sample->spec);

	json_object_set_new(object, "round", json_integer(sample->round));
	json_object_set_new(object, "error", sample->error ? json_string(strerror(-sample->error)) : json_null());
	json_object_set_new(object, "seconds", number(sample->error ? NAN : sample->seconds));
	for (int metric = 0; metric < SHUNT_METRIC_COUNT; metric++)
		json_object_set_new(object, shunt_metrics[metric].key, number(shunt_sample_metric(sample, metric)));
	json_object_set_new(object, "reason", sample->reason[0] ? json_string(sample->reason) : json_null());
	return object;
}

static json_t *ratios_json(const struct shunt_spread *ratios)
{
	json_t *object = json_object();

	for (int metric = 0; metric < SHUNT_METRIC_COUNT; metric++)
		if (shunt_metrics[metric].has_ratio)
			json_object_set_new(object, shunt_metrics[metric].key, spread(&ratios[metric]));
	return object;
}

static json_t *row_json(const struct shunt_row *row)
{
	json_t *object = cell_json(&row->spec), *values = json_object();
	char note[256];

	shunt_row_note(row, note, sizeof(note));
	for (int metric = 0; metric < SHUNT_METRIC_COUNT; metric++)
		json_object_set_new(values, shunt_metrics[metric].key, spread(&row->values[metric]));
	json_object_set_new(object, "unit", json_string(shunt_workload_units[row->spec.cell.workload]));
	json_object_set_new(object, "runs", json_integer(row->runs));
	json_object_set_new(object, "failed", json_integer(row->failed));
	json_object_set_new(object, "wants_redirect", json_boolean(shunt_spec_wants_redirect(&row->spec)));
	json_object_set_new(object, "runs_redirected", json_integer(row->above));
	json_object_set_new(object, "runs_not_redirected", json_integer(row->below));
	json_object_set_new(object, "note", note[0] ? json_string(note) : json_null());
	json_object_set_new(object, "values", values);
	json_object_set_new(object, "to_plain", ratios_json(row->to_plain));
	json_object_set_new(object, "to_plain_alike", ratios_json(row->to_plain_alike));
	json_object_set_new(object, "to_unix", ratios_json(row->to_unix));
	return object;
}

static json_t *rows_json(const struct shunt_report *report)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < report->plan->n; i++) {
		struct shunt_row row;
		if (shunt_row_of(report->results, &report->plan->specs[i], &row) >= 0)
			json_array_append_new(rows, row_json(&row));
	}
	return rows;
}

static json_t *claims_json(const struct shunt_report *report)
{
	json_t *claims = json_array();

	for (size_t i = 0; report->claims && i < shunt_claims_count; i++) {
		struct shunt_claim_result result;
		if (shunt_claim_evaluate(report->results, &shunt_claims[i], &result) >= 0)
			json_array_append_new(claims,
					      json_pack("{s:s, s:o, s:o, s:i}", "text", shunt_claims[i].text, "ratio",
							spread(&result.ratio), "ratio_alike", spread(&result.alike),
							"runs_not_redirected", (int)result.below));
	}
	return claims;
}

static json_t *cpu_model(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		value[strcspn(value, "\n")] = 0;
		return json_string(value + 1 + strspn(value + 1, " "));
	}
	return json_null();
}

static json_t *machine_json(void)
{
	struct utsname uts;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (uname(&uts) < 0 || sched_getaffinity(0, sizeof(set), &set) < 0)
		return json_null();
	return json_pack("{s:s, s:s, s:i, s:o}", "kernel", uts.release, "architecture", uts.machine, "cpus",
			 CPU_COUNT(&set), "cpu_model", cpu_model());
}

static json_t *time_json(void)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[32];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

json_t *shunt_report_json(const struct shunt_report *report)
{
	json_t *samples = json_array();

	for (size_t i = 0; i < report->results->n; i++)
		json_array_append_new(samples, sample_json(&report->results->samples[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:f, s:i, s:b, s:o, s:o, s:o}", "schema", SHUNT_BENCH_SCHEMA,
			 "version", SHUNT_VERSION, "time", time_json(), "machine", machine_json(), "daemon",
			 report->daemon, "seconds", report->seconds, "rounds", (int)report->results->rounds,
			 "interrupted", report->interrupted, "rows", rows_json(report), "claims", claims_json(report),
			 "samples", samples);
}
