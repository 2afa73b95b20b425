/* SPDX-License-Identifier: MIT */
/* call.c: one call of the daemon, from the invocation to what is printed and the exit code. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cleanup.h"
#include "cli.h"
#include "varlink.h"
#include "view.h"

#define CONNECT_MS 3000

static const struct {
	const char *error;
	int code;
} exit_codes[] = {
	{SHUNT_INTERFACE ".NotFound", SHUNT_EXIT_NOT_FOUND},
	{SHUNT_INTERFACE ".InvalidArgument", SHUNT_EXIT_USAGE},
};

const char *shunt_socket_of(const struct shunt_invocation *invocation)
{
	return invocation->socket ? invocation->socket : shunt_client_socket();
}

static void complain_json(const char *text, int code)
{
	json_auto_t *line = json_pack("{s:s, s:i}", "error", text, "exit", code);

	if (!line)
		return;
	json_dumpf(line, stderr, JSON_COMPACT);
	fputc('\n', stderr);
}

int shunt_complain(const struct shunt_invocation *invocation, int code, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (invocation->json && text)
		complain_json(text, code);
	else
		fprintf(stderr, "shuntctl: %s\n", text ? text : "out of memory");
	return code;
}

static int complain_unreachable(const struct shunt_invocation *invocation, int error)
{
	const char *path = shunt_socket_of(invocation);

	if (error == -EACCES || error == -EPERM)
		return shunt_complain(invocation, SHUNT_EXIT_UNREACHABLE,
				      "%s may not be opened: run as root or join the group shunt", path);
	return shunt_complain(
		invocation, SHUNT_EXIT_UNREACHABLE,
		"no shuntd answers at %s (%s): start shuntd, or name its socket with --socket or SHUNT_SOCKET", path,
		strerror(-error));
}

static int complain_answer(const struct shunt_invocation *invocation, const struct shunt_client_error *error)
{
	int code = SHUNT_EXIT_FAILED;

	for (size_t i = 0; i < SHUNT_COUNT_OF(exit_codes); i++)
		if (!strcmp(exit_codes[i].error, error->name))
			code = exit_codes[i].code;
	if (!strncmp(error->name, SHUNT_INTERFACE ".", strlen(SHUNT_INTERFACE) + 1))
		return shunt_complain(invocation, code, "%s", error->text);
	return shunt_complain(invocation, code,
			      "the daemon answered %s %s: are shuntctl and shuntd of the same version?", error->name,
			      error->text);
}

/* Waiting commands take as long as they were told, on top of the call's own limit. */
static int timeout_of(const struct shunt_invocation *invocation)
{
	const struct shunt_option *option = invocation->command->options;
	double seconds = 0;

	for (; option && option->name; option++)
		if (option->kind == SHUNT_VALUE_SECONDS && option->param)
			seconds += json_number_value(json_object_get(invocation->params, option->param));
	return invocation->command->timeout_ms + (int)(seconds * 1000);
}

/* Joins the lists of a streamed answer. */
struct joining {
	const char *name;
	json_t *list;
};

static int join_part(json_t *parameters, void *context)
{
	struct joining *joining = context;
	json_t *part = json_object_get(parameters, joining->name);

	if (!json_is_array(part))
		return -EBADMSG;
	return json_array_extend(joining->list, part) < 0 ? -ENOMEM : 0;
}

static int call_stream(struct shunt_client *client, const struct shunt_invocation *invocation, json_t **ret,
		       struct shunt_client_error *error)
{
	const struct shunt_command *command = invocation->command;
	json_auto_t *list = json_array();
	struct joining joining = {command->unwrap, list};

	int r = shunt_client_stream(client, command->method, invocation->params, timeout_of(invocation), join_part,
				    &joining, error);
	if (r < 0)
		return r;
	*ret = json_pack("{s:O}", command->unwrap, list);
	return *ret ? 0 : -ENOMEM;
}

static int call_method(struct shunt_client *client, const struct shunt_invocation *invocation, json_t **ret)
{
	const struct shunt_command *command = invocation->command;
	struct shunt_client_error error = {};
	int code = 0;

	int r = command->stream ? call_stream(client, invocation, ret, &error)
				: shunt_client_call(client, command->method, invocation->params, timeout_of(invocation),
						    ret, &error);
	if (r == -EREMOTEIO)
		code = complain_answer(invocation, &error);
	else if (r == -ETIMEDOUT)
		code = shunt_complain(invocation, SHUNT_EXIT_UNREACHABLE,
				      "shuntd did not answer %s within %d s: see its log, and try again",
				      command->method, timeout_of(invocation) / 1000);
	else if (r < 0)
		code = shunt_complain(invocation, SHUNT_EXIT_UNREACHABLE,
				      "shuntd ended the connection (%s): see its log", strerror(-r));
	shunt_client_error_clear(&error);
	return code;
}

static int ask(const struct shunt_invocation *invocation, bool quiet, json_t **ret)
{
	_cleanup_client_ struct shunt_client *client = NULL;

	int r = shunt_client_connect(&client, shunt_socket_of(invocation), CONNECT_MS);
	if (r < 0 && quiet && r != -EACCES && r != -EPERM)
		return SHUNT_EXIT_UNREACHABLE;
	if (r < 0)
		return complain_unreachable(invocation, r);
	return call_method(client, invocation, ret);
}

int shunt_call_daemon(const struct shunt_invocation *invocation, json_t **ret)
{
	return ask(invocation, false, ret);
}

int shunt_ask_daemon(const struct shunt_invocation *invocation, json_t **ret)
{
	return ask(invocation, true, ret);
}

static int print_json(const struct shunt_invocation *invocation, const json_t *reply)
{
	const char *unwrap = invocation->command->unwrap;
	const json_t *shown = unwrap ? json_object_get(reply, unwrap) : reply;
	size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(12) | (invocation->pretty ? JSON_INDENT(2) : JSON_COMPACT);

	if (!shown || json_dumpf(shown, stdout, flags) < 0)
		return -EIO;
	return putchar('\n') == EOF ? -EIO : 0;
}

static int print_text(const struct shunt_invocation *invocation, const json_t *reply)
{
	struct shunt_view_style style = {
		.color = !invocation->no_color && !getenv("NO_COLOR") && isatty(STDOUT_FILENO),
		.verbose = json_is_true(json_object_get(invocation->local, "verbose")),
	};

	return shunt_view_print(invocation->command->views, reply, style);
}

int shunt_show(const struct shunt_invocation *invocation, const json_t *reply)
{
	int r = invocation->json ? print_json(invocation, reply) : print_text(invocation, reply);

	if (r < 0 || fflush(stdout) == EOF)
		return shunt_complain(invocation, SHUNT_EXIT_FAILED, "the answer could not be printed: %s",
				      r < 0 ? strerror(-r) : strerror(errno));
	return invocation->command->judge ? invocation->command->judge(reply, invocation) : SHUNT_EXIT_OK;
}

int shunt_run_method(const struct shunt_invocation *invocation)
{
	json_auto_t *reply = NULL;
	int code = shunt_call_daemon(invocation, &reply);

	return code ? code : shunt_show(invocation, reply);
}

int shunt_judge_left(const json_t *reply, const struct shunt_invocation *invocation)
{
	json_int_t left = json_integer_value(json_object_get(reply, "left"));

	if (!left)
		return SHUNT_EXIT_OK;
	return shunt_complain(invocation, SHUNT_EXIT_FAILED,
			      "%" JSON_INTEGER_FORMAT
			      " sockets did not leave the fast path in time: their readers are behind; they "
			      "leave once those have read; run it again with a longer timeout",
			      left);
}

int shunt_judge_level(const json_t *reply, const struct shunt_invocation *invocation)
{
	const char *level = json_string_value(json_object_get(reply, "level"));

	return level && !strcmp(level, "refuse") ? SHUNT_EXIT_FAILED : SHUNT_EXIT_OK;
}
