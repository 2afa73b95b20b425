/* SPDX-License-Identifier: MIT */
/*
 * main.c: shunt-bench from the command line to the report. Reading order: spec.h (the axes), options.c (the plan),
 * main.c (the rounds), conductor.c (one run), workloads.c and endpoint.c (the two processes), variants.c and daemon.c
 * (cgroups and shuntd), netns.c, measure.c, stats.c, results.c and claims.c (what the samples say), report_*.c,
 * compare.c.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "compare.h"
#include "options.h"
#include "report.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3, EXIT_INTERRUPTED = 130 };

struct bench {
	struct shunt_bench_options options;
	struct shunt_plan plan;
	struct shunt_results results;
	struct shunt_bench_daemon daemon;
	struct shunt_stage stage;
	uint64_t started_ns;
	bool interrupted;
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "shunt-bench: %s: %s\n", what, strerror(-error));
	return error;
}

static void block_signals(int *ret_fd)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
}

static int choose_cpus(int cpus[2])
{
	cpu_set_t set;
	int n = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	if (n == 1)
		cpus[1] = cpus[0];
	return 0;
}

static int open_stage(struct bench *bench)
{
	struct shunt_stage *stage = &bench->stage;

	stage->seconds = bench->options.seconds;
	int r = choose_cpus(stage->cpus);
	if (r < 0)
		return fail("cannot tell which CPUs may be used", r);
	r = shunt_bench_pods_open(&stage->pods, bench->daemon.socket ? &bench->daemon : NULL);
	if (r < 0)
		return fail("cannot make cgroups (needs root and a mounted cgroup2)", r);
	if (!shunt_plan_needs_veth(&bench->plan))
		return 0;
	r = shunt_netns_open(&stage->netns);
	return r < 0 ? fail("cannot make network namespaces", r) : 0;
}

static double elapsed(const struct bench *bench)
{
	return (double)(shunt_bench_now() - bench->started_ns) / 1e9;
}

static bool wants_round(const struct bench *bench, unsigned done)
{
	if (bench->interrupted)
		return false;
	if (bench->options.rounds)
		return done < bench->options.rounds;
	if (done < SHUNT_BENCH_ROUNDS_MIN)
		return true;
	return done < SHUNT_BENCH_ROUNDS_MAX && elapsed(bench) * (done + 1) / done <= bench->options.budget_seconds;
}

static double seconds_left(const struct bench *bench, size_t done)
{
	double a_run = done ? elapsed(bench) / (double)done : bench->options.seconds + 0.5;
	double a_round = a_run * (double)bench->plan.n, used = a_run * (double)done;
	double rounds =
		bench->options.rounds ? bench->options.rounds : (unsigned)(bench->options.budget_seconds / a_round);

	if (rounds < SHUNT_BENCH_ROUNDS_MIN && !bench->options.rounds)
		rounds = SHUNT_BENCH_ROUNDS_MIN;
	return rounds * a_round > used ? rounds * a_round - used : 0;
}

static void show_progress(const struct bench *bench, unsigned round, size_t at, const struct shunt_spec *spec)
{
	unsigned left = (unsigned)(seconds_left(bench, bench->results.n) + 0.5);

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Kround %u, run %zu of %zu: %s %zu %s, %u:%02u left", round + 1, at + 1, bench->plan.n,
		shunt_workload_words[spec->cell.workload], spec->cell.size, shunt_variant_words[spec->variant],
		left / 60, left % 60);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static int run_round(struct bench *bench, struct shunt_plan *shuffled, unsigned round, unsigned *seed)
{
	shunt_plan_shuffle(shuffled, seed);
	for (size_t i = 0; i < shuffled->n; i++) {
		struct shunt_sample sample;

		show_progress(bench, round, i, &shuffled->specs[i]);
		int r = shunt_stage_run(&bench->stage, &shuffled->specs[i], &sample);
		if (r < 0)
			return r;
		sample.round = round;
		r = shunt_results_add(&bench->results, &sample);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run_rounds(struct bench *bench)
{
	unsigned seed = (unsigned)(shunt_bench_now() ^ (uint64_t)getpid());
	struct shunt_plan shuffled = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < bench->plan.n; i++)
		r = shunt_plan_add(&shuffled, &bench->plan.specs[i]);
	bench->started_ns = shunt_bench_now();
	for (unsigned round = 0; r >= 0 && wants_round(bench, round); round++) {
		bench->results.rounds = round + 1;
		r = run_round(bench, &shuffled, round, &seed);
		if (r == -EINTR) {
			bench->interrupted = true;
			r = 0;
		}
	}
	end_progress();
	shunt_plan_done(&shuffled);
	return r < 0 ? fail("cannot go on", r) : 0;
}

static int write_json(const struct shunt_report *report, const char *out, bool print)
{
	json_auto_t *object = shunt_report_json(report);
	const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(6);

	if (!object)
		return fail("cannot build the report", -ENOMEM);
	if (out && json_dump_file(object, out, flags) < 0)
		return fail(out, errno ? -errno : -EIO);
	if (print) {
		json_dumpf(object, stdout, flags);
		putchar('\n');
	}
	return 0;
}

static int report(const struct bench *bench)
{
	const struct shunt_report report = {
		.results = &bench->results,
		.plan = &bench->plan,
		.daemon = bench->daemon.pid	 ? "private"
			  : bench->daemon.socket ? "shared"
						 : "none",
		.seconds = bench->options.seconds,
		.claims = bench->options.target,
		.interrupted = bench->interrupted,
	};
	int r = write_json(&report, bench->options.out, bench->options.json);

	if (r < 0 || bench->options.json)
		return r;
	return shunt_report_table(&report, stdout);
}

static bool has_empty_row(const struct bench *bench)
{
	for (size_t i = 0; i < bench->plan.n; i++) {
		struct shunt_row row;
		if (shunt_row_of(&bench->results, &bench->plan.specs[i], &row) < 0 || !row.values[SHUNT_METRIC_RATE].n)
			return true;
	}
	return false;
}

static enum exit_code perform(struct bench *bench)
{
	if (shunt_plan_needs_daemon(&bench->plan) && shunt_bench_daemon_open(&bench->daemon, bench->options.socket) < 0)
		return EXIT_NO_DAEMON;
	if (open_stage(bench) < 0 || run_rounds(bench) < 0 || report(bench) < 0)
		return EXIT_FAILED;
	if (bench->interrupted)
		return EXIT_INTERRUPTED;
	return has_empty_row(bench) ? EXIT_FAILED : EXIT_OK;
}

static void clean_up(struct bench *bench)
{
	shunt_bench_pods_close(&bench->stage.pods);
	shunt_netns_close(&bench->stage.netns);
	shunt_bench_daemon_close(&bench->daemon);
	shunt_results_done(&bench->results);
	shunt_plan_done(&bench->plan);
}

/* "A.json B.json [--json]" */
static enum exit_code compare(int argc, char **argv)
{
	bool json = argc == 3 && (strcmp(argv[2], "--json") == 0 || strcmp(argv[2], "-j") == 0);

	if (argc != 2 && !json) {
		fprintf(stderr, "usage: shunt-bench compare A.json B.json [--json]\n");
		return EXIT_USAGE;
	}
	return shunt_bench_compare(argv[0], argv[1], json) < 0 ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct bench bench = {.stage = {.netns = SHUNT_NETNS_NONE, .signal_fd = -1}};

	if (argc > 1 && strcmp(argv[1], "compare") == 0)
		return compare(argc - 2, argv + 2);
	if (shunt_bench_options_parse(argc, argv, &bench.options) < 0)
		return EXIT_USAGE;
	if (bench.options.help) {
		shunt_bench_options_help();
		return EXIT_OK;
	}
	if (shunt_bench_options_plan(&bench.options, &bench.plan) < 0)
		return EXIT_USAGE;
	block_signals(&bench.stage.signal_fd);
	enum exit_code code = perform(&bench);
	clean_up(&bench);
	return code;
}
