BPF_OBJS += sh_probe
sh_probe_SRC := bpf/probe/probe.bpf.c
