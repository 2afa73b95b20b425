# stories about the daemon itself
E2E_TESTS += tests/e2e/daemon.sh tests/e2e/bad_input.sh tests/e2e/doctor.sh
