/* SPDX-License-Identifier: MIT */
/* process.c: reads /proc/PID/exe and the executable mappings of a process, whatever mount namespace it lives in. */
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "shunt/flow.h"

/* Executable files mapped; a process with more is not worth the time and counts as unreadable. */
#define MOST_MAPPINGS 1024
#define ANYTHING (SHUNT_MAY_SPLICE | SHUNT_MAY_FIONREAD)

int shunt_process_look(pid_t pid, struct shunt_process *ret)
{
	char path[32];
	struct stat folder;
	struct stat program;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &folder) < 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &program) < 0) {
		if (errno != EACCES && errno != EPERM)
			return -ESRCH;
		program = (struct stat){};
	}
	*ret = (struct shunt_process){
		.pid = pid,
		.identity = folder.st_ino,
		.device = program.st_dev,
		.inode = program.st_ino,
		.changed = program.st_ctim,
	};
	return 0;
}

bool shunt_process_same(const struct shunt_process *left, const struct shunt_process *right)
{
	return left->pid == right->pid && left->identity == right->identity && left->device == right->device &&
	       left->inode == right->inode && left->changed.tv_sec == right->changed.tv_sec &&
	       left->changed.tv_nsec == right->changed.tv_nsec;
}

void shunt_process_clear(struct shunt_process *process)
{
	free(process->name);
	free(process->splice_from);
	free(process->fionread_from);
	process->name = process->splice_from = process->fionread_from = NULL;
}

/* The last component of what the kernel shows, without its mark for unlinked files; cuts path. */
static const char *file_name(char *path)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(path);

	if (length >= sizeof(mark) && !strcmp(path + length - (sizeof(mark) - 1), mark))
		path[length - (sizeof(mark) - 1)] = 0;
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int add_bits(struct shunt_process *process, unsigned bits, const char *from)
{
	unsigned fresh = bits & ~process->found;

	if (fresh & SHUNT_MAY_SPLICE && !(process->splice_from = strdup(from)))
		return -ENOMEM;
	if (fresh & SHUNT_MAY_FIONREAD && !(process->fionread_from = strdup(from)))
		return -ENOMEM;
	process->found |= fresh;
	return 0;
}

static int read_name(struct shunt_process *process)
{
	char path[32];
	char target[4096];

	snprintf(path, sizeof(path), "/proc/%d/exe", process->pid);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0 && errno != EACCES && errno != EPERM)
		return -ESRCH;
	target[length < 0 ? 0 : length] = 0;
	process->name = strdup(file_name(target));
	return process->name ? 0 : -ENOMEM;
}

static int inspect_program(struct shunt_process *process, struct shunt_objects *objects)
{
	char path[32];
	struct stat status;
	struct shunt_object object = {.as_program = ANYTHING};

	int r = read_name(process);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/exe", process->pid);
	if (stat(path, &status) == 0)
		r = shunt_objects_look(objects, path, &status, &object);
	else if (errno != EACCES && errno != EPERM)
		return -ESRCH;
	if (r < 0)
		return r;
	return add_bits(process, object.as_program | shunt_object_bits_by_name(process->name), process->name);
}

struct mapping {
	unsigned long start;
	unsigned long end;
	char *path;
};

/* "7f00-7f10 r-xp 00000000 fe:00 1234   /usr/lib/x.so": true for executable mappings of a file. */
static bool parse_mapping(char *line, struct mapping *ret)
{
	char permissions[8];
	unsigned long inode;
	int at = 0;

	if (sscanf(line, "%lx-%lx %7s %*x %*x:%*x %lu %n", &ret->start, &ret->end, permissions, &inode, &at) < 4)
		return false;
	if (permissions[2] != 'x' || inode == 0 || at == 0)
		return false;
	line[strcspn(line, "\n")] = 0;
	ret->path = line + at;
	return true;
}

/* Opened through map_files: the file itself, though it be unlinked, replaced or in another mount namespace. */
static int inspect_mapping(struct shunt_process *process, struct shunt_objects *objects, const struct mapping *mapping)
{
	char path[80];
	struct stat status;
	struct shunt_object object = {.as_library = ANYTHING};
	const char *name = file_name(mapping->path);

	if (shunt_object_is_ignored(name))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", process->pid, mapping->start, mapping->end);
	if (stat(path, &status) < 0) {
		if (errno == ENOENT || errno == ESRCH)
			return 0;
		return add_bits(process, ANYTHING, name);
	}
	if (status.st_dev == process->device && status.st_ino == process->inode)
		return 0;
	if (!S_ISREG(status.st_mode))
		return 0;
	int r = shunt_objects_look(objects, path, &status, &object);
	if (r < 0)
		return r;
	return add_bits(process, object.as_library | shunt_object_bits_by_name(name), name);
}

static int inspect_mappings(struct shunt_process *process, struct shunt_objects *objects)
{
	char path[32];
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	struct mapping mapping;
	unsigned seen = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", process->pid);
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	if (!file)
		return errno == ENOENT || errno == ESRCH ? -ESRCH : add_bits(process, ANYTHING, process->name);
	while (getline(&line, &size, file) >= 0) {
		if (!parse_mapping(line, &mapping))
			continue;
		if (++seen > MOST_MAPPINGS)
			return add_bits(process, ANYTHING, process->name);
		int r = inspect_mapping(process, objects, &mapping);
		if (r < 0)
			return r;
	}
	return 0;
}

int shunt_process_inspect(struct shunt_process *process, struct shunt_objects *objects)
{
	struct shunt_process fresh = *process;

	fresh.name = fresh.splice_from = fresh.fionread_from = NULL;
	fresh.found = 0;
	int r = inspect_program(&fresh, objects);
	if (r == 0)
		r = inspect_mappings(&fresh, objects);
	if (r < 0) {
		shunt_process_clear(&fresh);
		return r;
	}
	shunt_process_clear(process);
	*process = fresh;
	return 0;
}
