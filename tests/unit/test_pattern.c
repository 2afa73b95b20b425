/* SPDX-License-Identifier: MIT */
/* test_pattern.c: lists of shell patterns. */
#include "test.h"

#include "pattern.h"

static void test_list(void **state)
{
	struct shunt_patterns patterns = {};

	assert_false(shunt_patterns_match(&patterns, "redis-server"));
	assert_return_code(shunt_patterns_add(&patterns, "redis-*"), 0);
	assert_return_code(shunt_patterns_add(&patterns, "python3*"), 0);
	assert_true(shunt_patterns_match(&patterns, "redis-server"));
	assert_true(shunt_patterns_match(&patterns, "python3.11"));
	assert_false(shunt_patterns_match(&patterns, "redis"));
	assert_false(shunt_patterns_match(&patterns, "xredis-server"));
	shunt_patterns_clear(&patterns);
	assert_false(shunt_patterns_match(&patterns, "python3.11"));
	assert_int_equal(patterns.count, 0);
}

static void test_paths(void **state)
{
	assert_true(shunt_pattern_match_path("system.slice/redis*", "system.slice/redis@1.service"));
	assert_false(shunt_pattern_match_path("system.slice/*", "system.slice/a/b"));
	assert_false(shunt_pattern_match_path("*", "a/b"));
	assert_true(shunt_pattern_match_path("*/b", "a/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
