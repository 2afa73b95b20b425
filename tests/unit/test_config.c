/* SPDX-License-Identifier: MIT */
/* test_config.c: defaults, every key, and what is said about mistakes. */
#include "test.h"

#include <errno.h>
#include <shunt/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../manager/daemon/config.h"

static int load_bytes(const char *text, size_t length, struct shunt_config **ret, char **ret_error)
{
	char name[32];
	_cleanup_close_ int fd = memfd_create("config", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return shunt_config_load(name, true, ret, ret_error);
}

static struct shunt_config *load(const char *text)
{
	struct shunt_config *config = NULL;
	_cleanup_free_ char *error = NULL;

	int r = load_bytes(text, strlen(text), &config, &error);
	if (r < 0)
		print_message("# %s\n", error);
	assert_return_code(r, 0);
	return config;
}

/* The sentence must contain every part of expected, which are separated by "|". */
static void expect_error(const char *text, const char *expected)
{
	struct shunt_config *config = NULL;
	_cleanup_free_ char *error = NULL;
	char parts[512];

	assert_true(load_bytes(text, strlen(text), &config, &error) < 0);
	assert_null(config);
	assert_non_null(error);
	snprintf(parts, sizeof(parts), "%s", expected);
	for (char *part = strtok(parts, "|"); part; part = strtok(NULL, "|"))
		if (!strstr(error, part))
			fail_msg("\"%s\" lacks \"%s\"", error, part);
}

static void test_defaults(void **state)
{
	_cleanup_config_ struct shunt_config *config = load("{}");

	assert_int_equal(config->mode, SHUNT_MODE_ADAPTIVE);
	assert_int_equal(config->scan_interval_ms, 100);
	assert_int_equal(config->promote_min_turns, 8);
	assert_int_equal(config->spill_bytes, 1048576);
	assert_int_equal(config->spill_messages, 512);
	assert_int_equal(config->run_bytes, 131072);
	assert_int_equal(config->run_messages, 48);
	assert_int_equal(config->max_flows, 65536);
	assert_int_equal(config->log_level, SHUNT_LOG_INFO);
	assert_int_equal(config->log_format, SHUNT_LOG_FORMAT_TEXT);
	assert_int_equal(config->attach_count, 0);
}

static void test_every_key(void **state)
{
	_cleanup_config_ struct shunt_config *config =
		load("{\"attach\": [{\"cgroup\": \"/system.slice/redis*\", \"name\": \"redis\"}, {\"cgroup\": \"a\", "
		     "\"mode\": \"eager\"}],"
		     "\"mode\": \"observe\", \"scan_interval_ms\": 10, \"promote_min_turns\": 0, \"spill_bytes\": 4096,"
		     "\"spill_messages\": 1, \"run_bytes\": 1024, \"run_messages\": 2, \"max_flows\": 1048576,"
		     "\"splice_allow\": [\"envoy*\"], \"fionread_allow\": [\"a\", \"b\"], \"log_level\": \"debug\","
		     "\"log_format\": \"json\"}");

	assert_int_equal(config->mode, SHUNT_MODE_OBSERVE);
	assert_int_equal(config->scan_interval_ms, 10);
	assert_int_equal(config->promote_min_turns, 0);
	assert_int_equal(config->spill_bytes, 4096);
	assert_int_equal(config->spill_messages, 1);
	assert_int_equal(config->run_bytes, 1024);
	assert_int_equal(config->run_messages, 2);
	assert_int_equal(config->max_flows, 1048576);
	assert_true(shunt_patterns_match(&config->splice_allow, "envoy-1"));
	assert_int_equal(config->fionread_allow.count, 2);
	assert_int_equal(config->log_level, SHUNT_LOG_DEBUG);
	assert_int_equal(config->log_format, SHUNT_LOG_FORMAT_JSON);
	assert_int_equal(config->attach_count, 2);
	assert_string_equal(config->attach[0].cgroup, "system.slice/redis*");
	assert_string_equal(config->attach[0].name, "redis");
	assert_int_equal(config->attach[0].mode, SHUNT_MODE_OBSERVE); /* inherited although it stands before "mode" */
	assert_null(config->attach[1].name);
	assert_int_equal(config->attach[1].mode, SHUNT_MODE_EAGER);
}

static void test_unknown_keys(void **state)
{
	expect_error("{\"scan_intervall_ms\": 5}",
		     ": scan_intervall_ms: unknown key|did you mean \"scan_interval_ms\"?");
	expect_error("{\"attach\": [{\"cgroup\": \"a\"}, {\"cgruop\": \"b\"}]}",
		     "attach[1].cgruop: unknown key; did you mean \"cgroup\"?");
	expect_error("{\"completely_different\": 1}", "completely_different: unknown key|shunt.json(5)");
}

static void test_wrong_values(void **state)
{
	expect_error("{\"mode\": \"fast\"}",
		     "mode: \"fast\" is not allowed|\"off\", \"observe\", \"adaptive\", \"eager\"");
	expect_error("{\"mode\": 1}", "mode: 1 is not allowed");
	expect_error("{\"scan_interval_ms\": 9}", "scan_interval_ms: 9 is not allowed|from 10 to 2000");
	expect_error("{\"scan_interval_ms\": 2001}", "2001|from 10 to 2000");
	expect_error("{\"scan_interval_ms\": \"100\"}", "\"100\" is not allowed|whole number");
	expect_error("{\"scan_interval_ms\": 1.5}", "1.5");
	expect_error("{\"spill_bytes\": -1}", "spill_bytes: -1");
	expect_error("{\"max_flows\": 4294967297}", "max_flows: 4294967297");
	expect_error("{\"max_flows\": null}", "max_flows: null");
	expect_error("{\"splice_allow\": \"x\"}", "splice_allow: \"x\"|list");
	expect_error("{\"splice_allow\": [\"a\", 7]}", "splice_allow: entry 1, 7,");
	expect_error("{\"splice_allow\": [\"\"]}", "splice_allow: entry 0");
	expect_error("{\"attach\": {}}", "attach: {} is not allowed");
	expect_error("{\"attach\": [7]}", "attach[0]: 7 is not allowed");
	expect_error("{\"attach\": [{\"name\": \"x\"}]}", "attach[0].cgroup: missing");
	expect_error("{\"attach\": [{\"cgroup\": \"\"}]}", "attach[0].cgroup: \"\" is not allowed");
	expect_error("{\"attach\": [{\"cgroup\": \"a\", \"mode\": \"x\"}]}", "attach[0].mode: \"x\" is not allowed");
	expect_error("{\"log_level\": \"loud\"}", "log_level: \"loud\"|\"debug\"");
}

static void test_name_lengths(void **state)
{
	char text[256];
	char name[160];

	memset(name, 'n', sizeof(name));
	name[SHUNT_POD_NAME_LEN - 1] = 0;
	snprintf(text, sizeof(text), "{\"attach\": [{\"cgroup\": \"a\", \"name\": \"%s\"}]}", name);
	_cleanup_config_ struct shunt_config *config = load(text);
	assert_int_equal(strlen(config->attach[0].name), SHUNT_POD_NAME_LEN - 1);
	name[SHUNT_POD_NAME_LEN - 1] = 'n';
	name[SHUNT_POD_NAME_LEN] = 0;
	snprintf(text, sizeof(text), "{\"attach\": [{\"cgroup\": \"a\", \"name\": \"%s\"}]}", name);
	expect_error(text, "attach[0].name|1 to 127 bytes");
}

static void test_syntax(void **state)
{
	expect_error("{\n  \"mode\": adaptive\n}", "line 2, column");
	expect_error("", "line 1");
	expect_error("[]", "must be one JSON object");
	expect_error("7", "line 1");
	expect_error("{\"mode\": \"off\", \"mode\": \"off\"}", "duplicate");
	expect_error("{} {}", "line 1");
	expect_error("{\"mode\": \"\xff\"}", "line 1");
}

static void test_files(void **state)
{
	struct shunt_config *config = NULL;
	char *error = NULL;

	assert_return_code(shunt_config_load("/nonexistent/shunt.json", false, &config, &error), 0);
	assert_int_equal(config->mode, SHUNT_MODE_ADAPTIVE);
	shunt_config_free(TAKE_PTR(config));
	assert_int_equal(shunt_config_load("/nonexistent/shunt.json", true, &config, &error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/shunt.json: No such file"));
	free(TAKE_PTR(error));
	assert_int_equal(shunt_config_load("/tmp", true, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "not a regular file"));
	free(TAKE_PTR(error));
	assert_null(config);
}

static void test_fifo_is_not_waited_for(void **state)
{
	struct shunt_config *config = NULL;
	_cleanup_free_ char *error = NULL;
	char name[64];

	snprintf(name, sizeof(name), "/tmp/shunt-test-fifo-%d", getpid());
	assert_return_code(mkfifo(name, 0600), errno);
	assert_int_equal(shunt_config_load(name, true, &config, &error), -EINVAL);
	unlink(name);
}

static void test_size_limit(void **state)
{
	size_t length = SHUNT_CONFIG_MAX + 1;
	_cleanup_free_ char *text = malloc(length);
	struct shunt_config *config = NULL;
	_cleanup_free_ char *error = NULL;

	memset(text, ' ', length);
	memcpy(text, "{}", 2);
	assert_return_code(load_bytes(text, length - 1, &config, &error), 0);
	shunt_config_free(TAKE_PTR(config));
	assert_int_equal(load_bytes(text, length, &config, &error), -EFBIG);
	assert_non_null(strstr(error, "1 MiB"));
}

static void test_mode_words(void **state)
{
	enum shunt_mode mode = SHUNT_MODE_OFF;

	assert_return_code(shunt_mode_parse("eager", &mode), 0);
	assert_int_equal(mode, SHUNT_MODE_EAGER);
	assert_int_equal(shunt_mode_parse("Eager", &mode), -EINVAL);
	assert_string_equal(shunt_mode_word(SHUNT_MODE_OBSERVE), "observe");
	assert_string_equal(shunt_mode_word(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_unknown_keys), cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_name_lengths), cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_files),	     cmocka_unit_test(test_fifo_is_not_waited_for),
		cmocka_unit_test(test_size_limit),   cmocka_unit_test(test_mode_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
