// SPDX-License-Identifier: GPL-2.0-only
/*
 * pairing.bpf.c: proves that both ends of a connection are on this node, and records the pair.
 *
 * The two initial sequence numbers are the rendezvous: both ends know them, NAT leaves them alone, nothing is added on
 * the wire. The proof is the SYN-ACK's sk_buff hash: it is set from the request socket's txhash and never leaves the
 * machine.
 *
 *   server, SYN received        register {client ISN, server ISN} -> cookie, token
 *   client, SYN-ACK in hand     claim the entry once, if the token matches
 *   server, established         complete the entry, or delete it when nobody claimed it
 *   either end, fourth segment  make the records (short connections cost two map operations and nothing else)
 *
 * Every miss is safe: the connection stays TCP.
 */
#include "record.h"

/* What the kernel's context points to; ctx->sk is NULL while the socket is a request socket. */
static __always_inline struct tcp_request_sock *context_request(struct bpf_sock_ops *ctx)
{
	struct sock *sk = NULL;

	if (can_cast()) {
		struct bpf_sock_ops_kern *kernel = bpf_cast_to_kern_ctx(ctx);

		return CAST(struct tcp_request_sock, kernel->sk);
	}
	bpf_probe_read_kernel(&sk, sizeof(sk), (char *)ctx + bpf_core_field_offset(struct bpf_sock_ops_kern, sk));
	return (struct tcp_request_sock *)sk;
}

static __always_inline __u32 context_skb_hash(struct bpf_sock_ops *ctx)
{
	struct sk_buff *skb = NULL;

	if (can_cast()) {
		struct bpf_sock_ops_kern *kernel = bpf_cast_to_kern_ctx(ctx);

		skb = kernel->skb;
		return skb ? skb->hash : 0;
	}
	bpf_probe_read_kernel(&skb, sizeof(skb), (char *)ctx + bpf_core_field_offset(struct bpf_sock_ops_kern, skb));
	return skb ? BPF_CORE_READ(skb, hash) : 0;
}

static __always_inline void read_request(struct tcp_request_sock *request, struct shunt_isns *isns,
					 struct shunt_rendezvous *entry, const bool probe)
{
	isns->client = READ(probe, request, rcv_isn);
	isns->server = READ(probe, request, snt_isn);
	entry->token = READ(probe, request, txhash);
}

/* The server answers a SYN: the request socket exists, the SYN-ACK is about to be made. */
static __always_inline void on_request(struct bpf_sock_ops *ctx, __u32 pod)
{
	struct shunt_rendezvous entry = {.pod[SHUNT_SERVER] = pod, .born_ns = bpf_ktime_get_coarse_ns()};
	struct shunt_isns isns;

	if (ctx->is_fullsock)
		return;
	if (can_cast())
		read_request(context_request(ctx), &isns, &entry, false);
	else
		read_request(context_request(ctx), &isns, &entry, true);
	entry.cookie[SHUNT_SERVER] = bpf_get_socket_cookie(ctx); /* made here; the full socket inherits it */
	bpf_map_update_elem(&sh_rendezvous, &isns, &entry, BPF_NOEXIST);
}

/* Is the packet that established this socket the very SYN-ACK that the registered request socket sent? */
static __always_inline bool proven(struct bpf_sock_ops *ctx, const struct shunt_isns *isns, __u32 token)
{
	__u8 *header = ctx->skb_data;

	if (!ctx->skb_len || header + 20 > (__u8 *)ctx->skb_data_end)
		return false; /* TCP_REPAIR reaches this callback with numbers of its choice, but without a packet */
	if (*(__be32 *)(header + 4) != bpf_htonl(isns->server) ||
	    (header[13] & KERNEL_TCP_FLAGS_MASK) != KERNEL_TCP_SYN_ACK)
		return false;
	return context_skb_hash(ctx) == token;
}

static __always_inline bool is_mptcp(struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp;
}

static __always_inline enum shunt_reason claim(struct bpf_sock_ops *ctx, struct tcp_sock *tp,
					       const struct shunt_isns *isns, const struct shunt_rendezvous *entry)
{
	if (entry->refused)
		return entry->refused;
	if (is_mptcp(tp))
		return SHUNT_REASON_MPTCP;
	if (entry->cookie[SHUNT_CLIENT] || !proven(ctx, isns, entry->token))
		return SHUNT_REASON_UNPROVEN;
	return SHUNT_REASON_OK;
}

/* One claim only: who comes second is refused and does not disturb the first. */
static __always_inline void on_client(struct bpf_sock_ops *ctx, __u32 pod)
{
	struct bpf_sock *sk = ctx->sk;
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct shunt_sequence sequence = context_sequence(ctx);
	struct shunt_isns isns = shunt_isns_of_client(&sequence);
	struct shunt_rendezvous *entry;
	enum shunt_reason reason;
	struct tcp_sock *tp;

	if (!sk)
		return;
	entry = bpf_map_lookup_elem(&sh_rendezvous, &isns);
	tp = entry ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (!tp)
		return;
	reason = claim(ctx, tp, &isns, entry);
	if (reason != SHUNT_REASON_OK) {
		refuse(cookie, pod, reason);
		if (!entry->cookie[SHUNT_CLIENT])
			entry->refused = reason;
		return;
	}
	entry->pod[SHUNT_CLIENT] = pod;
	entry->sock[SHUNT_CLIENT] = (__u64)(long)tp;
	entry->cookie[SHUNT_CLIENT] = cookie;
	if (may_be_eager(tp, pod, entry->pod[SHUNT_SERVER]))
		join_at_establishment(ctx, entry, SHUNT_CLIENT);
	else
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
}

static __always_inline void on_server(struct bpf_sock_ops *ctx, __u32 pod)
{
	struct bpf_sock *sk = ctx->sk;
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct shunt_sequence sequence = context_sequence(ctx);
	struct shunt_isns isns = shunt_isns_of_server(&sequence);
	struct shunt_rendezvous *entry = bpf_map_lookup_elem(&sh_rendezvous, &isns);
	struct tcp_sock *tp = entry && sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!entry)
		return;
	if (tp && is_mptcp(tp)) /* a TCP client of a Multipath TCP listener gets a plain socket, and pairs */
		entry->refused = SHUNT_REASON_MPTCP;
	if (!tp || entry->refused || !entry->cookie[SHUNT_CLIENT] || entry->cookie[SHUNT_SERVER] != cookie) {
		if (entry->refused)
			refuse(cookie, pod, entry->refused);
		bpf_map_delete_elem(&sh_rendezvous, &isns);
		return;
	}
	entry->sock[SHUNT_SERVER] = (__u64)(long)tp;
	if (entry->recorded && may_be_eager(tp, pod, entry->pod[SHUNT_CLIENT])) {
		join_at_establishment(ctx, entry, SHUNT_SERVER);
		bpf_map_delete_elem(&sh_rendezvous, &isns);
		return;
	}
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
}

/* Which role the socket has is not remembered: try both. Returns the entry that names this cookie. */
static __always_inline struct shunt_rendezvous *find_rendezvous(struct bpf_sock_ops *ctx, __u64 cookie,
								struct shunt_isns *isns, __u32 *role)
{
	struct shunt_sequence sequence = context_sequence(ctx);
	struct shunt_rendezvous *entry;

	*isns = shunt_isns_of_client(&sequence);
	*role = SHUNT_CLIENT;
	entry = bpf_map_lookup_elem(&sh_rendezvous, isns);
	if (entry && entry->cookie[SHUNT_CLIENT] == cookie)
		return entry;
	*isns = shunt_isns_of_server(&sequence);
	*role = SHUNT_SERVER;
	entry = bpf_map_lookup_elem(&sh_rendezvous, isns);
	return entry && entry->cookie[SHUNT_SERVER] == cookie ? entry : NULL;
}

static __always_inline bool lives_long(__u32 in, __u32 out)
{
	if (in >= SHUNT_RECORD_SEGMENTS && out >= SHUNT_RECORD_SEGMENTS)
		return true;
	return in >= SHUNT_RECORD_STREAM || out >= SHUNT_RECORD_STREAM;
}

/* Runs with every round-trip sample until the connection has shown that it lives long enough for a record. */
static __always_inline void on_round_trip(struct bpf_sock_ops *ctx, __u32 pod)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct shunt_rendezvous *entry;
	struct shunt_isns isns;
	__u32 role;

	if (!lives_long(ctx->data_segs_in, ctx->data_segs_out))
		return;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RTT_CB_FLAG);
	entry = find_rendezvous(ctx, cookie, &isns, &role);
	if (!entry || !entry->sock[SHUNT_CLIENT] || !entry->sock[SHUNT_SERVER] ||
	    !record_end(ctx, entry, role, SHUNT_PHASE_TCP)) {
		refuse(cookie, pod, SHUNT_REASON_MAP_FULL);
		return;
	}
	if ((__sync_fetch_and_or(&entry->recorded, 1u << role) | (1u << role)) == 3)
		bpf_map_delete_elem(&sh_rendezvous, &isns);
}

SEC("sockops")
int sh_pairing(struct bpf_sock_ops *ctx)
{
	__u32 *pod;

	switch (ctx->op) {
	case BPF_SOCK_OPS_RWND_INIT:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_RTT_CB:
	case BPF_SOCK_OPS_STATE_CB:
		break;
	default:
		return 1;
	}
	pod = bpf_get_local_storage(&sh_pod_of, 0);
	if (ctx->op == BPF_SOCK_OPS_STATE_CB) {
		if (ctx->args[1] == BPF_TCP_CLOSE)
			close_end(ctx);
		return 1;
	}
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
	    ctx->sk) /* whatever the mode is now: it was a member once */
		forget_earlier_life(ctx->sk, bpf_get_socket_cookie(ctx));
	if (!*pod || pod_mode(*pod) == SHUNT_MODE_OFF)
		return 1;
	if (ctx->op == BPF_SOCK_OPS_RWND_INIT)
		on_request(ctx, *pod);
	else if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		on_client(ctx, *pod);
	else if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		on_server(ctx, *pod);
	else
		on_round_trip(ctx, *pod);
	return 1;
}
