/* SPDX-License-Identifier: MIT */
/* test_log.c: what a log line looks like. */
#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Logs to a file in place of stderr and reads it back. */
static void capture(char *text, size_t size, enum shunt_log_level level, const char *message)
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	shunt_log_if(level, "%s", message);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

static void expect_time(const char *text)
{
	int year, month, day, hour, minute, second, milli, used = 0;

	assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second,
				&milli, &used),
			 7);
	assert_int_equal(used, 24);
}

static void test_text(void **state)
{
	char text[256];

	shunt_log_set(SHUNT_LOG_INFO, SHUNT_LOG_FORMAT_TEXT);
	capture(text, sizeof(text), SHUNT_LOG_WARNING, "map full");
	expect_time(text);
	assert_string_equal(text + 24, " warning: map full\n");
}

static void test_level(void **state)
{
	char text[256];

	shunt_log_set(SHUNT_LOG_INFO, SHUNT_LOG_FORMAT_TEXT);
	capture(text, sizeof(text), SHUNT_LOG_DEBUG, "detail");
	assert_string_equal(text, "");
	shunt_log_set(SHUNT_LOG_DEBUG, SHUNT_LOG_FORMAT_TEXT);
	capture(text, sizeof(text), SHUNT_LOG_DEBUG, "detail");
	assert_string_not_equal(text, "");
}

static void expect_json(const char *message, const char *expected)
{
	char text[512];

	shunt_log_set(SHUNT_LOG_INFO, SHUNT_LOG_FORMAT_JSON);
	capture(text, sizeof(text), SHUNT_LOG_ERROR, message);
	json_t *line = json_loads(text, 0, NULL);
	assert_non_null(line);
	assert_int_equal(json_object_size(line), 3);
	expect_time(json_string_value(json_object_get(line, "time")));
	assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(line, "message")), expected);
	json_decref(line);
}

static void test_json(void **state)
{
	expect_json("a \"quoted\" line\nand another", "a \"quoted\" line\nand another");
	expect_json("not UTF-8: \xff", "not UTF-8: ?");
}

static void test_keeps_errno(void **state)
{
	char text[64];

	errno = ENOTTY;
	capture(text, sizeof(text), SHUNT_LOG_ERROR, "x");
	errno = EXDEV;
	shunt_log_set(SHUNT_LOG_ERROR, SHUNT_LOG_FORMAT_TEXT);
	shunt_debug("x");
	assert_int_equal(errno, EXDEV);
}

static void test_words(void **state)
{
	assert_int_equal(shunt_log_level_parse("debug"), SHUNT_LOG_DEBUG);
	assert_int_equal(shunt_log_level_parse("loud"), -EINVAL);
	assert_int_equal(shunt_log_format_parse("json"), SHUNT_LOG_FORMAT_JSON);
	assert_int_equal(shunt_log_format_parse("xml"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	    cmocka_unit_test(test_level), cmocka_unit_test(test_json),
		cmocka_unit_test(test_keeps_errno), cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
