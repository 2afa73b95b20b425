/* SPDX-License-Identifier: MIT */
/* object.c: the cache of inspected executables and libraries. */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <search.h>
#include <string.h>

#include "cleanup.h"
#include "elf.h"
#include "shunt/flow.h"

#define MOST_OBJECTS 8192 /* then the cache starts again: images come and go, their inodes are not reported */
#define ANYTHING (SHUNT_MAY_SPLICE | SHUNT_MAY_FIONREAD)

struct inspected {
	dev_t device;
	ino_t inode;
	struct timespec changed;
	off_t size;
	struct shunt_object object;
};

static int compare_entries(const void *left, const void *right)
{
	const struct inspected *a = left;
	const struct inspected *b = right;

	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return 0;
}

static bool is_current(const struct inspected *entry, const struct stat *status)
{
	return entry->size == status->st_size && entry->changed.tv_sec == status->st_ctim.tv_sec &&
	       entry->changed.tv_nsec == status->st_ctim.tv_nsec;
}

static unsigned imported(const struct shunt_elf *elf)
{
	unsigned bits = 0;

	if (elf->imports_splice || elf->has_go_splice)
		bits |= SHUNT_MAY_SPLICE;
	if (elf->imports_ioctl)
		bits |= SHUNT_MAY_FIONREAD;
	return bits;
}

/* Go calls the kernel by itself and its package net never asks FIONREAD; of other static programs nothing is known. */
static struct shunt_object judge_elf(const struct shunt_elf *elf)
{
	struct shunt_object object = {.as_library = imported(elf)};

	object.as_program = elf->is_static && !elf->is_go ? ANYTHING : object.as_library;
	return object;
}

static struct shunt_object inspect(const char *path)
{
	const struct shunt_object unreadable = {ANYTHING, ANYTHING};
	const struct shunt_object no_library = {ANYTHING, 0};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct shunt_elf elf;

	if (fd < 0)
		return unreadable;
	int r = shunt_elf_inspect(fd, &elf);
	if (r == -ENOEXEC)
		return no_library;
	return r < 0 ? unreadable : judge_elf(&elf);
}

static int find_or_add(struct shunt_objects *objects, const struct stat *status, struct inspected **ret, bool *ret_new)
{
	struct inspected key = {.device = status->st_dev, .inode = status->st_ino};
	struct inspected **found = tfind(&key, &objects->tree, compare_entries);

	*ret_new = !found;
	if (found) {
		*ret = *found;
		return 0;
	}
	if (objects->count >= MOST_OBJECTS)
		shunt_objects_clear(objects);
	_cleanup_free_ struct inspected *entry = malloc(sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	*entry = key;
	if (!tsearch(entry, &objects->tree, compare_entries))
		return -ENOMEM;
	objects->count++;
	*ret = TAKE_PTR(entry);
	return 0;
}

int shunt_objects_look(struct shunt_objects *objects, const char *path, const struct stat *status,
		       struct shunt_object *ret)
{
	struct inspected *entry;
	bool is_new;

	int r = find_or_add(objects, status, &entry, &is_new);
	if (r < 0)
		return r;
	if (is_new || !is_current(entry, status)) {
		entry->object = inspect(path);
		entry->size = status->st_size;
		entry->changed = status->st_ctim;
	}
	*ret = entry->object;
	return 0;
}

void shunt_objects_clear(struct shunt_objects *objects)
{
	tdestroy(objects->tree, free);
	*objects = (struct shunt_objects){};
}

bool shunt_object_is_ignored(const char *file_name)
{
	static const char *const patterns[] = {"libc.so*", "libc-*.so", "libc.musl-*",	"ld-*.so*",
					       "ld.so*",   "ld64.so*",	"libcrypto.so*"};

	for (size_t i = 0; i < SHUNT_COUNT_OF(patterns); i++)
		if (fnmatch(patterns[i], file_name, 0) == 0)
			return true;
	return false;
}

unsigned shunt_object_bits_by_name(const char *file_name)
{
	static const char *const names[] = {"java", "dotnet", "libjvm.so", "libcoreclr.so"};

	for (size_t i = 0; i < SHUNT_COUNT_OF(names); i++)
		if (!strcmp(names[i], file_name))
			return SHUNT_MAY_FIONREAD;
	return 0;
}
