# The clients and servers of the story pairing.sh.
TEST_BINS += pairing-peer
pairing-peer_SRCS := $(addprefix tests/e2e/pairing/,connect.c forge.c io.c main.c odd.c remote.c serve.c)
pairing-peer_LDLIBS := -pthread
E2E_TESTS += tests/e2e/pairing.sh
