/* SPDX-License-Identifier: MIT */
/* config.h: what /etc/shunt/shunt.json may say. */
#ifndef SHUNT_CONFIG_H
#define SHUNT_CONFIG_H

#include <shunt/mode.h>
#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"
#include "log.h"
#include "pattern.h"

#define SHUNT_CONFIG_PATH "/etc/shunt/shunt.json"
#define SHUNT_CONFIG_MAX (1024 * 1024) /* bytes of the file */

/* A cgroup to attach whenever it exists. */
struct shunt_config_attach {
	char *cgroup; /* shell pattern below the mount, without a leading slash */
	char *name;   /* NULL: the cgroup's own */
	enum shunt_mode mode;
};

struct shunt_config {
	enum shunt_mode mode;
	unsigned scan_interval_ms;
	unsigned promote_min_turns;
	unsigned spill_bytes;
	unsigned spill_messages;
	unsigned run_bytes;
	unsigned run_messages;
	unsigned max_flows;
	struct shunt_patterns splice_allow;
	struct shunt_patterns fionread_allow;
	enum shunt_log_level log_level;
	enum shunt_log_format log_format;
	struct shunt_config_attach *attach;
	size_t attach_count;
};

/*
 * The defaults with what the file says. On failure *ret_error is one sentence with the path of the key, or the line, to
 * blame. A missing file is an error only if must_exist.
 */
int shunt_config_load(const char *path, bool must_exist, struct shunt_config **ret, char **ret_error);
void shunt_config_free(struct shunt_config *config);
SHUNT_DEFINE_CLEANUP(struct shunt_config *, shunt_config_free)
#define _cleanup_config_ _cleanup_(shunt_config_free_p)

/* -EINVAL: no such mode. */
int shunt_mode_parse(const char *word, enum shunt_mode *ret);
const char *shunt_mode_word(enum shunt_mode mode);

#endif
