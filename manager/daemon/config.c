/* SPDX-License-Identifier: MIT */
/* config.c: reads the configuration by the table of its keys, strictly. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <shunt/limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "suggest.h"

#define MIB (1024 * 1024)
#define MAX_PATTERNS 1024

/* Where in the file we are, and what to say when it is wrong. */
struct reading {
	const char *file;
	const char *prefix; /* of the key's path: "" or "attach[1]." */
	char **error;
};

struct key;
typedef int (*read_fn)(const struct reading *reading, const struct key *key, const json_t *value, void *field);

struct key {
	const char *name;
	read_fn read;
	size_t offset;
	long least; /* numbers: the range, both ends allowed */
	long most;
	const char *const *words; /* words: those allowed, ended by NULL */
};

static const char *const mode_words[] = {
#define X(name, word, sentence) #word,
	SHUNT_MODES(X)
#undef X
		NULL,
};

static const char *const level_words[] = {
#define X(name, word) #word,
	SHUNT_LOG_LEVELS(X)
#undef X
		NULL,
};

static const char *const format_words[] = {
#define X(name, word) #word,
	SHUNT_LOG_FORMATS(X)
#undef X
		NULL,
};

int shunt_mode_parse(const char *word, enum shunt_mode *ret)
{
	for (int i = 0; mode_words[i]; i++) {
		if (strcmp(mode_words[i], word) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

const char *shunt_mode_word(enum shunt_mode mode)
{
	return mode < SHUNT_MODE_COUNT ? mode_words[mode] : "unknown";
}

__attribute__((format(printf, 3, 4))) static int complain(const struct reading *reading, const char *key,
							  const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	if (asprintf(reading->error, "%s: %s%s: %s", reading->file, reading->prefix, key, text) < 0)
		return -ENOMEM;
	return -EINVAL;
}

/* "got 5", "got \"x\"", for the sentence that says what was given; long values are cut. */
static const char *shown(const json_t *value, char *text, size_t size)
{
	_cleanup_free_ char *whole = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	snprintf(text, size, "%.60s%s", whole ? whole : "?", whole && strlen(whole) > 60 ? "..." : "");
	return text;
}

static int read_number(const struct reading *reading, const struct key *key, const json_t *value, void *field)
{
	char given[80];

	if (!json_is_integer(value) || json_integer_value(value) < key->least || json_integer_value(value) > key->most)
		return complain(reading, key->name, "%s is not allowed: give a whole number from %ld to %ld",
				shown(value, given, sizeof(given)), key->least, key->most);
	*(unsigned *)field = json_integer_value(value);
	return 0;
}

static int join_words(const char *const *words, char **ret)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return -ENOMEM;
	for (int i = 0; words[i]; i++)
		fprintf(stream, "%s\"%s\"", i ? ", " : "", words[i]);
	fclose(stream);
	*ret = text;
	return 0;
}

static int read_word(const struct reading *reading, const struct key *key, const json_t *value, void *field)
{
	char given[80];
	_cleanup_free_ char *allowed = NULL;

	for (int i = 0; json_is_string(value) && key->words[i]; i++) {
		if (strcmp(key->words[i], json_string_value(value)) != 0)
			continue;
		*(int *)field = i;
		return 0;
	}
	int r = join_words(key->words, &allowed);
	if (r < 0)
		return r;
	return complain(reading, key->name, "%s is not allowed: give one of %s", shown(value, given, sizeof(given)),
			allowed);
}

static int read_text(const struct reading *reading, const struct key *key, const json_t *value, void *field)
{
	char given[80];

	if (!json_is_string(value) || !json_string_length(value) || json_string_length(value) > (size_t)key->most)
		return complain(reading, key->name, "%s is not allowed: give a string of 1 to %ld bytes",
				shown(value, given, sizeof(given)), key->most);
	char *copy = strdup(json_string_value(value));
	if (!copy)
		return -ENOMEM;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int read_patterns(const struct reading *reading, const struct key *key, const json_t *value, void *field)
{
	char given[80];
	const json_t *entry;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > MAX_PATTERNS)
		return complain(reading, key->name, "%s is not allowed: give a list of at most %d patterns",
				shown(value, given, sizeof(given)), MAX_PATTERNS);
	json_array_foreach (value, i, entry) {
		if (!json_is_string(entry) || !json_string_length(entry))
			return complain(reading, key->name,
					"entry %zu, %s, is not allowed: give a pattern such as \"redis-*\"", i,
					shown(entry, given, sizeof(given)));
		int r = shunt_patterns_add(field, json_string_value(entry));
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_attach(const struct reading *reading, const struct key *key, const json_t *value, void *field);

#define NUMBER(name, least, most)                                                                                      \
	{                                                                                                              \
#name, read_number, offsetof(struct shunt_config, name), least, most, NULL                             \
	}
#define WORD(name, words)                                                                                              \
	{                                                                                                              \
#name, read_word, offsetof(struct shunt_config, name), 0, 0, words                                     \
	}
#define PATTERNS(name)                                                                                                 \
	{                                                                                                              \
#name, read_patterns, offsetof(struct shunt_config, name), 0, 0, NULL                                  \
	}
#define ATTACH(name, read, most, words)                                                                                \
	{                                                                                                              \
#name, read, offsetof(struct shunt_config_attach, name), 0, most, words                                \
	}

static const struct key keys[] = {
	WORD(mode, mode_words),
	NUMBER(scan_interval_ms, 10, 2000),
	NUMBER(promote_min_turns, 0, 1000000),
	NUMBER(spill_bytes, 4096, 64 * MIB),
	NUMBER(spill_messages, 1, 65536),
	NUMBER(run_bytes, 1024, 64 * MIB),
	NUMBER(run_messages, 1, 65536),
	NUMBER(max_flows, 64, SHUNT_MAX_FLOWS_MAX),
	PATTERNS(splice_allow),
	PATTERNS(fionread_allow),
	WORD(log_level, level_words),
	WORD(log_format, format_words),
	{"attach", read_attach, 0, 0, 0, NULL},
	{},
};

static const struct key attach_keys[] = {
	ATTACH(cgroup, read_text, 511, NULL),
	ATTACH(name, read_text, SHUNT_POD_NAME_LEN - 1, NULL),
	ATTACH(mode, read_word, 0, mode_words),
	{},
};

static int unknown_key(const struct reading *reading, const struct key *table, const char *name)
{
	struct shunt_suggestion suggestion = {.word = name};

	for (; table->name; table++)
		shunt_suggest_offer(&suggestion, table->name);
	if (suggestion.best)
		return complain(reading, name, "unknown key; did you mean \"%s\"?", suggestion.best);
	return complain(reading, name, "unknown key; see shunt.json(5) for those that exist");
}

static int read_object(const struct reading *reading, const struct key *table, const json_t *object, void *record)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)object, name, value) {
		const struct key *key = table;
		while (key->name && strcmp(key->name, name) != 0)
			key++;
		int r = key->name ? key->read(reading, key, value, (char *)record + key->offset)
				  : unknown_key(reading, table, name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_attach_entry(const struct reading *outer, size_t i, const json_t *entry, struct shunt_config *config)
{
	char prefix[32];
	char given[80];
	struct reading reading = {outer->file, prefix, outer->error};
	struct shunt_config_attach *attach = &config->attach[config->attach_count];

	snprintf(prefix, sizeof(prefix), "attach[%zu]", i);
	if (!json_is_object(entry))
		return complain(&reading, "",
				"%s is not allowed: give an object such as {\"cgroup\": \"system.slice/redis*\"}",
				shown(entry, given, sizeof(given)));
	strcat(prefix, ".");
	attach->mode = SHUNT_MODE_COUNT;
	config->attach_count++;
	int r = read_object(&reading, attach_keys, entry, attach);
	if (r < 0)
		return r;
	if (!attach->cgroup)
		return complain(&reading, "cgroup", "missing: every entry needs it");
	size_t slashes = strspn(attach->cgroup, "/");
	memmove(attach->cgroup, attach->cgroup + slashes, strlen(attach->cgroup + slashes) + 1);
	return 0;
}

static int read_attach(const struct reading *reading, const struct key *key, const json_t *value, void *field)
{
	char given[80];
	const json_t *entry;
	size_t i;
	struct shunt_config *config = field;

	if (!json_is_array(value) || json_array_size(value) > SHUNT_MAX_PODS)
		return complain(reading, key->name, "%s is not allowed: give a list of at most %d objects",
				shown(value, given, sizeof(given)), SHUNT_MAX_PODS);
	config->attach = calloc(json_array_size(value) + 1, sizeof(*config->attach));
	if (!config->attach)
		return -ENOMEM;
	json_array_foreach (value, i, entry) {
		int r = read_attach_entry(reading, i, entry, config);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct shunt_config *defaults(void)
{
	struct shunt_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	*config = (struct shunt_config){
		.mode = SHUNT_MODE_ADAPTIVE,
		.scan_interval_ms = 100,
		.promote_min_turns = 8,
		.spill_bytes = MIB,
		.spill_messages = 512,
		.run_bytes = 128 * 1024,
		.run_messages = 48,
		.max_flows = SHUNT_MAX_FLOWS_DEFAULT,
		.log_level = SHUNT_LOG_INFO,
		.log_format = SHUNT_LOG_FORMAT_TEXT,
	};
	return config;
}

void shunt_config_free(struct shunt_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->attach_count; i++) {
		free(config->attach[i].cgroup);
		free(config->attach[i].name);
	}
	free(config->attach);
	shunt_patterns_clear(&config->splice_allow);
	shunt_patterns_clear(&config->fionread_allow);
	free(config);
}

/* An entry without a mode has the file's, wherever in the file that stands. */
static void inherit_mode(struct shunt_config *config)
{
	for (size_t i = 0; i < config->attach_count; i++)
		if (config->attach[i].mode == SHUNT_MODE_COUNT)
			config->attach[i].mode = config->mode;
}

static int blame_file(const char *path, int error, const char *text, char **ret_error)
{
	return asprintf(ret_error, "%s: %s", path, text) < 0 ? -ENOMEM : error;
}

/* The whole file in memory; never more than SHUNT_CONFIG_MAX is read. A FIFO or device is refused rather than waited
 * for. */
static int read_file(const char *path, char **ret, size_t *ret_length, char **ret_error)
{
	struct stat stat_buffer;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = malloc(SHUNT_CONFIG_MAX + 1);
	size_t length = 0;

	if (fd < 0 || fstat(fd, &stat_buffer) < 0)
		return blame_file(path, -errno, strerror(errno), ret_error);
	if (!S_ISREG(stat_buffer.st_mode))
		return blame_file(path, -EINVAL, "not a regular file", ret_error);
	if (!text)
		return -ENOMEM;
	while (length <= SHUNT_CONFIG_MAX) {
		ssize_t n = read(fd, text + length, SHUNT_CONFIG_MAX + 1 - length);
		if (n < 0)
			return blame_file(path, -errno, strerror(errno), ret_error);
		if (n == 0)
			break;
		length += n;
	}
	if (length > SHUNT_CONFIG_MAX)
		return blame_file(path, -EFBIG, "longer than 1 MiB, which is the limit", ret_error);
	*ret = TAKE_PTR(text);
	*ret_length = length;
	return 0;
}

static int parse_file(const char *path, json_t **ret, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	json_error_t error;

	int r = read_file(path, &text, &length, ret_error);
	if (r < 0)
		return r;
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return asprintf(ret_error, "%s: line %d, column %d: %s", path, error.line, error.column, error.text) < 0
			       ? -ENOMEM
			       : -EINVAL;
	if (!json_is_object(root)) {
		json_decref(root);
		return blame_file(path, -EINVAL, "must be one JSON object: { ... }", ret_error);
	}
	*ret = root;
	return 0;
}

int shunt_config_load(const char *path, bool must_exist, struct shunt_config **ret, char **ret_error)
{
	_cleanup_config_ struct shunt_config *config = defaults();
	_cleanup_free_ char *error = NULL;
	json_auto_t *root = NULL;
	struct reading reading = {path, "", &error};

	if (!config)
		return -ENOMEM;
	int r = parse_file(path, &root, &error);
	if (r == 0)
		r = read_object(&reading, keys, root, config);
	if (r == -ENOENT && !must_exist)
		r = 0;
	if (r < 0) {
		*ret_error = error ? TAKE_PTR(error) : strdup(strerror(-r));
		return r;
	}
	inherit_mode(config);
	*ret = TAKE_PTR(config);
	return 0;
}
