/* SPDX-License-Identifier: MIT */
/* pins.h: the folder on bpffs in which programs and maps outlive the daemon: <pin_dir>/{maps,links}. */
#ifndef SHUNT_PINS_H
#define SHUNT_PINS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes the folders, takes the lock that keeps a second daemon out, and tells whether maps of this ABI are already
 * there. -EBUSY: locked; -EINVAL: not on bpffs, or a dot in the name; -EPROTO: another ABI. *ret_error is a sentence.
 */
int shunt_pins_open(const char *pin_dir, int *ret_lock_fd, bool *ret_adopted, char **ret_error);
/* Removes every pin and folder. -ENOENT: there were none. */
int shunt_pins_remove(const char *pin_dir);

/* <pin_dir>/<folder>/<name>, to be freed; NULL: out of memory. */
char *shunt_pins_path(const char *pin_dir, const char *folder, const char *name);
char *shunt_pins_link_path(const char *pin_dir, uint64_t cgroup_id, const char *kind);
/* "<bpffs>/shunt", mounting bpffs where there is none. NULL with errno set. */
char *shunt_pins_default(void);

#endif
