/* SPDX-License-Identifier: MIT */
/*
 * main.c: shuntd: arguments, start, the loop, the end.
 *
 *   datapath.c pins.c tables.c   the kernel's side: programs, pins, maps as values
 *   pods.c exe.c                 attached cgroups; what their programs could do
 *   scan.c leave.c               the periodic work; taking connections back to TCP
 *   flows.c unpaired.c report.c  connections and figures as JSON
 *   server.c methods.c           the control socket
 *   probe.c                      what this kernel can do
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fail.h"
#include "log.h"
#include "manager.h"
#include "pins.h"
#include "report.h"
#include "varlink.h"

#define EXIT_DRAIN_SECONDS 10.0

enum action { ACTION_RUN, ACTION_PROBE, ACTION_UNINSTALL };

struct arguments {
	const char *config;
	const char *socket;
	char *pin_dir;
	const char *log_level;
	const char *log_format;
	const char *chaos;
	bool drain_on_exit;
	enum action action;
};

static void usage(FILE *out)
{
	fputs("usage: shuntd [--config FILE] [--socket PATH] [--pin-dir DIR] [--log-level LEVEL] [--log-format "
	      "text|json] [--drain-on-exit]\n"
	      "       shuntd --probe | --uninstall | --version | --help\n"
	      "Runs in the foreground. SIGTERM ends it and leaves accelerated connections running; its successor "
	      "adopts them.\n",
	      out);
}

/* -1: go on; otherwise the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
	enum { CONFIG = 1, SOCKET, PIN_DIR, LOG_LEVEL, LOG_FORMAT, DRAIN, PROBE, UNINSTALL, CHAOS, VERSION, HELP };
	static const struct option options[] = {
		{"config", required_argument, NULL, CONFIG},
		{"socket", required_argument, NULL, SOCKET},
		{"pin-dir", required_argument, NULL, PIN_DIR},
		{"log-level", required_argument, NULL, LOG_LEVEL},
		{"log-format", required_argument, NULL, LOG_FORMAT},
		{"drain-on-exit", no_argument, NULL, DRAIN},
		{"probe", no_argument, NULL, PROBE},
		{"uninstall", no_argument, NULL, UNINSTALL},
		{"chaos", required_argument, NULL, CHAOS},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case CONFIG:
			ret->config = optarg;
			break;
		case SOCKET:
			ret->socket = optarg;
			break;
		case PIN_DIR:
			free(ret->pin_dir);
			ret->pin_dir = strdup(optarg);
			break;
		case LOG_LEVEL:
			ret->log_level = optarg;
			break;
		case LOG_FORMAT:
			ret->log_format = optarg;
			break;
		case DRAIN:
			ret->drain_on_exit = true;
			break;
		case PROBE:
			ret->action = ACTION_PROBE;
			break;
		case UNINSTALL:
			ret->action = ACTION_UNINSTALL;
			break;
		case CHAOS:
			ret->chaos = optarg;
			break;
		case VERSION:
			puts("shuntd " SHUNT_VERSION);
			return 0;
		case HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "shuntd: unexpected argument \"%s\"\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	return -1;
}

/* The command line wins over the config. */
static int set_log(const struct arguments *arguments, const struct shunt_config *config)
{
	int level = arguments->log_level ? shunt_log_level_parse(arguments->log_level) : (int)config->log_level;
	int format = arguments->log_format ? shunt_log_format_parse(arguments->log_format) : (int)config->log_format;

	if (level < 0 || format < 0) {
		fprintf(stderr, "shuntd: --%s \"%s\" is unknown; use %s\n", level < 0 ? "log-level" : "log-format",
			level < 0 ? arguments->log_level : arguments->log_format,
			level < 0 ? "error, warning, info or debug" : "text or json");
		return 2;
	}
	shunt_log_set(level, format);
	return 0;
}

static int set_chaos(struct shunt_control *control, const char *chaos)
{
	control->chaos_promote = 0;
	control->chaos_demote = 0;
	if (chaos && sscanf(chaos, "%u,%u", &control->chaos_promote, &control->chaos_demote) != 2)
		return -EINVAL;
	return 0;
}

static int set_control(struct shunt_manager *manager, const struct arguments *arguments)
{
	const struct shunt_config *config = manager->config;
	struct shunt_control *control = shunt_datapath_control(manager->datapath);

	control->promote_min_turns = config->promote_min_turns;
	control->spill_bytes = config->spill_bytes;
	control->spill_messages = config->spill_messages;
	control->run_bytes = config->run_bytes;
	control->run_messages = config->run_messages;
	control->fionread_wrong = manager->probe->fionread_wrong;
	control->kernel_unfit = manager->probe->level <= SHUNT_KERNEL_OBSERVE;
	control->heartbeat_ns = shunt_now_ns();
	if (control->stop == SHUNT_STOP_EXIT)
		control->stop = SHUNT_STOP_NOT;
	if (set_chaos(control, arguments->chaos)) {
		shunt_error("--chaos \"%s\" must be PROMOTE_PERCENT,DEMOTE_PERCENT", arguments->chaos);
		return -EINVAL;
	}
	return shunt_datapath_commit(manager->datapath);
}

static int open_kernel_side(struct shunt_manager *manager, const struct arguments *arguments)
{
	struct shunt_datapath_options options = {.pin_dir = manager->pin_dir, .max_flows = manager->config->max_flows};
	_cleanup_free_ char *error = NULL;
	int r = shunt_probe_run(&manager->probe);

	if (r) {
		shunt_error("cannot probe the kernel: %s; shuntd needs root", strerror(-r));
		return r;
	}
	if (manager->probe->level == SHUNT_KERNEL_REFUSE) {
		shunt_error("the kernel %s is older than 6.1; shunt does not run here", manager->probe->release);
		return -EOPNOTSUPP;
	}
	options.probe = manager->probe;
	r = shunt_datapath_open(&manager->datapath, &options, &error);
	if (r) {
		shunt_error("%s", error ? error : strerror(-r));
		return r;
	}
	r = set_control(manager, arguments);
	if (!r)
		r = shunt_pods_new(&manager->pods, manager->datapath);
	if (!r)
		r = shunt_judge_new(&manager->judge, (const char *const *)manager->config->splice_allow.list,
				    (const char *const *)manager->config->fionread_allow.list);
	return r;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct shunt_manager *manager = context;

	shunt_info("got signal %u, ending", info->ssi_signo);
	return sd_event_exit(manager->event, 0);
}

static int open_loop(struct shunt_manager *manager, const char *socket)
{
	sigset_t signals;
	int r = sd_event_new(&manager->event);

	if (r < 0)
		return r;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	sd_event_set_watchdog(manager->event, 1);
	r = sd_event_add_signal(manager->event, NULL, SIGTERM, on_signal, manager);
	if (r >= 0)
		r = sd_event_add_signal(manager->event, NULL, SIGINT, on_signal, manager);
	if (r >= 0)
		r = shunt_server_new(&manager->server, manager->event, socket, shunt_methods, manager);
	if (r < 0) {
		shunt_error("cannot listen on %s: %s%s", socket, strerror(-r),
			    r == -EADDRINUSE ? "; another shuntd answers there: stop it first, or pass another --socket"
					     : "");
		return r;
	}
	return 0;
}

static void close_manager(struct shunt_manager *manager)
{
	shunt_wait_free(manager);
	sd_event_source_unref(manager->scan_timer);
	sd_event_source_unref(manager->event_source);
	shunt_server_free(manager->server);
	sd_event_unref(manager->event);
	shunt_judge_free(manager->judge);
	shunt_pods_free(manager->pods);
	shunt_datapath_close(manager->datapath);
	shunt_probe_free(manager->probe);
	shunt_config_free(manager->config);
}

static void drain_at_exit(struct shunt_manager *manager)
{
	int left;

	if (shunt_set_stop(manager, SHUNT_STOP_EXIT))
		return;
	left = shunt_leave_all(manager, EXIT_DRAIN_SECONDS);
	if (left)
		shunt_warning("%d ends are still in the map; they send over TCP and leave when a daemon runs again",
			      left);
}

static int run(struct shunt_manager *manager, const struct arguments *arguments)
{
	/* the socket first: a second daemon fails there and has touched nothing in the kernel */
	int r = open_loop(manager, arguments->socket ? arguments->socket : SHUNT_SOCKET_PATH);

	if (r >= 0)
		r = open_kernel_side(manager, arguments);
	if (r >= 0)
		r = shunt_scan_start(manager);
	if (r < 0)
		return EXIT_FAILURE;
	shunt_info("shuntd " SHUNT_VERSION " runs: kernel level %s, %s, %zu pods",
		   shunt_kernel_level_word(manager->probe->level),
		   shunt_datapath_adopted(manager->datapath) ? "adopted what an earlier daemon left" : "new pins",
		   shunt_pods_count(manager->pods));
	sd_notify(0, "READY=1");
	r = sd_event_loop(manager->event);
	sd_notify(0, "STOPPING=1");
	if (arguments->drain_on_exit && !access(manager->pin_dir, F_OK))
		drain_at_exit(manager);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int probe(void)
{
	struct shunt_probe *found = NULL;
	json_auto_t *report = NULL;
	int r = shunt_probe_run(&found);

	if (r) {
		shunt_error("cannot probe the kernel: %s; run it as root", strerror(-r));
		return EXIT_FAILURE;
	}
	report = shunt_report_probe(found);
	shunt_probe_free(found);
	json_dumpf(report, stdout, JSON_COMPACT);
	putchar('\n');
	return EXIT_SUCCESS;
}

/* Without a running daemon: adopt the pins, drain, remove. Pins that cannot be adopted are removed all the same. */
static int uninstall(struct shunt_manager *manager, const struct arguments *arguments)
{
	json_auto_t *removed = NULL;
	json_auto_t *report = NULL;
	int left = 0;
	int r;

	if (access(manager->pin_dir, F_OK) < 0) {
		puts("{\"left\": 0, \"members\": [], \"removed\": []}");
		return EXIT_SUCCESS;
	}
	r = open_kernel_side(manager, arguments);
	if (r == -EBUSY)
		return EXIT_FAILURE;
	if (r) {
		shunt_warning("the pins cannot be adopted; removing them without a drain");
		r = shunt_datapath_unpin(manager->pin_dir);
		removed = json_pack("[s]", manager->pin_dir);
	} else {
		r = shunt_uninstall(manager, EXIT_DRAIN_SECONDS, &removed, &left);
	}
	report = json_pack("{s:i, s:[], s:O}", "left", left, "members", "removed", removed);
	json_dumpf(report, stdout, JSON_COMPACT);
	putchar('\n');
	return r || left ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Maps and links are charged to the caller's memory limit before 5.11 only; descriptors are what a large node needs. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments = {};
	struct shunt_manager manager = {.started_ns = shunt_now_ns()};
	_cleanup_free_ char *error = NULL;
	int status = parse_arguments(argc, argv, &arguments);

	if (status >= 0)
		return status;
	if (shunt_config_load(arguments.config ? arguments.config : SHUNT_CONFIG_PATH, arguments.config != NULL,
			      &manager.config, &error)) {
		fprintf(stderr, "shuntd: %s\n", error ? error : "out of memory");
		return EXIT_FAILURE;
	}
	status = set_log(&arguments, manager.config);
	if (status)
		return status;
	if (arguments.action == ACTION_PROBE)
		return probe();
	raise_descriptor_limit();
	manager.pin_dir = arguments.pin_dir ? arguments.pin_dir : shunt_pins_default();
	if (!manager.pin_dir) {
		shunt_error("there is no bpffs and it cannot be mounted: %s; mount it on /sys/fs/bpf", strerror(errno));
		return EXIT_FAILURE;
	}
	status = arguments.action == ACTION_UNINSTALL ? uninstall(&manager, &arguments) : run(&manager, &arguments);
	close_manager(&manager);
	return status;
}
