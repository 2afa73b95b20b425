# unit tests: no root, always under ASan and UBSan. One block a test; append yours.

UNIT_TESTS += test_varlink
test_varlink_SRCS := tests/unit/test_varlink.c
test_varlink_PKGS := cmocka jansson
test_varlink_DEPS := shuntbase

UNIT_TESTS += test_pattern
test_pattern_SRCS := tests/unit/test_pattern.c
test_pattern_PKGS := cmocka jansson
test_pattern_DEPS := shuntbase

UNIT_TESTS += test_suggest
test_suggest_SRCS := tests/unit/test_suggest.c
test_suggest_PKGS := cmocka jansson
test_suggest_DEPS := shuntbase

UNIT_TESTS += test_log
test_log_SRCS := tests/unit/test_log.c
test_log_PKGS := cmocka jansson
test_log_DEPS := shuntbase

UNIT_TESTS += test_cgroup
test_cgroup_SRCS := tests/unit/test_cgroup.c
test_cgroup_PKGS := cmocka jansson
test_cgroup_DEPS := shuntbase

UNIT_TESTS += test_config
test_config_SRCS := tests/unit/test_config.c manager/daemon/config.c
test_config_PKGS := cmocka jansson
test_config_DEPS := shuntbase

SERVING_SRCS := tests/unit/serving.c manager/daemon/server.c manager/daemon/connection.c manager/daemon/service.c

UNIT_TESTS += test_server
test_server_SRCS := tests/unit/test_server.c tests/unit/dummy.c $(SERVING_SRCS)
test_server_PKGS := cmocka jansson libsystemd
test_server_DEPS := shuntbase

UNIT_TESTS += test_server_limits
test_server_limits_SRCS := tests/unit/test_server_limits.c tests/unit/dummy.c $(SERVING_SRCS)
test_server_limits_PKGS := cmocka jansson libsystemd
test_server_limits_DEPS := shuntbase

UNIT_TESTS += test_cli
test_cli_SRCS := tests/unit/test_cli.c $(SERVING_SRCS) $(filter-out %/main.c,$(wildcard manager/cli/*.c))
test_cli_PKGS := cmocka jansson libsystemd smartcols libcgroup
test_cli_DEPS := shuntbase

UNIT_TESTS += test_values
test_values_SRCS := tests/unit/test_values.c manager/cli/values.c
test_values_PKGS := cmocka jansson

UNIT_TESTS += test_elf
test_elf_SRCS := tests/unit/test_elf.c manager/daemon/elf.c
test_elf_PKGS := cmocka libelf

UNIT_TESTS += test_kernel_level
test_kernel_level_SRCS := tests/unit/test_kernel_level.c
test_kernel_level_PKGS := cmocka

UNIT_TESTS += test_bench_stats
test_bench_stats_SRCS := tests/unit/test_bench_stats.c $(patsubst %,bench/%.c,claims measure options results spec stats)
test_bench_stats_PKGS := cmocka jansson
test_bench_stats_LDLIBS := -lm

UNIT_TESTS += test_decisions
test_decisions_SRCS := tests/unit/test_decisions.c
test_decisions_PKGS := cmocka
