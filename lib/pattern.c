/* SPDX-License-Identifier: MIT */
/* pattern.c: matches names against lists of shell patterns. */
#include "pattern.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

int shunt_patterns_add(struct shunt_patterns *patterns, const char *pattern)
{
	char **list = reallocarray(patterns->list, patterns->count + 2, sizeof(*list));

	if (!list)
		return -ENOMEM;
	patterns->list = list;
	list[patterns->count] = strdup(pattern);
	if (!list[patterns->count])
		return -ENOMEM; /* the list ends here, as before */
	list[++patterns->count] = NULL;
	return 0;
}

bool shunt_patterns_match(const struct shunt_patterns *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (fnmatch(patterns->list[i], name, 0) == 0)
			return true;
	return false;
}

bool shunt_pattern_match_path(const char *pattern, const char *path)
{
	return fnmatch(pattern, path, FNM_PATHNAME) == 0;
}

void shunt_patterns_clear(struct shunt_patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		free(patterns->list[i]);
	free(patterns->list);
	*patterns = (struct shunt_patterns){};
}
