/* SPDX-License-Identifier: MIT */
/* datapath.c: loads, pins, adopts and attaches the kernel's side. Nothing else in the tree calls libbpf's loader. */
#include "datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fail.h"
#include "log.h"
#include "pins.h"
#include "sh_core.skel.h"

#define SCAN_BUFFER 4096

struct shunt_datapath {
	struct sh_core *skeleton;
	struct bpf_link *scan_link; /* not pinned: an iterator lives with its daemon */
	struct ring_buffer *events;
	shunt_event_fn each_event;
	void *each_event_context;
	char *pin_dir;
	int lock_fd;
	bool adopted;
	int splice_hook; /* -1: whatever an earlier daemon left */
	enum shunt_scan_kind scan;
	bool has_sockmap_link;
	struct shunt_control control;
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];

	if (level == LIBBPF_DEBUG || !shunt_log_enabled(SHUNT_LOG_DEBUG))
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = 0;
	shunt_debug("libbpf: %s", line);
	return 0;
}

static struct bpf_map *map_of(const struct shunt_datapath *datapath, enum shunt_map map)
{
	struct bpf_map *maps[] = {
#define X(name, map) [SHUNT_MAP_##name] = datapath->skeleton->maps.map,
		SHUNT_MAPS(X)
#undef X
	};
	return maps[map];
}

int shunt_datapath_map_fd(const struct shunt_datapath *datapath, enum shunt_map map)
{
	return bpf_map__fd(map_of(datapath, map));
}

/* Maps are found again under their names; libbpf takes a pinned one when it fits and makes and pins it otherwise. */
static int choose_pins(struct shunt_datapath *datapath)
{
	for (int i = 0; i < SHUNT_MAP_COUNT; i++) {
		struct bpf_map *map = map_of(datapath, i);
		_cleanup_free_ char *path = shunt_pins_path(datapath->pin_dir, "maps", bpf_map__name(map));
		int r;

		if (!path)
			return -ENOMEM;
		r = bpf_map__set_pin_path(map, path);
		if (r)
			return r;
	}
	return 0;
}

/* An adopted map keeps its size: libbpf refuses a pinned map that does not match. */
static int choose_size(struct shunt_datapath *datapath, enum shunt_map map, uint32_t entries)
{
	struct bpf_map *bpf_map = map_of(datapath, map);
	_cleanup_close_ int fd = bpf_obj_get(bpf_map__pin_path(bpf_map));
	struct bpf_map_info info = {};
	uint32_t length = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &length)) {
		if (info.max_entries != entries)
			shunt_warning(
				"%s keeps its %u entries until the next uninstall; max_flows has no effect on it now",
				bpf_map__name(bpf_map), info.max_entries);
		entries = info.max_entries;
	}
	return bpf_map__set_max_entries(bpf_map, entries);
}

/* What this kernel cannot load or must not open stays out of the object. */
static void choose_programs(struct shunt_datapath *datapath, const struct shunt_probe *probe)
{
	struct sh_core *skeleton = datapath->skeleton;

	bpf_program__set_autoload(skeleton->progs.sh_scan, probe->scan == SHUNT_SCAN_STORAGE);
	bpf_program__set_autoload(skeleton->progs.sh_scan_tcp, probe->scan == SHUNT_SCAN_TCP);
	bpf_program__set_autoload(skeleton->progs.sh_splice, probe->tp_btf_works);
	skeleton->rodata->sh_woken = probe->woken_wake_function;
	skeleton->rodata->sh_no_cast = getenv("SHUNT_TEST_NO_CAST") != NULL;
}

static int load(struct shunt_datapath *datapath, const struct shunt_datapath_options *options)
{
	int r;

	datapath->skeleton = sh_core__open();
	if (!datapath->skeleton)
		return -errno;
	r = choose_pins(datapath);
	if (!r)
		r = choose_size(datapath, SHUNT_MAP_FLOWS, options->max_flows);
	if (!r)
		r = choose_size(datapath, SHUNT_MAP_SOCKS, 2 * options->max_flows);
	if (r)
		return r;
	choose_programs(datapath, options->probe);
	return sh_core__load(datapath->skeleton);
}

/* Programs are copied into a member's psock when it joins: living members keep the old ones, which work on the same
 * maps. */
static int attach_verdict(struct shunt_datapath *datapath)
{
	int program = bpf_program__fd(datapath->skeleton->progs.sh_verdict);
	int map = shunt_datapath_map_fd(datapath, SHUNT_MAP_SOCKS);
	_cleanup_free_ char *path = shunt_pins_path(datapath->pin_dir, "links", "verdict");
	_cleanup_close_ int link = -1;

	if (!path)
		return -ENOMEM;
	if (!datapath->has_sockmap_link) /* before 6.10 */
		return bpf_prog_attach(program, map, BPF_SK_MSG_VERDICT, 0);
	link = bpf_obj_get(path);
	if (link >= 0)
		return bpf_link_update(link, program, NULL);
	link = bpf_link_create(program, map, BPF_SK_MSG_VERDICT, NULL);
	if (link < 0)
		return link;
	return bpf_obj_pin(link, path);
}

static int attach_scan(struct shunt_datapath *datapath)
{
	union bpf_iter_link_info info = {.map.map_fd = shunt_datapath_map_fd(datapath, SHUNT_MAP_ENDS)};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));

	if (datapath->scan == SHUNT_SCAN_STORAGE)
		datapath->scan_link = bpf_program__attach_iter(datapath->skeleton->progs.sh_scan, &options);
	else if (datapath->scan == SHUNT_SCAN_TCP)
		datapath->scan_link = bpf_program__attach_iter(datapath->skeleton->progs.sh_scan_tcp, NULL);
	else
		return 0;
	return datapath->scan_link ? 0 : -errno;
}

static int forward_event(void *context, void *data, size_t size)
{
	struct shunt_datapath *datapath = context;

	if (size == sizeof(struct shunt_event) && datapath->each_event)
		datapath->each_event(data, datapath->each_event_context);
	return 0;
}

static int open_events(struct shunt_datapath *datapath)
{
	datapath->events =
		ring_buffer__new(shunt_datapath_map_fd(datapath, SHUNT_MAP_EVENTS), forward_event, datapath, NULL);
	return datapath->events ? 0 : -errno;
}

/* Pinned pairing links get the new programs one by one; each switch is atomic. */
static int refresh_links(struct shunt_datapath *datapath)
{
	_cleanup_free_ char *folder = shunt_pins_path(datapath->pin_dir, "links", "");
	_cleanup_closedir_ DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		struct bpf_program *program = NULL;
		_cleanup_free_ char *path = shunt_pins_path(datapath->pin_dir, "links", entry->d_name);
		_cleanup_close_ int link = -1;

		if (strstr(entry->d_name, "-pairing"))
			program = datapath->skeleton->progs.sh_pairing;
		else if (strstr(entry->d_name, "-setsockopt"))
			program = datapath->skeleton->progs.sh_setsockopt;
		if (!program || !path)
			continue;
		link = bpf_obj_get(path);
		/* ENOLINK: its cgroup has gone; the pods' sweep removes the pin */
		if (link >= 0 && bpf_link_update(link, bpf_program__fd(program), NULL) && errno != ENOLINK)
			return -errno;
	}
	return 0;
}

static int read_control(struct shunt_datapath *datapath)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_CONTROL), &zero, &datapath->control))
		return -errno;
	datapath->control.abi = SHUNT_ABI;
	return 0;
}

static int start(struct shunt_datapath *datapath)
{
	int r = read_control(datapath);

	if (!r)
		r = attach_verdict(datapath);
	if (!r)
		r = attach_scan(datapath);
	if (!r)
		r = open_events(datapath);
	if (!r && datapath->adopted)
		r = refresh_links(datapath);
	return r;
}

/* libbpf refuses a pinned map of another layout with EINVAL; a build that changes one owes another SHUNT_ABI. */
static void explain_open(const struct shunt_datapath *datapath, int r, char **ret_error)
{
	if (datapath->adopted && r == -EINVAL)
		shunt_fail(r, ret_error,
			   "the pins in \"%s\" were made by another build of shunt; remove them with \"shuntd "
			   "--uninstall\", then "
			   "start again",
			   datapath->pin_dir);
	else
		shunt_fail(r, ret_error,
			   "cannot %s the BPF programs: %s; run \"shuntctl doctor\" to see what this kernel lacks",
			   datapath->adopted ? "adopt" : "load", strerror(-r));
}

int shunt_datapath_open(struct shunt_datapath **ret, const struct shunt_datapath_options *options, char **ret_error)
{
	struct shunt_datapath *datapath = calloc(1, sizeof(*datapath));
	int r;

	if (!datapath)
		return shunt_fail(-ENOMEM, ret_error, "out of memory");
	datapath->lock_fd = -1;
	datapath->splice_hook = -1;
	datapath->scan = options->probe->scan;
	datapath->has_sockmap_link = options->probe->has_sockmap_link;
	datapath->pin_dir = strdup(options->pin_dir);
	libbpf_set_print(quiet);
	r = datapath->pin_dir ? shunt_pins_open(datapath->pin_dir, &datapath->lock_fd, &datapath->adopted, ret_error)
			      : -ENOMEM;
	if (r) {
		shunt_datapath_close(datapath);
		return r;
	}
	r = load(datapath, options);
	if (!r)
		r = start(datapath);
	if (r) {
		explain_open(datapath, r, ret_error);
		if (!datapath->adopted)
			shunt_datapath_unpin(datapath->pin_dir);
		shunt_datapath_close(datapath);
		return r;
	}
	*ret = datapath;
	return 0;
}

void shunt_datapath_close(struct shunt_datapath *datapath)
{
	if (!datapath)
		return;
	ring_buffer__free(datapath->events);
	bpf_link__destroy(datapath->scan_link);
	sh_core__destroy(datapath->skeleton);
	if (datapath->lock_fd >= 0)
		close(datapath->lock_fd);
	free(datapath->pin_dir);
	free(datapath);
}

bool shunt_datapath_adopted(const struct shunt_datapath *datapath)
{
	return datapath->adopted;
}

int shunt_datapath_unpin(const char *pin_dir)
{
	return shunt_pins_remove(pin_dir);
}

static int attach_one(struct shunt_datapath *datapath, int cgroup_fd, uint64_t cgroup_id, const char *kind,
		      struct bpf_program *program, enum bpf_attach_type type)
{
	_cleanup_free_ char *path = shunt_pins_link_path(datapath->pin_dir, cgroup_id, kind);
	_cleanup_close_ int link = -1;

	if (!path)
		return -ENOMEM;
	link = bpf_link_create(bpf_program__fd(program), cgroup_fd, type, NULL);
	if (link < 0)
		return -errno;
	unlink(path); /* of a link that outlived its cgroup: ids are never used twice */
	return bpf_obj_pin(link, path) ? -errno : 0;
}

static int write_slot(struct shunt_datapath *datapath, uint64_t cgroup_id, uint32_t slot)
{
	struct bpf_cgroup_storage_key key = {.cgroup_inode_id = cgroup_id, .attach_type = BPF_CGROUP_SOCK_OPS};

	return bpf_map_update_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_POD_OF), &key, &slot, BPF_EXIST) ? -errno
													      : 0;
}

int shunt_datapath_attach(struct shunt_datapath *datapath, int cgroup_fd, uint64_t cgroup_id, uint32_t slot)
{
	int r = attach_one(datapath, cgroup_fd, cgroup_id, "pairing", datapath->skeleton->progs.sh_pairing,
			   BPF_CGROUP_SOCK_OPS);

	if (!r)
		r = write_slot(datapath, cgroup_id, slot);
	if (!r)
		r = attach_one(datapath, cgroup_fd, cgroup_id, "setsockopt", datapath->skeleton->progs.sh_setsockopt,
			       BPF_CGROUP_SETSOCKOPT);
	if (r)
		shunt_datapath_detach(datapath, cgroup_id);
	return r;
}

int shunt_datapath_detach(struct shunt_datapath *datapath, uint64_t cgroup_id)
{
	static const char *const kinds[] = {"pairing", "setsockopt"};
	int r = 0;

	for (size_t i = 0; i < SHUNT_COUNT_OF(kinds); i++) {
		_cleanup_free_ char *path = shunt_pins_link_path(datapath->pin_dir, cgroup_id, kinds[i]);

		if (!path || (unlink(path) && errno != ENOENT))
			r = path ? -errno : -ENOMEM;
	}
	return r;
}

int shunt_datapath_splice_hook(struct shunt_datapath *datapath, bool on)
{
	_cleanup_free_ char *path = shunt_pins_path(datapath->pin_dir, "links", "splice");
	struct bpf_program *program = datapath->skeleton->progs.sh_splice;
	_cleanup_close_ int link = -1;

	if (!path)
		return -ENOMEM;
	if (datapath->splice_hook == on)
		return 0;
	if (!bpf_program__autoload(program))
		return -EOPNOTSUPP;
	if (on) {
		link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));
		if (link < 0)
			return -errno;
	}
	unlink(path); /* a tracing link cannot be updated: the old program ran until its successor was attached */
	if (on && bpf_obj_pin(link, path))
		return -errno;
	datapath->splice_hook = on;
	return 0;
}

int shunt_datapath_scan(struct shunt_datapath *datapath)
{
	char buffer[SCAN_BUFFER];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (!datapath->scan_link)
		return -EOPNOTSUPP;
	fd = bpf_iter_create(bpf_link__fd(datapath->scan_link));
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buffer, sizeof(buffer));
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

int shunt_datapath_collect(struct shunt_datapath *datapath)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	if (bpf_prog_test_run_opts(bpf_program__fd(datapath->skeleton->progs.sh_collect), &options))
		return -errno;
	return (int)options.retval;
}

int shunt_datapath_event_fd(const struct shunt_datapath *datapath)
{
	return ring_buffer__epoll_fd(datapath->events);
}

int shunt_datapath_events(struct shunt_datapath *datapath, shunt_event_fn each, void *context)
{
	int r;

	datapath->each_event = each;
	datapath->each_event_context = context;
	r = ring_buffer__consume(datapath->events);
	datapath->each_event = NULL;
	return r < 0 ? r : 0;
}

struct shunt_control *shunt_datapath_control(struct shunt_datapath *datapath)
{
	return &datapath->control;
}

int shunt_datapath_commit(struct shunt_datapath *datapath)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(shunt_datapath_map_fd(datapath, SHUNT_MAP_CONTROL), &zero, &datapath->control,
				   BPF_ANY)
		       ? -errno
		       : 0;
}
