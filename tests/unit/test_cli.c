/* SPDX-License-Identifier: MIT */
/* test_cli.c: shuntctl's command line, answers and exit codes, against the real control socket with canned methods. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../manager/cli/cli.h"
#include "serving.h"

#define FLOWS 2500
#define WORDS 12

struct fixture {
	struct serving serving;
	json_t *params; /* of the last call */
	char out[512 * 1024];
	char err[4096];
};

static void remember(struct fixture *fixture, const json_t *params)
{
	json_decref(fixture->params);
	fixture->params = json_deep_copy(params);
}

static void attach(struct shunt_call *call, const json_t *params, void *context)
{
	remember(context, params);
	shunt_call_reply(call,
			 json_pack("{s:s, s:s, s:s}", "name", "web", "cgroup", "/system.slice/web", "mode", "eager"));
}

static void detach(struct shunt_call *call, const json_t *params, void *context)
{
	remember(context, params);
	shunt_call_reply(call, json_pack("{s:s, s:i, s:[]}", "name", "web", "left", 2, "members"));
}

static void pod_show(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_fail(call, "NotFound", "no pod is called \"%s\"",
			json_string_value(json_object_get(params, "name")));
}

static json_t *pod(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:i, s:i}", "name", name, "cgroup", "/a", "mode", "adaptive",
			 "flows", 3, "redirect", 2, "redirected_bytes", (json_int_t)1536 * 1024, "redirected_messages",
			 7, "tcp_bytes", 1023);
}

static void pod_list(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_reply(call, json_pack("{s:[o, o]}", "pods", pod("web"), pod("with\x1b[31mcolour")));
}

static json_t *flow(int id)
{
	return json_pack("{s:i, s:s, s:s, s:s, s:n, s:s, s:s, s:n, s:f}", "id", id, "pod", "web", "local",
			 "127.0.0.1:80", "remote", "[::1]:9", "peer_pod", "state", "tcp", "reason", "blocking",
			 "bytes_tcp", "age_seconds", 0.25);
}

static void flow_list(struct shunt_call *call, const json_t *params, void *context)
{
	json_t *part = json_array();

	remember(context, params);
	for (int i = 1; i <= FLOWS; i++) {
		json_array_append_new(part, flow(i));
		if (i % 1000)
			continue;
		shunt_call_continue(call, json_pack("{s:o}", "flows", part));
		part = json_array();
	}
	shunt_call_reply(call, json_pack("{s:o}", "flows", part));
}

static void stats(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_reply(call, json_pack("{s:i, s:{s:i, s:i}, s:{s:{s:i, s:i}}}", "flows", 4, "reasons", "blocking", 3,
					 "waiter", 0, "maps", "sh_flows", "entries", 4, "max", 65536));
}

static void doctor(struct shunt_call *call, const json_t *params, void *context)
{
	shunt_call_reply(call, json_pack("{s:s, s:[{s:s, s:s, s:s, s:s}]}", "level", "refuse", "checks", "name",
					 "kernel", "result", "fail", "text", "too old", "detail", "seen in uname"));
}

static const struct shunt_method methods[] = {
	{"Attach", attach}, {"Detach", detach},	     {"PodShow", pod_show}, {"PodList", pod_list},
	{"Stats", stats},   {"FlowList", flow_list}, {"Doctor", doctor},    {},
};

static int start(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	serving_start(&fixture->serving, methods, fixture, 60 * 1000000ull);
	setenv("SHUNT_SOCKET", fixture->serving.path, 1);
	*state = fixture;
	return 0;
}

static int stop(void **state)
{
	struct fixture *fixture = *state;

	serving_stop(&fixture->serving);
	json_decref(fixture->params);
	free(fixture);
	return 0;
}

/* What main does, on words separated by blanks. */
static int start_words(char *line)
{
	char *words[WORDS + 2] = {"shuntctl"};
	struct shunt_invocation invocation;
	_cleanup_free_ char *error = NULL;
	int count = 1;
	int code;

	for (char *word = strtok(line, " "); word && count < WORDS; word = strtok(NULL, " "))
		words[count++] = word;
	if (shunt_parse(count, words, &invocation, &error) < 0)
		code = shunt_complain(&invocation, SHUNT_EXIT_USAGE, "%s", error);
	else if (invocation.help)
		code = shunt_run_help(&invocation);
	else
		code = invocation.command->run(&invocation);
	shunt_invocation_clear(&invocation);
	return code;
}

static void read_back(FILE *file, char *text, size_t size)
{
	rewind(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

/* Runs a command line with its output captured. */
static int run(struct fixture *fixture, const char *words)
{
	char line[256];
	FILE *out = tmpfile();
	FILE *err = tmpfile();
	int kept_out = dup(STDOUT_FILENO);
	int kept_err = dup(STDERR_FILENO);

	snprintf(line, sizeof(line), "%s", words);
	fflush(stdout);
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	int code = start_words(line);
	fflush(stdout);
	dup2(kept_out, STDOUT_FILENO);
	dup2(kept_err, STDERR_FILENO);
	close(kept_out);
	close(kept_err);
	read_back(out, fixture->out, sizeof(fixture->out));
	read_back(err, fixture->err, sizeof(fixture->err));
	return code;
}

static void expect_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%.200s\" lacks \"%s\"", text, part);
}

static void expect_usage(void **state, const char *words, const char *part)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, words), SHUNT_EXIT_USAGE);
	assert_string_equal(fixture->out, "");
	expect_has(fixture->err, part);
}

static void test_wrong_usage(void **state)
{
	expect_usage(state, "", "no command given");
	expect_usage(state, "statsu", "did you mean \"status\"?");
	expect_usage(state, "xyzzy", "unknown command \"xyzzy\"");
	expect_usage(state, "pod", "shuntctl pod list or shuntctl pod show");
	expect_usage(state, "pod lsit", "did you mean \"pod list\"?");
	expect_usage(state, "flow show", "ID is missing");
	expect_usage(state, "flow show 0", "ID cannot be \"0\"");
	expect_usage(state, "flow show 12x", "ID cannot be \"12x\"");
	expect_usage(state, "flow show 99999999999999999999", "ID cannot be");
	expect_usage(state, "flow list --state redirct", "did you mean \"redirect\"?");
	expect_usage(state, "flow list --reason bogus-reason", "give one of ok, off");
	expect_usage(state, "flow list more", "one word too many");
	expect_usage(state, "attach", "CGROUP is missing");
	expect_usage(state, "attach a --mdoe eager", "did you mean --mode?");
	expect_usage(state, "attach a --mode", "--mode needs a value: --mode MODE");
	expect_usage(state, "attach a --json=yes", "--json takes no value");
	expect_usage(state, "detach a --drain-timeout -1", "--drain-timeout cannot be \"-1\": give seconds");
	expect_usage(state, "detach a --drain-timeout nan", "give seconds");
	expect_usage(state, "detach a --drain-timeout 1e9", "give seconds");
	expect_usage(state, "status -x", "unknown option -x");
	expect_usage(state, "run", "no command to run");
	expect_usage(state, "run --", "no command to run");
	expect_usage(state, "run --mode fast true", "--mode cannot be \"fast\"");
	expect_usage(state, "help nothing", "there is no command \"nothing\"");
	expect_usage(state, "completion powershell", "give one of bash, zsh, fish");
}

static void test_errors_as_json(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "-j attach"), SHUNT_EXIT_USAGE);
	json_auto_t *error = json_loads(fixture->err, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(error, "exit")), SHUNT_EXIT_USAGE);
	assert_non_null(json_string_value(json_object_get(error, "error")));
}

static void test_attach_sends_what_was_given(void **state)
{
	struct fixture *fixture = *state;
	json_auto_t *all = json_pack("{s:s, s:s, s:s}", "cgroup", "a/b", "name", "web", "mode", "eager");
	json_auto_t *least = json_pack("{s:s}", "cgroup", "-odd");

	assert_int_equal(run(fixture, "attach --name web a/b --mode=eager"), SHUNT_EXIT_OK);
	assert_true(json_equal(fixture->params, all));
	assert_string_equal(fixture->out, "web: /system.slice/web is managed, mode eager\n");
	assert_int_equal(run(fixture, "attach -- -odd"), SHUNT_EXIT_OK);
	assert_true(json_equal(fixture->params, least));
}

static void test_json_is_the_reply(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "attach a -j"), SHUNT_EXIT_OK);
	assert_string_equal(fixture->out, "{\"name\":\"web\",\"cgroup\":\"/system.slice/web\",\"mode\":\"eager\"}\n");
	assert_int_equal(run(fixture, "-p attach a"), SHUNT_EXIT_OK);
	expect_has(fixture->out, "{\n  \"name\": \"web\",\n");
}

static void test_members_left_is_failure(void **state)
{
	struct fixture *fixture = *state;
	json_auto_t *sent = json_pack("{s:s, s:f}", "pod", "web", "drain_timeout_seconds", 0.5);

	assert_int_equal(run(fixture, "detach web --drain-timeout 0.5"), SHUNT_EXIT_FAILED);
	assert_true(json_equal(fixture->params, sent));
	expect_has(fixture->err, "2 sockets did not leave");
}

static void test_not_found(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "pod show db"), SHUNT_EXIT_NOT_FOUND);
	assert_string_equal(fixture->err, "shuntctl: no pod is called \"db\"\n");
}

static void test_unknown_method_is_a_version_mismatch(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "resume"), SHUNT_EXIT_FAILED);
	expect_has(fixture->err, "of the same version?");
}

static void test_unreachable(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "--socket /nonexistent/s status"), SHUNT_EXIT_UNREACHABLE);
	expect_has(fixture->err, "no shuntd answers at /nonexistent/s");
}

static void test_pod_table(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "pod list"), SHUNT_EXIT_OK);
	expect_has(fixture->out, "REDIRECTED");
	expect_has(fixture->out, "1.5 MiB");
	expect_has(fixture->out, "1023 B");
	assert_null(strchr(fixture->out, '\x1b'));
}

static void test_streamed_list_is_one_array(void **state)
{
	struct fixture *fixture = *state;
	json_auto_t *filter = json_pack("{s:s, s:s}", "pod", "web", "state", "all");

	assert_int_equal(run(fixture, "flow list -j --pod web --state all"), SHUNT_EXIT_OK);
	assert_true(json_equal(fixture->params, filter));
	json_auto_t *list = json_loads(fixture->out, 0, NULL);
	assert_int_equal(json_array_size(list), FLOWS);
	for (size_t i = 0; i < FLOWS; i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(list, i), "id")), i + 1);
}

static void test_flow_table(void **state)
{
	struct fixture *fixture = *state;
	size_t lines = 0;

	assert_int_equal(run(fixture, "flow list"), SHUNT_EXIT_OK);
	for (const char *at = fixture->out; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, FLOWS + 1);
	expect_has(fixture->out, "0.2 s");
}

static void test_stats_explain_words(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "stats"), SHUNT_EXIT_OK);
	expect_has(fixture->out, "an end is a blocking socket");
	expect_has(fixture->out, "sh_flows");
	assert_null(strstr(fixture->out, "waiter"));
}

static void test_doctor(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "doctor"), SHUNT_EXIT_FAILED);
	expect_has(fixture->out, "too old");
	assert_null(strstr(fixture->out, "seen in uname"));
	assert_int_equal(run(fixture, "doctor -v"), SHUNT_EXIT_FAILED);
	expect_has(fixture->out, "seen in uname");
}

static void test_help_names_every_command(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run(fixture, "help"), SHUNT_EXIT_OK);
	for (const struct shunt_command *command = shunt_commands; command->name; command++)
		if (!command->hidden)
			expect_has(fixture->out, command->name);
	for (const struct shunt_command *command = shunt_commands; command->name; command++) {
		char words[64];
		snprintf(words, sizeof(words), "help %s", command->name);
		assert_int_equal(run(fixture, words), SHUNT_EXIT_OK);
		expect_has(fixture->out, command->summary);
	}
}

static void test_every_command_is_well_formed(void **state)
{
	for (const struct shunt_command *command = shunt_commands; command->name; command++) {
		assert_non_null(command->run);
		assert_non_null(command->summary);
		assert_int_equal(command->method != NULL, command->views != NULL);
		assert_true(!command->method || command->timeout_ms > 0);
		assert_true(!command->stream || command->unwrap);
		for (const struct shunt_option *option = command->options; option && option->name; option++) {
			assert_int_equal(option->kind == SHUNT_VALUE_FLAG, option->value == NULL);
			assert_int_equal(option->kind == SHUNT_VALUE_CHOICE, option->words != NULL);
		}
	}
}

/* The page lists "*pod list*" and "*--mode*" in bold. */
static void expect_in_page(const char *page, const char *before, const char *word)
{
	char bold[64];

	snprintf(bold, sizeof(bold), "*%s%s*", before, word);
	if (!strstr(page, bold))
		fail_msg("man/shuntctl.1.scd does not mention %s", bold);
}

static void test_manual_page_is_complete(void **state)
{
	static char page[64 * 1024];
	FILE *file = fopen("man/shuntctl.1.scd", "r");

	assert_non_null(file);
	read_back(file, page, sizeof(page));
	for (const struct shunt_option *option = shunt_global_options; option->name; option++)
		expect_in_page(page, "--", option->name);
	for (const struct shunt_command *command = shunt_commands; command->name; command++) {
		if (command->hidden)
			continue;
		expect_in_page(page, "", command->name);
		for (const struct shunt_option *option = command->options; option && option->name; option++)
			expect_in_page(page, "--", option->name);
	}
	for (const char *const *word = shunt_option_find(shunt_command_find("flow list"), "reason")->words; *word;
	     word++)
		expect_in_page(page, "", *word);
}

static void expect_completion(void **state, const char *words, const char *expected)
{
	struct fixture *fixture = *state;
	char found[512] = "";

	assert_int_equal(run(fixture, words), SHUNT_EXIT_OK);
	for (char *line = strtok(fixture->out, "\n"); line; line = strtok(NULL, "\n")) {
		line[strcspn(line, "\t")] = 0;
		strcat(found, line);
		strcat(found, " ");
	}
	assert_string_equal(found, expected);
}

static void test_completion(void **state)
{
	expect_completion(state, "complete st", "status stats ");
	expect_completion(state, "complete po", "pod ");
	expect_completion(state, "complete pod s", "show ");
	expect_completion(state, "complete attach x --mode e", "eager ");
	expect_completion(state, "complete flow list --s", "--socket --state ");
	expect_completion(state, "complete flow list --state re", "redirect ");
	expect_completion(state, "complete flow list --pod w", "web ");
	expect_completion(state, "complete -j --socket /x sta", "status stats ");
	expect_completion(state, "complete nothing s", "");
	expect_completion(state, "complete help res", "resume ");
	expect_completion(state, "complete completion z", "zsh ");
}

static void test_rest_is_not_looked_at(void **state)
{
	char *words[] = {"shuntctl", "-j", "run", "--mode", "eager", "--", "ls", "-j", "--help", NULL};
	char *bench[] = {"shuntctl", "bench", "--help", "--quick", NULL};
	struct shunt_invocation invocation;
	char *error = NULL;

	assert_return_code(shunt_parse(9, words, &invocation, &error), 0);
	assert_string_equal(shunt_local_text(&invocation, "mode"), "eager");
	assert_ptr_equal(invocation.rest, words + 6);
	assert_false(invocation.help);
	shunt_invocation_clear(&invocation);
	assert_return_code(shunt_parse(4, bench, &invocation, &error), 0);
	assert_ptr_equal(invocation.rest, bench + 2);
	assert_false(invocation.help);
	shunt_invocation_clear(&invocation);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_wrong_usage),
		WITH_SERVER(test_errors_as_json),
		WITH_SERVER(test_attach_sends_what_was_given),
		WITH_SERVER(test_json_is_the_reply),
		WITH_SERVER(test_members_left_is_failure),
		WITH_SERVER(test_not_found),
		WITH_SERVER(test_unknown_method_is_a_version_mismatch),
		WITH_SERVER(test_unreachable),
		WITH_SERVER(test_pod_table),
		WITH_SERVER(test_streamed_list_is_one_array),
		WITH_SERVER(test_flow_table),
		WITH_SERVER(test_stats_explain_words),
		WITH_SERVER(test_doctor),
		WITH_SERVER(test_help_names_every_command),
		cmocka_unit_test(test_every_command_is_well_formed),
		cmocka_unit_test(test_manual_page_is_complete),
		WITH_SERVER(test_completion),
		cmocka_unit_test(test_rest_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
