/* SPDX-License-Identifier: MIT */
/* help.c: help and version, derived from the command table. */
#include <string.h>

#include "cleanup.h"
#include "cli.h"

#define VERSION_MS 1000

static void print_option(const struct shunt_option *option)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
		 option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
		 option->value ? " " : "", option->value ? option->value : "");
	printf("  %-28s %s\n", left, option->help);
}

static void print_options(const char *title, const struct shunt_option *options)
{
	printf("\n%s\n", title);
	for (; options->name; options++)
		print_option(options);
}

static void print_usage(const struct shunt_command *command)
{
	printf("usage: shuntctl [--socket PATH] [-j|--json] [-p|--pretty] [--no-color] %s", command->name);
	for (const struct shunt_option *option = command->options; option && option->name; option++)
		printf(option->value ? " [--%s %s]" : " [--%s]", option->name, option->value);
	for (const struct shunt_argument *argument = command->arguments; argument && argument->name; argument++)
		printf(argument->optional ? " [%s]" : " %s", argument->name);
	if (command->rest_usage)
		printf(" %s", command->rest_usage);
	putchar('\n');
}

static void print_arguments(const struct shunt_argument *arguments)
{
	putchar('\n');
	for (; arguments->name; arguments++)
		printf("  %-28s %s\n", arguments->name, arguments->help);
}

static void print_command(const struct shunt_command *command)
{
	print_usage(command);
	printf("\n%s\n", command->summary);
	if (command->detail)
		printf("%s\n", command->detail);
	if (command->arguments)
		print_arguments(command->arguments);
	if (command->options)
		print_options("options", command->options);
	print_options("global options", shunt_global_options);
}

static void print_overview(void)
{
	puts("usage: shuntctl [--socket PATH] [-j|--json] [-p|--pretty] [--no-color] COMMAND\n\ncommands");
	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!command->hidden)
			printf("  %-12s %s\n", command->name, command->summary);
	print_options("options of every command", shunt_global_options);
	puts("\nexit codes\n  0 done   1 failed   2 wrong usage   3 no daemon answers   4 not found\n\nshuntctl help "
	     "COMMAND says more.");
}

static json_t *describe_options(const struct shunt_option *options)
{
	json_t *list = json_array();

	for (; options && options->name; options++)
		json_array_append_new(list, json_pack("{s:s, s:s*, s:s}", "name", options->name, "value",
						      options->value, "help", options->help));
	return list;
}

static json_t *describe_arguments(const struct shunt_argument *arguments)
{
	json_t *list = json_array();

	for (; arguments && arguments->name; arguments++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name", arguments->name, "optional",
						      arguments->optional, "help", arguments->help));
	return list;
}

static json_t *describe(const struct shunt_command *command)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "name", command->name, "summary", command->summary, "arguments",
			 describe_arguments(command->arguments), "options", describe_options(command->options));
}

static json_t *describe_all(const struct shunt_command *only)
{
	json_t *list = json_array();

	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (only ? command == only : !command->hidden)
			json_array_append_new(list, describe(command));
	return list;
}

static int print_descriptions(const struct shunt_invocation *invocation, const struct shunt_command *only)
{
	json_auto_t *list = describe_all(only);

	json_dumpf(list, stdout, invocation->pretty ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
	return SHUNT_EXIT_OK;
}

static int show_command(const struct shunt_invocation *invocation, const struct shunt_command *command)
{
	if (invocation->json)
		return print_descriptions(invocation, command);
	if (command)
		print_command(command);
	else
		print_overview();
	return SHUNT_EXIT_OK;
}

static int show_group(const char *group)
{
	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!strncmp(command->name, group, strlen(group)) && command->name[strlen(group)] == ' ')
			print_usage(command);
	return SHUNT_EXIT_OK;
}

int shunt_run_help(const struct shunt_invocation *invocation)
{
	const char *first = json_string_value(json_object_get(invocation->params, "command"));
	const char *second = json_string_value(json_object_get(invocation->params, "subcommand"));
	char name[128];

	if (invocation->command && strcmp(invocation->command->name, "help") != 0)
		return show_command(invocation, invocation->command);
	if (!first)
		return show_command(invocation, NULL);
	snprintf(name, sizeof(name), "%s%s%s", first, second ? " " : "", second ? second : "");
	const struct shunt_command *command = shunt_command_find(name);
	if (command)
		return show_command(invocation, command);
	if (shunt_command_is_group(name))
		return show_group(name);
	return shunt_complain(invocation, SHUNT_EXIT_USAGE, "there is no command \"%s\"; shuntctl help lists them",
			      name);
}

/* The daemon's version is a courtesy: its absence is no failure. */
static json_t *daemon_version(const struct shunt_invocation *invocation)
{
	_cleanup_client_ struct shunt_client *client = NULL;
	json_auto_t *status = NULL;

	if (shunt_client_connect(&client, shunt_socket_of(invocation), VERSION_MS) < 0)
		return NULL;
	if (shunt_client_call(client, "Status", NULL, VERSION_MS, &status, NULL) < 0)
		return NULL;
	return json_incref(json_object_get(status, "version"));
}

int shunt_run_version(const struct shunt_invocation *invocation)
{
	json_auto_t *daemon = daemon_version(invocation);

	if (invocation->json) {
		json_auto_t *reply = json_pack("{s:s, s:O?}", "shuntctl", SHUNT_VERSION, "shuntd", daemon);
		json_dumpf(reply, stdout, invocation->pretty ? JSON_INDENT(2) : JSON_COMPACT);
		putchar('\n');
		return SHUNT_EXIT_OK;
	}
	printf("shuntctl %s\n", SHUNT_VERSION);
	if (daemon)
		printf("shuntd %s\n", json_string_value(daemon));
	else
		printf("shuntd: none answers at %s\n", shunt_socket_of(invocation));
	return SHUNT_EXIT_OK;
}
