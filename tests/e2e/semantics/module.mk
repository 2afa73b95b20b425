# SPDX-License-Identifier: MIT
TEST_BINS += semantics
semantics_SRCS := $(sort $(wildcard tests/e2e/semantics/*.c))
semantics_PKGS := jansson liburing
semantics_DEPS := shuntbase
semantics_LDLIBS := -pthread
E2E_TESTS += tests/e2e/semantics.sh
FULL_TESTS += tests/e2e/semantics-long.sh
