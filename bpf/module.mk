BPF_OBJS += shunt
shunt_SRC := bpf/shunt.bpf.c
shunt_CFLAGS := -Ibpf
