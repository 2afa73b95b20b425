/* SPDX-License-Identifier: MIT */
/* variants.c: the cgroups of a benchmark, their attachment, and the daemon's view of the one connection that matters.
 */
#include "variants.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"

enum { POD_CLIENT = SHUNT_BENCH_CLIENT, POD_SERVER = SHUNT_BENCH_SERVER, POD_IDLE, POD_COUNT };
static const char *const pod_words[POD_COUNT] = {"client", "server", "idle"};

static void pod_folder(const struct shunt_bench_pods *pods, int pod, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s", pods->root, pod_words[pod]);
}

static void pod_name(int pod, char ret[64])
{
	snprintf(ret, 64, "bench-%s-%d", pod_words[pod], (int)getpid());
}

int shunt_bench_pods_open(struct shunt_bench_pods *ret, const struct shunt_bench_daemon *daemon)
{
	struct shunt_bench_pods pods = {.daemon = daemon};
	char folder[PATH_MAX];
	const char *mount;

	int r = shunt_cgroup_mount(&mount);
	if (r < 0)
		return r;
	if (asprintf(&pods.root, "%s/shunt-bench-%d", mount, (int)getpid()) < 0)
		return -ENOMEM;
	r = mkdir(pods.root, 0755) < 0 ? -errno : 0;
	for (int pod = 0; r >= 0 && pod < POD_COUNT; pod++) {
		pod_folder(&pods, pod, folder);
		r = mkdir(folder, 0755) < 0 ? -errno : 0;
	}
	if (r < 0)
		shunt_bench_pods_close(&pods);
	else
		*ret = pods;
	return r;
}

/* The kernel may take a moment after the last process was reaped. */
static void remove_folder(const char *folder)
{
	for (int tries = 0; rmdir(folder) < 0; tries++) {
		if (errno == ENOENT)
			return;
		if (errno != EBUSY || tries == 100) {
			fprintf(stderr, "shunt-bench: cannot remove cgroup %s: %s\n", folder, strerror(errno));
			return;
		}
		poll(NULL, 0, 10);
	}
}

void shunt_bench_pods_close(struct shunt_bench_pods *pods)
{
	char folder[PATH_MAX];

	if (!pods->root)
		return;
	shunt_bench_pods_detach(pods);
	for (int pod = 0; pod < POD_COUNT; pod++) {
		pod_folder(pods, pod, folder);
		remove_folder(folder);
	}
	remove_folder(pods->root);
	free(pods->root);
	pods->root = NULL;
}

static int attach(struct shunt_bench_pods *pods, int pod, const char *mode)
{
	char folder[PATH_MAX], name[64];

	pod_folder(pods, pod, folder);
	pod_name(pod, name);
	json_t *params = json_pack("{s:s, s:s, s:s}", "cgroup", folder, "name", name, "mode", mode);
	int r = shunt_bench_daemon_call(pods->daemon, "Attach", params, NULL);
	if (r >= 0)
		pods->attached[pod] = true;
	return r;
}

int shunt_bench_pods_attach(struct shunt_bench_pods *pods, enum shunt_variant variant)
{
	const struct shunt_variant_info *info = &shunt_variants[variant];
	int r = 0;

	if (!shunt_variant_is_managed(variant))
		return 0;
	if (!pods->daemon)
		return -ENOTCONN;
	if (info->mode)
		r = attach(pods, POD_SERVER, info->mode);
	if (r >= 0 && info->mode)
		r = attach(pods, POD_CLIENT, info->mode);
	if (r >= 0 && info->idle_mode)
		r = attach(pods, POD_IDLE, info->idle_mode);
	return r;
}

int shunt_bench_pods_detach(struct shunt_bench_pods *pods)
{
	int first = 0;
	char name[64];

	for (int pod = 0; pod < POD_COUNT; pod++) {
		if (!pods->attached[pod])
			continue;
		pod_name(pod, name);
		int r = shunt_bench_daemon_call(pods->daemon, "Detach", json_pack("{s:s}", "pod", name), NULL);
		pods->attached[pod] = false;
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

int shunt_bench_pods_join(const struct shunt_bench_pods *pods, enum shunt_bench_role role)
{
	char folder[PATH_MAX], file[PATH_MAX + sizeof("/cgroup.procs")];

	pod_folder(pods, role, folder);
	snprintf(file, sizeof(file), "%s/cgroup.procs", folder);
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "0", 1) == 1 ? 0 : -errno;
}

static uint64_t number_of(const json_t *end, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(end, key));
}

static void add_end(const json_t *end, struct shunt_bench_flow *flow)
{
	const char *state = json_string_value(json_object_get(end, "state"));
	const char *reason = json_string_value(json_object_get(end, "reason"));
	bool redirect = state && strcmp(state, "redirect") == 0;

	if (!redirect && (!flow->found || flow->redirect))
		snprintf(flow->reason, sizeof(flow->reason), "%s", reason ? reason : "unknown");
	flow->redirect = redirect && (!flow->found || flow->redirect);
	flow->found = true;
	flow->redirected_bytes += number_of(end, "bytes_redirected");
	flow->redirected_messages += number_of(end, "messages_redirected");
}

static int read_pod(const struct shunt_bench_pods *pods, int pod, const char *key, const char *address,
		    struct shunt_bench_flow *flow)
{
	json_auto_t *reply = NULL;
	const json_t *end;
	size_t i;
	char name[64];

	pod_name(pod, name);
	int r = shunt_bench_daemon_call(pods->daemon, "FlowList", json_pack("{s:s}", "pod", name), &reply);
	if (r < 0)
		return r;
	json_array_foreach (json_object_get(reply, "flows"), i, end) {
		const char *value = json_string_value(json_object_get(end, key));
		if (value && strcmp(value, address) == 0)
			add_end(end, flow);
	}
	return 0;
}

int shunt_bench_flow_read(const struct shunt_bench_pods *pods, const struct shunt_bench_address *client,
			  struct shunt_bench_flow *ret)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&client->sa;
	struct shunt_bench_flow flow = {0};
	char ip[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN + 6];

	snprintf(flow.reason, sizeof(flow.reason), "unknown");
	if (in->sin_family == AF_INET && pods->daemon) {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(address, sizeof(address), "%s:%u", ip, ntohs(in->sin_port));
		int r = read_pod(pods, POD_CLIENT, "local", address, &flow);
		if (r >= 0)
			r = read_pod(pods, POD_SERVER, "remote", address, &flow);
		if (r < 0)
			return r;
	}
	*ret = flow;
	return 0;
}
