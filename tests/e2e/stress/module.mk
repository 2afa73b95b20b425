# The traffic of the stories stress.sh and soak.sh.
TEST_BINS += stress
stress_SRCS := $(addprefix tests/e2e/stress/,bytes.c calls.c client.c end.c ledger.c main.c patience.c script.c \
	server.c wait.c)
stress_PKGS := liburing
stress_LDLIBS := -pthread
E2E_TESTS += tests/e2e/stress.sh
SOAK_TESTS += tests/e2e/soak.sh
