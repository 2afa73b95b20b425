/* SPDX-License-Identifier: MIT */
/* test_values.c: how shuntctl shows single values. */
#include "test.h"

#include <stdlib.h>

#include "../../manager/cli/view.h"
#include "cleanup.h"

static void expect_shown(json_t *value, enum shunt_format format, const char *expected)
{
	json_auto_t *owned = value;
	_cleanup_free_ char *text = shunt_value_text(owned, format);

	assert_string_equal(text, expected);
}

static void test_values(void **state)
{
	expect_shown(json_integer(1023), SHUNT_FORMAT_BYTES, "1023 B");
	expect_shown(json_integer(1024), SHUNT_FORMAT_BYTES, "1.0 KiB");
	expect_shown(json_integer(INT64_MAX), SHUNT_FORMAT_BYTES, "8.0 EiB");
	expect_shown(json_real(59.5), SHUNT_FORMAT_AGE, "59.5 s");
	expect_shown(json_real(120), SHUNT_FORMAT_AGE, "2 min");
	expect_shown(json_real(86400 * 3), SHUNT_FORMAT_AGE, "3.0 d");
	expect_shown(json_real(0.0042), SHUNT_FORMAT_SHARE, "0.42 %");
	expect_shown(json_true(), SHUNT_FORMAT_PLAIN, "yes");
	expect_shown(json_null(), SHUNT_FORMAT_BYTES, "-");
	expect_shown(json_string("ok"), SHUNT_FORMAT_MEANING, "redirected from socket to socket");
	expect_shown(json_pack("[s, s]", "a", "b"), SHUNT_FORMAT_PLAIN, "a, b");
	expect_shown(json_array(), SHUNT_FORMAT_PLAIN, "-");
	expect_shown(json_pack("[{s:s, s:s}]", "executable", "/usr/sbin/nginx", "verdict", "fionread"),
		     SHUNT_FORMAT_PROGRAMS, "/usr/sbin/nginx (fionread)");
}

static void test_colors(void **state)
{
	assert_string_equal(shunt_word_color("redirect"), "green");
	assert_string_equal(shunt_word_color("fail"), "red");
	assert_null(shunt_word_color("tcp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_colors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
