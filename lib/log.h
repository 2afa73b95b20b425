/* SPDX-License-Identifier: MIT */
/* log.h: one line per event to stderr, as text or as JSON. */
#ifndef SHUNT_LOG_H
#define SHUNT_LOG_H

#include <stdbool.h>

/* X(ENUM, word), most urgent first */
#define SHUNT_LOG_LEVELS(X) X(ERROR, error) X(WARNING, warning) X(INFO, info) X(DEBUG, debug)
#define SHUNT_LOG_FORMATS(X) X(TEXT, text) X(JSON, json)

enum shunt_log_level {
#define X(name, word) SHUNT_LOG_##name,
	SHUNT_LOG_LEVELS(X)
#undef X
		SHUNT_LOG_LEVEL_COUNT
};

enum shunt_log_format {
#define X(name, word) SHUNT_LOG_FORMAT_##name,
	SHUNT_LOG_FORMATS(X)
#undef X
		SHUNT_LOG_FORMAT_COUNT
};

/* Before the first call: info, text. */
void shunt_log_set(enum shunt_log_level level, enum shunt_log_format format);
bool shunt_log_enabled(enum shunt_log_level level);
/* The words' numbers, or -EINVAL. */
int shunt_log_level_parse(const char *word);
int shunt_log_format_parse(const char *word);

/* Keeps errno. Text longer than 4 KiB is cut. */
void shunt_log(enum shunt_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define shunt_log_if(level, ...)                                                                                       \
	do {                                                                                                           \
		if (shunt_log_enabled(level))                                                                          \
			shunt_log(level, __VA_ARGS__);                                                                 \
	} while (0)
#define shunt_error(...) shunt_log_if(SHUNT_LOG_ERROR, __VA_ARGS__)
#define shunt_warning(...) shunt_log_if(SHUNT_LOG_WARNING, __VA_ARGS__)
#define shunt_info(...) shunt_log_if(SHUNT_LOG_INFO, __VA_ARGS__)
#define shunt_debug(...) shunt_log_if(SHUNT_LOG_DEBUG, __VA_ARGS__)

#endif
