/* SPDX-License-Identifier: MIT */
/*
 * main.c: shuntctl. In reading order: cli.h (how a command is described), commands.c (all of them), parse.c, call.c,
 * view.c (text from JSON), values.c, help.c, completion.c, run.c, offline.c (what works without a daemon).
 */
#include <locale.h>

#include "cleanup.h"
#include "cli.h"

static int start(const struct shunt_invocation *invocation)
{
	if (invocation->version && !invocation->command)
		return shunt_run_version(invocation);
	if (invocation->help || !invocation->command)
		return shunt_run_help(invocation);
	return invocation->command->run(invocation);
}

int main(int argc, char **argv)
{
	struct shunt_invocation invocation;
	_cleanup_free_ char *error = NULL;
	int code;

	setlocale(LC_CTYPE, "");
	int r = shunt_parse(argc, argv, &invocation, &error);
	if (r < 0)
		code = shunt_complain(&invocation, SHUNT_EXIT_USAGE, "%s", error ? error : "out of memory");
	else
		code = start(&invocation);
	shunt_invocation_clear(&invocation);
	if (fflush(stdout) == EOF && code == 0)
		code = SHUNT_EXIT_FAILED;
	return code;
}
