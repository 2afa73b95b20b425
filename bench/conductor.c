/* SPDX-License-Identifier: MIT */
/* conductor.c: starts the two processes of a run, leads them through its phases, and turns what they noted into
 * figures. */
#include "conductor.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stats.h"

#define READY_TIMEOUT_MS 6000
#define STOP_TIMEOUT_MS 3000
#define WARM_UP_MS 250
#define SNAPSHOT_TIMEOUT_MS 3000
#define PROMOTION_STEP_MS 50
#define PROMOTION_TIMEOUT_MS 4000

struct worker_process {
	pid_t pid;  /* 0: not running */
	int end_fd; /* pidfd */
	int ready_fd;
};

struct run {
	struct shunt_stage *stage;
	const struct shunt_spec *spec;
	struct shunt_shared *shared;
	struct worker_process workers[2];
};

/* A look at what can be known from outside at one end of the window. */
struct outside {
	struct shunt_bench_flow flow;
	struct shunt_busy busy;
	uint64_t sent_bytes;
};

static int pin(const struct run *run, enum shunt_bench_role role)
{
	cpu_set_t set;

	if (run->spec->cell.pin == SHUNT_PIN_NONE)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(run->stage->cpus[run->spec->cell.pin == SHUNT_PIN_TWO ? role : 0], &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

static bool is_unix(const struct run *run)
{
	return shunt_variants[run->spec->variant].is_unix;
}

static int settle(const struct run *run, enum shunt_bench_role role)
{
	int r = pin(run, role);

	if (r >= 0)
		r = shunt_bench_pods_join(&run->stage->pods, role);
	if (r >= 0 && run->spec->cell.net == SHUNT_NET_VETH && !is_unix(run))
		r = setns(run->stage->netns.fds[role], CLONE_NEWNET) < 0 ? -errno : 0;
	return r;
}

/* In the child. Only the conductor ends it: an interrupt from the terminal is not for it. */
static void be_worker(const struct run *run, enum shunt_bench_role role, int ready_fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int r = settle(run, role);
	if (r < 0)
		run->shared->sides[role].error = r;
	else
		r = shunt_worker_run(run->shared, run->spec, role, ready_fd);
	_exit(r < 0);
}

static int start_worker(struct run *run, enum shunt_bench_role role)
{
	struct worker_process *worker = &run->workers[role];
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	worker->ready_fd = ready[0];
	pid_t pid = fork();
	if (pid == 0)
		be_worker(run, role, ready[1]);
	int failure = errno;
	close(ready[1]);
	if (pid < 0)
		return -failure;
	worker->pid = pid;
	worker->end_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return worker->end_fd < 0 ? -errno : 0;
}

static int failure_of(const struct run *run, enum shunt_bench_role role)
{
	int error = run->shared->sides[role].error;

	return error < 0 ? error : -ECHILD;
}

static int await_ready(struct run *run, enum shunt_bench_role role)
{
	struct pollfd fds[2] = {
		{.fd = run->stage->signal_fd, .events = POLLIN},
		{.fd = run->workers[role].ready_fd, .events = POLLIN},
	};
	char byte;
	int n = poll(fds, 2, READY_TIMEOUT_MS);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	if (fds[0].revents)
		return -EINTR;
	return read(run->workers[role].ready_fd, &byte, 1) == 1 ? 0 : failure_of(run, role);
}

/* Lets the workers work. Their early end is a failure of the run. */
static int let_run(const struct run *run, int ms)
{
	struct pollfd fds[3] = {
		{.fd = run->stage->signal_fd, .events = POLLIN},
		{.fd = run->workers[0].end_fd, .events = POLLIN},
		{.fd = run->workers[1].end_fd, .events = POLLIN},
	};
	int n = poll(fds, 3, ms);

	if (n < 0)
		return -errno;
	if (fds[0].revents)
		return -EINTR;
	for (int role = 0; role < 2; role++)
		if (fds[1 + role].revents)
			return failure_of(run, role);
	return 0;
}

static bool has_flow(const struct run *run)
{
	return shunt_variants[run->spec->variant].mode && run->spec->cell.workload != SHUNT_WORKLOAD_CRR;
}

static int read_flow(const struct run *run, struct shunt_bench_flow *ret)
{
	return has_flow(run) ? shunt_bench_flow_read(&run->stage->pods, &run->shared->client, ret) : 0;
}

/* Every run gets the same warm-up; one that must be redirected gets what it takes, within a limit. */
static int warm_up(const struct run *run)
{
	struct shunt_bench_flow flow = {0};

	int r = let_run(run, WARM_UP_MS);
	if (r < 0 || !shunt_spec_wants_redirect(run->spec))
		return r;
	for (int waited = 0; waited < PROMOTION_TIMEOUT_MS; waited += PROMOTION_STEP_MS) {
		r = read_flow(run, &flow);
		if (r < 0 || flow.redirect)
			return r;
		r = let_run(run, PROMOTION_STEP_MS);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t sent_bytes(const struct shunt_shared *shared)
{
	return __atomic_load_n(&shared->sides[0].sent_bytes, __ATOMIC_RELAXED) +
	       __atomic_load_n(&shared->sides[1].sent_bytes, __ATOMIC_RELAXED);
}

/* Both workers note the ends of the window between two operations. On a loaded machine one may not have run for a
 * while. */
static int await_snapshots(const struct run *run, unsigned wanted)
{
	for (int waited = 0; waited < SNAPSHOT_TIMEOUT_MS; waited++) {
		if (shunt_side_snapshots(&run->shared->sides[0]) >= wanted &&
		    shunt_side_snapshots(&run->shared->sides[1]) >= wanted)
			return 0;
		int r = let_run(run, 1);
		if (r < 0)
			return r;
	}
	return -ETIMEDOUT;
}

static int open_window(const struct run *run, struct outside *begin)
{
	int r = read_flow(run, &begin->flow);

	if (r < 0)
		return r;
	begin->sent_bytes = sent_bytes(run->shared);
	shunt_bench_phase_set(run->shared, SHUNT_BENCH_MEASURE);
	r = await_snapshots(run, 1);
	return r < 0 ? r : shunt_busy_read(&begin->busy);
}

static int close_window(const struct run *run, struct outside *end)
{
	int r = shunt_busy_read(&end->busy);

	if (r < 0)
		return r;
	shunt_bench_phase_set(run->shared, SHUNT_BENCH_COOL);
	r = await_snapshots(run, 2);
	if (r < 0)
		return r;
	end->sent_bytes = sent_bytes(run->shared);
	return read_flow(run, &end->flow);
}

/* The daemon is asked before and after the window: traffic goes on meanwhile, and neither answer falls into it. */
static int measure(const struct run *run, struct outside *begin, struct outside *end)
{
	int r = open_window(run, begin);

	if (r >= 0)
		r = let_run(run, (int)(run->stage->seconds * 1000));
	return r < 0 ? r : close_window(run, end);
}

static void end_worker(struct worker_process *worker)
{
	struct pollfd end = {.fd = worker->end_fd, .events = POLLIN};

	if (worker->pid) {
		if (worker->end_fd < 0 || poll(&end, 1, STOP_TIMEOUT_MS) <= 0)
			kill(worker->pid, SIGKILL);
		waitpid(worker->pid, NULL, 0);
		worker->pid = 0;
	}
	if (worker->end_fd >= 0)
		close(worker->end_fd);
	if (worker->ready_fd >= 0)
		close(worker->ready_fd);
}

static void end_workers(struct run *run)
{
	shunt_bench_phase_set(run->shared, SHUNT_BENCH_STOP);
	end_worker(&run->workers[SHUNT_BENCH_CLIENT]);
	end_worker(&run->workers[SHUNT_BENCH_SERVER]);
}

static int start_workers(struct run *run)
{
	static const enum shunt_bench_role order[] = {SHUNT_BENCH_SERVER, SHUNT_BENCH_CLIENT};
	bool veth = run->spec->cell.net == SHUNT_NET_VETH;
	int r = 0;

	if (is_unix(run))
		shunt_bench_address_unix(&run->shared->address);
	else
		r = shunt_bench_address_inet(&run->shared->address, veth ? SHUNT_NETNS_SERVER_ADDRESS : "127.0.0.1");
	for (size_t i = 0; r >= 0 && i < 2; i++) {
		r = start_worker(run, order[i]);
		if (r >= 0)
			r = await_ready(run, order[i]);
	}
	return r;
}

static double window_seconds(const struct shunt_side *side)
{
	return (double)(side->usage_at[1].at_ns - side->usage_at[0].at_ns) / 1e9;
}

/* How fast a member of struct shunt_usage grew: the windows of the two workers need not be equally long. */
static double growth(const struct shunt_side *side, size_t offset)
{
	const uint64_t *begin = (const uint64_t *)((const char *)&side->usage_at[0] + offset);
	const uint64_t *end = (const uint64_t *)((const char *)&side->usage_at[1] + offset);

	return shunt_ratio((double)(*end - *begin), window_seconds(side));
}

static double growth_of_both(const struct shunt_shared *shared, size_t offset)
{
	return growth(&shared->sides[0], offset) + growth(&shared->sides[1], offset);
}

/* The client counts exchanges and connections; bytes count where they arrive. */
static const struct shunt_side *counting_side(const struct run *run)
{
	return &run->shared->sides[run->spec->cell.workload == SHUNT_WORKLOAD_STREAM ? SHUNT_BENCH_SERVER
										     : SHUNT_BENCH_CLIENT];
}

static double redirected_share(const struct outside *begin, const struct outside *end)
{
	double share = shunt_ratio((double)(end->flow.redirected_bytes - begin->flow.redirected_bytes),
				   (double)(end->sent_bytes - begin->sent_bytes));

	return share > 1 ? 1 : share;
}

/* What the machine as a whole did, per second and per unit. */
static void evaluate_busy(const struct outside *begin, const struct outside *end, double cpu_per_second,
			  struct shunt_sample *ret)
{
	double seconds = (double)(end->busy.at_ns - begin->busy.at_ns) / 1e9;
	double busy = shunt_ratio((double)(end->busy.busy_ns - begin->busy.busy_ns), seconds);
	double softirq = shunt_ratio((double)(end->busy.softirq_ns - begin->busy.softirq_ns), seconds);

	ret->busy_ns = busy / ret->rate;
	ret->softirq_ns = softirq / ret->rate;
	ret->foreign_cpus = busy > cpu_per_second ? (busy - cpu_per_second) / 1e9 : 0;
}

static void evaluate_flow(const struct run *run, const struct outside *begin, const struct outside *end,
			  struct shunt_sample *ret)
{
	ret->redirected = has_flow(run) ? redirected_share(begin, end) : NAN;
	if (end->flow.redirect)
		snprintf(ret->reason, sizeof(ret->reason), "only %.0f %% of the bytes", ret->redirected * 100);
	else
		memcpy(ret->reason, end->flow.reason, sizeof(ret->reason));
}

static int evaluate(const struct run *run, const struct outside *begin, const struct outside *end,
		    struct shunt_sample *ret)
{
	const struct shunt_shared *shared = run->shared;
	const struct shunt_side *side = counting_side(run);
	double units = (double)(side->operations_at[1] - side->operations_at[0]);
	double cpu = growth_of_both(shared, offsetof(struct shunt_usage, cpu_ns));

	ret->seconds = window_seconds(side);
	ret->rate = shunt_ratio(units, ret->seconds);
	if (!(ret->rate > 0))
		return -ENODATA;
	ret->p50_us = shunt_hist_quantile(&shared->latency, 0.5) / 1000;
	ret->p99_us = shunt_hist_quantile(&shared->latency, 0.99) / 1000;
	ret->cpu_ns = cpu / ret->rate;
	ret->voluntary = growth_of_both(shared, offsetof(struct shunt_usage, voluntary)) / ret->rate;
	ret->involuntary = growth_of_both(shared, offsetof(struct shunt_usage, involuntary)) / ret->rate;
	ret->across = shunt_ratio((double)shared->hops_across, (double)shared->hops);
	evaluate_busy(begin, end, cpu, ret);
	evaluate_flow(run, begin, end, ret);
	return 0;
}

static int perform(struct run *run, struct shunt_sample *ret)
{
	struct outside begin = {0}, end = {0};

	int r = shunt_bench_pods_attach(&run->stage->pods, run->spec->variant);
	if (r >= 0)
		r = start_workers(run);
	if (r >= 0)
		r = warm_up(run);
	if (r >= 0)
		r = measure(run, &begin, &end);
	end_workers(run);
	if (r >= 0)
		r = evaluate(run, &begin, &end, ret);
	int detached = shunt_bench_pods_detach(&run->stage->pods);
	return r < 0 ? r : detached;
}

int shunt_stage_run(struct shunt_stage *stage, const struct shunt_spec *spec, struct shunt_sample *ret)
{
	struct run run = {
		.stage = stage,
		.spec = spec,
		.workers = {{.end_fd = -1, .ready_fd = -1}, {.end_fd = -1, .ready_fd = -1}},
	};

	*ret = (struct shunt_sample){.spec = *spec};
	run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
			  -1, 0);
	if (run.shared == MAP_FAILED) {
		ret->error = -errno;
		return 0;
	}
	int r = perform(&run, ret);
	munmap(run.shared, sizeof(*run.shared));
	if (r == -EINTR)
		return r;
	ret->error = r < 0 ? r : 0;
	return 0;
}
