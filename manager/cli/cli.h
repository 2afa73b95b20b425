/* SPDX-License-Identifier: MIT */
/* cli.h: how a command of shuntctl is described. Help, checking, dispatch, completion and suggestions derive from these
 * tables. */
#ifndef SHUNT_CLI_H
#define SHUNT_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "client.h"

enum shunt_exit {
	SHUNT_EXIT_OK = 0,
	SHUNT_EXIT_FAILED = 1,
	SHUNT_EXIT_USAGE = 2,
	SHUNT_EXIT_UNREACHABLE = 3,
	SHUNT_EXIT_NOT_FOUND = 4,
};

enum shunt_value_kind {
	SHUNT_VALUE_FLAG = 0, /* takes none */
	SHUNT_VALUE_TEXT,
	SHUNT_VALUE_CHOICE,  /* one of words */
	SHUNT_VALUE_SECONDS, /* 0 to a day, fractions allowed */
	SHUNT_VALUE_ID,	     /* a flow's id */
	SHUNT_VALUE_POD,     /* a pod's name; completed by asking the daemon */
};

struct shunt_option {
	const char *name; /* without dashes; NULL ends a list */
	char letter;
	enum shunt_value_kind kind;
	const char *value; /* in help: "S" */
	const char *param; /* parameter of the method; NULL: the value stays in shuntctl, under the option's name */
	const char *const *words;
	const char *help;
};

struct shunt_argument {
	const char *name; /* in help: "CGROUP"; NULL ends a list */
	const char *param;
	enum shunt_value_kind kind;
	bool optional;
	const char *const *words;
	const char *help;
};

/* What belongs to another program and is not looked at. */
enum shunt_rest {
	SHUNT_REST_NONE = 0,
	SHUNT_REST_COMMAND, /* everything from the first word that is not an option, or behind "--" */
	SHUNT_REST_ALL,	    /* everything behind the command's name */
};

struct shunt_view;
struct shunt_invocation;

struct shunt_command {
	const char *name; /* "pod list"; NULL ends the list */
	const char *summary;
	const struct shunt_argument *arguments;
	const struct shunt_option *options;
	enum shunt_rest rest;
	const char *rest_usage;				       /* in help: "-- CMD ARGS..." */
	const char *method;				       /* of io.shunt.Manager */
	bool stream;					       /* the answer comes in parts, whose lists are joined */
	const char *unwrap;				       /* JSON prints this member of the reply only */
	const struct shunt_view *views;			       /* text: one after the other */
	int timeout_ms;					       /* of the call; a SECONDS option is added to it */
	int (*run)(const struct shunt_invocation *invocation); /* an enum shunt_exit, or the exit code itself */
	int (*judge)(const json_t *reply, const struct shunt_invocation *invocation); /* NULL: a reply is success */
	const char *detail;							      /* more for help */
	bool hidden;
};

struct shunt_invocation {
	const struct shunt_command *command;
	const char *socket; /* NULL: SHUNT_SOCKET or the default */
	bool json;
	bool pretty;
	bool no_color;
	bool help;
	bool version;
	json_t *params; /* for the method */
	json_t *local;	/* options without param, by name */
	char **rest;	/* NULL-terminated */
};

extern const struct shunt_option shunt_global_options[];
extern const struct shunt_command shunt_commands[];

/* parse.c: fills *ret (release with shunt_invocation_clear, also after failure). -EINVAL: *ret_error says what is
 * wrong. */
int shunt_parse(int argc, char **argv, struct shunt_invocation *ret, char **ret_error);
void shunt_invocation_clear(struct shunt_invocation *invocation);
/* The command called name, or NULL; true if name is only the first word of some. */
const struct shunt_command *shunt_command_find(const char *name);
bool shunt_command_is_group(const char *name);
const struct shunt_option *shunt_option_find(const struct shunt_command *command, const char *name);
const char *shunt_local_text(const struct shunt_invocation *invocation, const char *option);

/* call.c: the daemon's answer, or its failure told on stderr. 0 and *ret, or an exit code (> 0). */
int shunt_call_daemon(const struct shunt_invocation *invocation, json_t **ret);
/* The same, quiet when no daemon answers: SHUNT_EXIT_UNREACHABLE. */
int shunt_ask_daemon(const struct shunt_invocation *invocation, json_t **ret);
/* Prints a reply as the invocation wants it and judges it. */
int shunt_show(const struct shunt_invocation *invocation, const json_t *reply);
/* The run function of commands that are one call. */
int shunt_run_method(const struct shunt_invocation *invocation);
/* One sentence on stderr (as JSON with -j); returns code. */
int shunt_complain(const struct shunt_invocation *invocation, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *shunt_socket_of(const struct shunt_invocation *invocation);

/* help.c, completion.c, run.c, offline.c: the other run functions */
int shunt_run_help(const struct shunt_invocation *invocation);
int shunt_run_version(const struct shunt_invocation *invocation);
int shunt_run_completion(const struct shunt_invocation *invocation);
int shunt_run_complete(const struct shunt_invocation *invocation);
int shunt_run_command(const struct shunt_invocation *invocation);
int shunt_run_doctor(const struct shunt_invocation *invocation);
int shunt_run_uninstall(const struct shunt_invocation *invocation);
int shunt_run_bench(const struct shunt_invocation *invocation);

int shunt_judge_left(const json_t *reply, const struct shunt_invocation *invocation);
int shunt_judge_level(const json_t *reply, const struct shunt_invocation *invocation);

/* offline.c: the file of a program of shunt: beside this one, then in ../sbin, then in PATH. -ENOENT. */
int shunt_program_find(const char *name, char **ret);

#endif
