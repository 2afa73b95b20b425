BPF_OBJS += sh_core
sh_core_SRC := bpf/shunt.bpf.c
sh_core_CFLAGS := -Ibpf
