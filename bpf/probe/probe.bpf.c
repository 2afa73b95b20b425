/* SPDX-License-Identifier: GPL-2.0-only */
/* probe.bpf.c: a sockmap of its own and the smallest verdict, with which the daemon tries what this kernel does to
 * members. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

volatile int sh_redirect; /* send to the socket at index 1 instead of TCP */

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sh_probe_socks SEC(".maps");

SEC("sk_msg")
int sh_probe_msg(struct sk_msg_md *msg)
{
	if (sh_redirect)
		bpf_msg_redirect_map(msg, &sh_probe_socks, 1, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
