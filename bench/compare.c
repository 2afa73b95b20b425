/* SPDX-License-Identifier: MIT */
/* compare.c: two result files side by side: what each measured, and how their ratios to plain TCP differ. */
#include "compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "report.h"

static int load(const char *path, json_t **ret)
{
	json_error_t error;
	json_auto_t *file = json_load_file(path, 0, &error);
	const char *schema = json_string_value(json_object_get(file, "schema"));

	if (!file)
		fprintf(stderr, "shunt-bench: %s: %s\n", path, error.text);
	else if (!schema || strcmp(schema, SHUNT_BENCH_SCHEMA) != 0)
		fprintf(stderr, "shunt-bench: %s is not a result file of schema %s\n", path, SHUNT_BENCH_SCHEMA);
	else
		*ret = TAKE_PTR(file);
	return *ret ? 0 : -EINVAL;
}

static const char *const cell_keys[] = {"workload", "size", "io", "net", "pin", "variant"};

static bool same_row(const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < SHUNT_COUNT_OF(cell_keys); i++)
		if (!json_equal(json_object_get(a, cell_keys[i]), json_object_get(b, cell_keys[i])))
			return false;
	return true;
}

static const json_t *find_row(const json_t *rows, const json_t *like)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (same_row(row, like))
			return row;
	return NULL;
}

static const char *word(const json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));

	return value ? value : "?";
}

/* The cell, and both files' ratios to plain. */
static json_t *pair_new(const json_t *a, const json_t *b)
{
	json_t *pair = json_object();

	for (size_t i = 0; i < SHUNT_COUNT_OF(cell_keys); i++)
		json_object_set(pair, cell_keys[i], json_object_get(a, cell_keys[i]));
	json_object_set(pair, "first", json_object_get(a, "to_plain"));
	json_object_set(pair, "second", json_object_get(b, "to_plain"));
	return pair;
}

/* A new array of every row that both files have; plain has no ratio to itself. */
static json_t *pairs_new(const json_t *a, const json_t *b)
{
	json_t *pairs = json_array();
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(a, "rows"), i, row) {
		const json_t *other = find_row(json_object_get(b, "rows"), row);
		if (other && strcmp(word(row, "variant"), "plain") != 0)
			json_array_append_new(pairs, pair_new(row, other));
	}
	return pairs;
}

static void print_ratio(const json_t *spread)
{
	char text[40] = "-";

	if (json_is_object(spread))
		snprintf(text, sizeof(text), "%.2f [%.2f-%.2f]", json_number_value(json_object_get(spread, "median")),
			 json_number_value(json_object_get(spread, "q1")),
			 json_number_value(json_object_get(spread, "q3")));
	printf("  %-18s", text);
}

static void print_table(const json_t *pairs)
{
	static const char *const metrics[] = {"rate", "cpu_ns"};
	const json_t *pair;
	size_t i;

	printf("%-48s  %-38s  %s\n", "", "rate to plain: first, second", "CPU to plain: first, second");
	json_array_foreach (pairs, i, pair) {
		printf("%-7s %8lld %-8s %-8s %-4s %-9s", word(pair, "workload"),
		       (long long)json_integer_value(json_object_get(pair, "size")), word(pair, "io"),
		       word(pair, "net"), word(pair, "pin"), word(pair, "variant"));
		for (size_t j = 0; j < SHUNT_COUNT_OF(metrics); j++) {
			print_ratio(json_object_get(json_object_get(pair, "first"), metrics[j]));
			print_ratio(json_object_get(json_object_get(pair, "second"), metrics[j]));
		}
		putchar('\n');
	}
}

int shunt_bench_compare(const char *first, const char *second, bool json)
{
	json_auto_t *a = NULL, *b = NULL, *pairs = NULL;

	if (load(first, &a) < 0 || load(second, &b) < 0)
		return -EINVAL;
	pairs = pairs_new(a, b);
	if (json_array_size(pairs) == 0) {
		fprintf(stderr, "shunt-bench: the files have no row in common\n");
		return -ENOENT;
	}
	if (json) {
		json_dumpf(pairs, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else {
		print_table(pairs);
	}
	return 0;
}
