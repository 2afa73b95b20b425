BPF_OBJS += probe
probe_SRC := bpf/probe/probe.bpf.c
