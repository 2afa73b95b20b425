/* SPDX-License-Identifier: MIT */
/* test_decisions.c: the pure decisions of include/shunt: who may be a member, what is a stream, which message may be
 * redirected. */
#include "test.h"

#include <shunt/isn.h>
#include <shunt/judge.h>
#include <shunt/verdict.h>
#include <string.h>

static struct shunt_socket_facts good_socket(void)
{
	return (struct shunt_socket_facts){.established = 1, .has_file = 1, .nonblocking = 1, .programs = SHUNT_JUDGED};
}

static void test_good_socket_passes(void **state)
{
	struct shunt_socket_facts facts = good_socket();

	assert_int_equal(shunt_judge_socket(&facts, 0, 1), SHUNT_REASON_OK);
}

/* Each field alone refuses, with its own word. */
static void test_each_fact_refuses(void **state)
{
	static const struct {
		size_t field;
		uint8_t value;
		enum shunt_reason reason;
	} rows[] = {
		{offsetof(struct shunt_socket_facts, mptcp), 1, SHUNT_REASON_MPTCP},
		{offsetof(struct shunt_socket_facts, foreign_psock), 1, SHUNT_REASON_FOREIGN_PSOCK},
		{offsetof(struct shunt_socket_facts, ulp), 1, SHUNT_REASON_ULP},
		{offsetof(struct shunt_socket_facts, filter), 1, SHUNT_REASON_FILTER},
		{offsetof(struct shunt_socket_facts, repair), 1, SHUNT_REASON_REPAIR},
		{offsetof(struct shunt_socket_facts, zerocopy), 1, SHUNT_REASON_ZEROCOPY},
		{offsetof(struct shunt_socket_facts, timestamps), 1, SHUNT_REASON_TIMESTAMPS},
		{offsetof(struct shunt_socket_facts, inq), 1, SHUNT_REASON_INQ},
		{offsetof(struct shunt_socket_facts, lowat), 1, SHUNT_REASON_LOWAT},
		{offsetof(struct shunt_socket_facts, peek_off), 1, SHUNT_REASON_PEEK_OFF},
		{offsetof(struct shunt_socket_facts, urgent), 1, SHUNT_REASON_URGENT},
		{offsetof(struct shunt_socket_facts, has_file), 0, SHUNT_REASON_UNACCEPTED},
		{offsetof(struct shunt_socket_facts, nonblocking), 0, SHUNT_REASON_BLOCKING},
		{offsetof(struct shunt_socket_facts, waiter), 1, SHUNT_REASON_WAITER},
		{offsetof(struct shunt_socket_facts, programs), 0, SHUNT_REASON_MAY_SPLICE},
		{offsetof(struct shunt_socket_facts, programs), SHUNT_JUDGED | SHUNT_MAY_SPLICE,
		 SHUNT_REASON_MAY_SPLICE},
		{offsetof(struct shunt_socket_facts, programs), SHUNT_JUDGED | SHUNT_MAY_FIONREAD,
		 SHUNT_REASON_FIONREAD},
		{offsetof(struct shunt_socket_facts, spliced), 1, SHUNT_REASON_SPLICE_SEEN},
		{offsetof(struct shunt_socket_facts, tainted), 1, SHUNT_REASON_TAINTED},
		{offsetof(struct shunt_socket_facts, established), 0, SHUNT_REASON_HALF_CLOSED},
		{offsetof(struct shunt_socket_facts, half_closed), 1, SHUNT_REASON_HALF_CLOSED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shunt_socket_facts facts = good_socket();

		((uint8_t *)&facts)[rows[i].field] = rows[i].value;
		assert_int_equal(shunt_judge_socket(&facts, 0, 1), rows[i].reason);
	}
}

static void test_right_fionread_admits_its_readers(void **state)
{
	struct shunt_socket_facts facts = good_socket();

	facts.programs = SHUNT_JUDGED | SHUNT_MAY_FIONREAD;
	assert_int_equal(shunt_judge_socket(&facts, 0, 0), SHUNT_REASON_OK);
}

/* Eager asserts non-blocking readers away, nothing else. */
static void test_eager_asserts_only_blocking(void **state)
{
	struct shunt_socket_facts facts = good_socket();

	facts.has_file = 0;
	facts.nonblocking = 0;
	facts.waiter = 1;
	assert_int_equal(shunt_judge_socket(&facts, 1, 1), SHUNT_REASON_OK);
	facts.programs = SHUNT_JUDGED | SHUNT_MAY_SPLICE;
	assert_int_equal(shunt_judge_socket(&facts, 1, 1), SHUNT_REASON_MAY_SPLICE);
}

static void test_first_reason_in_order_of_judgement(void **state)
{
	assert_int_equal(shunt_first_reason(SHUNT_REASON_OK, SHUNT_REASON_NEW), SHUNT_REASON_NEW);
	assert_int_equal(shunt_first_reason(SHUNT_REASON_NEW, SHUNT_REASON_OK), SHUNT_REASON_NEW);
	assert_int_equal(shunt_first_reason(SHUNT_REASON_BLOCKING, SHUNT_REASON_ULP), SHUNT_REASON_ULP);
	assert_int_equal(shunt_first_reason(SHUNT_REASON_OK, SHUNT_REASON_OK), SHUNT_REASON_OK);
}

static void test_modes(void **state)
{
	assert_int_equal(shunt_lesser_mode(SHUNT_MODE_EAGER, SHUNT_MODE_ADAPTIVE), SHUNT_MODE_ADAPTIVE);
	assert_int_equal(shunt_lesser_mode(SHUNT_MODE_OFF, SHUNT_MODE_EAGER), SHUNT_MODE_OFF);
	assert_int_equal(shunt_judge_mode(SHUNT_MODE_OFF), SHUNT_REASON_OFF);
	assert_int_equal(shunt_judge_mode(SHUNT_MODE_OBSERVE), SHUNT_REASON_OBSERVE);
	assert_int_equal(shunt_judge_mode(SHUNT_MODE_ADAPTIVE), SHUNT_REASON_OK);
}

static void test_turns_make_a_flow_worth_it(void **state)
{
	struct shunt_window window = {.segs_out = 8, .segs_in = 8, .bytes = 4096};

	assert_int_equal(shunt_judge_window(&window, 8), SHUNT_REASON_OK);
	window.segs_in = 7;
	assert_int_equal(shunt_judge_window(&window, 8), SHUNT_REASON_NEW);
}

static void test_streams_are_one_way(void **state)
{
	struct shunt_window window = {.segs_out = 4000, .segs_in = 2, .bytes = 256ull << 20};

	assert_int_equal(shunt_judge_window(&window, 8), SHUNT_REASON_ONE_WAY);
	window.segs_in = 4000; /* many turns, large messages: 64 KiB a turn is request/response */
	assert_int_equal(shunt_judge_window(&window, 8), SHUNT_REASON_OK);
}

static void test_zero_turns_promote_at_once(void **state)
{
	struct shunt_window window = {};

	assert_int_equal(shunt_judge_window(&window, 0), SHUNT_REASON_OK);
}

static void test_bulk_outweighs_turns(void **state)
{
	assert_false(shunt_is_bulk(63, 0));
	assert_true(shunt_is_bulk(64, 63));
	assert_false(shunt_is_bulk(64, 64));
}

static void test_backoff_doubles_up_to_its_limit(void **state)
{
	assert_int_equal(shunt_backoff_ns(0), 1000000000);
	assert_int_equal(shunt_backoff_ns(3), 8000000000);
	assert_int_equal(shunt_backoff_ns(SHUNT_BACKOFF_MAX_SHIFT + 9), shunt_backoff_ns(SHUNT_BACKOFF_MAX_SHIFT));
}

static struct shunt_message_facts good_message(void)
{
	return (struct shunt_message_facts){
		.peer_is_ours = 1,
		.peer_established = 1,
		.peer_nonblocking = 1,
		.peer_lowat = 1,
		.peer_copied_seq = 77,
		.own_write_seq = 77,
		.peer_rcvbuf = 131072,
		.spill_bytes = 1 << 20,
		.spill_messages = 512,
	};
}

static void test_message_redirects(void **state)
{
	struct shunt_message_facts facts = good_message();

	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_REDIRECT);
}

static void test_any_doubt_passes(void **state)
{
	static const size_t zeroed[] = {
		offsetof(struct shunt_message_facts, peer_is_ours),
		offsetof(struct shunt_message_facts, peer_established),
		offsetof(struct shunt_message_facts, peer_nonblocking),
		offsetof(struct shunt_message_facts, peer_copied_seq),
		offsetof(struct shunt_message_facts, own_write_seq),
	};
	static const size_t raised[] = {
		offsetof(struct shunt_message_facts, own_send_closed),
		offsetof(struct shunt_message_facts, own_watches),
		offsetof(struct shunt_message_facts, peer_watches),
		offsetof(struct shunt_message_facts, urgent),
	};
	struct shunt_message_facts facts;

	for (size_t i = 0; i < sizeof(zeroed) / sizeof(zeroed[0]); i++) {
		facts = good_message();
		memset((char *)&facts + zeroed[i], 0, sizeof(uint32_t));
		assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_PASS);
	}
	for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
		uint32_t one = 1;

		facts = good_message();
		memcpy((char *)&facts + raised[i], &one, sizeof(one));
		assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_PASS);
	}
	facts = good_message();
	facts.peer_lowat = 2;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_PASS);
}

static void test_sequence_numbers_wrap(void **state)
{
	struct shunt_message_facts facts = good_message();

	facts.peer_copied_seq = 0;
	facts.own_write_seq = 0;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_REDIRECT);
	facts.own_write_seq = 0xffffffff;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_PASS);
}

static void test_full_reader_spills(void **state)
{
	struct shunt_message_facts facts = good_message();

	facts.queued_bytes = 131073;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_SPILL);
	facts.peer_rcvbuf = 1 << 30;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_REDIRECT);
	facts.queued_bytes = (1 << 20) + 1;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_SPILL);
	facts.queued_bytes = 1;
	facts.queued_messages = 513;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_SPILL);
}

static void test_eager_message_needs_no_flag(void **state)
{
	struct shunt_message_facts facts = good_message();

	facts.peer_nonblocking = 0;
	facts.eager = 1;
	assert_int_equal(shunt_judge_message(&facts), SHUNT_VERDICT_REDIRECT);
}

/* The two ends of one connection come to the same key, at any moment and across the wrap. */
static void test_both_ends_meet(void **state)
{
	const uint32_t client_isn = 0xfffffff0;
	const uint32_t server_isn = 0x00000010;

	for (uint64_t sent = 0; sent < 3; sent++) {
		uint64_t to_server = sent * 3000000000ull;
		uint64_t to_client = sent * 77;
		struct shunt_sequence client = {
			.snd_una = client_isn + 1 + (uint32_t)to_server,
			.bytes_acked = to_server + 1, /* the SYN counts at the opener */
			.rcv_nxt = server_isn + 1 + (uint32_t)to_client,
			.bytes_received = to_client,
		};
		struct shunt_sequence server = {
			.snd_una = server_isn + 1 + (uint32_t)to_client,
			.bytes_acked = to_client,
			.rcv_nxt = client_isn + 1 + (uint32_t)to_server,
			.bytes_received = to_server,
		};
		struct shunt_isns a = shunt_isns_of_client(&client);
		struct shunt_isns b = shunt_isns_of_server(&server);

		assert_memory_equal(&a, &b, sizeof(a));
		assert_int_equal(a.client, client_isn);
		assert_int_equal(a.server, server_isn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_socket_passes),
		cmocka_unit_test(test_each_fact_refuses),
		cmocka_unit_test(test_right_fionread_admits_its_readers),
		cmocka_unit_test(test_eager_asserts_only_blocking),
		cmocka_unit_test(test_first_reason_in_order_of_judgement),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_turns_make_a_flow_worth_it),
		cmocka_unit_test(test_streams_are_one_way),
		cmocka_unit_test(test_zero_turns_promote_at_once),
		cmocka_unit_test(test_bulk_outweighs_turns),
		cmocka_unit_test(test_backoff_doubles_up_to_its_limit),
		cmocka_unit_test(test_message_redirects),
		cmocka_unit_test(test_any_doubt_passes),
		cmocka_unit_test(test_sequence_numbers_wrap),
		cmocka_unit_test(test_full_reader_spills),
		cmocka_unit_test(test_eager_message_needs_no_flag),
		cmocka_unit_test(test_both_ends_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
