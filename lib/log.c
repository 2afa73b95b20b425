/* SPDX-License-Identifier: MIT */
/* log.c: formats a log line and writes it to stderr with one write, so that lines of several processes do not mix. */
#include "log.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"

static enum shunt_log_level current_level = SHUNT_LOG_INFO;
static enum shunt_log_format current_format = SHUNT_LOG_FORMAT_TEXT;

static const char *const level_words[] = {
#define X(name, word) #word,
	SHUNT_LOG_LEVELS(X)
#undef X
};

static const char *const format_words[] = {
#define X(name, word) #word,
	SHUNT_LOG_FORMATS(X)
#undef X
};

static int find_word(const char *const *words, int count, const char *word)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(words[i], word))
			return i;
	return -EINVAL;
}

int shunt_log_level_parse(const char *word)
{
	return find_word(level_words, SHUNT_LOG_LEVEL_COUNT, word);
}

int shunt_log_format_parse(const char *word)
{
	return find_word(format_words, SHUNT_LOG_FORMAT_COUNT, word);
}

void shunt_log_set(enum shunt_log_level level, enum shunt_log_format format)
{
	current_level = level;
	current_format = format;
}

bool shunt_log_enabled(enum shunt_log_level level)
{
	return level <= current_level;
}

/* RFC 3339, UTC, milliseconds. */
static void format_time(char *text, size_t size)
{
	struct timespec now;
	struct tm parts;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + used, size - used, ".%03ldZ", now.tv_nsec / 1000000);
}

static char *line_text(const char *when, const char *level, const char *message)
{
	char *line = NULL;

	if (asprintf(&line, "%s %s: %s", when, level, message) < 0)
		return NULL;
	return line;
}

/* Bytes that are not UTF-8 would make jansson refuse the whole message. */
static void replace_beyond_ascii(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			*text = '?';
}

static char *line_json(const char *when, const char *level, char *message)
{
	json_auto_t *line = json_pack("{s:s, s:s, s:s}", "time", when, "level", level, "message", message);

	if (!line) {
		replace_beyond_ascii(message);
		line = json_pack("{s:s, s:s, s:s}", "time", when, "level", level, "message", message);
	}
	return line ? json_dumps(line, JSON_COMPACT) : NULL;
}

void shunt_log(enum shunt_log_level level, const char *format, ...)
{
	int saved = errno;
	char when[48];
	char message[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	format_time(when, sizeof(when));
	_cleanup_free_ char *line = current_format == SHUNT_LOG_FORMAT_JSON
					    ? line_json(when, level_words[level], message)
					    : line_text(when, level_words[level], message);
	if (line)
		dprintf(STDERR_FILENO, "%s\n", line);
	errno = saved;
}
