/* SPDX-License-Identifier: MIT */
/* pins.c: the pin directory: where it may be, who holds it, what is in it. */
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "fail.h"
#include "shunt/flow.h"

#define DEFAULT_BPFFS "/sys/fs/bpf"

static const char *const folders[] = {"maps", "links"};

char *shunt_pins_path(const char *pin_dir, const char *folder, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s/%s", pin_dir, folder, name) < 0 ? NULL : path;
}

char *shunt_pins_link_path(const char *pin_dir, uint64_t cgroup_id, const char *kind)
{
	char *path = NULL;

	return asprintf(&path, "%s/links/%" PRIu64 "-%s", pin_dir, cgroup_id, kind) < 0 ? NULL : path;
}

char *shunt_pins_default(void)
{
	const char *bpffs = NULL;
	char *path = NULL;

	if (shunt_bpffs_mount(&bpffs) < 0) {
		if (mount("bpf", DEFAULT_BPFFS, "bpf", 0, "mode=0700") < 0)
			return NULL;
		bpffs = DEFAULT_BPFFS;
	}
	return asprintf(&path, "%s/shunt", bpffs) < 0 ? NULL : path;
}

/* bpffs refuses names with dots; better said here than by an EPERM later. */
static int check_place(const char *pin_dir, char **ret_error)
{
	_cleanup_free_ char *parent = strdup(pin_dir);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	struct statfs info;

	if (!slash || slash == parent || !slash[1])
		return shunt_fail(-EINVAL, ret_error,
				  "the pin directory \"%s\" is not an absolute path of a folder on bpffs", pin_dir);
	if (strchr(slash, '.'))
		return shunt_fail(
			-EINVAL, ret_error,
			"the pin directory \"%s\" has a dot in its name, which bpffs refuses; choose another name",
			pin_dir);
	*slash = 0;
	if (statfs(parent, &info) < 0)
		return shunt_fail(-errno, ret_error, "the folder of the pin directory \"%s\" cannot be used: %s",
				  pin_dir, strerror(errno));
	if (info.f_type != BPF_FS_MAGIC)
		return shunt_fail(-EINVAL, ret_error,
				  "the pin directory \"%s\" is not on a bpffs; mount one (mount -t bpf bpf "
				  "/sys/fs/bpf) or pass another --pin-dir",
				  pin_dir);
	return 0;
}

static int make_folders(const char *pin_dir)
{
	if (mkdir(pin_dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < SHUNT_COUNT_OF(folders); i++) {
		_cleanup_free_ char *path = shunt_pins_path(pin_dir, folders[i], "");

		if (!path)
			return -ENOMEM;
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* 1: maps of this ABI; 0: none. */
static int find_control(const char *pin_dir)
{
	_cleanup_free_ char *path = shunt_pins_path(pin_dir, "maps", "sh_control");
	_cleanup_close_ int fd = path ? bpf_obj_get(path) : -1;
	struct bpf_map_info info = {};
	uint32_t length = sizeof(info);
	_cleanup_free_ uint32_t *value = NULL;
	uint32_t zero = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	value = calloc(1, info.value_size + sizeof(*value));
	if (!value)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &zero, value) < 0)
		return -errno;
	return value[0] == SHUNT_ABI && info.value_size == sizeof(struct shunt_control) ? 1 : -EPROTO;
}

static int take_lock(const char *pin_dir, int *ret)
{
	_cleanup_close_ int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

int shunt_pins_open(const char *pin_dir, int *ret_lock_fd, bool *ret_adopted, char **ret_error)
{
	_cleanup_close_ int lock = -1;
	int r = check_place(pin_dir, ret_error);

	if (r)
		return r;
	r = make_folders(pin_dir);
	if (r)
		return shunt_fail(r, ret_error, "cannot make the pin directory \"%s\": %s", pin_dir, strerror(-r));
	r = take_lock(pin_dir, &lock);
	if (r == -EBUSY)
		return shunt_fail(
			r, ret_error,
			"another shuntd already runs on the pins in \"%s\"; stop it first, or pass another --pin-dir",
			pin_dir);
	if (r)
		return shunt_fail(r, ret_error, "cannot lock the pin directory \"%s\": %s", pin_dir, strerror(-r));
	r = find_control(pin_dir);
	if (r == -EPROTO)
		return shunt_fail(r, ret_error,
				  "the pins in \"%s\" belong to another version of shunt; drain and remove them with "
				  "that version's \"shuntd --uninstall\"",
				  pin_dir);
	if (r < 0)
		return shunt_fail(r, ret_error, "cannot read the pins in \"%s\": %s", pin_dir, strerror(-r));
	*ret_adopted = r;
	*ret_lock_fd = TAKE_FD(lock);
	return 0;
}

static int empty_folder(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return -errno;
	}
	return 0;
}

int shunt_pins_remove(const char *pin_dir)
{
	/* links first: from then on no program runs for a new connection */
	for (size_t i = SHUNT_COUNT_OF(folders); i-- > 0;) {
		_cleanup_free_ char *path = shunt_pins_path(pin_dir, folders[i], "");
		int r;

		if (!path)
			return -ENOMEM;
		r = empty_folder(path);
		if (r && r != -ENOENT)
			return r;
		if (!r && rmdir(path) < 0)
			return -errno;
	}
	return rmdir(pin_dir) < 0 ? -errno : 0;
}
