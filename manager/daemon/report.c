/* SPDX-License-Identifier: MIT */
/* report.c: status, pods, statistics and probes as JSON. */
#include "report.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "flow_json.h"
#include "tables.h"

static const char *const counter_words[] = {
#define X(name, word, meaning) #word,
	SHUNT_COUNTERS(X)
#undef X
};

static const char *const map_names[] = {
#define X(name, map) #map,
	SHUNT_MAPS(X)
#undef X
};

/* Why the level is what it is: every finding that is not fine. */
static json_t *level_why(const struct shunt_probe *probe)
{
	json_t *array = json_array();

	for (size_t i = 0; i < probe->count; i++)
		if (probe->items[i].result >= SHUNT_PROBE_WARN)
			json_array_append_new(array,
					      json_sprintf("%s: %s", probe->items[i].name, probe->items[i].text));
	return array;
}

static size_t count_redirect(const struct shunt_snapshot *snapshot, uint32_t slot, size_t *ret_flows)
{
	size_t redirect = 0;

	*ret_flows = 0;
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct shunt_flow *flow = &snapshot->flows[i];

		if (flow->closed ||
		    (slot && flow->end[SHUNT_CLIENT].pod != slot && flow->end[SHUNT_SERVER].pod != slot))
			continue;
		(*ret_flows)++;
		redirect += flow->phase == SHUNT_PHASE_RUN;
	}
	return redirect;
}

json_t *shunt_report_status(struct shunt_manager *manager)
{
	struct shunt_snapshot snapshot = {};
	struct utsname kernel = {};
	size_t redirect = 0;
	size_t flows = 0;

	uname(&kernel);
	if (!shunt_tables_flows(manager->datapath, &snapshot))
		redirect = count_redirect(&snapshot, 0, &flows);
	shunt_snapshot_clear(&snapshot);
	return json_pack("{s:s, s:i, s:i, s:f, s:s, s:s, s:o, s:b, s:I, s:I, s:I, s:s, s:s}", "version", SHUNT_VERSION,
			 "abi", SHUNT_ABI, "pid", getpid(), "uptime_seconds",
			 (double)(shunt_now_ns() - manager->started_ns) / SHUNT_NS_PER_S, "mode",
			 shunt_mode_word(manager->config->mode), "level",
			 shunt_kernel_level_word(manager->probe->level), "level_why", level_why(manager->probe),
			 "draining", shunt_datapath_control(manager->datapath)->stop != SHUNT_STOP_NOT, "pods",
			 (json_int_t)shunt_pods_count(manager->pods), "flows", (json_int_t)flows, "redirect",
			 (json_int_t)redirect, "pin_dir", manager->pin_dir, "kernel", kernel.release);
}

static const char *verdict_of(const struct shunt_judged *judged)
{
	if (judged->counted & SHUNT_MAY_SPLICE)
		return "may_splice";
	if (judged->counted & SHUNT_MAY_FIONREAD)
		return "fionread";
	return judged->found ? "allowed" : "ok";
}

static int add_judged(const struct shunt_judged *judged, void *context)
{
	json_array_append_new(context,
			      json_pack("{s:s, s:s}", "executable", judged->name, "verdict", verdict_of(judged)));
	return 0;
}

struct judged_walk {
	const struct shunt_manager *manager;
	json_t *array;
};

static int add_cgroup_judged(const char *path, int fd, void *context)
{
	struct judged_walk *walk = context;

	shunt_judge_each(walk->manager->judge, path, add_judged, walk->array);
	return 0;
}

static json_t *report_pod(const struct shunt_manager *manager, uint32_t slot, const struct shunt_snapshot *snapshot)
{
	const struct shunt_pod *pod = shunt_pods_get(manager->pods, slot);
	struct judged_walk walk = {.manager = manager, .array = json_array()};
	uint64_t counters[SHUNT_COUNTER_COUNT] = {};
	size_t flows = 0;
	size_t redirect = count_redirect(snapshot, slot, &flows);

	shunt_tables_counters(manager->datapath, slot, counters);
	shunt_cgroup_walk(pod->cgroup, add_cgroup_judged, &walk);
	return json_pack("{s:s, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "name", pod->name, "cgroup",
			 pod->cgroup, "cgroup_id", (json_int_t)pod->cgroup_id, "mode", shunt_mode_word(pod->mode),
			 "transient", (int)pod->transient, "flows", (json_int_t)flows, "redirect", (json_int_t)redirect,
			 "redirected_bytes", (json_int_t)counters[SHUNT_COUNTER_REDIRECTED_BYTES],
			 "redirected_messages", (json_int_t)counters[SHUNT_COUNTER_REDIRECTED_MESSAGES], "tcp_bytes",
			 (json_int_t)counters[SHUNT_COUNTER_TCP_BYTES], "judged", walk.array);
}

json_t *shunt_report_pods(struct shunt_manager *manager, uint32_t slot)
{
	struct shunt_snapshot snapshot = {};
	json_t *array = json_array();

	if (shunt_tables_flows(manager->datapath, &snapshot))
		return array;
	for (uint32_t next = shunt_pods_next(manager->pods, 0); next; next = shunt_pods_next(manager->pods, next))
		if (!slot || slot == next)
			json_array_append_new(array, report_pod(manager, next, &snapshot));
	shunt_snapshot_clear(&snapshot);
	return array;
}

static json_t *report_counters(const uint64_t counters[SHUNT_COUNTER_COUNT])
{
	json_t *object = json_object();

	for (int i = 0; i < SHUNT_COUNTER_COUNT; i++)
		json_object_set_new(object, counter_words[i], json_integer((json_int_t)counters[i]));
	return object;
}

/* Every slot counts: those of pods that are leaving, and the one that keeps what former pods did. */
static void sum_counters(struct shunt_manager *manager, uint64_t totals[SHUNT_COUNTER_COUNT], json_t *pods)
{
	for (uint32_t slot = 0; slot < SHUNT_MAX_PODS; slot++) {
		const struct shunt_pod *pod = shunt_pods_get(manager->pods, slot);
		uint64_t counters[SHUNT_COUNTER_COUNT];

		if (slot != SHUNT_RETIRED_SLOT && !shunt_pods_uses(manager->pods, slot))
			continue;
		if (shunt_tables_counters(manager->datapath, slot, counters))
			continue;
		for (int i = 0; i < SHUNT_COUNTER_COUNT; i++)
			totals[i] += counters[i];
		if (pod)
			json_object_set_new(pods, pod->name, report_counters(counters));
	}
}

static json_int_t count_ends(const struct shunt_manager *manager)
{
	struct shunt_snapshot snapshot = {};
	json_int_t ends = 0;

	if (shunt_tables_flows(manager->datapath, &snapshot))
		return 0;
	for (size_t i = 0; i < snapshot.count; i++)
		ends += __builtin_popcount(snapshot.flows[i].recorded & ~snapshot.flows[i].closed);
	shunt_snapshot_clear(&snapshot);
	return ends;
}

static json_t *report_maps(const struct shunt_manager *manager)
{
	json_t *object = json_object();

	for (int i = 0; i < SHUNT_MAP_COUNT; i++)
		json_object_set_new(object, map_names[i],
				    json_pack("{s:I, s:I}", "entries",
					      (json_int_t)shunt_tables_entries(manager->datapath, i), "max",
					      (json_int_t)shunt_tables_max_entries(manager->datapath, i)));
	return object;
}

static json_t *count_reasons(const json_t *flows)
{
	json_t *object = json_object();
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		const char *reason = json_string_value(json_object_get(flow, "reason"));

		json_object_set_new(object, reason,
				    json_integer(json_integer_value(json_object_get(object, reason)) + 1));
	}
	return object;
}

json_t *shunt_report_stats(struct shunt_manager *manager)
{
	struct shunt_flow_filter all = {};
	uint64_t totals[SHUNT_COUNTER_COUNT] = {};
	json_auto_t *flows = NULL;
	json_t *pods = json_object();

	if (shunt_flows_list(manager, &all, &flows)) {
		json_decref(pods);
		return NULL;
	}
	sum_counters(manager, totals, pods);
	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:f}, s:o}", "flows",
			 (json_int_t)json_array_size(flows), "redirected_bytes_total",
			 (json_int_t)totals[SHUNT_COUNTER_REDIRECTED_BYTES], "redirected_messages_total",
			 (json_int_t)totals[SHUNT_COUNTER_REDIRECTED_MESSAGES], "tcp_bytes_total",
			 (json_int_t)totals[SHUNT_COUNTER_TCP_BYTES], "reasons", count_reasons(flows), "counters",
			 report_counters(totals), "maps", report_maps(manager), "scan", "interval_ms",
			 (json_int_t)manager->scan.interval_ms, "last_us", (json_int_t)manager->scan.last_us, "visited",
			 count_ends(manager), "cpu_share", manager->scan.cpu_share, "pods", pods);
}

static void add_check(json_t *checks, const char *name, enum shunt_probe_result result, const char *text,
		      const char *detail)
{
	json_array_append_new(checks,
			      json_pack("{s:s, s:s, s:s, s:s}", "name", name, "result", shunt_probe_result_word(result),
					"text", text ? text : "", "detail", detail ? detail : ""));
}

json_t *shunt_report_doctor(const struct shunt_probe *probe, const struct shunt_selftest *selftest)
{
	const struct shunt_selftest_check *promotion = &selftest->promotion;
	const struct shunt_selftest_check *handover = &selftest->handover;
	json_t *checks = json_array();

	for (size_t i = 0; i < probe->count; i++) {
		const struct shunt_probe_item *item = &probe->items[i];

		add_check(checks, item->name, item->result, item->text, item->detail);
	}
	add_check(checks, "promotion", promotion->result, promotion->text, promotion->detail);
	add_check(checks, "handover", handover->result, handover->text, handover->detail);
	return json_pack("{s:s, s:o}", "level", shunt_kernel_level_word(probe->level), "checks", checks);
}

json_t *shunt_report_probe(const struct shunt_probe *probe)
{
	static const struct shunt_selftest nothing = {
		.promotion = {SHUNT_PROBE_INFO, "not tried: no daemon runs", NULL},
		.handover = {SHUNT_PROBE_INFO, "not tried: no daemon runs", NULL},
	};

	return shunt_report_doctor(probe, &nothing);
}
