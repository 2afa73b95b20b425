/* SPDX-License-Identifier: MIT */
/*
 * selftest.c: promotes and demotes a connection of its own with the very programs and maps that serve users, in a
 * cgroup and a network namespace of its own.
 */
#include "selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "clock.h"
#include "flow_json.h"
#include "netns.h"
#include "selftest_pair.h"
#include "tables.h"

#define LONGEST_NS 1300000000ull
#define MORE_TURNS 4
#define MOST_TURNS 5000 /* about a tenth of a second */
#define PAUSE_MS 5
#define REMOVE_MS 100

#define BUSY "on a machine without time to spare try again; otherwise run shuntctl -v doctor and report it"

struct test {
	struct shunt_manager *manager;
	struct shunt_selftest *result;
	char cgroup[40]; /* below the mount, with its slash */
	int cgroup_fd;
	uint64_t cgroup_id;
	uint32_t slot;
	struct shunt_pair pair;
};

static void conclude(struct shunt_selftest_check *check, enum shunt_probe_result result, const char *detail,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void conclude(struct shunt_selftest_check *check, enum shunt_probe_result result, const char *detail,
		     const char *format, ...)
{
	va_list arguments;

	check->result = result;
	check->detail = detail;
	va_start(arguments, format);
	vsnprintf(check->text, sizeof(check->text), format, arguments);
	va_end(arguments);
}

static void not_tried(struct shunt_selftest *result, enum shunt_probe_result level, const char *why, const char *error)
{
	conclude(&result->promotion, level, NULL, "not tried: %s%s", why, error);
	conclude(&result->handover, level, NULL, "not tried: %s%s", why, error);
}

static const char *describe(int r)
{
	if (r == -ETIMEDOUT)
		return "it took too long";
	if (r == -EILSEQ)
		return "other bytes arrived than were sent";
	return strerror(-r);
}

static const char *reason_not_to_try(const struct shunt_control *control)
{
	if (control->stop)
		return "shunt is draining; shuntctl resume ends that";
	if (control->kernel_unfit)
		return "on this kernel shunt only observes";
	if (control->chaos_promote || control->chaos_demote)
		return "--chaos promotes and demotes by chance";
	if (control->promote_min_turns > MOST_TURNS)
		return "promote_min_turns asks for more turns than a short test can take";
	return NULL;
}

static int open_cgroup(struct test *test)
{
	const char *mount;
	_cleanup_close_ int root = -1;
	int r = shunt_cgroup_mount(&mount);

	if (r)
		return r;
	root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	unlinkat(root, test->cgroup + 1, AT_REMOVEDIR); /* of a killed daemon with the same number */
	if (mkdirat(root, test->cgroup + 1, 0755) < 0)
		return -errno;
	r = shunt_cgroup_open(test->cgroup, &test->cgroup_fd);
	return r ? r : shunt_cgroup_id(test->cgroup_fd, &test->cgroup_id);
}

/* Newer kernels count a process out of its cgroup a moment after it was reaped; cgroup.events tells when. */
static void remove_cgroup(const struct test *test)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int events = openat(test->cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd poller = {.fd = events, .events = POLLPRI};
	char text[64];

	if (shunt_cgroup_filename(test->cgroup, &name))
		return;
	for (int tries = 0; rmdir(name) < 0 && errno == EBUSY && tries < 3; tries++) {
		if (events < 0 || pread(events, text, sizeof(text), 0) < 0)
			return;
		poll(&poller, 1, REMOVE_MS);
	}
}

/*
 * One pass of the daemon's scan. It visits everybody's flows, so everybody is judged first. The child is a shuntd,
 * whose libraries count as able to splice: that verdict is overruled.
 */
static int scan(const struct test *test)
{
	struct shunt_datapath *datapath = test->manager->datapath;
	_cleanup_close_ int netns = -1;
	uint64_t inode;
	int home;
	int r;

	shunt_scan_judge(test->manager);
	r = shunt_tables_word_set(datapath, SHUNT_MAP_CGROUPS, test->cgroup_id, SHUNT_JUDGED);
	shunt_datapath_control(datapath)->heartbeat_ns = shunt_now_ns();
	if (!r)
		r = shunt_datapath_commit(datapath);
	if (!r && test->manager->probe->scan == SHUNT_SCAN_TCP) /* that iterator sees the caller's namespace only */
		r = shunt_netns_of_pid(test->pair.pid, &netns, &inode);
	if (!r)
		r = shunt_netns_enter(netns, &home);
	if (r)
		return r;
	r = shunt_datapath_scan(datapath);
	shunt_netns_leave(home);
	return r;
}

/* Scans until the flow is in that phase. *ret is what was seen last, all zero before there is a record. */
static int scan_until(const struct test *test, enum shunt_phase phase, struct shunt_flow *ret)
{
	*ret = (struct shunt_flow){};
	for (;;) {
		int r = scan(test);

		if (!r)
			r = shunt_tables_flow(test->manager->datapath, test->pair.flow, ret);
		if (r && r != -ENOENT)
			return r;
		if (!r && ret->phase == phase)
			return 0;
		if (shunt_now_ns() >= test->pair.deadline_ns)
			return -ETIMEDOUT;
		shunt_pair_pause(&test->pair, PAUSE_MS);
	}
}

static bool promote(struct test *test, struct shunt_flow *ret)
{
	struct shunt_selftest_check *check = &test->result->promotion;
	int r = scan_until(test, SHUNT_PHASE_RUN, ret);

	if (!r)
		return true;
	if (r != -ETIMEDOUT)
		conclude(check, SHUNT_PROBE_FAIL, BUSY, "the scan does not work (%s): no connection is promoted",
			 strerror(-r));
	else if (!ret->id)
		conclude(check, SHUNT_PROBE_FAIL, BUSY,
			 "the ends of a test connection were not recognised as a pair: nothing is promoted");
	else
		conclude(check, SHUNT_PROBE_FAIL, BUSY,
			 "the scan did not promote a test connection that takes turns (%s)",
			 shunt_reason_word(ret->reason));
	conclude(&test->result->handover, SHUNT_PROBE_INFO, NULL, "not tried: the test's pair was not promoted");
	return false;
}

static uint64_t redirected(const struct shunt_flow *flow)
{
	return flow->end[SHUNT_CLIENT].redirected_messages + flow->end[SHUNT_SERVER].redirected_messages;
}

/* The steps; *ret_behind is the flow after the message that had to pass, *ret_after at the end. */
static int hand_over(struct test *test, struct shunt_flow *ret_behind, struct shunt_flow *ret_after)
{
	const struct shunt_datapath *datapath = test->manager->datapath;
	int r = shunt_pair_do(&test->pair, SHUNT_PAIR_SEND);

	if (!r)
		r = shunt_tables_flow(datapath, test->pair.flow, ret_behind);
	if (!r)
		r = shunt_pair_do(&test->pair, SHUNT_PAIR_CATCH_UP);
	return r ? r : shunt_tables_flow(datapath, test->pair.flow, ret_after);
}

static bool check_handover(struct test *test)
{
	struct shunt_selftest_check *check = &test->result->handover;
	struct shunt_flow behind = {};
	struct shunt_flow after = {};
	int r = hand_over(test, &behind, &after);

	if (redirected(&behind))
		conclude(check, SHUNT_PROBE_FAIL, "shuntctl drain takes every connection back to TCP; report it",
			 "a message was redirected past TCP bytes that nobody had read: bytes may be reordered");
	else if (r)
		conclude(check, SHUNT_PROBE_FAIL, "shuntctl drain takes every connection back to TCP; report it",
			 "the bytes of a promoted test connection did not arrive as they were sent (%s)", describe(r));
	else if (!behind.end[SHUNT_CLIENT].passed_messages)
		conclude(check, SHUNT_PROBE_FAIL, BUSY,
			 "the program that judges messages did not see the first one after promotion: nothing is "
			 "redirected");
	else if (!after.end[SHUNT_CLIENT].redirected_messages || !after.end[SHUNT_SERVER].redirected_messages)
		conclude(
			check, SHUNT_PROBE_FAIL, BUSY,
			"messages of a promoted pair still take TCP after the reader has caught up: nothing is gained");
	else
		conclude(check, SHUNT_PROBE_OK, NULL,
			 "with TCP bytes unread the next message took TCP too, then both ends redirected; all arrived "
			 "in order");
	return check->result == SHUNT_PROBE_OK;
}

static void demote(struct test *test)
{
	struct shunt_selftest_check *check = &test->result->promotion;
	struct shunt_flow flow = {};
	int r = shunt_pair_do(&test->pair, SHUNT_PAIR_BLOCK);

	if (!r)
		r = scan_until(test, SHUNT_PHASE_TCP, &flow);
	if (!r && flow.reason != SHUNT_REASON_BLOCKING)
		conclude(check, SHUNT_PROBE_WARN, BUSY, "a test pair was demoted for another reason than expected (%s)",
			 shunt_reason_word(flow.reason));
	else if (r)
		conclude(check, SHUNT_PROBE_FAIL, BUSY,
			 "the scan promoted a test pair and did not demote it when its socket became blocking (%s)",
			 describe(r));
	else if ((r = shunt_pair_do(&test->pair, SHUNT_PAIR_TURN)))
		conclude(check, SHUNT_PROBE_FAIL, "shuntctl detach pods that matter; report it",
			 "a demoted test pair did not go on over TCP (%s)", describe(r));
	else
		conclude(check, SHUNT_PROBE_OK, NULL,
			 "the scan promoted a test pair, and demoted it when its socket became blocking");
}

static void run_pair(struct test *test)
{
	struct shunt_flow flow;
	int r = shunt_pair_do(&test->pair, SHUNT_PAIR_ISOLATE);

	if (r) {
		not_tried(test->result, SHUNT_PROBE_INFO, "no cgroup and network namespace for a test: ", describe(r));
		return;
	}
	r = shunt_pair_do(&test->pair, SHUNT_PAIR_TALK);
	if (r) {
		not_tried(test->result, SHUNT_PROBE_WARN, "a TCP connection to itself failed: ", describe(r));
		return;
	}
	if (!promote(test, &flow))
		return;
	if (check_handover(test))
		demote(test);
	else
		conclude(&test->result->promotion, SHUNT_PROBE_WARN, NULL,
			 "the scan promoted a test pair; demotion was not tried, as the handover failed");
}

static void connect_and_run(struct test *test)
{
	unsigned min_turns = shunt_datapath_control(test->manager->datapath)->promote_min_turns;
	unsigned turns = (min_turns > SHUNT_RECORD_SEGMENTS ? min_turns : SHUNT_RECORD_SEGMENTS) + MORE_TURNS;
	int r = shunt_pair_start(&test->pair, test->cgroup_fd, turns, shunt_now_ns() + LONGEST_NS);

	if (r)
		not_tried(test->result, SHUNT_PROBE_INFO, "cannot start a process: ", strerror(-r));
	else
		run_pair(test);
}

/* The child has ended: both sockets are closed, so the record may go whatever its phase was. */
static void detach(const struct test *test, uint64_t flow)
{
	struct shunt_datapath *datapath = test->manager->datapath;
	struct shunt_snapshot snapshot = {};

	if (flow)
		shunt_tables_flow_delete(datapath, flow);
	shunt_pods_release(test->manager->pods, test->slot);
	shunt_tables_word_delete(datapath, SHUNT_MAP_CGROUPS, test->cgroup_id);
	/* nobody's traffic: totals must not take it over when the slot is freed */
	shunt_tables_counters_clear(datapath, test->slot);
	if (!shunt_tables_flows(datapath, &snapshot))
		shunt_pods_reap(test->manager->pods, &snapshot);
	shunt_snapshot_clear(&snapshot);
}

static void attach_and_run(struct test *test)
{
	_cleanup_free_ char *error = NULL;
	uint64_t flow;
	int r = shunt_pods_attach(test->manager->pods, test->cgroup, NULL, SHUNT_MODE_ADAPTIVE, true, &test->slot,
				  &error);

	if (r) {
		/* nested: the root itself is attached, so there is no room for a cgroup beside the users' */
		not_tried(test->result, r == -EEXIST ? SHUNT_PROBE_INFO : SHUNT_PROBE_WARN, "",
			  error ? error : strerror(-r));
		return;
	}
	connect_and_run(test);
	flow = test->pair.flow;
	shunt_pair_end(&test->pair);
	detach(test, flow);
}

void shunt_selftest_run(struct shunt_manager *manager, struct shunt_selftest *ret)
{
	const char *reason = reason_not_to_try(shunt_datapath_control(manager->datapath));
	struct test test = {.manager = manager, .result = ret, .cgroup_fd = -1, .pair.fd = -1};
	int r;

	*ret = (struct shunt_selftest){};
	if (reason) {
		not_tried(ret, SHUNT_PROBE_INFO, reason, "");
		return;
	}
	snprintf(test.cgroup, sizeof(test.cgroup), "/shunt-doctor-%d", getpid());
	r = open_cgroup(&test);
	if (r)
		not_tried(ret, SHUNT_PROBE_INFO, "cannot make a cgroup for a test: ", strerror(-r));
	else
		attach_and_run(&test);
	remove_cgroup(&test);
	shunt_cleanup_close(&test.cgroup_fd);
}
