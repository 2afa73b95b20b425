/* SPDX-License-Identifier: MIT */
/* values.c: single values as people read them. */
#include <shunt/counter.h>
#include <shunt/reason.h>
#include <string.h>

#include "cleanup.h"
#include "view.h"

static const struct {
	const char *word;
	const char *meaning;
} meanings[] = {
#define X(name, word, meaning) {#word, meaning},
	SHUNT_REASONS(X) SHUNT_COUNTERS(X)
#undef X
};

static const struct {
	const char *word;
	const char *color;
} colors[] = {
	{"redirect", "green"}, {"collapse", "green"}, {"splice", "green"},   {"ok", "green"}, {"full", "green"},
	{"warn", "yellow"},    {"reduced", "yellow"}, {"observe", "yellow"}, {"fail", "red"}, {"refuse", "red"},
};

const char *shunt_word_color(const char *word)
{
	for (size_t i = 0; i < SHUNT_COUNT_OF(colors); i++)
		if (!strcmp(colors[i].word, word))
			return colors[i].color;
	return NULL;
}

static char *meaning_of(const char *word)
{
	for (size_t i = 0; word && i < SHUNT_COUNT_OF(meanings); i++)
		if (!strcmp(meanings[i].word, word))
			return strdup(meanings[i].meaning);
	return strdup("");
}

__attribute__((format(printf, 1, 2))) static char *print(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

static char *bytes_text(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < SHUNT_COUNT_OF(units)) {
		bytes /= 1024;
		unit++;
	}
	return print(unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static char *age_text(double seconds)
{
	if (seconds < 60)
		return print("%.1f s", seconds);
	if (seconds < 3600)
		return print("%.0f min", seconds / 60);
	if (seconds < 48 * 3600)
		return print("%.1f h", seconds / 3600);
	return print("%.1f d", seconds / 86400);
}

/* Words with blanks between; of programs, "nginx (may splice)". */
static char *list_text(const json_t *list, enum shunt_format format)
{
	char *text = NULL;
	size_t size = 0;
	size_t i;
	const json_t *entry;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	json_array_foreach (list, i, entry) {
		const json_t *shown = format == SHUNT_FORMAT_PROGRAMS ? json_object_get(entry, "executable") : entry;
		const char *verdict = json_string_value(json_object_get(entry, "verdict"));
		_cleanup_free_ char *word = shunt_value_text(shown, SHUNT_FORMAT_PLAIN);
		fprintf(stream, "%s%s", i ? ", " : "", word ? word : "");
		if (format == SHUNT_FORMAT_PROGRAMS && verdict)
			fprintf(stream, " (%s)", verdict);
	}
	fclose(stream);
	if (text && !*text) {
		free(text);
		return strdup("-");
	}
	return text;
}

static char *number_text(const json_t *value, enum shunt_format format)
{
	if (format == SHUNT_FORMAT_BYTES)
		return bytes_text(json_number_value(value));
	if (format == SHUNT_FORMAT_AGE)
		return age_text(json_number_value(value));
	if (format == SHUNT_FORMAT_SHARE)
		return print("%.2f %%", json_number_value(value) * 100);
	if (json_is_integer(value))
		return print("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return print("%.3g", json_real_value(value));
}

char *shunt_value_text(const json_t *value, enum shunt_format format)
{
	if (format == SHUNT_FORMAT_MEANING)
		return meaning_of(json_string_value(value));
	if (json_is_number(value))
		return number_text(value, format);
	if (json_is_boolean(value))
		return strdup(json_is_true(value) ? "yes" : "no");
	if (json_is_string(value))
		return strdup(json_string_length(value) ? json_string_value(value) : "-");
	if (json_is_array(value))
		return list_text(value, format);
	return value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT) : strdup("-");
}
