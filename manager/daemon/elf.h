/* SPDX-License-Identifier: MIT */
/* elf.h: what an executable or shared object could call, read from the file alone. */
#ifndef SHUNT_ELF_H
#define SHUNT_ELF_H

#include <stdbool.h>

struct shunt_elf {
	bool imports_splice;
	bool imports_ioctl;
	bool is_static; /* an executable without a dynamic linker: its imports tell nothing */
	bool is_go;
	bool has_go_splice; /* the function internal/poll.Splice is linked in; stripping does not hide it */
};

/*
 * Reads the open regular file fd, whose offset it may move; it needs no privilege and trusts no byte of it.
 * -ENOEXEC: not an ELF file for this purpose; -EBADMSG: damaged, or its symbols cannot be found; -EFBIG: beyond what is
 * searched.
 */
int shunt_elf_inspect(int fd, struct shunt_elf *ret);

#endif
