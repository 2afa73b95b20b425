/* SPDX-License-Identifier: GPL-2.0-only */
/* record.h: makes and closes the records of a pair, and puts eager pairs into the SOCKHASH. Used by pairing.bpf.c only.
 */
#ifndef SHUNT_BPF_RECORD_H
#define SHUNT_BPF_RECORD_H

#include "lib/sock.h"
#include "shunt/isn.h"

static __always_inline struct shunt_sequence context_sequence(struct bpf_sock_ops *ctx)
{
	struct shunt_sequence sequence = {
		.snd_una = ctx->snd_una,
		.rcv_nxt = ctx->rcv_nxt,
		.bytes_acked = ctx->bytes_acked,
		.bytes_received = ctx->bytes_received,
	};
	return sequence;
}

static __always_inline void map_ip4(__u8 *ip, __be32 address)
{
	*(__be32 *)(ip + 8) = bpf_htonl(0xffff);
	*(__be32 *)(ip + 12) = address;
}

/* The context's fields can only be read one by one; remote_port is big-endian in the upper half of its word. */
static __always_inline void context_addresses(struct bpf_sock_ops *ctx, struct shunt_flow_end *end)
{
	__be32 *local = (__be32 *)end->local.ip;
	__be32 *remote = (__be32 *)end->remote.ip;

	end->local.port = ctx->local_port;
	end->remote.port = bpf_ntohl(ctx->remote_port);
	if (ctx->family == 2 /* AF_INET */) {
		map_ip4(end->local.ip, ctx->local_ip4);
		map_ip4(end->remote.ip, ctx->remote_ip4);
		return;
	}
	local[0] = ctx->local_ip6[0];
	local[1] = ctx->local_ip6[1];
	local[2] = ctx->local_ip6[2];
	local[3] = ctx->local_ip6[3];
	remote[0] = ctx->remote_ip6[0];
	remote[1] = ctx->remote_ip6[1];
	remote[2] = ctx->remote_ip6[2];
	remote[3] = ctx->remote_ip6[3];
}

/* Remembers for flow list why a single end has no record. */
static __always_inline void refuse(__u64 cookie, __u32 pod, enum shunt_reason reason)
{
	__u32 value = reason;

	bpf_map_update_elem(&sh_refused, &cookie, &value, BPF_ANY);
	if (reason == SHUNT_REASON_MAP_FULL)
		count(pod, SHUNT_COUNTER_MAP_FULL, 1);
	if (reason == SHUNT_REASON_UNPROVEN)
		count(pod, SHUNT_COUNTER_UNPROVEN, 1);
}

/* The flow's shared record: made by whichever end comes first. The flow is too large for the stack: insert zeroes, then
 * fill in. */
static __always_inline struct shunt_flow *flow_get_or_make(const struct shunt_rendezvous *entry, enum shunt_phase phase)
{
	static const struct shunt_flow zero;
	__u64 id = entry->cookie[SHUNT_SERVER];
	struct shunt_flow *flow = bpf_map_lookup_elem(&sh_flows, &id);

	if (flow)
		return flow;
	if (bpf_map_update_elem(&sh_flows, &id, &zero, BPF_NOEXIST) == -17 /* EEXIST: the other end was faster */)
		return bpf_map_lookup_elem(&sh_flows, &id);
	flow = bpf_map_lookup_elem(&sh_flows, &id);
	if (!flow)
		return NULL;
	for (int role = 0; role < 2; role++) {
		flow->end[role].cookie = entry->cookie[role];
		flow->end[role].sock = entry->sock[role];
		flow->end[role].pod = entry->pod[role];
	}
	flow->created_ns = bpf_ktime_get_ns();
	flow->changed_ns = flow->created_ns;
	flow->reason = SHUNT_REASON_NEW;
	flow->phase = phase;
	flow->id = id;
	return flow;
}

/* Makes this end's storage and its half of the flow. False: a table was full. */
static __always_inline bool record_end(struct bpf_sock_ops *ctx, const struct shunt_rendezvous *entry, __u32 role,
				       enum shunt_phase phase)
{
	__u32 mine = role & 1;
	__u32 other = !mine;
	struct shunt_end end = {
		.cookie = entry->cookie[mine],
		.flow = entry->cookie[SHUNT_SERVER],
		.role = mine,
		.pod = entry->pod[mine],
		.peer_pod = entry->pod[other],
		.base_ns = bpf_ktime_get_ns(),
	};
	struct bpf_sock *sk = ctx->sk;
	struct shunt_flow *flow;

	if (!sk)
		return false;
	flow = flow_get_or_make(entry, phase);
	if (!flow)
		return false;
	flow->end[mine].sock = entry->sock[mine]; /* an eager client made the flow before the server's socket existed */
	context_addresses(ctx, &flow->end[mine]);
	flow->end[mine].netns = bpf_get_netns_cookie(ctx);
	if (!bpf_sk_storage_get(&sh_ends, sk, &end, BPF_SK_STORAGE_GET_F_CREATE))
		return false;
	__sync_fetch_and_or(&flow->recorded, 1u << mine);
	bpf_sock_ops_cb_flags_set(ctx, (ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG) &
					       ~BPF_SOCK_OPS_RTT_CB_FLAG);
	count(end.pod, SHUNT_COUNTER_PAIRED, 1);
	return true;
}

/* Eager pods assert non-blocking readers; programs that splice or ask FIONREAD are known and stay out all the same. */
static __always_inline bool may_be_eager(struct tcp_sock *tp, __u32 pod, __u32 peer_pod)
{
	struct shunt_control *control = control_get();
	__u64 cgroup;
	__u32 *programs;
	__u32 bad = SHUNT_MAY_SPLICE;

	if (!control || control->stop || control->kernel_unfit)
		return false;
	if (pod_mode(pod) != SHUNT_MODE_EAGER || pod_mode(peer_pod) != SHUNT_MODE_EAGER)
		return false;
	if (control->fionread_wrong)
		bad |= SHUNT_MAY_FIONREAD;
	cgroup = sock_cgroup(sock_of(tp), false);
	programs = bpf_map_lookup_elem(&sh_cgroups, &cgroup);
	return programs && (*programs & SHUNT_JUDGED) && !(*programs & bad) &&
	       !bpf_map_lookup_elem(&sh_tainted, &cgroup);
}

/*
 * The client joins first and redirects nothing until the server's end completes the flow. An end that fails to join
 * leaves the flow to the scan: DRAIN takes the other one out again.
 */
static __always_inline void join_at_establishment(struct bpf_sock_ops *ctx, struct shunt_rendezvous *entry, __u32 role)
{
	__u64 id = entry->cookie[SHUNT_SERVER];
	__u64 cookie = entry->cookie[role & 1];
	struct shunt_flow *flow;

	if (!record_end(ctx, entry, role, SHUNT_PHASE_JOIN)) {
		refuse(cookie, entry->pod[role & 1], SHUNT_REASON_MAP_FULL);
		return;
	}
	entry->recorded |= 1u << role;
	flow = bpf_map_lookup_elem(&sh_flows, &id);
	if (!flow)
		return;
	if (bpf_sock_hash_update(ctx, &sh_socks, &cookie, BPF_NOEXIST)) {
		flow->phase = SHUNT_PHASE_DRAIN;
		return;
	}
	__sync_fetch_and_or(&flow->inside, 1u << role);
	count(entry->pod[role & 1], SHUNT_COUNTER_PROMOTED, 1);
	if (role == SHUNT_SERVER && flow->inside == 3) {
		flow->reason = SHUNT_REASON_OK;
		flow->phase = SHUNT_PHASE_RUN;
	}
}

/* connect(AF_UNSPEC) and a second connect: the socket, its cookie and its membership survive, the connection did not.
 */
static __always_inline void forget_earlier_life(struct bpf_sock *sk, __u64 cookie)
{
	struct shunt_end *end = bpf_sk_storage_get(&sh_ends, sk, 0, 0);
	struct shunt_flow *flow;

	if (!end)
		return;
	flow = bpf_map_lookup_elem(&sh_flows, &end->flow);
	if (flow) {
		flow->phase = SHUNT_PHASE_DRAIN;
		__sync_fetch_and_or(&flow->closed, 1u << (end->role & 1));
		__sync_fetch_and_and(&flow->inside, ~(1u << (end->role & 1)));
	}
	bpf_map_delete_elem(&sh_socks, &cookie);
	bpf_sk_storage_delete(&sh_ends, sk);
}

/* Bytes sent since the last look go to the pod's total; the exchange makes scan and close agree on who counts them. */
static __always_inline void account_tcp_bytes(struct shunt_flow_end *end, struct tcp_sock *tp)
{
	__u64 sent = tp->bytes_sent - tp->bytes_retrans;
	__u64 before = __sync_lock_test_and_set(&end->tcp_bytes, sent);

	if (sent > before)
		count(end->pod, SHUNT_COUNTER_TCP_BYTES, sent - before);
}

static __always_inline void close_end(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct shunt_end *end = sk ? bpf_sk_storage_get(&sh_ends, sk, 0, 0) : NULL;
	struct tcp_sock *tp = end ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct shunt_flow *flow = tp ? bpf_map_lookup_elem(&sh_flows, &end->flow) : NULL;
	__u32 mine;

	if (!flow)
		return;
	mine = end->role & 1;
	account_tcp_bytes(&flow->end[mine], tp);
	count(end->pod, SHUNT_COUNTER_CLOSED, 1);
	if ((__sync_fetch_and_or(&flow->closed, 1u << mine) | (1u << mine)) == 3)
		bpf_map_delete_elem(&sh_flows, &end->flow);
}

#endif
