TEST_BINS += reasons
reasons_SRCS := tests/e2e/reasons/reasons.c
reasons_PKGS := jansson
reasons_DEPS := shuntbase
E2E_TESTS += tests/e2e/reasons.sh
