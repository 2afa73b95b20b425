
TEST_BINS += test_judge
BPF_TESTS += $(O)/tests/test_judge
test_judge_SRCS := tests/bpf/judge.c $(addprefix manager/daemon/,exe.c process.c object.c elf.c)
test_judge_PKGS := cmocka libelf
test_judge_DEPS := shuntbase

TEST_BINS += test_diag
BPF_TESTS += $(O)/tests/test_diag
test_diag_SRCS := tests/bpf/diag.c $(addprefix manager/daemon/,diag.c tcp_info.c netns.c)
test_diag_PKGS := cmocka libnl-3.0 jansson
test_diag_DEPS := shuntbase

TEST_BINS += test_probe
BPF_TESTS += $(O)/tests/test_probe
test_probe_SRCS := tests/bpf/probe.c $(addprefix manager/daemon/,probe.c findings.c trial.c)
test_probe_PKGS := cmocka libbpf jansson
test_probe_DEPS := shuntbase
