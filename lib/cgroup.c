/* SPDX-License-Identifier: MIT */
/* cgroup.c: finds the cgroup2 mount, names cgroups and walks them. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cleanup.h"

#define DEEPEST 64 /* levels of a walk: each holds a descriptor */

/* mountinfo writes blanks and backslashes of a path as \040. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		unsigned value;
		if (*text == '\\' && sscanf(text + 1, "%3o", &value) == 1) {
			*to++ = (char)value;
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = 0;
}

/* "36 35 98:0 /root /mount options [tags] - fstype source options": true, and the mount point, when fstype is meant. */
static bool parse_mount(char *line, const char *fstype, char **ret_point)
{
	char *root = NULL;
	char *point = NULL;
	char *type = strstr(line, " - ");
	char *rest = line;

	if (!type)
		return false;
	type += 3;
	for (int field = 0; field < 5; field++) {
		char *word = strsep(&rest, " ");
		if (field == 3)
			root = word;
		if (field == 4)
			point = word;
	}
	type[strcspn(type, " ")] = 0;
	if (!point || strcmp(type, fstype) != 0 || strcmp(root, "/") != 0)
		return false;
	unescape(point);
	*ret_point = point;
	return true;
}

int shunt_mount_find(const char *mountinfo, const char *fstype, char **ret)
{
	_cleanup_fclose_ FILE *file = fopen(mountinfo, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) >= 0) {
		char *point;
		if (!parse_mount(line, fstype, &point))
			continue;
		char *copy = strdup(point);
		if (!copy)
			return -ENOMEM;
		*ret = copy;
		return 0;
	}
	return -ENOENT;
}

static int find_once(char **cache, const char *fstype, const char **ret)
{
	if (!*cache) {
		int r = shunt_mount_find("/proc/self/mountinfo", fstype, cache);
		if (r < 0)
			return r;
	}
	*ret = *cache;
	return 0;
}

int shunt_cgroup_mount(const char **ret)
{
	static char *cache;

	return find_once(&cache, "cgroup2", ret);
}

int shunt_bpffs_mount(const char **ret)
{
	static char *cache;

	return find_once(&cache, "bpf", ret);
}

static int join(const char *mount, const char *path, char **ret)
{
	while (*path == '/')
		path++;
	char *name = NULL;
	if (asprintf(&name, *path ? "%s/%s" : "%s%s", mount, path) < 0)
		return -ENOMEM;
	*ret = name;
	return 0;
}

int shunt_cgroup_filename(const char *path, char **ret)
{
	const char *mount;

	int r = shunt_cgroup_mount(&mount);
	if (r < 0)
		return r;
	return join(mount, path, ret);
}

enum shunt_cgroup_relation shunt_cgroup_relate(const char *first, const char *second)
{
	size_t a = strcmp(first, "/") ? strlen(first) : 0;
	size_t b = strcmp(second, "/") ? strlen(second) : 0;

	if (strncmp(first, second, a < b ? a : b) != 0)
		return SHUNT_CGROUP_APART;
	if (a == b)
		return SHUNT_CGROUP_SAME;
	if (a < b)
		return second[a] == '/' ? SHUNT_CGROUP_ABOVE : SHUNT_CGROUP_APART;
	return first[b] == '/' ? SHUNT_CGROUP_BELOW : SHUNT_CGROUP_APART;
}

/* The canonical file name of a directory on cgroup2. */
static int canonical(const char *name, char **ret)
{
	struct statfs statfs_buffer;
	struct stat stat_buffer;
	_cleanup_free_ char *real = realpath(name, NULL);

	if (!real || stat(real, &stat_buffer) < 0 || statfs(real, &statfs_buffer) < 0)
		return -errno;
	if (statfs_buffer.f_type != CGROUP2_SUPER_MAGIC)
		return -EXDEV;
	if (!S_ISDIR(stat_buffer.st_mode))
		return -ENOTDIR;
	*ret = TAKE_PTR(real);
	return 0;
}

static int strip_mount(const char *mount, const char *name, char **ret)
{
	enum shunt_cgroup_relation relation = shunt_cgroup_relate(mount, name);

	if (relation != SHUNT_CGROUP_SAME && relation != SHUNT_CGROUP_ABOVE)
		return -EXDEV;
	char *path = strdup(relation == SHUNT_CGROUP_SAME ? "/" : name + strlen(mount));
	if (!path)
		return -ENOMEM;
	*ret = path;
	return 0;
}

/* What /proc/PID/cgroup shows looks absolute: it is taken as a path below the mount when nothing else has that name. */
int shunt_cgroup_resolve(const char *argument, char **ret)
{
	const char *mount;
	_cleanup_free_ char *below = NULL;
	_cleanup_free_ char *name = NULL;

	int r = shunt_cgroup_mount(&mount);
	if (r < 0)
		return r;
	if (!*argument)
		return -ENOENT;
	r = join(mount, argument, &below);
	if (r < 0)
		return r;
	if (*argument == '/') {
		r = canonical(argument, &name);
		if (r == -ENOENT)
			r = canonical(below, &name);
	} else {
		r = canonical(below, &name);
	}
	return r < 0 ? r : strip_mount(mount, name, ret);
}

int shunt_cgroup_open(const char *path, int *ret)
{
	_cleanup_free_ char *name = NULL;

	int r = shunt_cgroup_filename(path, &name);
	if (r < 0)
		return r;
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int shunt_cgroup_id(int fd, uint64_t *ret)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(uint64_t)];
	} buffer = {.handle.handle_bytes = sizeof(uint64_t)};
	int mount_id;

	if (name_to_handle_at(fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) < 0)
		return -errno;
	memcpy(ret, buffer.handle.f_handle, sizeof(*ret));
	return 0;
}

int shunt_cgroup_path_id(const char *path, uint64_t *ret)
{
	_cleanup_close_ int fd = -1;

	int r = shunt_cgroup_open(path, &fd);
	return r < 0 ? r : shunt_cgroup_id(fd, ret);
}

int shunt_cgroup_of_pid(pid_t pid, char **ret)
{
	char name[32];
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	_cleanup_fclose_ FILE *file = fopen(name, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, file) >= 0) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = 0;
		char *path = strdup(line + 3);
		if (!path)
			return -ENOMEM;
		*ret = path;
		return 0;
	}
	return -ESRCH;
}

static FILE *open_below(int fd, const char *name)
{
	int file = openat(fd, name, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return NULL;
	FILE *stream = fdopen(file, "re");
	if (!stream)
		close(file);
	return stream;
}

int shunt_cgroup_populated(const char *path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	int r = shunt_cgroup_open(path, &fd);
	if (r < 0)
		return r;
	_cleanup_fclose_ FILE *file = open_below(fd, "cgroup.events");
	if (!file)
		return errno == ENOENT && !strcmp(path, "/") ? 1 : -errno;
	while (getline(&line, &size, file) >= 0)
		if (!strncmp(line, "populated ", 10))
			return line[10] == '1';
	return -EBADMSG;
}

int shunt_cgroup_pids(int fd, shunt_cgroup_pid_fn each, void *context)
{
	_cleanup_fclose_ FILE *file = open_below(fd, "cgroup.procs");
	int pid;

	if (!file)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while (fscanf(file, "%d", &pid) == 1) {
		int r = each(pid, context);
		if (r)
			return r;
	}
	return 0;
}

static int walk(const char *path, int fd, int depth, shunt_cgroup_fn each, void *context);

static int walk_child(const char *path, int fd, const char *name, int depth, shunt_cgroup_fn each, void *context)
{
	_cleanup_close_ int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *below = NULL;

	if (child < 0)
		return errno == ENOENT ? 0 : -errno;
	int r = join(strcmp(path, "/") ? path : "", name, &below);
	return r < 0 ? r : walk(below, child, depth + 1, each, context);
}

static int walk(const char *path, int fd, int depth, shunt_cgroup_fn each, void *context)
{
	if (depth > DEEPEST)
		return -ELOOP;
	int r = each(path, fd, context);
	if (r)
		return r;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	_cleanup_closedir_ DIR *dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return -ENOMEM;
	}
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		r = walk_child(path, fd, entry->d_name, depth, each, context);
		if (r)
			return r;
	}
	return 0;
}

int shunt_cgroup_walk(const char *path, shunt_cgroup_fn each, void *context)
{
	_cleanup_close_ int fd = -1;

	int r = shunt_cgroup_open(path, &fd);
	return r < 0 ? r : walk(path, fd, 0, each, context);
}

struct procs {
	shunt_cgroup_pid_fn each;
	void *context;
};

/* A threaded cgroup lists its processes in its domain cgroup only and answers EOPNOTSUPP itself. */
static int procs_of(const char *path, int fd, void *context)
{
	const struct procs *procs = context;
	int r = shunt_cgroup_pids(fd, procs->each, procs->context);

	return r == -EOPNOTSUPP ? 0 : r;
}

int shunt_cgroup_procs(const char *path, shunt_cgroup_pid_fn each, void *context)
{
	struct procs procs = {each, context};

	return shunt_cgroup_walk(path, procs_of, &procs);
}
