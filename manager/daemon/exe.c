/* SPDX-License-Identifier: MIT */
/* exe.c: judges cgroups by the programs that run there, and remembers what it knows of them. */
#include "exe.h"

#include <errno.h>
#include <fnmatch.h>
#include <search.h>
#include <string.h>
#include <time.h>

#include "cgroup.h"
#include "cleanup.h"
#include "pattern.h"
#include "process.h"

/* Libraries are also mapped after the first look: a process is read again when the time since then has doubled. */
#define FIRST_REREAD_NS 20000000ull
#define LONGEST_REREAD_NS 600000000000ull

/* Programs that import splice, themselves or by a library, and do not read TCP sockets with it. */
static const char *const splice_builtin[] = {
	"python3*", /* os.splice is for those who call it by name; socket, asyncio and http never do */
	"postgres", /* clients are read by recv alone (be-secure.c); splice comes with libraries such as libpython of
		       PL/Python */
	"psql",	    /* libpq reads by recv alone (fe-secure.c) */
	"pgbench",  /* libpq */
	"pg_*",	    /* the programs of PostgreSQL: libpq */
	"redis-*",  /* read(2) and hiredis' recv; libsystemd is there for sd_notify */
	NULL,
};

/* Programs that import ioctl, themselves or by a library, and do not trust FIONREAD of a TCP socket. */
static const char *const fionread_builtin[] = {
	"redis-*",   /* ioctl is for the terminal's width and disk sizes; no FIONREAD in the code */
	"wrk",	     /* asks it only to spare an epoll_wait; its level-triggered loop comes back for what is left */
	"node",	     /* libuv reads until EAGAIN; no FIONREAD in the code */
	"python3*",  /* fcntl.ioctl is for those who call it by name */
	"curl",	     /* ioctl is for the terminal's width; libcurl has none */
	"memcached", /* reads until EAGAIN by itself; of libevent it uses the loop, not the buffers that ask FIONREAD */
	"postgres",  /* has no ioctl; FIONREAD in its libraries is libsystemd's D-Bus and libstdc++'s files */
	"psql",	     /* FIONREAD is readline's, of the terminal; libpq's ioctl asks the terminal's size */
	"pgbench",   /* libpq's ioctl asks the terminal's size */
	"pg_*",	     /* libpq, as above */
	"haproxy",   /* has no ioctl; FIONREAD in its libraries is libsystemd's D-Bus and libstdc++'s files */
	NULL,
};

struct group {
	char *path;
	struct shunt_process *list; /* by pid */
	size_t count;
};

struct shunt_judge {
	struct shunt_patterns splice_allow;
	struct shunt_patterns fionread_allow;
	struct shunt_objects objects;
	void *groups; /* tree by path */
};

static int compare_groups(const void *left, const void *right)
{
	return strcmp(((const struct group *)left)->path, ((const struct group *)right)->path);
}

static int compare_pids(const void *left, const void *right)
{
	pid_t a = ((const struct shunt_process *)left)->pid;
	pid_t b = ((const struct shunt_process *)right)->pid;

	return (a > b) - (a < b);
}

static void clear_list(struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		shunt_process_clear(&group->list[i]);
	free(group->list);
	group->list = NULL;
	group->count = 0;
}

static void free_group(void *pointer)
{
	struct group *group = pointer;

	clear_list(group);
	free(group->path);
	free(group);
}

static int add_patterns(struct shunt_patterns *patterns, const char *const *list)
{
	int r = 0;

	for (; list && *list && r == 0; list++)
		r = shunt_patterns_add(patterns, *list);
	return r;
}

void shunt_judge_free(struct shunt_judge *judge)
{
	if (!judge)
		return;
	shunt_patterns_clear(&judge->splice_allow);
	shunt_patterns_clear(&judge->fionread_allow);
	shunt_objects_clear(&judge->objects);
	tdestroy(judge->groups, free_group);
	free(judge);
}

SHUNT_DEFINE_CLEANUP(struct shunt_judge *, shunt_judge_free)

int shunt_judge_new(struct shunt_judge **ret, const char *const *splice_allow, const char *const *fionread_allow)
{
	_cleanup_(shunt_judge_free_p) struct shunt_judge *judge = calloc(1, sizeof(*judge));

	if (!judge)
		return -ENOMEM;
	int r = add_patterns(&judge->splice_allow, splice_allow);
	if (r == 0)
		r = add_patterns(&judge->splice_allow, splice_builtin);
	if (r == 0)
		r = add_patterns(&judge->fionread_allow, fionread_allow);
	if (r == 0)
		r = add_patterns(&judge->fionread_allow, fionread_builtin);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(judge);
	return 0;
}

static const char *allowed_by(const struct shunt_patterns *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (fnmatch(patterns->list[i], name, 0) == 0)
			return patterns->list[i];
	return NULL;
}

static unsigned counted(const struct shunt_judge *judge, const struct shunt_process *process)
{
	unsigned bits = process->found;

	if (bits & SHUNT_MAY_SPLICE && shunt_patterns_match(&judge->splice_allow, process->name))
		bits &= ~SHUNT_MAY_SPLICE;
	if (bits & SHUNT_MAY_FIONREAD && shunt_patterns_match(&judge->fionread_allow, process->name))
		bits &= ~SHUNT_MAY_FIONREAD;
	return bits;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t next_read(uint64_t first_seen_ns, uint64_t now)
{
	uint64_t wait = now - first_seen_ns;

	if (wait < FIRST_REREAD_NS)
		wait = FIRST_REREAD_NS;
	return now + (wait < LONGEST_REREAD_NS ? wait : LONGEST_REREAD_NS);
}

static struct group *find_group(const struct shunt_judge *judge, const char *path)
{
	struct group key = {.path = (char *)path};
	struct group **found = tfind(&key, &judge->groups, compare_groups);

	return found ? *found : NULL;
}

static int find_or_add_group(struct shunt_judge *judge, const char *path, struct group **ret)
{
	struct group *group = find_group(judge, path);

	if (group) {
		*ret = group;
		return 0;
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	group->path = strdup(path);
	if (!group->path || !tsearch(group, &judge->groups, compare_groups)) {
		free_group(group);
		return -ENOMEM;
	}
	*ret = group;
	return 0;
}

void shunt_judge_forget(struct shunt_judge *judge, const char *cgroup_path)
{
	struct group *group = find_group(judge, cgroup_path);

	if (!group)
		return;
	tdelete(group, &judge->groups, compare_groups);
	free_group(group);
}

/* One reading of cgroup.procs: processes move from the old list to the fresh one, what stays behind is dead. */
struct reading {
	struct shunt_judge *judge;
	struct group *old;
	struct group fresh;
	size_t room;
	uint64_t now;
	unsigned verdict;
};

static int append(struct group *group, size_t *room, const struct shunt_process *process)
{
	if (group->count == *room) {
		size_t more = *room ? *room * 2 : 16;
		struct shunt_process *list = reallocarray(group->list, more, sizeof(*list));
		if (!list)
			return -ENOMEM;
		group->list = list;
		*room = more;
	}
	group->list[group->count++] = *process;
	return 0;
}

static void take_known(struct reading *reading, struct shunt_process *process)
{
	struct shunt_process *known = NULL;

	process->first_seen_ns = process->read_ns = reading->now;
	if (reading->old->count)
		known = bsearch(process, reading->old->list, reading->old->count, sizeof(*known), compare_pids);
	if (!known || !shunt_process_same(known, process))
		return;
	*process = *known;
	known->name = known->splice_from = known->fionread_from = NULL;
}

static int read_process(pid_t pid, void *context)
{
	struct reading *reading = context;
	struct shunt_process process;
	int r = 0;

	/* A process of a PID namespace that is not below ours shows as 0 and cannot be looked at. */
	if (pid == 0) {
		reading->verdict |= SHUNT_MAY_SPLICE | SHUNT_MAY_FIONREAD;
		return 0;
	}
	if (shunt_process_look(pid, &process) < 0)
		return 0;
	take_known(reading, &process);
	if (!process.name || reading->now >= process.read_ns) {
		r = shunt_process_inspect(&process, &reading->judge->objects);
		process.read_ns = next_read(process.first_seen_ns, reading->now);
	}
	if (r == 0) {
		reading->verdict |= counted(reading->judge, &process);
		r = append(&reading->fresh, &reading->room, &process);
	}
	if (r < 0)
		shunt_process_clear(&process);
	return r == -ESRCH ? 0 : r;
}

int shunt_judge_cgroup(struct shunt_judge *judge, const char *cgroup_path, unsigned *ret_verdict)
{
	struct reading reading = {.judge = judge, .now = now_ns(), .verdict = SHUNT_JUDGED};
	_cleanup_close_ int fd = -1;

	int r = shunt_cgroup_open(cgroup_path, &fd);
	if (r == -ENOENT)
		shunt_judge_forget(judge, cgroup_path);
	if (r == 0)
		r = find_or_add_group(judge, cgroup_path, &reading.old);
	if (r < 0)
		return r;
	r = shunt_cgroup_pids(fd, read_process, &reading);
	if (reading.fresh.count)
		qsort(reading.fresh.list, reading.fresh.count, sizeof(*reading.fresh.list), compare_pids);
	clear_list(reading.old);
	reading.old->list = reading.fresh.list;
	reading.old->count = reading.fresh.count;
	if (r < 0)
		return r;
	*ret_verdict = reading.verdict;
	return 0;
}

static int compare_programs(const void *left, const void *right)
{
	const struct shunt_process *a = *(const struct shunt_process *const *)left;
	const struct shunt_process *b = *(const struct shunt_process *const *)right;
	int names = strcmp(a->name, b->name);

	return names ? names : (a->found > b->found) - (a->found < b->found);
}

static int report(const struct shunt_judge *judge, const struct shunt_process *process, unsigned processes,
		  shunt_judged_fn each, void *context)
{
	struct shunt_judged judged = {
		.name = process->name,
		.processes = processes,
		.found = process->found,
		.counted = counted(judge, process),
		.splice_from = process->splice_from,
		.fionread_from = process->fionread_from,
	};

	if (judged.found & ~judged.counted & SHUNT_MAY_SPLICE)
		judged.splice_allowed_by = allowed_by(&judge->splice_allow, process->name);
	if (judged.found & ~judged.counted & SHUNT_MAY_FIONREAD)
		judged.fionread_allowed_by = allowed_by(&judge->fionread_allow, process->name);
	return each(&judged, context);
}

int shunt_judge_each(const struct shunt_judge *judge, const char *cgroup_path, shunt_judged_fn each, void *context)
{
	const struct group *group = find_group(judge, cgroup_path);

	if (!group)
		return -ENOENT;
	_cleanup_free_ const struct shunt_process **sorted = calloc(group->count + 1, sizeof(struct shunt_process *));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < group->count; i++)
		sorted[i] = &group->list[i];
	qsort(sorted, group->count, sizeof(*sorted), compare_programs);
	for (size_t i = 0, end; i < group->count; i = end) {
		for (end = i + 1; end < group->count && compare_programs(&sorted[i], &sorted[end]) == 0;)
			end++;
		int r = report(judge, sorted[i], (unsigned)(end - i), each, context);
		if (r)
			return r;
	}
	return 0;
}
