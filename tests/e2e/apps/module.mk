# The stories with real programs: redis, postgres, nginx, haproxy, Go. Each needs its program; a missing one is a skip.
TEST_BINS += apps-client apps-echo
apps-client_SRCS := tests/e2e/apps/client.c
apps-echo_SRCS := tests/e2e/apps/echo.c
E2E_TESTS += tests/e2e/redis.sh tests/e2e/postgres.sh tests/e2e/nginx.sh tests/e2e/haproxy.sh tests/e2e/go.sh
