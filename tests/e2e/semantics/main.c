/* SPDX-License-Identifier: MIT */
/*
 * main.c: runs the probes on plain TCP and on every road of shunt, and holds the differences against docs/semantics.md.
 *
 *   semantics --root CGROUP [--docs FILE] [--socket PATH] [--only PATTERN] [--way NAME]... [--long] [--swap] [--rows]
 * [--times] [--plain] [--serial]
 *
 * Below CGROUP there is one cgroup a pod, attached by the caller. Without --socket nothing is expected of a daemon:
 * plain against plain, which must not differ. --rows prints the differences found as rows for the document.
 */
#include "semantics.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "cleanup.h"

enum { MAX_WAYS = 16, SLACK_PER_SOCKET = 4 << 20 };

struct options {
	struct shunt_run run;
	const char *docs;
	const struct shunt_way *chosen[MAX_WAYS];
	size_t n_chosen;
	bool rows;
	bool serial;  /* one way after the other: memory is the whole machine's */
	bool plainly; /* print what plain TCP says */
};

static struct shunt_table table;
static unsigned points, failures;

static void point(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void point(bool passed, const char *format, ...)
{
	va_list args;

	printf("%s %u - semantics: ", passed ? "ok" : "not ok", ++points);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failures += !passed;
}

static bool chosen(const struct options *o, const struct shunt_way *way)
{
	if (!o->n_chosen)
		return true;
	for (size_t i = 0; i < o->n_chosen; i++) {
		if (o->chosen[i] == way || (o->chosen[i]->plain && !strcmp(o->chosen[i]->plain, way->name)))
			return true;
	}
	return false;
}

static int run_all(const struct options *o)
{
	int status, r = 0;

	for (const struct shunt_way *way = shunt_ways; way->name; way++) {
		if (!chosen(o, way))
			continue;
		fflush(stdout);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(shunt_run_way(&o->run, way) ? 1 : 0);
		}
		if (o->serial && wait(&status) > 0 && status)
			r = -EIO;
	}
	while (wait(&status) > 0)
		r = status ? -EIO : r;
	return r;
}

/* Words that no way of any probe may say. */
static bool sane(const char *text)
{
	return text[0] && !strstr(text, "WRONG-BYTES") && !strstr(text, "no-pair") && !strstr(text, "no-cgroup") &&
	       !strstr(text, "not-settled");
}

static bool within_bound(const struct shunt_probe *probe, const char *plain, const char *text)
{
	char *plain_rest, *rest;
	unsigned long long base = strtoull(plain, &plain_rest, 10), bytes = strtoull(text, &rest, 10);

	return base && bytes &&
	       bytes <= 2 * base + (probe->sockets ? probe->sockets : 1) * (unsigned long long)SLACK_PER_SOCKET &&
	       !strcmp(plain_rest, rest);
}

static bool same(const struct shunt_probe *probe, const char *plain, const char *text)
{
	return probe->flags & SHUNT_BOUND ? within_bound(probe, plain, text) : !strcmp(plain, text);
}

static void judge_reference(const struct shunt_probe *probe, const struct shunt_way *way, const char *text)
{
	if (sane(text) && !strstr(text, "hang") && !strstr(text, "never") && !strstr(text, "died"))
		return;
	point(false, "%s %s", way->name, probe->name);
	printf("# plain TCP itself gave no usable answer: %s\n", text);
}

static void judge_difference(const struct options *o, const struct shunt_probe *probe, const struct shunt_way *way,
			     const char *plain, const char *text, struct shunt_row *row)
{
	bool listed = row && !strcmp(row->plain, plain) && !fnmatch(row->observed, text, 0);

	point(listed && sane(text), "%s %s%s", way->name, probe->name, listed ? " (listed)" : "");
	if (listed && sane(text))
		return;
	printf("# plain:    %s\n# %-9s %s\n", plain, way->name, text);
	if (row)
		printf("# line %u of the document says: %s -> %s\n", row->line, row->plain, row->observed);
	if (o->rows)
		printf("| %s | %s | `%s` | `%s` |\n", probe->name, way->name, plain, text);
}

static void judge(const struct options *o, const struct shunt_probe *probe, size_t index, const struct shunt_way *way)
{
	const char *text = shunt_run_text(&o->run, way, index);
	struct shunt_row *row = shunt_table_find(&table, probe->name, way->name);
	const char *plain;

	if (!way->plain) {
		judge_reference(probe, way, text);
		if (o->plainly)
			printf("# %s %s: %s\n", way->name, probe->name, text);
		return;
	}
	plain = shunt_run_text(&o->run, shunt_way_named(way->plain), index);
	if (!same(probe, plain, text)) {
		judge_difference(o, probe, way, plain, text, row);
		return;
	}
	point(!row && sane(text), "%s %s", way->name, probe->name);
	if (probe->flags & SHUNT_BOUND)
		printf("# plain %s; %s %s\n", plain, way->name, text);
	if (row)
		printf("# no difference any more (%s): remove %s from line %u of the document\n", text, way->name,
		       row->line);
}

static void judge_all(const struct options *o)
{
	const struct shunt_probe *probe;

	for (size_t i = 0; (probe = shunt_probe_at(i)); i++) {
		for (const struct shunt_way *way = shunt_ways; way->name; way++) {
			if (chosen(o, way) && shunt_probe_applies(&o->run, probe, way))
				judge(o, probe, i, way);
		}
	}
}

static const struct shunt_probe *probe_named(const char *name)
{
	const struct shunt_probe *probe;

	for (size_t i = 0; (probe = shunt_probe_at(i)); i++) {
		if (!strcmp(probe->name, name))
			return probe;
	}
	return NULL;
}

/* Every row must be one that a run can confirm; a managed pair of blocking sockets has no excuse. */
static void judge_table(void)
{
	for (size_t i = 0; i < table.n_rows; i++) {
		const struct shunt_row *row = &table.rows[i];
		const struct shunt_probe *probe = probe_named(row->probe);
		bool concerns = false;

		for (const struct shunt_way *way = shunt_ways; way->name && probe; way++) {
			if (!shunt_row_concerns(row, probe->name, way->name))
				continue;
			concerns = way->plain && strcmp(way->name, "managed") &&
				   probe->flags & (way->blocking ? SHUNT_BLOCKING : SHUNT_NONBLOCKING);
			if (!concerns)
				break;
		}
		if (!concerns)
			point(false, "line %u of the document names a probe or a way that no run can confirm: %s, %s",
			      row->line, row->probe, row->who);
	}
}

static int choose(struct options *o, const char *name)
{
	const struct shunt_way *way = shunt_way_named(name);

	if (!way || o->n_chosen == MAX_WAYS)
		return -EINVAL;
	o->chosen[o->n_chosen++] = way;
	return 0;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"root", 1, NULL, 'r'},	 {"docs", 1, NULL, 'd'},  {"socket", 1, NULL, 's'}, {"only", 1, NULL, 'o'},
		{"way", 1, NULL, 'w'},	 {"long", 0, NULL, 'l'},  {"swap", 0, NULL, 'x'},   {"rows", 0, NULL, 'R'},
		{"times", 0, NULL, 't'}, {"plain", 0, NULL, 'p'}, {"serial", 0, NULL, 'S'}, {0},
	};
	int c, r = 0;

	while (!r && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			o->run.root = optarg;
			break;
		case 'd':
			o->docs = optarg;
			break;
		case 's':
			o->run.socket = optarg;
			break;
		case 'o':
			o->run.only = optarg;
			break;
		case 'w':
			r = choose(o, optarg);
			break;
		case 'l':
			o->run.with_long = true;
			break;
		case 'x':
			o->run.swap = true;
			break;
		case 'p':
			o->plainly = true;
			break;
		case 'S':
			o->serial = true;
			break;
		case 't':
			o->run.times = true;
			break;
		case 'R':
			o->rows = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return r || !o->run.root || optind != argc ? -EINVAL : 0;
}

static int prepare(struct options *o)
{
	size_t size = SHUNT_COUNT_OF(o->chosen) * shunt_probe_count() * SHUNT_TEXT_MAX;
	int r = o->docs ? shunt_table_load(&table, o->docs) : 0;

	if (r)
		return r;
	o->run.table = &table;
	o->run.text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return o->run.text == MAP_FAILED ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	int r;

	if (parse(&o, argc, argv)) {
		fprintf(stderr,
			"usage: semantics --root CGROUP [--docs FILE] [--socket PATH] [--only PATTERN] [--way NAME]... "
			"[--long] [--swap] [--rows] [--times] [--plain] [--serial]\n");
		return 2;
	}
	r = prepare(&o);
	r = r ? r : shunt_stamping_hold();
	r = r ? r : run_all(&o);
	if (r) {
		fprintf(stderr, "semantics: %s\n", strerror(-r));
		return 1;
	}
	judge_table();
	judge_all(&o);
	printf("1..%u\n", points);
	return failures ? 1 : 0;
}
