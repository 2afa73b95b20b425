/* SPDX-License-Identifier: MIT */
/* test_varlink.c: messages cut out of a byte stream, whatever its pieces. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "varlink.h"

static int append_text(struct shunt_frames *frames, const char *text)
{
	return shunt_frames_append(frames, text, strlen(text) + 1);
}

static void expect_message(struct shunt_frames *frames, const char *key)
{
	json_auto_t *message = NULL;

	assert_int_equal(shunt_frames_pop(frames, &message), 1);
	assert_non_null(json_object_get(message, key));
}

static void test_one_message(void **state)
{
	struct shunt_frames frames = {};
	json_auto_t *message = NULL;

	assert_int_equal(shunt_frames_pop(&frames, &message), 0);
	assert_return_code(append_text(&frames, "{\"a\":1}"), 0);
	expect_message(&frames, "a");
	assert_int_equal(shunt_frames_pop(&frames, &message), 0);
	assert_int_equal(shunt_frames_waiting(&frames), 0);
	assert_null(message);
	shunt_frames_clear(&frames);
}

static void test_every_cut(void **state)
{
	static const char bytes[] = "{\"a\":1}\0{\"b\":2}\0{\"c\":[3]}";

	for (size_t first = 0; first <= sizeof(bytes); first++) {
		for (size_t second = first; second <= sizeof(bytes); second++) {
			struct shunt_frames frames = {};
			json_t *message = NULL;
			int found = 0;
			size_t cuts[] = {0, first, second, sizeof(bytes)};
			for (int i = 0; i < 3; i++) {
				assert_return_code(shunt_frames_append(&frames, bytes + cuts[i], cuts[i + 1] - cuts[i]),
						   0);
				while (shunt_frames_pop(&frames, &message) == 1) {
					json_decref(message);
					found++;
				}
			}
			assert_int_equal(found, 3);
			shunt_frames_clear(&frames);
		}
	}
}

static void expect_bad(const char *text)
{
	struct shunt_frames frames = {};
	json_t *message = NULL;

	assert_return_code(append_text(&frames, text), 0);
	assert_return_code(append_text(&frames, "{\"next\":1}"), 0);
	assert_int_equal(shunt_frames_pop(&frames, &message), -EBADMSG);
	assert_null(message);
	expect_message(&frames, "next");
	shunt_frames_clear(&frames);
}

static void test_bad_messages(void **state)
{
	expect_bad("");
	expect_bad("x");
	expect_bad("[]");
	expect_bad("\"text\"");
	expect_bad("{\"a\":1} {}");
	expect_bad("{\"a\":1,\"a\":2}");
	expect_bad("{\"a\":\"\xff\"}");
}

static void fill(struct shunt_frames *frames, size_t count)
{
	static char block[SHUNT_FRAME_CHUNK];

	memset(block, ' ', sizeof(block));
	for (size_t n; count; count -= n) {
		n = count < sizeof(block) ? count : sizeof(block);
		assert_return_code(shunt_frames_append(frames, block, n), 0);
	}
}

static void test_longest_message(void **state)
{
	struct shunt_frames frames = {};
	json_auto_t *message = NULL;

	fill(&frames, SHUNT_MESSAGE_MAX - 8);
	assert_int_equal(shunt_frames_pop(&frames, &message), 0);
	assert_return_code(append_text(&frames, "{\"a\":1}"), 0);
	expect_message(&frames, "a");
	shunt_frames_clear(&frames);
}

static void test_message_one_byte_too_long(void **state)
{
	struct shunt_frames frames = {};
	json_t *message = NULL;

	fill(&frames, SHUNT_MESSAGE_MAX - 7);
	assert_return_code(append_text(&frames, "{\"a\":1}"), 0);
	assert_int_equal(shunt_frames_pop(&frames, &message), -EMSGSIZE);
	shunt_frames_clear(&frames);
}

static void test_endless_message(void **state)
{
	struct shunt_frames frames = {};
	json_t *message = NULL;
	char block[SHUNT_FRAME_CHUNK] = "x";

	fill(&frames, SHUNT_MESSAGE_MAX);
	assert_int_equal(shunt_frames_pop(&frames, &message), 0);
	assert_return_code(shunt_frames_append(&frames, block, sizeof(block)), 0);
	assert_int_equal(shunt_frames_append(&frames, block, 1), -EMSGSIZE);
	assert_int_equal(shunt_frames_pop(&frames, &message), -EMSGSIZE);
	shunt_frames_clear(&frames);
}

static void test_encode(void **state)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0;
	json_auto_t *message = json_pack("{s:i}", "a", 1);

	assert_return_code(shunt_varlink_encode(message, &bytes, &length), 0);
	assert_int_equal(length, 8);
	assert_memory_equal(bytes, "{\"a\":1}", 8);
}

static void test_encode_too_long(void **state)
{
	static char text[SHUNT_MESSAGE_MAX + 1];
	char *bytes = NULL;
	size_t length = 0;

	memset(text, 'x', SHUNT_MESSAGE_MAX);
	json_auto_t *message = json_pack("{s:s}", "a", text);
	assert_int_equal(shunt_varlink_encode(message, &bytes, &length), -EMSGSIZE);
	assert_null(bytes);
	assert_int_equal(length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_message),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_longest_message),
		cmocka_unit_test(test_message_one_byte_too_long),
		cmocka_unit_test(test_endless_message),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
