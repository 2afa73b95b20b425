// SPDX-License-Identifier: GPL-2.0-only
/*
 * splice.bpf.c: catches readers that use splice(2), whatever the lists of executables say. tcp_splice_read() ends in
 * tcp_rcv_space_adjust() even when it read nothing, and that has a tracepoint; trampolines (fentry) cannot be relied
 * on. It runs for every TCP read of the machine, so it is attached only while some pod is adaptive or eager.
 */
#include "lib/sock.h"
#include "lib/syscall.h"

/*
 * TCP bytes may flow behind the queue only when the queue is empty: splice reads TCP's queue alone and would overtake
 * it. With messages queued the flow stays in RUN, and the scan has it reset.
 */
static __always_inline void mark(struct sock *sk, struct shunt_end *end, struct shunt_flow *flow)
{
	__u64 cgroup = sock_cgroup(sk, false);
	__u64 now = bpf_ktime_get_ns();
	__u32 mine = end->role & 1;

	if (cgroup)
		bpf_map_update_elem(&sh_tainted, &cgroup, &now, BPF_NOEXIST);
	if (!flow->end[mine].spliced) {
		flow->end[mine].spliced = 1;
		count(end->pod, SHUNT_COUNTER_SPLICE_SEEN, 1);
		tell(SHUNT_EVENT_SPLICE_SEEN, flow, mine, SHUNT_REASON_SPLICE_SEEN);
	}
	if (flow->phase == SHUNT_PHASE_RUN && !psock_has_messages(sock_psock(flow->end[mine].sock))) {
		flow->reason = SHUNT_REASON_SPLICE_SEEN;
		flow->phase = SHUNT_PHASE_DRAIN;
	}
}

/* The cheapest question first: nearly every call of this hook ends there. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(sh_splice, struct sock *sk)
{
	struct shunt_flow *flow;
	struct shunt_end *end;

	if (!current_is_splicing() ||
	    !sk->sk_lock.owned) /* not owned: softirq that interrupted a splice() to a socket */
		return 0;
	end = bpf_sk_storage_get(&sh_ends, sk, 0, 0);
	flow = end ? bpf_map_lookup_elem(&sh_flows, &end->flow) : NULL;
	if (flow)
		mark(sk, end, flow);
	return 0;
}
