/* SPDX-License-Identifier: MIT */
/* parse.c: turns the command line into an invocation by the tables of commands.c. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "cleanup.h"
#include "cli.h"
#include "suggest.h"

struct parsing {
	struct shunt_invocation *invocation;
	char **argv; /* what is left */
	size_t arguments;
	bool options_ended;
	char **error;
};

__attribute__((format(printf, 2, 3))) static int complain(const struct parsing *parsing, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vasprintf(parsing->error, format, args);
	va_end(args);
	return n < 0 ? -ENOMEM : -EINVAL;
}

/* Behind "shuntctl help": the command, if there is one yet. */
static const char *help_topic(const struct parsing *parsing)
{
	return parsing->invocation->command ? parsing->invocation->command->name : "help";
}

const struct shunt_command *shunt_command_find(const char *name)
{
	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

bool shunt_command_is_group(const char *name)
{
	size_t length = strlen(name);

	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!strncmp(command->name, name, length) && command->name[length] == ' ')
			return true;
	return false;
}

static const struct shunt_option *find_in(const struct shunt_option *options, const char *name)
{
	for (; options && options->name; options++)
		if (!strcmp(options->name, name))
			return options;
	return NULL;
}

const struct shunt_option *shunt_option_find(const struct shunt_command *command, const char *name)
{
	const struct shunt_option *option = find_in(shunt_global_options, name);

	return option || !command ? option : find_in(command->options, name);
}

static const struct shunt_option *find_letter_in(const struct shunt_option *options, char letter)
{
	for (; options && options->name; options++)
		if (options->letter == letter)
			return options;
	return NULL;
}

static const struct shunt_option *find_letter(const struct shunt_command *command, char letter)
{
	const struct shunt_option *option = find_letter_in(shunt_global_options, letter);

	return option || !command ? option : find_letter_in(command->options, letter);
}

const char *shunt_local_text(const struct shunt_invocation *invocation, const char *option)
{
	return json_string_value(json_object_get(invocation->local, option));
}

/* values */

static int read_seconds(const char *text, json_t **ret)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !isfinite(seconds) || seconds < 0 || seconds > 86400)
		return -EINVAL;
	*ret = json_real(seconds);
	return 0;
}

static int read_id(const char *text, json_t **ret)
{
	char *end;

	errno = 0;
	long long id = strtoll(text, &end, 10);
	if (end == text || *end || errno || id <= 0)
		return -EINVAL;
	*ret = json_integer(id);
	return 0;
}

static int read_choice(const char *text, const char *const *words, json_t **ret)
{
	for (; *words; words++) {
		if (strcmp(*words, text) != 0)
			continue;
		*ret = json_string(text);
		return 0;
	}
	return -EINVAL;
}

static int read_text(const char *text, json_t **ret)
{
	if (!*text)
		return -EINVAL;
	*ret = json_string(text);
	return *ret ? 0 : -EILSEQ;
}

static int read_value(enum shunt_value_kind kind, const char *const *words, const char *text, json_t **ret)
{
	switch (kind) {
	case SHUNT_VALUE_SECONDS:
		return read_seconds(text, ret);
	case SHUNT_VALUE_ID:
		return read_id(text, ret);
	case SHUNT_VALUE_CHOICE:
		return read_choice(text, words, ret);
	default:
		return read_text(text, ret);
	}
}

/* What would have been right, for the error sentence. */
static void describe_choice(FILE *stream, const char *const *words, const char *given)
{
	struct shunt_suggestion suggestion = {.word = given};
	int count = 0;

	for (; words[count]; count++)
		shunt_suggest_offer(&suggestion, words[count]);
	if (suggestion.best) {
		fprintf(stream, "did you mean \"%s\"?", suggestion.best);
		return;
	}
	fputs("give one of ", stream);
	for (int i = 0; i < count; i++)
		fprintf(stream, "%s%s", i ? ", " : "", words[i]);
}

static char *expected(enum shunt_value_kind kind, const char *const *words, const char *given)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	if (kind == SHUNT_VALUE_SECONDS)
		fputs("give seconds from 0 to 86400", stream);
	else if (kind == SHUNT_VALUE_ID)
		fputs("give a flow's id, a whole number, as shuntctl flow list shows it", stream);
	else if (kind == SHUNT_VALUE_CHOICE)
		describe_choice(stream, words, given);
	else
		fputs("give some UTF-8 text", stream);
	fclose(stream);
	return text;
}

static int bad_value(const struct parsing *parsing, const char *what, enum shunt_value_kind kind,
		     const char *const *words, const char *given)
{
	_cleanup_free_ char *hint = expected(kind, words, given);

	return complain(parsing, "%s cannot be \"%s\": %s", what, given, hint ? hint : "");
}

/* options */

static int set_flag(struct shunt_invocation *invocation, const struct shunt_option *option)
{
	static const struct {
		const char *name;
		size_t offset;
	} flags[] = {
		{"json", offsetof(struct shunt_invocation, json)},
		{"pretty", offsetof(struct shunt_invocation, pretty)},
		{"no-color", offsetof(struct shunt_invocation, no_color)},
		{"help", offsetof(struct shunt_invocation, help)},
		{"version", offsetof(struct shunt_invocation, version)},
	};

	for (size_t i = 0; i < SHUNT_COUNT_OF(flags); i++)
		if (!strcmp(flags[i].name, option->name))
			*(bool *)((char *)invocation + flags[i].offset) = true;
	if (invocation->pretty)
		invocation->json = true;
	return json_object_set_new(invocation->local, option->name, json_true()) < 0 ? -ENOMEM : 0;
}

static int set_value(struct parsing *parsing, const struct shunt_option *option, const char *text)
{
	struct shunt_invocation *invocation = parsing->invocation;
	json_t *value = NULL;
	char what[64];

	snprintf(what, sizeof(what), "--%s", option->name);
	if (read_value(option->kind, option->words, text, &value) < 0)
		return bad_value(parsing, what, option->kind, option->words, text);
	if (option == find_in(shunt_global_options, "socket"))
		invocation->socket = text;
	json_t *target = option->param ? invocation->params : invocation->local;
	return json_object_set_new(target, option->param ? option->param : option->name, value) < 0 ? -ENOMEM : 0;
}

static int unknown_option(const struct parsing *parsing, const char *name)
{
	const struct shunt_command *command = parsing->invocation->command;
	struct shunt_suggestion suggestion = {.word = name};

	for (const struct shunt_option *option = shunt_global_options; option->name; option++)
		shunt_suggest_offer(&suggestion, option->name);
	for (const struct shunt_option *option = command ? command->options : NULL; option && option->name; option++)
		shunt_suggest_offer(&suggestion, option->name);
	if (suggestion.best)
		return complain(parsing, "unknown option --%s; did you mean --%s?", name, suggestion.best);
	return complain(parsing, "unknown option --%s; shuntctl help %s lists those that exist", name,
			help_topic(parsing));
}

static int use_option(struct parsing *parsing, const struct shunt_option *option, const char *attached)
{
	if (option->kind == SHUNT_VALUE_FLAG && attached)
		return complain(parsing, "--%s takes no value: leave out \"=%s\"", option->name, attached);
	if (option->kind == SHUNT_VALUE_FLAG)
		return set_flag(parsing->invocation, option);
	if (!attached && !*parsing->argv)
		return complain(parsing, "--%s needs a value: --%s %s", option->name, option->name, option->value);
	return set_value(parsing, option, attached ? attached : *parsing->argv++);
}

static int parse_long(struct parsing *parsing, const char *word)
{
	const char *equals = strchr(word, '=');
	_cleanup_free_ char *name = equals ? strndup(word, equals - word) : strdup(word);

	if (!name)
		return -ENOMEM;
	const struct shunt_option *option = shunt_option_find(parsing->invocation->command, name);
	return option ? use_option(parsing, option, equals ? equals + 1 : NULL) : unknown_option(parsing, name);
}

static int parse_letters(struct parsing *parsing, const char *letters)
{
	for (; *letters; letters++) {
		const struct shunt_option *option = find_letter(parsing->invocation->command, *letters);
		if (!option)
			return complain(parsing, "unknown option -%c; shuntctl help %s lists those that exist",
					*letters, help_topic(parsing));
		int r = use_option(parsing, option, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

/* words */

static int unknown_command(const struct parsing *parsing, const char *group, const char *word)
{
	struct shunt_suggestion suggestion = {.word = word};
	size_t skip = group ? strlen(group) + 1 : 0;
	char *names[64] = {};
	size_t count = 0;

	for (const struct shunt_command *command = shunt_commands; command->name && count < SHUNT_COUNT_OF(names);
	     command++) {
		if (command->hidden ||
		    (group && (strncmp(command->name, group, skip - 1) != 0 || command->name[skip - 1] != ' ')))
			continue;
		names[count] = strndup(command->name + skip, strcspn(command->name + skip, " "));
		if (names[count])
			shunt_suggest_offer(&suggestion, names[count++]);
	}
	int r = suggestion.best
			? complain(parsing, "unknown command \"%s%s%s\"; did you mean \"%s%s%s\"?", group ? group : "",
				   group ? " " : "", word, group ? group : "", group ? " " : "", suggestion.best)
			: complain(parsing, "unknown command \"%s%s%s\"; shuntctl help lists them", group ? group : "",
				   group ? " " : "", word);
	while (count)
		free(names[--count]);
	return r;
}

static int missing_subcommand(const struct parsing *parsing, const char *group)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return -ENOMEM;
	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!strncmp(command->name, group, strlen(group)) && command->name[strlen(group)] == ' ')
			fprintf(stream, "%sshuntctl %s", size || ftell(stream) ? " or " : "", command->name);
	fclose(stream);
	int r = complain(parsing, "\"%s\" needs a second word: %s", group, text);
	free(text);
	return r;
}

static int parse_command(struct parsing *parsing, const char *word)
{
	_cleanup_free_ char *name = NULL;

	if (!shunt_command_is_group(word)) {
		parsing->invocation->command = shunt_command_find(word);
		return parsing->invocation->command ? 0 : unknown_command(parsing, NULL, word);
	}
	const char *second = *parsing->argv;
	if (!second || *second == '-')
		return missing_subcommand(parsing, word);
	if (asprintf(&name, "%s %s", word, second) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	parsing->invocation->command = shunt_command_find(name);
	if (!parsing->invocation->command)
		return unknown_command(parsing, word, second);
	parsing->argv++;
	return 0;
}

static int parse_argument(struct parsing *parsing, const char *word)
{
	const struct shunt_command *command = parsing->invocation->command;
	const struct shunt_argument *argument = command->arguments ? &command->arguments[parsing->arguments] : NULL;
	json_t *value = NULL;

	if (!argument || !argument->name)
		return complain(parsing, "\"%s\" is one word too many; shuntctl help %s shows how it is used", word,
				command->name);
	if (read_value(argument->kind, argument->words, word, &value) < 0)
		return bad_value(parsing, argument->name, argument->kind, argument->words, word);
	parsing->arguments++;
	return json_object_set_new(parsing->invocation->params, argument->param, value) < 0 ? -ENOMEM : 0;
}

static bool rest_begins(const struct parsing *parsing, const char *word)
{
	const struct shunt_command *command = parsing->invocation->command;

	if (!command || command->rest == SHUNT_REST_NONE)
		return false;
	return command->rest == SHUNT_REST_ALL || *word != '-' || parsing->options_ended;
}

static int parse_word(struct parsing *parsing, const char *word)
{
	if (!parsing->options_ended && !strcmp(word, "--")) {
		parsing->options_ended = true;
		return 0;
	}
	if (!parsing->options_ended && !strncmp(word, "--", 2))
		return parse_long(parsing, word + 2);
	if (!parsing->options_ended && word[0] == '-' && word[1])
		return parse_letters(parsing, word + 1);
	if (!parsing->invocation->command)
		return parse_command(parsing, word);
	return parse_argument(parsing, word);
}

static int check_complete(const struct parsing *parsing)
{
	const struct shunt_invocation *invocation = parsing->invocation;
	const struct shunt_command *command = invocation->command;

	if (invocation->help || invocation->version)
		return 0;
	if (!command)
		return complain(parsing, "no command given; shuntctl help lists them");
	if (command->rest == SHUNT_REST_COMMAND && !*invocation->rest)
		return complain(parsing, "no command to run: shuntctl %s %s", command->name, command->rest_usage);
	const struct shunt_argument *next = command->arguments ? &command->arguments[parsing->arguments] : NULL;
	if (next && next->name && !next->optional)
		return complain(parsing, "%s is missing: shuntctl %s %s", next->name, command->name, next->name);
	return 0;
}

int shunt_parse(int argc, char **argv, struct shunt_invocation *ret, char **ret_error)
{
	struct parsing parsing = {.invocation = ret, .argv = argv + (argc > 0), .error = ret_error};

	*ret = (struct shunt_invocation){.params = json_object(), .local = json_object()};
	while (*parsing.argv) {
		if (rest_begins(&parsing, *parsing.argv))
			break;
		const char *word = *parsing.argv++;
		int r = parse_word(&parsing, word);
		if (r < 0)
			return r;
	}
	ret->rest = parsing.argv;
	return check_complete(&parsing);
}

void shunt_invocation_clear(struct shunt_invocation *invocation)
{
	json_decref(invocation->params);
	json_decref(invocation->local);
	*invocation = (struct shunt_invocation){};
}
