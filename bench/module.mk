BINS += shunt-bench
INSTALL_BINS += shunt-bench
shunt-bench_SRCS := $(wildcard bench/*.c)
shunt-bench_PKGS := jansson
shunt-bench_DEPS := shuntbase
shunt-bench_LDLIBS := -lm

MAN_PAGES += shunt-bench.1
E2E_TESTS += tests/e2e/bench_smoke.sh
