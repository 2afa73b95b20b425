/* SPDX-License-Identifier: MIT */
/* options.c: options as data: help, parsing and presets come from the tables below. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "results.h"

#define SIZE_MAX_BYTES (64ul * 1024 * 1024)
#define SECONDS_MAX 600
#define BIT(name) (1u << SHUNT_##name)
#define RR_STREAM_CRR (BIT(WORKLOAD_RR) | BIT(WORKLOAD_STREAM) | BIT(WORKLOAD_CRR))
#define FOUR_VARIANTS (BIT(VARIANT_PLAIN) | BIT(VARIANT_ADAPTIVE) | BIT(VARIANT_EAGER) | BIT(VARIANT_UNIX))
#define ALL_VARIANTS ((1u << SHUNT_VARIANT_COUNT) - 1)
#define KI 1024

/* One cross product of axes. */
struct slice {
	unsigned workloads, ios, nets, pins, variants;
};

struct shunt_preset {
	const char *word;
	double budget_seconds;
	double seconds;
	struct shunt_bench_sizes sizes[SHUNT_WORKLOAD_COUNT];
	struct slice slices[4]; /* until one has no workload */
};

#define LOOPBACK_EPOLL .ios = BIT(IO_EPOLL), .nets = BIT(NET_LOOPBACK)
static const struct shunt_preset presets[] = {
	{
		"default",
		300,
		0.8,
		{
			[SHUNT_WORKLOAD_RR] = {{64, 1 * KI, 16 * KI, 64 * KI}, 4},
			[SHUNT_WORKLOAD_CRR] = {{0}, 1},
			[SHUNT_WORKLOAD_STREAM] = {{64, 16 * KI, 256 * KI}, 3},
		},
		{{RR_STREAM_CRR, LOOPBACK_EPOLL, .pins = BIT(PIN_NONE), .variants = FOUR_VARIANTS}},
	},
	{
		"quick",
		60,
		0.4,
		{
			[SHUNT_WORKLOAD_RR] = {{64, 16 * KI}, 2},
			[SHUNT_WORKLOAD_CRR] = {{0}, 1},
			[SHUNT_WORKLOAD_STREAM] = {{64 * KI}, 1},
		},
		{{RR_STREAM_CRR, LOOPBACK_EPOLL, .pins = BIT(PIN_NONE),
		  .variants = FOUR_VARIANTS & ~BIT(VARIANT_EAGER)}},
	},
	{
		"full",
		3600,
		1,
		{
			[SHUNT_WORKLOAD_RR] = {{64, 1 * KI, 4 * KI, 16 * KI, 64 * KI}, 5},
			[SHUNT_WORKLOAD_CRR] = {{0, 64}, 2},
			[SHUNT_WORKLOAD_STREAM] = {{64, 1 * KI, 16 * KI, 64 * KI, 256 * KI, 1024 * KI}, 6},
		},
		{
			{RR_STREAM_CRR, LOOPBACK_EPOLL, .pins = BIT(PIN_NONE) | BIT(PIN_ONE) | BIT(PIN_TWO),
			 .variants = ALL_VARIANTS},
			{RR_STREAM_CRR, BIT(IO_EPOLL), BIT(NET_VETH), BIT(PIN_NONE), ALL_VARIANTS},
			{RR_STREAM_CRR, BIT(IO_BLOCKING), BIT(NET_LOOPBACK), BIT(PIN_NONE),
			 ALL_VARIANTS & ~BIT(VARIANT_EAGER)},
		},
	},
	{"target", 600, 1, {{.n = 0}}, {{0}}},
};

struct option_info {
	const char *name;
	const char *argument; /* NULL: none */
	const char *help;
	int (*set)(struct shunt_bench_options *options, const char *value);
};

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "shunt-bench: %s: %s\n", what, value);
	return -EINVAL;
}

int shunt_bench_size_parse(const char *text, size_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || value > SIZE_MAX_BYTES)
		return -ERANGE;
	unsigned shift = *end == 'k' || *end == 'K' ? 10 : *end == 'm' || *end == 'M' ? 20 : 0;
	if (end[shift ? 1 : 0])
		return -EINVAL;
	if (value << shift > SIZE_MAX_BYTES)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

static int word_index(const char *const words[], const char *word)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -EINVAL;
}

static int complain_word(const char *axis, const char *word, const char *const words[])
{
	fprintf(stderr, "shunt-bench: unknown %s \"%s\"; known:", axis, word);
	for (int i = 0; words[i]; i++)
		fprintf(stderr, " %s", words[i]);
	fputc('\n', stderr);
	return -EINVAL;
}

/* "a,b" to a bit mask. */
static int parse_words(const char *axis, const char *value, const char *const words[], unsigned *ret)
{
	_cleanup_free_ char *copy = strdup(value);
	unsigned mask = 0;
	char *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (char *word = strsep(&rest, ","); word; word = strsep(&rest, ",")) {
		int i = word_index(words, word);
		if (i < 0)
			return complain_word(axis, word, words);
		mask |= 1u << i;
	}
	*ret = mask;
	return 0;
}

static int set_workloads(struct shunt_bench_options *options, const char *value)
{
	return parse_words("workload", value, shunt_workload_words, &options->workloads);
}

static int set_variants(struct shunt_bench_options *options, const char *value)
{
	return parse_words("variant", value, shunt_variant_words, &options->variants);
}

static int set_ios(struct shunt_bench_options *options, const char *value)
{
	return parse_words("io", value, shunt_io_words, &options->ios);
}

static int set_nets(struct shunt_bench_options *options, const char *value)
{
	return parse_words("net", value, shunt_net_words, &options->nets);
}

static int set_netns(struct shunt_bench_options *options, const char *value)
{
	options->nets = BIT(NET_VETH);
	return 0;
}

static int set_pins(struct shunt_bench_options *options, const char *value)
{
	return parse_words("pin", value, shunt_pin_words, &options->pins);
}

static int set_sizes(struct shunt_bench_options *options, const char *value)
{
	_cleanup_free_ char *copy = strdup(value);
	struct shunt_bench_sizes sizes = {0};
	char *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (char *word = strsep(&rest, ","); word; word = strsep(&rest, ",")) {
		if (sizes.n == SHUNT_BENCH_SIZES_MAX)
			return complain("too many sizes", value);
		if (shunt_bench_size_parse(word, &sizes.values[sizes.n++]) < 0)
			return complain("not a size (64, 4k, 1M; at most 64M)", word);
	}
	options->sizes = sizes;
	return 0;
}

static int parse_number(const char *what, const char *value, double low, double high, double *ret)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end || !isfinite(number) || number < low || number > high) {
		fprintf(stderr, "shunt-bench: %s must be a number from %g to %g, not \"%s\"\n", what, low, high, value);
		return -EINVAL;
	}
	*ret = number;
	return 0;
}

static int set_rounds(struct shunt_bench_options *options, const char *value)
{
	double number;
	int r = parse_number("--rounds", value, 1, SHUNT_BENCH_ROUNDS_MAX, &number);

	if (r >= 0)
		options->rounds = (unsigned)number;
	return r;
}

static int set_seconds(struct shunt_bench_options *options, const char *value)
{
	return parse_number("--seconds", value, 0.05, SECONDS_MAX, &options->seconds);
}

static const struct shunt_preset *preset_named(const char *word)
{
	for (size_t i = 0; i < SHUNT_COUNT_OF(presets); i++)
		if (strcmp(presets[i].word, word) == 0)
			return &presets[i];
	return presets;
}

static int set_quick(struct shunt_bench_options *options, const char *value)
{
	options->preset = preset_named("quick");
	return 0;
}

static int set_full(struct shunt_bench_options *options, const char *value)
{
	options->preset = preset_named("full");
	return 0;
}

static int set_target(struct shunt_bench_options *options, const char *value)
{
	options->preset = preset_named("target");
	options->target = true;
	return 0;
}

static int set_out(struct shunt_bench_options *options, const char *value)
{
	options->out = value;
	return 0;
}

static int set_socket(struct shunt_bench_options *options, const char *value)
{
	options->socket = value;
	return 0;
}

static int set_json(struct shunt_bench_options *options, const char *value)
{
	options->json = true;
	return 0;
}

static int set_help(struct shunt_bench_options *options, const char *value)
{
	options->help = true;
	return 0;
}

static const struct option_info infos[] = {
	{"quick", NULL, "about a minute instead of five", set_quick},
	{"full", NULL, "about an hour: every axis", set_full},
	{"target", NULL, "the ratios that shunt is judged by, about ten minutes", set_target},
	{"workload", "LIST", "rr, crr, stream", set_workloads},
	{"size", "LIST", "bytes of a message or write: 64,4k,1M (0 only for crr)", set_sizes},
	{"variant", "LIST", "plain, adaptive, eager, observe, neighbour, unix", set_variants},
	{"io", "LIST", "epoll, blocking", set_ios},
	{"net", "LIST", "loopback, veth", set_nets},
	{"netns", NULL, "the same as --net veth", set_netns},
	{"pin", "LIST", "none, one, two (CPUs)", set_pins},
	{"rounds", "N", "rounds; without it as many as fit into the preset's time, at least 3", set_rounds},
	{"seconds", "S", "length of one measured window", set_seconds},
	{"out", "FILE", "write the results as JSON", set_out},
	{"json", NULL, "print JSON instead of the table", set_json},
	{"socket", "PATH", "control socket of shuntd; where none answers, a private one is started", set_socket},
	{"help", NULL, "this text", set_help},
};

void shunt_bench_options_help(void)
{
	printf("usage: shunt-bench [OPTIONS]\n       shunt-bench compare A.json B.json [--json]\n\n"
	       "Runs plain TCP, accelerated TCP and AF_UNIX in random order, round by round, and prints ratios within "
	       "rounds.\n\n");
	for (size_t i = 0; i < SHUNT_COUNT_OF(infos); i++)
		printf("  --%-9s %-5s %s\n", infos[i].name, infos[i].argument ? infos[i].argument : "", infos[i].help);
	printf("\nvariants:\n");
	for (int i = 0; shunt_variant_words[i]; i++)
		printf("  %-10s %s\n", shunt_variant_words[i], shunt_variant_sentences[i]);
}

static void fill_long_options(struct option ret[SHUNT_COUNT_OF(infos) + 1])
{
	memset(ret, 0, sizeof(*ret) * (SHUNT_COUNT_OF(infos) + 1));
	for (size_t i = 0; i < SHUNT_COUNT_OF(infos); i++)
		ret[i] = (struct option){infos[i].name, infos[i].argument ? required_argument : no_argument, NULL, 0};
}

int shunt_bench_options_parse(int argc, char **argv, struct shunt_bench_options *ret)
{
	struct shunt_bench_options options = {.preset = presets};
	struct option long_options[SHUNT_COUNT_OF(infos) + 1];
	static const char short_options[] = "hj";
	int index = 0, c;

	fill_long_options(long_options);
	while ((c = getopt_long(argc, argv, short_options, long_options, &index)) != -1) {
		if (c == '?')
			return -EINVAL;
		int r = c == 'h'   ? set_help(&options, NULL)
			: c == 'j' ? set_json(&options, NULL)
				   : infos[index].set(&options, optarg);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return complain("unexpected argument", argv[optind]);
	if (options.seconds == 0)
		options.seconds = options.preset->seconds;
	options.budget_seconds = options.preset->budget_seconds;
	*ret = options;
	return 0;
}

static int add_variants(const struct shunt_cell *cell, unsigned variants, struct shunt_plan *plan)
{
	int r = 0;

	for (int variant = 0; r >= 0 && variant < SHUNT_VARIANT_COUNT; variant++) {
		struct shunt_spec spec = {.cell = *cell, .variant = (enum shunt_variant)variant};
		if (variants & (1u << variant))
			r = shunt_plan_add(plan, &spec);
	}
	return r;
}

/* Number i of the cross product of the axes other than the size; false: not in the slice. */
static bool nth_cell(const struct slice *slice, unsigned i, struct shunt_cell *ret)
{
	*ret = (struct shunt_cell){
		.workload = i % SHUNT_WORKLOAD_COUNT,
		.io = i / SHUNT_WORKLOAD_COUNT % SHUNT_IO_COUNT,
		.net = i / SHUNT_WORKLOAD_COUNT / SHUNT_IO_COUNT % SHUNT_NET_COUNT,
		.pin = i / SHUNT_WORKLOAD_COUNT / SHUNT_IO_COUNT / SHUNT_NET_COUNT,
	};
	return (slice->workloads & (1u << ret->workload)) && (slice->ios & (1u << ret->io)) &&
	       (slice->nets & (1u << ret->net)) && (slice->pins & (1u << ret->pin));
}

static int add_slice(const struct shunt_bench_options *options, const struct slice *slice, struct shunt_plan *plan)
{
	const unsigned n = SHUNT_WORKLOAD_COUNT * SHUNT_IO_COUNT * SHUNT_NET_COUNT * SHUNT_PIN_COUNT;
	struct shunt_cell cell;
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < n; i++) {
		if (!nth_cell(slice, i, &cell))
			continue;
		const struct shunt_bench_sizes *sizes =
			options->sizes.n ? &options->sizes : &options->preset->sizes[cell.workload];
		for (size_t j = 0; r >= 0 && j < sizes->n; j++) {
			cell.size = sizes->values[j];
			if (cell.size || cell.workload == SHUNT_WORKLOAD_CRR)
				r = add_variants(&cell, slice->variants, plan);
		}
	}
	return r;
}

/* What the user names replaces the preset's axis in every slice. */
static struct slice override(const struct shunt_bench_options *options, const struct slice *slice)
{
	return (struct slice){
		.workloads = options->workloads ? options->workloads : slice->workloads,
		.ios = options->ios ? options->ios : slice->ios,
		.nets = options->nets ? options->nets : slice->nets,
		.pins = options->pins ? options->pins : slice->pins,
		.variants = options->variants ? options->variants : slice->variants,
	};
}

int shunt_bench_options_plan(const struct shunt_bench_options *options, struct shunt_plan *plan)
{
	int r = 0;

	if (options->target)
		return shunt_claims_plan(plan);
	for (size_t i = 0;
	     r >= 0 && i < SHUNT_COUNT_OF(options->preset->slices) && options->preset->slices[i].workloads; i++) {
		struct slice slice = override(options, &options->preset->slices[i]);
		r = add_slice(options, &slice, plan);
	}
	return r >= 0 && plan->n == 0 ? complain("no run fits these options", "only crr can have size 0") : r;
}
