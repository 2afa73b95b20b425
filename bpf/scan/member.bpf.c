// SPDX-License-Identifier: GPL-2.0-only
/*
 * member.bpf.c: how an end enters and leaves the SOCKHASH. Called from the scan only: a map update from an iterator is
 * the one insertion the kernel allows after establishment, and one reader of the map at a time needs no lock.
 */
#include "lib/sock.h"

static __always_inline void set_phase(struct shunt_flow *flow, enum shunt_phase phase, enum shunt_reason reason)
{
	flow->changed_ns = bpf_ktime_get_ns();
	flow->reason = reason;
	flow->phase = phase;
}

static __always_inline bool join(struct tcp_sock *tp, struct shunt_end *end, struct shunt_flow *flow, __u32 mine)
{
	__u64 cookie = end->cookie;

	end->run_bytes = 0;
	end->run_messages = 0;
	end->queued_messages = 0;
	end->peer_messages_seen = ~0ull;
	end->stuck_ns = 0;
	if (bpf_map_update_elem(&sh_socks, &cookie, tp, BPF_NOEXIST))
		return false;
	__sync_fetch_and_or(&flow->inside, 1u << mine);
	count(end->pod, SHUNT_COUNTER_PROMOTED, 1);
	return true;
}

/*
 * A sender between its verdict and the enqueue holds a reference to its psock. Look a few times: such a call lasts
 * microseconds. False: still there, try at the next scan.
 */
static __always_inline bool nobody_in_flight(const struct shunt_flow_end *end, bool member)
{
	for (int i = 0; i < 64; i++) {
		if (psock_references(sock_psock(end->sock)) <= (member ? 1 : 0))
			return true;
	}
	return false;
}

/* Who left for what the application did waits before the next try, longer each time; switches that people turn cost
 * nothing. */
static __always_inline void hold_back(struct shunt_flow *flow, __u64 now)
{
	if (flow->reason <= SHUNT_REASON_KERNEL)
		return;
	flow->retry_ns = now + shunt_backoff_ns(flow->backoff);
	if (flow->backoff < SHUNT_BACKOFF_MAX_SHIFT)
		flow->backoff++;
}

/*
 * Takes this end out once it is safe: verdicts already pass (DRAIN), no call of the other end is between verdict and
 * enqueue, nothing redirected is unread. A plain delete would lose unread bytes silently.
 */
static __always_inline void leave(struct shunt_end *end, struct shunt_flow *flow, __u64 now)
{
	__u32 mine = end->role & 1;
	__u32 other = !mine;
	bool peer_alive = sock_alive(flow->end[other].sock, flow->end[other].cookie);
	__u64 cookie = end->cookie;

	if (peer_alive && !nobody_in_flight(&flow->end[other], flow->inside & (1u << other)))
		return;
	if (psock_has_messages(sock_psock(flow->end[mine].sock)))
		return;
	bpf_map_delete_elem(&sh_socks, &cookie);
	__sync_fetch_and_and(&flow->inside, peer_alive ? ~(1u << mine) : 0);
	count(end->pod, SHUNT_COUNTER_DEMOTED, 1);
	if (flow->inside)
		return;
	hold_back(flow, now);
	flow->changed_ns = now;
	flow->phase = SHUNT_PHASE_TCP;
}
