// SPDX-License-Identifier: GPL-2.0-only
/*
 * scan.bpf.c: visits every recorded end, a few times a second: judges, promotes, demotes, takes out, counts. Membership
 * is earned here and nowhere else (eager pods apart), and the proof is renewed with each visit.
 */
#include "lib/sock.h"
#include "shunt/judge.h"

#define JUDGE_EVERY_NS 1000000000ull /* an idle flow's reason is worked out again after this */
#define JOIN_TIMEOUT_NS 1000000000ull
#define GOOD_CONDUCT_NS 60000000000ull /* a member for so long: earlier demotions are forgotten */
#define HANDSHAKE_NS 3000000000ull     /* an older rendezvous without a living socket is dead */

struct visit {
	struct tcp_sock *tp;
	struct shunt_end *end;
	struct shunt_flow *flow;
	struct shunt_control *control;
	__u64 now;
	__u32 mine;
	enum shunt_mode mode;
};

static __always_inline enum shunt_reason judge_facts(const struct visit *v, struct shunt_socket_facts *facts,
						     __u32 role)
{
	facts->spliced = v->flow->end[role & 1].spliced;
	facts->ulp |= v->flow->end[role & 1].ulp;
	cgroup_facts(facts);
	return shunt_judge_socket(facts, v->mode == SHUNT_MODE_EAGER, v->control->fionread_wrong);
}

static __always_inline enum shunt_reason judge_own(const struct visit *v)
{
	struct shunt_socket_facts facts = {};

	sock_facts(&facts, v->tp, v->flow->inside & (1u << v->mine), false);
	return judge_facts(v, &facts, v->mine);
}

static __always_inline enum shunt_reason judge_peer(const struct visit *v)
{
	struct shunt_socket_facts facts = {};
	struct shunt_flow_end *peer = &v->flow->end[!v->mine];
	bool member = v->flow->inside & (1u << !v->mine);

	if (!sock_alive(peer->sock, peer->cookie))
		return SHUNT_REASON_HALF_CLOSED;
	if (can_cast())
		sock_facts(&facts, CAST(struct tcp_sock, peer->sock), member, false);
	else
		sock_facts(&facts, (struct tcp_sock *)peer->sock, member, true);
	return judge_facts(v, &facts, !v->mine);
}

static __always_inline enum shunt_reason judge_switches(const struct visit *v)
{
	if (v->mode < SHUNT_MODE_ADAPTIVE)
		return shunt_judge_mode(v->mode);
	if (v->control->stop)
		return SHUNT_REASON_DRAINING;
	return v->control->kernel_unfit ? SHUNT_REASON_KERNEL : SHUNT_REASON_OK;
}

static __always_inline void read_window(const struct visit *v, struct shunt_window *window)
{
	window->segs_out = v->tp->data_segs_out - v->end->base_segs_out;
	window->segs_in = v->tp->data_segs_in - v->end->base_segs_in;
	window->bytes = v->tp->bytes_sent + v->tp->bytes_received - v->end->base_bytes;
	window->age_ns = v->now - v->end->base_ns;
}

static __always_inline void begin_window(const struct visit *v)
{
	v->end->base_segs_out = v->tp->data_segs_out;
	v->end->base_segs_in = v->tp->data_segs_in;
	v->end->base_bytes = v->tp->bytes_sent + v->tp->bytes_received;
	v->end->base_ns = v->now;
}

/* Chance instead of judgement: the stress test's way to promote and demote as no application would make it. */
static __always_inline bool chaos(__u32 percent)
{
	return bpf_get_prandom_u32() % 100 < percent;
}

/* Does the flow take enough turns to gain? Eager pods need not earn it. */
static __always_inline enum shunt_reason judge_turns(const struct visit *v)
{
	struct shunt_window window;
	enum shunt_reason reason;

	if (v->control->chaos_promote)
		return chaos(v->control->chaos_promote) ? SHUNT_REASON_OK : SHUNT_REASON_NEW;
	if (v->now < v->flow->retry_ns) {
		begin_window(v);
		return SHUNT_REASON_BACKOFF;
	}
	if (v->mode == SHUNT_MODE_EAGER)
		return SHUNT_REASON_OK;
	read_window(v, &window);
	reason = shunt_judge_window(&window, v->control->promote_min_turns);
	if (reason == SHUNT_REASON_ONE_WAY || window.age_ns > SHUNT_WINDOW_NS)
		begin_window(v);
	return reason;
}

/* The server's visit decides for both ends, and joins first; the client's next visit completes the pair. */
static __always_inline void consider(const struct visit *v)
{
	struct shunt_flow *flow = v->flow;
	enum shunt_reason turns = judge_turns(v);
	enum shunt_reason reason = judge_switches(v);

	if (turns != SHUNT_REASON_OK && v->now - flow->judged_ns < JUDGE_EVERY_NS)
		return;
	flow->judged_ns = v->now;
	if (reason == SHUNT_REASON_OK)
		reason = shunt_first_reason(judge_own(v), judge_peer(v));
	if (reason == SHUNT_REASON_OK)
		reason = turns;
	if (reason == SHUNT_REASON_NEW && flow->reason == SHUNT_REASON_ONE_WAY)
		reason = SHUNT_REASON_ONE_WAY; /* a stream until it has shown turns */
	if (reason != SHUNT_REASON_OK || flow->recorded != 3) {
		flow->reason = reason == SHUNT_REASON_OK ? SHUNT_REASON_NEW : reason;
		return;
	}
	if (!join(v->tp, v->end, flow, v->mine)) {
		flow->reason = SHUNT_REASON_MAP_FULL;
		return;
	}
	set_phase(flow, SHUNT_PHASE_JOIN, SHUNT_REASON_NEW);
}

static __always_inline void begin_drain(const struct visit *v, enum shunt_reason reason)
{
	set_phase(v->flow, SHUNT_PHASE_DRAIN, reason);
	tell(SHUNT_EVENT_DEMOTED, v->flow, v->mine, reason);
}

static __always_inline void complete(const struct visit *v)
{
	enum shunt_reason reason = shunt_first_reason(judge_switches(v), judge_own(v));

	if (reason == SHUNT_REASON_OK && !join(v->tp, v->end, v->flow, v->mine))
		reason = SHUNT_REASON_MAP_FULL;
	if (reason != SHUNT_REASON_OK) {
		begin_drain(v, reason);
		return;
	}
	v->flow->seen_bulk[0] = v->flow->end[0].bulk;
	v->flow->seen_bulk[1] = v->flow->end[1].bulk;
	v->flow->seen_turns[0] = v->flow->end[0].turns;
	v->flow->seen_turns[1] = v->flow->end[1].turns;
	set_phase(v->flow, SHUNT_PHASE_RUN, SHUNT_REASON_OK);
	tell(SHUNT_EVENT_PROMOTED, v->flow, v->mine, SHUNT_REASON_OK);
}

/* A stream gains nothing from a redirect that the reader's budget cuts short, and a member on TCP is the slowest of
 * all: out. */
static __always_inline bool became_stream(const struct visit *v)
{
	struct shunt_flow *flow = v->flow;
	__u32 mine = v->mine & 1;
	__u64 bulk = flow->end[mine].bulk - flow->seen_bulk[mine];
	__u64 turns = flow->end[mine].turns - flow->seen_turns[mine];

	if (bulk < SHUNT_BULK_MIN)
		return false;
	flow->seen_bulk[mine] = flow->end[mine].bulk;
	flow->seen_turns[mine] = flow->end[mine].turns;
	return v->mode != SHUNT_MODE_EAGER && shunt_is_bulk(bulk, turns);
}

/*
 * A member that was seen splicing with redirected bytes queued: splice(2) reads TCP's queue only, so they may never be
 * read, and passing now would let TCP bytes overtake them. The daemon resets such a connection rather than let it hang.
 */
static __always_inline bool is_stuck(const struct visit *v)
{
	struct shunt_flow_end *own = &v->flow->end[v->mine & 1];

	if (!own->spliced || !psock_has_messages(sock_psock(own->sock))) {
		v->end->stuck_ns = 0;
		return false;
	}
	if (!v->end->stuck_ns) {
		v->end->stuck_ns = v->now;
		return true;
	}
	if (!v->end->stuck_told)
		count(v->end->pod, SHUNT_COUNTER_RESETS, 1);
	v->end->stuck_told = 1;
	tell(SHUNT_EVENT_STUCK, v->flow, v->mine, SHUNT_REASON_SPLICE_SEEN);
	return true;
}

static __always_inline void visit_member(const struct visit *v)
{
	struct shunt_flow *flow = v->flow;
	enum shunt_reason reason;

	if (flow->phase == SHUNT_PHASE_JOIN) {
		if (v->now - flow->changed_ns > JOIN_TIMEOUT_NS)
			begin_drain(v, SHUNT_REASON_NEW);
		return;
	}
	reason = shunt_first_reason(judge_switches(v), judge_own(v));
	if (reason == SHUNT_REASON_OK && !sock_alive(flow->end[!v->mine].sock, flow->end[!v->mine].cookie))
		reason = SHUNT_REASON_HALF_CLOSED;
	if (reason == SHUNT_REASON_OK && v->control->chaos_demote && chaos(v->control->chaos_demote))
		reason = SHUNT_REASON_BACKOFF;
	if (reason == SHUNT_REASON_OK && !v->control->chaos_promote && became_stream(v))
		reason = SHUNT_REASON_ONE_WAY;
	if (reason != SHUNT_REASON_OK)
		begin_drain(v, reason);
	else if (v->now - flow->changed_ns > GOOD_CONDUCT_NS)
		flow->backoff = 0;
}

static __always_inline void visit(struct tcp_sock *tp, struct shunt_end *end)
{
	struct visit v = {
		.tp = tp, .end = end, .control = control_get(), .mine = end->role & 1, .now = bpf_ktime_get_ns()};

	v.flow = bpf_map_lookup_elem(&sh_flows, &end->flow);
	if (!v.flow || !v.control || (__u64)sock_of(tp)->__sk_common.skc_cookie.counter != end->cookie)
		return;
	v.mode = shunt_lesser_mode(pod_mode(end->pod), pod_mode(end->peer_pod));
	account_tcp_bytes(&v.flow->end[v.mine], tp);
	if (v.flow->inside & (1u << v.mine)) {
		if (is_stuck(&v))
			return;
		if (v.flow->phase == SHUNT_PHASE_DRAIN)
			leave(end, v.flow, v.now);
		else
			visit_member(&v);
		return;
	}
	if (v.mine == SHUNT_CLIENT) {
		if (v.flow->phase == SHUNT_PHASE_JOIN)
			complete(&v);
		return;
	}
	if (v.flow->phase == SHUNT_PHASE_TCP)
		consider(&v);
}

/* Below 7.0. One pass over all namespaces, over recorded ends only, under RCU alone. From 7.0 on this iterator oopses
 * the kernel. */
SEC("iter/bpf_sk_storage_map")
int sh_scan(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct shunt_end *end = ctx->value;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tp;

	if (!sk || !end)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		visit(tp, end);
	return 0;
}

/* From 7.1 on: one network namespace a run, under the socket lock. Before, it corrupts reference counts
 * (docs/kernels.md). */
SEC("iter/tcp")
int sh_scan_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tcp_sock *tp = common ? bpf_skc_to_tcp_sock(common) : NULL;
	struct shunt_end *end = tp ? bpf_sk_storage_get(&sh_ends, tp, 0, 0) : NULL;

	if (end)
		visit(tp, end);
	return 0;
}

/* Flows whose ends both went without telling (another program cleared the callback flag). */
static long collect_flow(void *map, __u64 *id, struct shunt_flow *flow, __u64 *collected)
{
	__u64 key = *id;

	if (!flow->id || sock_alive(flow->end[0].sock, flow->end[0].cookie) ||
	    sock_alive(flow->end[1].sock, flow->end[1].cookie))
		return 0;
	bpf_map_delete_elem(&sh_flows, &key);
	(*collected)++;
	return 0;
}

/* Connections that ended before their fourth segment, and handshakes that never did; a late one merely stays TCP. */
static long collect_rendezvous(void *map, struct shunt_isns *isns, struct shunt_rendezvous *entry, __u64 *collected)
{
	struct shunt_isns key = *isns;

	if (bpf_ktime_get_ns() - entry->born_ns < HANDSHAKE_NS)
		return 0;
	if (sock_alive(entry->sock[0], entry->cookie[0]) || sock_alive(entry->sock[1], entry->cookie[1]))
		return 0;
	bpf_map_delete_elem(&sh_rendezvous, &key);
	(*collected)++;
	return 0;
}

SEC("syscall")
int sh_collect(void *ctx)
{
	__u64 collected = 0;

	bpf_for_each_map_elem(&sh_flows, collect_flow, &collected, 0);
	bpf_for_each_map_elem(&sh_rendezvous, collect_rendezvous, &collected, 0);
	return collected;
}
