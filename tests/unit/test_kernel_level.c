/* SPDX-License-Identifier: MIT */
/* test_kernel_level.c: every row of the support statement, and the states of the known bugs at the edges. */
#include "test.h"

#include "../../manager/daemon/kernel_level.h"

static void levels(void **state)
{
	static const struct {
		const char *release;
		enum shunt_kernel_level level;
		enum shunt_scan_kind scan;
	} rows[] = {
		{"5.10.200", SHUNT_KERNEL_REFUSE, SHUNT_SCAN_NONE},
		{"5.15.180", SHUNT_KERNEL_REFUSE, SHUNT_SCAN_NONE},
		{"6.0.19", SHUNT_KERNEL_REFUSE, SHUNT_SCAN_NONE},
		{"6.1.0", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.1.141", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.1.142", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.1.182", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.1.192", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.5.13", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.6.93", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.6.130", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.8.12", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.12.34", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.12.35", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.12.103", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.12.113", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.12.114", SHUNT_KERNEL_FULL, SHUNT_SCAN_STORAGE},
		{"6.12.118", SHUNT_KERNEL_FULL, SHUNT_SCAN_STORAGE},
		{"6.15.2", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.17.3", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.18.15", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.18.44-fc-v657", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"6.19.14", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
		{"7.0.13", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_NONE},
		{"7.1.12", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_NONE},
		{"7.1.13", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_TCP},
		{"7.2.5", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_NONE},
		{"7.2.6", SHUNT_KERNEL_FULL, SHUNT_SCAN_TCP},
		{"7.3.4", SHUNT_KERNEL_FULL, SHUNT_SCAN_TCP},
		{"8.0.1", SHUNT_KERNEL_FULL, SHUNT_SCAN_TCP},
		{"6.8.0-45-generic", SHUNT_KERNEL_OBSERVE, SHUNT_SCAN_STORAGE},
		{"6.17.0-5-generic", SHUNT_KERNEL_REDUCED, SHUNT_SCAN_STORAGE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shunt_kernel_version version;
		assert_true(shunt_kernel_parse(rows[i].release, "#1 SMP", &version));
		struct shunt_kernel_decision decision = shunt_kernel_decide(&version);
		if (decision.level != rows[i].level || decision.scan != rows[i].scan)
			fail_msg("%s: level %d, scan %d", rows[i].release, decision.level, decision.scan);
	}
}

static void check_version(const char *release, const char *build, unsigned major, unsigned minor, unsigned patch,
			  bool known)
{
	struct shunt_kernel_version v;

	assert_true(shunt_kernel_parse(release, build, &v));
	assert_int_equal(v.major, major);
	assert_int_equal(v.minor, minor);
	assert_int_equal(v.patch, patch);
	assert_int_equal(v.vendor_known, known);
}

static void versions(void **state)
{
	struct shunt_kernel_version v = {.major = 42};

	check_version("6.1.0-56-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", 6, 1, 192, true);
	check_version("6.12.57+deb12-amd64", "#1 SMP Debian 6.12.57-1~bpo12+1 (2026-01-01)", 6, 12, 57, true);
	check_version("6.18.44-fc-v657", "#1 SMP PREEMPT_DYNAMIC @0", 6, 18, 44, true);
	check_version("6.18", "#1 SMP", 6, 18, 0, true);
	check_version("6.18.0", "#1 SMP", 6, 18, 0, true);
	check_version("6.8.0-45-generic", "#45-Ubuntu SMP", 6, 8, 0, false);
	check_version("5.14.0-427.13.1.el9_4.x86_64", "#1 SMP", 5, 14, 0, false);
	check_version("7.1-rc3", "#1 SMP", 7, 1, 0, false);
	assert_false(shunt_kernel_parse("linux", "#1", &v));
	assert_false(shunt_kernel_parse("", "", &v));
	assert_int_equal(v.major, 42);
}

static enum shunt_bug_state bug(const char *name, const char *release)
{
	struct shunt_kernel_version version;

	assert_true(shunt_kernel_parse(release, "", &version));
	return shunt_kernel_bug_named(name, &version);
}

static void bugs(void **state)
{
	assert_int_equal(bug("storage_iterator", "6.19.14"), SHUNT_BUG_ABSENT);
	assert_int_equal(bug("storage_iterator", "7.0.13"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("storage_iterator", "7.3.4"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("tcp_iterator", "6.1.182"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("tcp_iterator", "6.1.183"), SHUNT_BUG_FIXED);
	assert_int_equal(bug("tcp_iterator", "6.6.140"), SHUNT_BUG_UNKNOWN);
	assert_int_equal(bug("tcp_iterator", "6.12.95"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("tcp_iterator", "6.18.44"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("tcp_iterator", "7.0.13"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("tcp_iterator", "7.1.13"), SHUNT_BUG_FIXED);
	assert_int_equal(bug("tcp_iterator", "7.3.4"), SHUNT_BUG_FIXED);
	assert_int_equal(bug("sockmap_data_loss", "6.12.34"), SHUNT_BUG_OPEN);
	assert_int_equal(bug("sockmap_data_loss", "6.13.2"), SHUNT_BUG_UNKNOWN);
	assert_int_equal(bug("sockmap_data_loss", "6.18.44"), SHUNT_BUG_FIXED);
	assert_int_equal(bug("sockmap_data_loss", "6.12.0-55.el10"), SHUNT_BUG_UNKNOWN);
	assert_int_equal(bug("copied_seq_verdict", "6.18.44"), SHUNT_BUG_UNKNOWN);
	assert_int_equal(bug("ktls", "6.18.44"), SHUNT_BUG_UNKNOWN);
	assert_int_equal(bug("ktls", "7.3.4"), SHUNT_BUG_FIXED);
}

/* A row whose fixes are out of order would be read wrongly; one without words could not be shown. */
static void table_is_sane(void **state)
{
	for (size_t i = 0; i < SHUNT_KERNEL_BUGS; i++) {
		const struct shunt_kernel_bug *row = &shunt_kernel_bugs[i];
		unsigned long last = 0;

		assert_non_null(row->what);
		assert_non_null(row->touches);
		assert_true(row->since_major || row->fixes[0].major);
		for (size_t k = 0; k < SHUNT_MAX_FIXES && row->fixes[k].major; k++) {
			unsigned long number = shunt_kernel_number(row->fixes[k].major, row->fixes[k].minor, 0);
			assert_true(number > last);
			last = number;
		}
		if (row->mainline.major)
			assert_true(shunt_kernel_number(row->mainline.major, row->mainline.minor, 0) > last);
	}
}

static void iterator_is_never_the_broken_one(void **state)
{
	for (unsigned major = 5; major < 9; major++)
		for (unsigned minor = 0; minor < 20; minor++)
			for (unsigned patch = 0; patch < 200; patch++) {
				struct shunt_kernel_version v = {major, minor, patch, patch % 2};
				struct shunt_kernel_decision decision = shunt_kernel_decide(&v);
				if (decision.scan == SHUNT_SCAN_TCP)
					assert_true(decision.tcp_iterator_safe);
				if (decision.scan == SHUNT_SCAN_STORAGE)
					assert_true(shunt_kernel_bug_named("storage_iterator", &v) != SHUNT_BUG_OPEN &&
						    major < 7);
				if (decision.scan == SHUNT_SCAN_NONE)
					assert_true(decision.level <= SHUNT_KERNEL_OBSERVE);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(versions),
		cmocka_unit_test(bugs),
		cmocka_unit_test(table_is_sane),
		cmocka_unit_test(iterator_is_never_the_broken_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
