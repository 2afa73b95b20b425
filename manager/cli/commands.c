/* SPDX-License-Identifier: MIT */
/* commands.c: every command of shuntctl, its options, its method, and how its answer is shown. */
#include <shunt/mode.h>
#include <shunt/reason.h>

#include "cli.h"
#include "view.h"

#define CALL_MS 10000	/* an answer that needs no waiting */
#define DOCTOR_MS 60000 /* loads programs and starts processes to probe the kernel */

static const char *const mode_words[] = {
#define X(name, word, sentence) #word,
	SHUNT_MODES(X)
#undef X
		NULL,
};

static const char *const state_words[] = {
#define X(name, word) #word,
	SHUNT_STATES(X)
#undef X
		"all",
	NULL,
};

static const char *const reason_words[] = {
#define X(name, word, sentence) #word,
	SHUNT_REASONS(X)
#undef X
		NULL,
};

static const char *const shell_words[] = {"bash", "zsh", "fish", NULL};

const struct shunt_option shunt_global_options[] = {
	{"socket", 0, SHUNT_VALUE_TEXT, "PATH", NULL, NULL,
	 "socket of shuntd (SHUNT_SOCKET, else /run/shunt/shunt.sock)"},
	{"json", 'j', SHUNT_VALUE_FLAG, NULL, NULL, NULL, "print JSON"},
	{"pretty", 'p', SHUNT_VALUE_FLAG, NULL, NULL, NULL, "print indented JSON"},
	{"no-color", 0, SHUNT_VALUE_FLAG, NULL, NULL, NULL, "no colours on a terminal"},
	{"help", 'h', SHUNT_VALUE_FLAG, NULL, NULL, NULL, "show help for the command"},
	{"version", 0, SHUNT_VALUE_FLAG, NULL, NULL, NULL, "print the version"},
	{},
};

static const struct shunt_option mode_options[] = {
	{"mode", 0, SHUNT_VALUE_CHOICE, "MODE", NULL, mode_words,
	 "adaptive, eager, observe or off (the daemon's mode)"},
	{},
};

static const struct shunt_option attach_options[] = {
	{"name", 0, SHUNT_VALUE_TEXT, "NAME", "name", NULL, "name of the pod (the cgroup's)"},
	{"mode", 0, SHUNT_VALUE_CHOICE, "MODE", "mode", mode_words,
	 "adaptive, eager, observe or off (the daemon's mode)"},
	{},
};

static const struct shunt_option detach_options[] = {
	{"drain-timeout", 0, SHUNT_VALUE_SECONDS, "S", "drain_timeout_seconds", NULL,
	 "how long to wait for connections to leave the fast path (10)"},
	{},
};

static const struct shunt_option drain_options[] = {
	{"timeout", 0, SHUNT_VALUE_SECONDS, "S", "timeout_seconds", NULL,
	 "how long to wait for connections to leave the fast path (10)"},
	{},
};

static const struct shunt_option uninstall_options[] = {
	{"timeout", 0, SHUNT_VALUE_SECONDS, "S", "timeout_seconds", NULL,
	 "how long to wait for connections to leave the fast path (10)"},
	{"pin-dir", 0, SHUNT_VALUE_TEXT, "DIR", NULL, NULL,
	 "where the pins are, if no daemon runs (the bpf mount's shunt)"},
	{},
};

static const struct shunt_option flow_options[] = {
	{"pod", 0, SHUNT_VALUE_POD, "NAME", "pod", NULL, "connections of one pod"},
	{"state", 0, SHUNT_VALUE_CHOICE, "STATE", "state", state_words, "tcp, redirect, collapse, splice or all (all)"},
	{"reason", 0, SHUNT_VALUE_CHOICE, "REASON", "reason", reason_words, "connections with one reason"},
	{},
};

static const struct shunt_option doctor_options[] = {
	{"verbose", 'v', SHUNT_VALUE_FLAG, NULL, NULL, NULL, "show how each finding was made"},
	{},
};

static const struct shunt_argument attach_arguments[] = {
	{"CGROUP", "cgroup", SHUNT_VALUE_TEXT, false, NULL, "absolute, or relative to the cgroup2 mount"},
	{},
};

static const struct shunt_argument detach_arguments[] = {
	{"CGROUP|NAME", "pod", SHUNT_VALUE_POD, false, NULL, "the pod's name or cgroup"},
	{},
};

static const struct shunt_argument name_arguments[] = {
	{"NAME", "name", SHUNT_VALUE_POD, false, NULL, "the pod's name"},
	{},
};

static const struct shunt_argument id_arguments[] = {
	{"ID", "id", SHUNT_VALUE_ID, false, NULL, "the connection's id, as flow list shows it"},
	{},
};

static const struct shunt_argument shell_arguments[] = {
	{"SHELL", "shell", SHUNT_VALUE_CHOICE, false, shell_words, "bash, zsh or fish"},
	{},
};

static const struct shunt_argument help_arguments[] = {
	{"COMMAND", "command", SHUNT_VALUE_TEXT, true, NULL, "the command to explain"},
	{"SUBCOMMAND", "subcommand", SHUNT_VALUE_TEXT, true, NULL, "its second word"},
	{},
};

#define COLUMN(path_, header_, ...)                                                                                    \
	{                                                                                                              \
		.path = path_, .header = header_, ##__VA_ARGS__                                                        \
	}
#define FACTS(columns_, ...)                                                                                           \
	{                                                                                                              \
		.kind = SHUNT_VIEW_FACTS, .columns = columns_, ##__VA_ARGS__                                           \
	}
#define TABLE(path_, ...)                                                                                              \
	{                                                                                                              \
		.kind = SHUNT_VIEW_TABLE, .path = path_, ##__VA_ARGS__                                                 \
	}
#define SENTENCE(text_)                                                                                                \
	{                                                                                                              \
		.kind = SHUNT_VIEW_SENTENCE, .text = text_                                                             \
	}

static const struct shunt_column status_columns[] = {
	COLUMN("version", "version"),
	COLUMN("pid", "pid"),
	COLUMN("uptime_seconds", "up", .format = SHUNT_FORMAT_AGE),
	COLUMN("kernel", "kernel"),
	COLUMN("mode", "mode"),
	COLUMN("level", "level"),
	COLUMN("level_why", "why"),
	COLUMN("draining", "draining"),
	COLUMN("pods", "pods"),
	COLUMN("flows", "flows"),
	COLUMN("redirect", "redirected"),
	COLUMN("pin_dir", "pins"),
	{},
};

static const struct shunt_column level_columns[] = {COLUMN("level", "level"), {}};

static const struct shunt_column check_columns[] = {
	COLUMN("name", "CHECK"),
	COLUMN("result", "RESULT"),
	COLUMN("text", "FINDING", .wrap = true),
	COLUMN("detail", "DETAIL", .verbose = true, .wrap = true),
	{},
};

static const struct shunt_column pod_columns[] = {
	COLUMN("name", "POD"),
	COLUMN("mode", "MODE"),
	COLUMN("flows", "FLOWS", .right = true),
	COLUMN("redirect", "REDIRECTED", .right = true),
	COLUMN("redirected_bytes", "BYTES", .format = SHUNT_FORMAT_BYTES, .right = true),
	COLUMN("redirected_messages", "MESSAGES", .right = true),
	COLUMN("tcp_bytes", "TCP", .format = SHUNT_FORMAT_BYTES, .right = true),
	COLUMN("cgroup", "CGROUP"),
	{},
};

static const struct shunt_column pod_facts[] = {
	COLUMN("name", "name"),
	COLUMN("cgroup", "cgroup"),
	COLUMN("cgroup_id", "cgroup id"),
	COLUMN("mode", "mode"),
	COLUMN("transient", "transient"),
	COLUMN("flows", "flows"),
	COLUMN("redirect", "redirected"),
	COLUMN("redirected_bytes", "bytes redirected", .format = SHUNT_FORMAT_BYTES),
	COLUMN("redirected_messages", "messages redirected"),
	COLUMN("tcp_bytes", "bytes over TCP", .format = SHUNT_FORMAT_BYTES),
	COLUMN("judged", "programs", .format = SHUNT_FORMAT_PROGRAMS),
	{},
};

static const struct shunt_column flow_columns[] = {
	COLUMN("id", "ID", .right = true),
	COLUMN("pod", "POD"),
	COLUMN("local", "LOCAL"),
	COLUMN("remote", "REMOTE"),
	COLUMN("peer_pod", "PEER"),
	COLUMN("state", "STATE"),
	COLUMN("reason", "REASON"),
	COLUMN("bytes_redirected", "REDIRECTED", .format = SHUNT_FORMAT_BYTES, .right = true),
	COLUMN("bytes_tcp", "TCP", .format = SHUNT_FORMAT_BYTES, .right = true),
	COLUMN("age_seconds", "AGE", .format = SHUNT_FORMAT_AGE, .right = true),
	{},
};

static const struct shunt_column flow_facts[] = {
	COLUMN("id", "id"),
	COLUMN("pod", "pod"),
	COLUMN("local", "local"),
	COLUMN("remote", "remote"),
	COLUMN("peer_pod", "peer"),
	COLUMN("state", "state"),
	COLUMN("reason", "reason"),
	COLUMN("reason_text", "because"),
	COLUMN("packets", "packets"),
	COLUMN("bytes_redirected", "bytes redirected", .format = SHUNT_FORMAT_BYTES),
	COLUMN("bytes_tcp", "bytes over TCP", .format = SHUNT_FORMAT_BYTES),
	COLUMN("messages_redirected", "messages redirected"),
	COLUMN("messages_tcp", "messages over TCP"),
	COLUMN("age_seconds", "age", .format = SHUNT_FORMAT_AGE),
	COLUMN("netns", "network namespace"),
	{},
};

static const struct shunt_column total_columns[] = {
	COLUMN("flows", "flows"),
	COLUMN("redirected_bytes_total", "bytes redirected", .format = SHUNT_FORMAT_BYTES),
	COLUMN("redirected_messages_total", "messages redirected"),
	COLUMN("tcp_bytes_total", "bytes over TCP", .format = SHUNT_FORMAT_BYTES),
	COLUMN("scan.interval_ms", "scan interval, ms"),
	COLUMN("scan.last_us", "last scan, us"),
	COLUMN("scan.visited", "visited by it"),
	COLUMN("scan.cpu_share", "share of a core", .format = SHUNT_FORMAT_SHARE),
	{},
};

static const struct shunt_column word_columns[] = {
	COLUMN("@key", "NAME"),
	COLUMN("@value", "COUNT", .right = true),
	COLUMN("@key", "MEANING", .format = SHUNT_FORMAT_MEANING, .wrap = true),
	{},
};

static const struct shunt_column map_columns[] = {
	COLUMN("@key", "NAME"),
	COLUMN("entries", "ENTRIES", .right = true),
	COLUMN("max", "OF", .right = true),
	{},
};

static const struct shunt_column removed_columns[] = {COLUMN("removed", "removed"), {}};

#define MEMBERS TABLE("members", .title = "still on the fast path:", .columns = flow_columns)

static const struct shunt_view status_views[] = {FACTS(status_columns), {}};
static const struct shunt_view doctor_views[] = {
	FACTS(level_columns),
	TABLE("checks", .title = "findings", .columns = check_columns),
	{},
};
static const struct shunt_view attach_views[] = {SENTENCE("{name}: {cgroup} is managed, mode {mode}"), {}};
static const struct shunt_view detach_views[] = {SENTENCE("{name} is no longer managed"), MEMBERS, {}};
static const struct shunt_view pod_list_views[] = {
	TABLE("pods", .columns = pod_columns, .text = "no cgroup is managed; shuntctl attach CGROUP manages one"),
	{},
};
static const struct shunt_view pod_show_views[] = {FACTS(pod_facts, .path = "pod"), {}};
static const struct shunt_view flow_list_views[] = {TABLE("flows", .columns = flow_columns, .text = "no connections"),
						    {}};
static const struct shunt_view flow_show_views[] = {
	{.kind = SHUNT_VIEW_RECORDS, .path = "flows", .columns = flow_facts},
	{},
};
static const struct shunt_view stats_views[] = {
	FACTS(total_columns),
	TABLE("reasons", .title = "connections by reason", .columns = word_columns, .skip_zero = true),
	TABLE("counters", .title = "since start", .columns = word_columns, .skip_zero = true),
	TABLE("maps", .title = "tables", .columns = map_columns),
	{},
};
static const struct shunt_view drain_views[] = {
	SENTENCE("drained: nothing new is redirected until shuntctl resume"),
	MEMBERS,
	{},
};
static const struct shunt_view resume_views[] = {
	SENTENCE("resumed: connections are redirected again where that is safe"),
	{},
};
static const struct shunt_view uninstall_views[] = {FACTS(removed_columns), MEMBERS, {}};

const struct shunt_command shunt_commands[] = {
	{.name = "status",
	 .summary = "what the daemon does, and how far this kernel lets it",
	 .method = "Status",
	 .views = status_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "doctor",
	 .summary = "what this kernel can do, probed now",
	 .options = doctor_options,
	 .method = "Doctor",
	 .views = doctor_views,
	 .timeout_ms = DOCTOR_MS,
	 .judge = shunt_judge_level,
	 .run = shunt_run_doctor,
	 .detail =
		 "Without a daemon it runs shuntd --probe. Ends with 1 if shunt would refuse to work on this kernel."},
	{.name = "version", .summary = "versions of shuntctl and of the daemon", .run = shunt_run_version},
	{.name = "attach",
	 .summary = "manage the connections of a cgroup, or change its mode",
	 .arguments = attach_arguments,
	 .options = attach_options,
	 .method = "Attach",
	 .views = attach_views,
	 .timeout_ms = DOCTOR_MS,
	 .run = shunt_run_method},
	{.name = "detach",
	 .summary = "take the connections of a cgroup back to TCP and leave it alone",
	 .arguments = detach_arguments,
	 .options = detach_options,
	 .method = "Detach",
	 .views = detach_views,
	 .timeout_ms = 2 * CALL_MS,
	 .judge = shunt_judge_left,
	 .run = shunt_run_method},
	{.name = "pod list",
	 .summary = "the managed cgroups",
	 .method = "PodList",
	 .unwrap = "pods",
	 .views = pod_list_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "pod show",
	 .summary = "one managed cgroup and what was judged of its programs",
	 .arguments = name_arguments,
	 .method = "PodShow",
	 .unwrap = "pod",
	 .views = pod_show_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "flow list",
	 .summary = "the connections of managed cgroups, each with its state and reason",
	 .options = flow_options,
	 .method = "FlowList",
	 .stream = true,
	 .unwrap = "flows",
	 .views = flow_list_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "flow show",
	 .summary = "both ends of one connection",
	 .arguments = id_arguments,
	 .method = "FlowShow",
	 .unwrap = "flows",
	 .views = flow_show_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "stats",
	 .summary = "totals, reasons, tables, and what the scan costs",
	 .method = "Stats",
	 .views = stats_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "run",
	 .summary = "run a command in a managed cgroup of its own",
	 .options = mode_options,
	 .rest = SHUNT_REST_COMMAND,
	 .rest_usage = "-- CMD ARGS...",
	 .timeout_ms = DOCTOR_MS,
	 .run = shunt_run_command,
	 .detail = "Ends with the command's status, 128+N if signal N killed it; 125 if shunt failed, 126 if the "
		   "command could not be "
		   "executed, 127 if it was not found."},
	{.name = "drain",
	 .summary = "every connection back to TCP and no new ones",
	 .options = drain_options,
	 .method = "Drain",
	 .views = drain_views,
	 .timeout_ms = 2 * CALL_MS,
	 .judge = shunt_judge_left,
	 .run = shunt_run_method},
	{.name = "resume",
	 .summary = "undo drain",
	 .method = "Resume",
	 .views = resume_views,
	 .timeout_ms = CALL_MS,
	 .run = shunt_run_method},
	{.name = "uninstall",
	 .summary = "remove every program, map, link, pin and cgroup of shunt, and end the daemon",
	 .options = uninstall_options,
	 .method = "Uninstall",
	 .views = uninstall_views,
	 .timeout_ms = 3 * CALL_MS,
	 .judge = shunt_judge_left,
	 .run = shunt_run_uninstall,
	 .detail = "Without a daemon it runs shuntd --uninstall."},
	{.name = "bench",
	 .summary = "compare plain TCP, adaptive, eager and AF_UNIX on this machine",
	 .rest = SHUNT_REST_ALL,
	 .rest_usage = "[--quick|--full] [--out FILE.json] ...",
	 .run = shunt_run_bench,
	 .detail = "Starts shunt-bench, which documents itself: shuntctl bench --help."},
	{.name = "completion",
	 .summary = "print the completion script of a shell",
	 .arguments = shell_arguments,
	 .run = shunt_run_completion,
	 .detail = "For example: source <(shuntctl completion bash)"},
	{.name = "complete",
	 .summary = "what may follow these words",
	 .rest = SHUNT_REST_ALL,
	 .run = shunt_run_complete,
	 .hidden = true},
	{.name = "help",
	 .summary = "this list, or one command in detail",
	 .arguments = help_arguments,
	 .run = shunt_run_help},
	{},
};
