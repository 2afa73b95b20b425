/* SPDX-License-Identifier: MIT */
/* test_suggest.c: edit distance, and who is near enough to be suggested. */
#include "test.h"

#include <limits.h>
#include <string.h>

#include "suggest.h"

static void test_distance(void **state)
{
	assert_int_equal(shunt_edit_distance("", ""), 0);
	assert_int_equal(shunt_edit_distance("", "abc"), 3);
	assert_int_equal(shunt_edit_distance("abc", ""), 3);
	assert_int_equal(shunt_edit_distance("cgroup", "cgroup"), 0);
	assert_int_equal(shunt_edit_distance("cgruop", "cgroup"), 1);
	assert_int_equal(shunt_edit_distance("kitten", "sitting"), 3);
	assert_int_equal(shunt_edit_distance("ab", "ba"), 1);
}

static void test_distance_of_long_words(void **state)
{
	char word[80];

	memset(word, 'a', sizeof(word));
	word[63] = 0;
	assert_int_equal(shunt_edit_distance(word, word), 0);
	assert_int_equal(shunt_edit_distance(word, ""), 63);
	word[63] = 'a';
	word[64] = 0;
	assert_int_equal(shunt_edit_distance(word, "a"), UINT_MAX);
	assert_int_equal(shunt_edit_distance("a", word), UINT_MAX);
}

static const char *suggest(const char *word)
{
	static const char *const known[] = {"attach", "detach", "status", "stats", "pod"};
	struct shunt_suggestion suggestion = {.word = word};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		shunt_suggest_offer(&suggestion, known[i]);
	return suggestion.best;
}

static void test_nearest_wins(void **state)
{
	assert_string_equal(suggest("statsu"), "status");
	assert_string_equal(suggest("stat"), "stats");
	assert_string_equal(suggest("detahc"), "detach");
	assert_string_equal(suggest("pdo"), "pod");
}

static void test_far_is_not_suggested(void **state)
{
	assert_null(suggest("completely-else"));
	assert_null(suggest("xy"));
	assert_null(suggest(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_distance_of_long_words),
		cmocka_unit_test(test_nearest_wins),
		cmocka_unit_test(test_far_is_not_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
