/* SPDX-License-Identifier: MIT */
/* run.c: asks every probe on one way, each in a process of its own with a fresh pair. */
#include "semantics.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

enum {
	PATIENCE_MS = 5000,
	PATIENCE_FOR_LISTED_HANG_MS = 1000,
	LISTED_HANG_MS = 3500,
	PAIR_MS = 50000, /* until the pair is in the state the way expects */
	PROBE_MS = 20000,
	LONG_PROBE_MS = 120000,
	GIVE_UP = 3, /* pairs in a row that did not get into the expected state */
};

const struct shunt_way shunt_ways[] = {
	{.name = "plain", .pod = "plain"},
	{.name = "plain-blocking", .pod = "plain", .blocking = true},
	{.name = "managed", .plain = "plain-blocking", .pod = "managed", .expect = "blocking", .blocking = true},
	{.name = "promoted", .plain = "plain", .pod = "promoted", .expect = "redirect"},
	{.name = "eager", .plain = "plain", .pod = "eager", .expect = "redirect"},
	{.name = "eager-blocking",
	 .plain = "plain-blocking",
	 .pod = "eager-blocking",
	 .expect = "redirect",
	 .blocking = true},
	{0},
};

static const struct shunt_probe *const groups[] = {
	shunt_probes_recv,    shunt_probes_flags,  shunt_probes_send,	shunt_probes_ready,   shunt_probes_epoll,
	shunt_probes_options, shunt_probes_window, shunt_probes_close,	shunt_probes_process, shunt_probes_signal,
	shunt_probes_uring,   shunt_probes_stream, shunt_probes_memory, shunt_probes_splice,
};

const struct shunt_way *shunt_way_named(const char *name)
{
	for (const struct shunt_way *way = shunt_ways; way->name; way++) {
		if (!strcmp(way->name, name))
			return way;
	}
	return NULL;
}

const struct shunt_probe *shunt_probe_at(size_t index)
{
	for (size_t g = 0; g < SHUNT_COUNT_OF(groups); g++) {
		for (const struct shunt_probe *probe = groups[g]; probe->name; probe++) {
			if (!index--)
				return probe;
		}
	}
	return NULL;
}

size_t shunt_probe_count(void)
{
	size_t n = 0;

	while (shunt_probe_at(n))
		n++;
	return n;
}

bool shunt_probe_applies(const struct shunt_run *run, const struct shunt_probe *probe, const struct shunt_way *way)
{
	if (!(probe->flags & (way->blocking ? SHUNT_BLOCKING : SHUNT_NONBLOCKING)))
		return false;
	if (probe->flags & SHUNT_LONG && !run->with_long)
		return false;
	if (probe->flags & SHUNT_CLIENT_SENDS && run->swap)
		return false;
	return !run->only || !fnmatch(run->only, probe->name, 0);
}

char *shunt_run_text(const struct shunt_run *run, const struct shunt_way *way, size_t index)
{
	return run->text + ((size_t)(way - shunt_ways) * shunt_probe_count() + index) * SHUNT_TEXT_MAX;
}

int shunt_enter_cgroup(const char *cgroup)
{
	char path[PATH_MAX + 16];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -errno;
}

static void name_cgroup(const struct shunt_run *run, struct shunt_ctx *ctx)
{
	int n = snprintf(ctx->cgroup, sizeof(ctx->cgroup), "%s/%s", run->root, ctx->way->pod);

	if (ctx->probe->flags & SHUNT_OWN_CGROUP && n > 0 && (size_t)n < sizeof(ctx->cgroup)) {
		snprintf(ctx->cgroup + n, sizeof(ctx->cgroup) - (size_t)n, "/%s-%d", ctx->probe->name,
			 ctx->way->blocking);
		mkdir(ctx->cgroup, 0755);
	}
}

static void leave_cgroup(const struct shunt_ctx *ctx)
{
	int64_t deadline = shunt_now_ms() + 2000;

	if (!(ctx->probe->flags & SHUNT_OWN_CGROUP))
		return;
	while (rmdir(ctx->cgroup) && errno == EBUSY && shunt_now_ms() < deadline)
		poll(NULL, 0, 2);
}

static bool may_hang(const struct shunt_run *run, const struct shunt_ctx *ctx)
{
	const struct shunt_row *row =
		run->table ? shunt_table_find(run->table, ctx->probe->name, ctx->way->name) : NULL;

	return row && strstr(row->observed, "hang");
}

static void probe_main(struct shunt_ctx *ctx)
{
	int r;

	if (!freopen("/dev/null", "w", stdout))
		_exit(1);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = shunt_enter_cgroup(ctx->cgroup);
	if (r)
		shunt_note(ctx, "no-cgroup=%s", shunt_error_name(-r));
	else
		r = shunt_pair_open(ctx);
	if (r)
		shunt_note(ctx, "no-pair=%s", shunt_error_name(-r));
	ctx->asked_ms = shunt_now_ms();
	if (!r)
		ctx->probe->ask(ctx);
}

static int limit_of(const struct shunt_ctx *ctx)
{
	if (ctx->probe->flags & SHUNT_LONG)
		return LONG_PROBE_MS;
	return ctx->patience_ms == PATIENCE_MS ? PROBE_MS : LISTED_HANG_MS;
}

/* False: it had to be given up. */
static bool watch(struct shunt_ctx *ctx, pid_t pid)
{
	int64_t opened = shunt_now_ms();
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, 50) == 0) {
		int64_t now = shunt_now_ms();

		if (ctx->asked_ms ? now - ctx->asked_ms > limit_of(ctx) : now - opened > PAIR_MS)
			return false;
	}
	return true;
}

static void run_probe(const struct shunt_run *run, struct shunt_ctx *ctx)
{
	pid_t pid;
	int64_t start = shunt_now_ms();
	int status = 0;

	name_cgroup(run, ctx);
	ctx->patience_ms = may_hang(run, ctx) ? PATIENCE_FOR_LISTED_HANG_MS : PATIENCE_MS;
	pid = fork();
	if (pid == 0) {
		probe_main(ctx);
		_exit(0);
	}
	setpgid(pid, pid);
	if (!watch(ctx, pid))
		shunt_note(ctx, "hang");
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		shunt_note(ctx, "died=%s", sigabbrev_np(WTERMSIG(status)));
	leave_cgroup(ctx);
	if (run->times)
		fprintf(stderr, "%5jd ms %s %s\n", (intmax_t)(shunt_now_ms() - start), ctx->way->name,
			ctx->probe->name);
}

int shunt_run_way(const struct shunt_run *run, const struct shunt_way *way)
{
	struct shunt_ctx *ctx = mmap(NULL, sizeof(*ctx), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct shunt_probe *probe;
	int failed = 0;

	if (ctx == MAP_FAILED)
		return -errno;
	for (size_t i = 0; (probe = shunt_probe_at(i)); i++) {
		if (!shunt_probe_applies(run, probe, way))
			continue;
		memset(ctx, 0, sizeof(*ctx));
		ctx->way = way;
		ctx->probe = probe;
		ctx->socket = run->socket;
		ctx->swap = run->swap;
		ctx->text = shunt_run_text(run, way, i);
		if (failed < GIVE_UP)
			run_probe(run, ctx);
		else
			shunt_note(ctx, "no-pair=given-up");
		failed = strstr(ctx->text, "no-pair") ? failed + 1 : 0;
	}
	return munmap(ctx, sizeof(*ctx));
}
