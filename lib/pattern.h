/* SPDX-License-Identifier: MIT */
/* pattern.h: a list of shell patterns. */
#ifndef SHUNT_PATTERN_H
#define SHUNT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised: empty. */
struct shunt_patterns {
	char **list; /* ends with NULL; NULL when empty */
	size_t count;
};

/* Copies the pattern. */
int shunt_patterns_add(struct shunt_patterns *patterns, const char *pattern);
bool shunt_patterns_match(const struct shunt_patterns *patterns, const char *name);
/* One pattern over a path: '*' and '?' do not match '/'. */
bool shunt_pattern_match_path(const char *pattern, const char *path);
/* Leaves an empty list. */
void shunt_patterns_clear(struct shunt_patterns *patterns);

#endif
