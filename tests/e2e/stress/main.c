/* SPDX-License-Identifier: MIT */
/* main.c: the options, the worker processes, and the verdict: exit 0 only if every byte of every connection was right.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger.h"
#include "worker.h"

#define THREAD_STACK (256 * 1024)
#define REPORT_SECONDS 10

static const char usage_text[] = "usage: stress [--seconds N] [--connections N] [--steady N] [--workers N] [--cgroup "
				 "DIR]... [--seed N] [--only SEED]\n"
				 "              [--patience-ms N] [--plant none|flip|skip|repeat|lose|hang|extra]\n"
				 "  verified bytes over loopback TCP; the workers' sockets belong to the cgroups in "
				 "turn; SIGTERM ends it early and cleanly\n";

static pid_t workers[STRESS_MAX_WORKERS];

static int parse_plant(const char *word, enum stress_plant *ret)
{
	static const char *const words[] = {
#define X(name, text) #text,
		STRESS_PLANTS(X)
#undef X
	};

	for (int i = 0; i < STRESS_PLANT_COUNT; i++)
		if (strcmp(words[i], word) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static int parse_option(int option, const char *value, struct stress_options *options)
{
	uint64_t number = value ? strtoull(value, NULL, 0) : 0;

	switch (option) {
	case 't':
		options->seconds = (uint32_t)number;
		return 0;
	case 'c':
		options->connections = (uint32_t)number;
		return 0;
	case 'y':
		options->steady = (uint32_t)number;
		return 0;
	case 'w':
		options->workers = (uint32_t)number;
		return 0;
	case 's':
		options->seed = number;
		return 0;
	case 'o':
		options->only = number;
		return 0;
	case 'p':
		options->patience_ms = (uint32_t)number;
		return 0;
	case 'x':
		return parse_plant(value, &options->plant);
	case 'g':
		if (options->cgroup_count == STRESS_MAX_WORKERS)
			return -EINVAL;
		options->cgroups[options->cgroup_count++] = value;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse(int argc, char **argv, struct stress_options *options)
{
	static const struct option list[] = {
		{"seconds", required_argument, NULL, 't'}, {"connections", required_argument, NULL, 'c'},
		{"steady", required_argument, NULL, 'y'},  {"workers", required_argument, NULL, 'w'},
		{"cgroup", required_argument, NULL, 'g'},  {"seed", required_argument, NULL, 's'},
		{"only", required_argument, NULL, 'o'},	   {"patience-ms", required_argument, NULL, 'p'},
		{"plant", required_argument, NULL, 'x'},   {0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", list, NULL)) != -1)
		if (parse_option(option, optarg, options) < 0)
			return -EINVAL;
	if (optind != argc || options->workers < 1 || options->workers > STRESS_MAX_WORKERS ||
	    options->connections < 1 || options->connections > STRESS_MAX_CONNECTIONS)
		return -EINVAL;
	return 0;
}

static int enter_cgroup(const char *folder)
{
	char path[4096];
	int fd;
	int r;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return r;
}

static int start_clients(uint32_t worker, pthread_t *threads, uint32_t *ret_count)
{
	const struct stress_options *options = &stress_ledger->options;
	pthread_attr_t attributes;
	uint32_t count = 0;
	int r = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	for (uint32_t slot = worker; r == 0 && slot < options->connections; slot += options->workers) {
		r = pthread_create(&threads[count], &attributes, stress_client_main, (void *)(uintptr_t)slot);
		count += r == 0;
	}
	pthread_attr_destroy(&attributes);
	*ret_count = count;
	return -r;
}

static int worker_main(uint32_t worker)
{
	const struct stress_options *options = &stress_ledger->options;
	pthread_t threads[STRESS_MAX_CONNECTIONS];
	uint32_t count;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (options->cgroup_count > 0) {
		r = enter_cgroup(options->cgroups[worker % options->cgroup_count]);
		if (r < 0)
			return r;
	}
	r = stress_server_listen(worker);
	if (r < 0)
		return r;
	stress_add(&stress_ledger->ready, 1);
	for (uint32_t ready = stress_ledger->ready; ready < options->workers; ready = stress_ledger->ready)
		if (stress_await_change(&stress_ledger->ready, ready, options->patience_ms) < 0)
			return -ETIMEDOUT;
	r = start_clients(worker, threads, &count);
	if (r == 0)
		r = stress_server_run();
	for (uint32_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return r;
}

static int start_workers(void)
{
	for (uint32_t i = 0; i < stress_ledger->options.workers; i++) {
		workers[i] = fork();
		if (workers[i] < 0)
			return -errno;
		if (workers[i] == 0) {
			int r = worker_main(i);

			if (r < 0)
				fprintf(stderr, "# stress: worker %u: %s\n", i, strerror(-r));
			fflush(NULL);
			_exit(r < 0);
		}
	}
	return 0;
}

static void report_progress(void)
{
	printf("# %5.0f s: %" PRIu64 " connections, %" PRIu64 " MB verified, %u failures\n",
	       (double)(stress_now_ns() - stress_ledger->start_ns) / 1e9, stress_ledger->totals.connections,
	       stress_ledger->totals.bytes >> 20, stress_ledger->failures);
	fflush(stdout);
}

/* Until the time is over, a signal asks for the end, or a worker dies, which it must not. */
static void watch(const sigset_t *signals)
{
	uint64_t end = stress_ledger->start_ns + stress_ledger->options.seconds * 1000000000ull;
	uint64_t report = stress_ledger->start_ns;

	while (stress_now_ns() < end && stress_ledger->failures < 32) {
		struct timespec slice = {.tv_nsec = 200000000};
		int signal = sigtimedwait(signals, NULL, &slice);

		if (signal > 0 && signal != SIGCHLD)
			return;
		if (signal == SIGCHLD) {
			printf("# FAILURE a worker process died\n");
			stress_ledger->failures++;
			return;
		}
		if (stress_now_ns() < report + REPORT_SECONDS * 1000000000ull)
			continue;
		report = stress_now_ns();
		report_progress();
	}
}

/* Returns how many workers have ended; a bad end is a failure. */
static uint32_t reap(void)
{
	uint32_t ended = 0;

	for (uint32_t i = 0; i < stress_ledger->options.workers; i++) {
		int status;

		if (workers[i] <= 0 || waitpid(workers[i], &status, WNOHANG) <= 0)
			continue;
		workers[i] = 0;
		ended++;
		stress_ledger->failures += status != 0;
	}
	return ended;
}

/* Everybody finishes the script he is in; who does not in a generous time is killed and counts as a failure. */
static void collect(const sigset_t *signals)
{
	uint64_t deadline = stress_now_ns() + stress_ledger->options.patience_ms * 10000000ull;
	uint32_t left = stress_ledger->options.workers;

	while (left > 0 && stress_now_ns() < deadline) {
		struct timespec slice = {.tv_nsec = 100000000};

		sigtimedwait(signals, NULL, &slice);
		left -= reap();
	}
	if (left == 0)
		return;
	printf("# FAILURE %u workers did not finish\n", left);
	stress_ledger->failures++;
	for (uint32_t i = 0; i < stress_ledger->options.workers; i++)
		if (workers[i] > 0)
			kill(workers[i], SIGKILL);
}

static int run(void)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	stress_ledger->start_ns = stress_now_ns();
	stress_ledger->clients = stress_ledger->options.connections;
	printf("# seed %" PRIu64 "\n", stress_ledger->options.seed);
	fflush(stdout);
	r = start_workers();
	if (r == 0)
		watch(&signals);
	stress_ledger->stop = true;
	collect(&signals);
	return r;
}

int main(int argc, char **argv)
{
	struct stress_options options = {.seconds = 10, .connections = 80, .workers = 4, .patience_ms = 10000};

	if (getrandom(&options.seed, sizeof(options.seed), 0) != sizeof(options.seed))
		return EXIT_FAILURE;
	options.seed >>= 16;
	if (parse(argc, argv, &options) < 0) {
		fputs(usage_text, stderr);
		return 2;
	}
	stress_ledger = mmap(NULL, sizeof(*stress_ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stress_ledger == MAP_FAILED) {
		perror("stress: mmap");
		return EXIT_FAILURE;
	}
	stress_ledger->options = options;
	if (run() < 0)
		return EXIT_FAILURE;
	stress_print_totals();
	printf("# failures %u\n", stress_ledger->failures);
	return stress_ledger->failures > 0 || stress_ledger->totals.connections == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
