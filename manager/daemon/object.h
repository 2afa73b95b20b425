/* SPDX-License-Identifier: MIT */
/* object.h: what executables and libraries could call, inspected once per inode. */
#ifndef SHUNT_OBJECT_H
#define SHUNT_OBJECT_H

#include <stdbool.h>
#include <sys/stat.h>

/* Zero-initialised: empty. */
struct shunt_objects {
	void *tree;
	unsigned count;
};

/* SHUNT_MAY_SPLICE and SHUNT_MAY_FIONREAD of one file, for either use. What cannot be read could do anything. */
struct shunt_object {
	unsigned as_program;
	unsigned as_library;
};

/* path is only opened when the inode is not known or has changed; a failure to open it is an answer, not an error.
 * -ENOMEM. */
int shunt_objects_look(struct shunt_objects *objects, const char *path, const struct stat *status,
		       struct shunt_object *ret);
void shunt_objects_clear(struct shunt_objects *objects);

/* libc, ld.so and libcrypto: mapped everywhere, they import or define both calls and never use them on somebody's TCP
 * socket. */
bool shunt_object_is_ignored(const char *file_name);
/* Bits that a file has by name: Java and .NET run code that no symbol table shows, and ask FIONREAD for available(). */
unsigned shunt_object_bits_by_name(const char *file_name);

#endif
