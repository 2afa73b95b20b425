/* SPDX-License-Identifier: MIT */
/* methods.c: the methods of io.shunt.Manager: check the parameters, act, answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "clock.h"
#include "flow_json.h"
#include "log.h"
#include "manager.h"
#include "report.h"
#include "tables.h"

#define DRAIN_SECONDS 10.0
#define FLOWS_PER_PART 1000

/* The words of design's error names for what the parts return. */
static const char *error_name(int r)
{
	switch (r) {
	case -ENOENT:
		return "NotFound";
	case -EEXIST:
		return "Conflict";
	case -EINVAL:
	case -EXDEV:
	case -ENOTDIR:
		return "InvalidArgument";
	case -ENOSPC:
		return "Busy";
	default:
		return "Failed";
	}
}

static void answer(struct shunt_call *call, int r, json_t *reply, const char *what)
{
	if (r)
		shunt_call_fail(call, error_name(r), "%s: %s", what, strerror(-r));
	else
		shunt_call_reply(call, reply);
}

/* A string parameter; NULL when absent. Unknown types are refused. */
static int get_string(const json_t *params, const char *key, const char **ret)
{
	const json_t *value = json_object_get(params, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return -EINVAL;
	*ret = json_string_value(value);
	return 0;
}

static int get_seconds(const json_t *params, const char *key, double *ret)
{
	const json_t *value = json_object_get(params, key);

	*ret = DRAIN_SECONDS;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_number(value) || json_number_value(value) < 0 || json_number_value(value) > 86400)
		return -EINVAL;
	*ret = json_number_value(value);
	return 0;
}

static bool bad(struct shunt_call *call, int r, const char *key, const char *wanted)
{
	if (r)
		shunt_call_fail(call, "InvalidArgument", "parameter \"%s\" must be %s", key, wanted);
	return r != 0;
}

static void method_status(struct shunt_call *call, const json_t *params, void *context)
{
	json_t *reply = shunt_report_status(context);

	answer(call, reply ? 0 : -ENOMEM, reply, "cannot describe the daemon");
}

/* Finds the pod that a parameter names, or answers the call. */
static uint32_t find_pod(struct shunt_manager *manager, struct shunt_call *call, const json_t *params, const char *key)
{
	const char *name;
	uint32_t slot;

	if (bad(call, get_string(params, key, &name) || !name ? -EINVAL : 0, key, "the name or cgroup of a pod"))
		return 0;
	slot = shunt_pods_find(manager->pods, name);
	if (!slot) {
		_cleanup_free_ char *path = NULL;

		if (!shunt_cgroup_resolve(name, &path))
			slot = shunt_pods_find(manager->pods, path);
	}
	if (!slot)
		shunt_call_fail(call, "NotFound", "no pod is called \"%s\"; \"shuntctl pod list\" shows all", name);
	return slot;
}

static int read_attach(const json_t *params, struct shunt_call *call, const char **cgroup, const char **name,
		       const char **mode, bool *transient)
{
	const json_t *flag = json_object_get(params, "transient");

	if (bad(call, get_string(params, "cgroup", cgroup) || !*cgroup ? -EINVAL : 0, "cgroup", "a cgroup's path"))
		return -EINVAL;
	if (bad(call, get_string(params, "name", name), "name", "a string") ||
	    bad(call, get_string(params, "mode", mode), "mode", "a string"))
		return -EINVAL;
	if (bad(call, flag && !json_is_boolean(flag) && !json_is_null(flag) ? -EINVAL : 0, "transient",
		"true or false"))
		return -EINVAL;
	*transient = json_is_true(flag);
	return 0;
}

static void attach(struct shunt_manager *manager, struct shunt_call *call, const char *cgroup, const char *name,
		   enum shunt_mode mode, bool transient)
{
	_cleanup_free_ char *error = NULL;
	const struct shunt_pod *pod;
	size_t before = shunt_pods_count(manager->pods);
	uint32_t slot;
	int r = shunt_pods_attach(manager->pods, cgroup, name, mode, transient, &slot, &error);

	if (r) {
		shunt_call_fail(call, error_name(r), "%s", error ? error : strerror(-r));
		return;
	}
	pod = shunt_pods_get(manager->pods, slot);
	if (shunt_pods_count(manager->pods) > before && shunt_flows_mark_older(manager, slot))
		shunt_warning("%s: the connections it already had could not be listed; they show as unproven",
			      pod->name);
	shunt_scan_once(manager);
	shunt_info("%s: %s is attached (%s)", pod->name, pod->cgroup, shunt_mode_word(pod->mode));
	shunt_call_reply(call, json_pack("{s:s, s:s, s:s}", "name", pod->name, "cgroup", pod->cgroup, "mode",
					 shunt_mode_word(pod->mode)));
}

static void method_attach(struct shunt_call *call, const json_t *params, void *context)
{
	struct shunt_manager *manager = context;
	_cleanup_free_ char *path = NULL;
	enum shunt_mode mode = manager->config->mode;
	const char *cgroup;
	const char *name;
	const char *word;
	bool transient;
	int r;

	if (read_attach(params, call, &cgroup, &name, &word, &transient))
		return;
	if (word && shunt_mode_parse(word, &mode)) {
		shunt_call_fail(call, "InvalidArgument", "\"%s\" is no mode; use adaptive, eager, observe or off",
				word);
		return;
	}
	r = shunt_cgroup_resolve(cgroup, &path);
	if (r) {
		shunt_call_fail(call, error_name(r),
				r == -EXDEV ? "%s is outside the cgroup2 mount" : "%s is no cgroup of this node: %s",
				cgroup, strerror(-r));
		return;
	}
	attach(manager, call, path, name, mode, transient);
}

static void method_detach(struct shunt_call *call, const json_t *params, void *context)
{
	struct shunt_manager *manager = context;
	double seconds;
	uint32_t slot;
	int r;

	if (bad(call, get_seconds(params, "drain_timeout_seconds", &seconds), "drain_timeout_seconds",
		"a number of seconds up to 86400"))
		return;
	slot = find_pod(manager, call, params, "pod");
	if (!slot)
		return;
	r = shunt_pods_leave(manager->pods, slot);
	if (!r)
		r = shunt_wait_begin(manager, SHUNT_WAIT_DETACH, slot, seconds, call);
	if (r < 0)
		shunt_call_fail(call, "Failed", "cannot detach: %s", strerror(-r));
}

static void method_pod_list(struct shunt_call *call, const json_t *params, void *context)
{
	json_t *pods = shunt_report_pods(context, 0);

	answer(call, pods ? 0 : -ENOMEM, json_pack("{s:o*}", "pods", pods), "cannot list the pods");
}

static void method_pod_show(struct shunt_call *call, const json_t *params, void *context)
{
	uint32_t slot = find_pod(context, call, params, "name");
	json_auto_t *pods = NULL;

	if (!slot)
		return;
	pods = shunt_report_pods(context, slot);
	answer(call, json_array_size(pods) == 1 ? 0 : -ENOMEM, json_pack("{s:O*}", "pod", json_array_get(pods, 0)),
	       "cannot describe the pod");
}

static int read_filter(const json_t *params, struct shunt_call *call, struct shunt_flow_filter *filter)
{
	if (bad(call, get_string(params, "pod", &filter->pod), "pod", "a string") ||
	    bad(call, get_string(params, "state", &filter->state), "state", "a string") ||
	    bad(call, get_string(params, "reason", &filter->reason), "reason", "a string"))
		return -EINVAL;
	return 0;
}

/* Long lists go out in parts when the caller can take them. */
static void reply_flows(struct shunt_call *call, json_t *flows)
{
	size_t count = json_array_size(flows);
	size_t sent = 0;

	while (shunt_call_wants_more(call) && count - sent > FLOWS_PER_PART) {
		json_t *part = json_array();

		for (size_t i = 0; i < FLOWS_PER_PART; i++)
			json_array_append(part, json_array_get(flows, sent + i));
		sent += FLOWS_PER_PART;
		if (shunt_call_continue(call, json_pack("{s:o}", "flows", part)))
			break;
	}
	if (sent) {
		json_t *rest = json_array();

		for (size_t i = sent; i < count; i++)
			json_array_append(rest, json_array_get(flows, i));
		shunt_call_reply(call, json_pack("{s:o}", "flows", rest));
		return;
	}
	shunt_call_reply(call, json_pack("{s:O}", "flows", flows));
}

static void method_flow_list(struct shunt_call *call, const json_t *params, void *context)
{
	struct shunt_flow_filter filter = {};
	json_auto_t *flows = NULL;
	int r;

	if (read_filter(params, call, &filter))
		return;
	r = shunt_flows_list(context, &filter, &flows);
	if (r)
		answer(call, r, NULL, "cannot list the connections");
	else
		reply_flows(call, flows);
}

static void method_flow_show(struct shunt_call *call, const json_t *params, void *context)
{
	const json_t *id = json_object_get(params, "id");
	struct shunt_flow_filter filter = {.id = (uint64_t)json_integer_value(id)};
	json_auto_t *flows = NULL;
	int r;

	if (bad(call, json_is_integer(id) && filter.id ? 0 : -EINVAL, "id", "a flow's id"))
		return;
	r = shunt_flows_list(context, &filter, &flows);
	if (!r && !json_array_size(flows))
		shunt_call_fail(call, "NotFound", "no connection has the id %llu; \"shuntctl flow list\" shows all",
				(unsigned long long)filter.id);
	else
		answer(call, r, json_pack("{s:O*}", "flows", flows), "cannot list the connections");
}

static void method_stats(struct shunt_call *call, const json_t *params, void *context)
{
	json_t *reply = shunt_report_stats(context);

	answer(call, reply ? 0 : -ENOMEM, reply, "cannot read the statistics");
}

static void method_doctor(struct shunt_call *call, const json_t *params, void *context)
{
	struct shunt_selftest selftest;
	struct shunt_probe *probe = NULL;
	json_t *reply = NULL;
	int r = shunt_probe_run(&probe);

	if (!r) {
		shunt_selftest_run(context, &selftest);
		reply = shunt_report_doctor(probe, &selftest);
	}
	shunt_probe_free(probe);
	answer(call, r ? r : reply ? 0 : -ENOMEM, reply, "cannot probe the kernel");
}

static void stop_and_wait(struct shunt_manager *manager, struct shunt_call *call, const json_t *params,
			  enum shunt_wait_kind kind)
{
	double seconds;
	int r;

	if (bad(call, get_seconds(params, "timeout_seconds", &seconds), "timeout_seconds",
		"a number of seconds up to 86400"))
		return;
	r = shunt_set_stop(manager, SHUNT_STOP_DRAIN);
	if (!r)
		r = shunt_wait_begin(manager, kind, 0, seconds, call);
	if (r < 0)
		shunt_call_fail(call, "Failed", "cannot drain: %s", strerror(-r));
}

static void method_drain(struct shunt_call *call, const json_t *params, void *context)
{
	stop_and_wait(context, call, params, SHUNT_WAIT_DRAIN);
}

static void method_resume(struct shunt_call *call, const json_t *params, void *context)
{
	int r = shunt_set_stop(context, SHUNT_STOP_NOT);

	answer(call, r, json_object(), "cannot resume");
}

static void method_uninstall(struct shunt_call *call, const json_t *params, void *context)
{
	stop_and_wait(context, call, params, SHUNT_WAIT_UNINSTALL);
}

const struct shunt_method shunt_methods[] = {
	{"Status", method_status},
	{"Attach", method_attach},
	{"Detach", method_detach},
	{"PodList", method_pod_list},
	{"PodShow", method_pod_show},
	{"FlowList", method_flow_list},
	{"FlowShow", method_flow_show},
	{"Stats", method_stats},
	{"Doctor", method_doctor},
	{"Drain", method_drain},
	{"Resume", method_resume},
	{"Uninstall", method_uninstall},
	{NULL, NULL},
};
