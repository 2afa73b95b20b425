/* SPDX-License-Identifier: MIT */
/* completion.c: what may follow on the command line. The shells' scripts only ask "shuntctl complete WORDS...". */
#include <ctype.h>
#include <string.h>

#include "cleanup.h"
#include "cli.h"

#define ASK_MS 300 /* a person waits at the prompt */

static const struct {
	const char *shell;
	const char *script;
} scripts[] = {
	{"bash", "_shuntctl() {\n"
		 "	local IFS=$'\\n'\n"
		 "	COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
		 "2>/dev/null |\n"
		 "		cut -f1)\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
		 "}\n"
		 "complete -o default -F _shuntctl shuntctl\n"},
	{"zsh", "#compdef shuntctl\n"
		"_shuntctl() {\n"
		"	local -a found\n"
		"	local line\n"
		"	\"${words[1]}\" complete \"${(@)words[2,CURRENT]}\" 2>/dev/null | while IFS= read -r line; do\n"
		"		found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
		"	done\n"
		"	if (( ${#found} )); then _describe shuntctl found; else _default; fi\n"
		"}\n"
		"compdef _shuntctl shuntctl\n"},
	{"fish", "complete -c shuntctl -a '(set -l words (commandline -opc); "
		 "shuntctl complete $words[2..-1] (commandline -ct) 2>/dev/null)'\n"},
};

int shunt_run_completion(const struct shunt_invocation *invocation)
{
	const char *shell = json_string_value(json_object_get(invocation->params, "shell"));

	for (size_t i = 0; i < SHUNT_COUNT_OF(scripts); i++) {
		if (strcmp(scripts[i].shell, shell) != 0)
			continue;
		if (!invocation->json) {
			fputs(scripts[i].script, stdout);
			return SHUNT_EXIT_OK;
		}
		json_auto_t *reply = json_pack("{s:s, s:s}", "shell", shell, "script", scripts[i].script);
		json_dumpf(reply, stdout, invocation->pretty ? JSON_INDENT(2) : JSON_COMPACT);
		putchar('\n');
	}
	return SHUNT_EXIT_OK;
}

/* A name that could move the terminal's cursor is not worth offering. */
static bool printable(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

static void offer(const char *prefix, const char *dashes, const char *word, int length, const char *help)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s%.*s", dashes, length, word);
	if (printable(whole) && !strncmp(whole, prefix, strlen(prefix)))
		printf("%s\t%s\n", whole, help);
}

static void offer_options(const char *prefix, const struct shunt_option *options)
{
	for (; options && options->name; options++)
		offer(prefix, "--", options->name, strlen(options->name), options->help);
}

/* First words, each once: the commands of a group are neighbours in the table. */
static void offer_commands(const char *prefix)
{
	const char *last = "";

	for (const struct shunt_command *command = shunt_commands; command->name; command++) {
		size_t length = strcspn(command->name, " ");
		if (command->hidden || !strncmp(last, command->name, length + (command->name[length] == ' ')))
			continue;
		offer(prefix, "", command->name, length, command->summary);
		last = command->name;
	}
}

static void offer_subcommands(const char *prefix, const char *group)
{
	size_t length = strlen(group);

	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!strncmp(command->name, group, length) && command->name[length] == ' ')
			offer(prefix, "", command->name + length + 1, strlen(command->name + length + 1),
			      command->summary);
}

static void offer_pods(const struct shunt_invocation *invocation, const char *prefix)
{
	_cleanup_client_ struct shunt_client *client = NULL;
	json_auto_t *reply = NULL;
	const json_t *pod;
	size_t i;

	if (shunt_client_connect(&client, shunt_socket_of(invocation), ASK_MS) < 0)
		return;
	if (shunt_client_call(client, "PodList", NULL, ASK_MS, &reply, NULL) < 0)
		return;
	json_array_foreach (json_object_get(reply, "pods"), i, pod) {
		const char *name = json_string_value(json_object_get(pod, "name"));
		const char *cgroup = json_string_value(json_object_get(pod, "cgroup"));
		if (name && cgroup)
			offer(prefix, "", name, strlen(name), cgroup);
	}
}

static void offer_values(const struct shunt_invocation *invocation, const char *prefix, enum shunt_value_kind kind,
			 const char *const *words)
{
	if (kind == SHUNT_VALUE_POD)
		offer_pods(invocation, prefix);
	for (; kind == SHUNT_VALUE_CHOICE && *words; words++)
		offer(prefix, "", *words, strlen(*words), "");
}

/* What has been typed before the word to complete. */
struct typed {
	const struct shunt_command *command;
	const char *group;		    /* a first word that needs a second */
	const struct shunt_option *pending; /* waits for its value */
	size_t arguments;
	bool lost; /* no command begins like this */
};

static void take_word(struct typed *typed, const char *word)
{
	char name[128];

	if (typed->pending) {
		typed->pending = NULL;
		return;
	}
	if (!strncmp(word, "--", 2)) {
		typed->pending = shunt_option_find(typed->command, word + 2);
		if (typed->pending && typed->pending->kind == SHUNT_VALUE_FLAG)
			typed->pending = NULL;
		return;
	}
	if (*word == '-')
		return;
	if (typed->command) {
		typed->arguments++;
		return;
	}
	snprintf(name, sizeof(name), "%s%s%s", typed->group ? typed->group : "", typed->group ? " " : "", word);
	typed->command = shunt_command_find(name);
	typed->group = !typed->command && shunt_command_is_group(word) ? word : NULL;
	typed->lost = !typed->command && !typed->group;
}

static void offer_argument(const struct shunt_invocation *invocation, const struct typed *typed, const char *prefix)
{
	const struct shunt_argument *argument = typed->command->arguments;

	for (size_t i = 0; argument && argument->name && i < typed->arguments; i++)
		argument++;
	if (argument && argument->name)
		offer_values(invocation, prefix, argument->kind, argument->words);
}

int shunt_run_complete(const struct shunt_invocation *invocation)
{
	struct typed typed = {};
	char **word = invocation->rest;

	if (!*word)
		return SHUNT_EXIT_OK;
	for (; word[1]; word++)
		take_word(&typed, *word);
	if (typed.pending) {
		offer_values(invocation, *word, typed.pending->kind, typed.pending->words);
	} else if (**word == '-') {
		offer_options(*word, shunt_global_options);
		offer_options(*word, typed.command ? typed.command->options : NULL);
	} else if (typed.lost) {
		return SHUNT_EXIT_OK;
	} else if (typed.command && !strcmp(typed.command->name, "help") && typed.arguments == 0) {
		offer_commands(*word);
	} else if (typed.command) {
		offer_argument(invocation, &typed, *word);
	} else if (typed.group) {
		offer_subcommands(*word, typed.group);
	} else {
		offer_commands(*word);
	}
	return SHUNT_EXIT_OK;
}
