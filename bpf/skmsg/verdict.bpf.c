// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdict.bpf.c: runs for each message that a member sends: into the peer's
 * queue, or the kernel's own road. It never drops, and never returns the
 * helper's result: a missing target would give the application EACCES.
 */
#include "shunt/verdict.h"
#include "lib/sock.h"
#include "lib/syscall.h"

/* What the peer's memory says. A stale copied_seq only means one more message
 * by TCP. */
static __always_inline void peer_facts(struct shunt_message_facts *facts, __u64 cookie, struct tcp_sock *peer,
				       const bool probe)
{
	struct sock *sk = sock_of(peer);
	struct socket *socket;
	struct file *file;

	facts->peer_is_ours = (__u64)READ(probe, sk, __sk_common.skc_cookie.counter) == cookie;
	if (!facts->peer_is_ours)
		return;
	facts->peer_copied_seq = READ(probe, peer, copied_seq);
	facts->peer_established = READ(probe, sk, __sk_common.skc_state) == KERNEL_TCP_ESTABLISHED;
	facts->peer_lowat = READ(probe, sk, sk_rcvlowat);
	facts->peer_rcvbuf = READ(probe, sk, sk_rcvbuf);
	facts->queued_bytes = READ(probe, sk, sk_backlog.rmem_alloc.counter);
	facts->peer_watches = READ(probe, sk, sk_peek_off) >= 0 || sock_wants_timestamps(sk, probe) ||
			      READ_BITS(probe, peer, recvmsg_inq);
	if (facts->eager)
		return;
	socket = READ(probe, sk, sk_socket);
	file = socket ? READ(probe, socket, file) : NULL;
	facts->peer_nonblocking = file && (READ(probe, file, f_flags) & KERNEL_O_NONBLOCK);
}

/* Redirecting is allowed at all: modes, kill switch, and a daemon that lives or
 * pods that do not need one. */
static __always_inline bool permitted(const struct shunt_control *control, const struct shunt_end *end,
				      struct shunt_message_facts *facts)
{
	__u32 mode = shunt_lesser_mode(pod_mode(end->pod), pod_mode(end->peer_pod));

	facts->eager = mode == SHUNT_MODE_EAGER;
	if (control->stop || mode < SHUNT_MODE_ADAPTIVE)
		return false;
	return facts->eager || bpf_ktime_get_coarse_ns() < control->heartbeat_ns + SHUNT_HEARTBEAT_NS;
}

/* A message that answers one of the other end is a turn; what follows it
 * unanswered is a run. */
static __always_inline void follow_run(const struct shunt_control *control, struct shunt_end *end,
				       struct shunt_flow_end *own, const struct shunt_flow_end *other, __u32 size)
{
	__u64 heard = other->redirected_messages + other->passed_messages;

	if (heard != end->peer_messages_seen) {
		end->peer_messages_seen = heard;
		end->run_bytes = 0;
		end->run_messages = 0;
		own->turns++;
	}
	end->run_bytes += size;
	end->run_messages++;
	if (end->run_bytes > control->run_bytes || end->run_messages > control->run_messages)
		own->bulk++;
}

static __always_inline bool redirect(struct sk_msg_md *msg, struct shunt_end *end, struct shunt_flow_end *own,
				     __u64 peer, __u32 size)
{
	__u64 *counters = counters_of(end->pod);

	if (bpf_msg_redirect_hash(msg, &sh_socks, &peer, BPF_F_INGRESS) != SK_PASS)
		return false;
	end->queued_messages++;
	own->redirected_messages++;
	own->redirected_bytes += size;
	own->spilling = 0;
	if (counters) {
		__sync_fetch_and_add(&counters[SHUNT_COUNTER_REDIRECTED_MESSAGES], 1);
		__sync_fetch_and_add(&counters[SHUNT_COUNTER_REDIRECTED_BYTES], size);
	}
	return true;
}

static __always_inline enum shunt_verdict judge(struct sk_msg_md *msg, const struct shunt_control *control,
						struct shunt_end *end, const struct shunt_flow_end *other,
						struct shunt_message_facts *facts)
{
	struct tcp_sock *own = bpf_skc_to_tcp_sock(msg->sk);

	if (!own)
		return SHUNT_VERDICT_PASS;
	facts->own_write_seq = own->write_seq;
	facts->own_send_closed = sock_of(own)->sk_shutdown & KERNEL_SEND_SHUTDOWN;
	facts->own_watches = (sock_of(own)->__sk_common.skc_flags & KERNEL_SOCK_FLAG(SOCK_ZEROCOPY)) ||
			     sock_wants_timestamps(sock_of(own), false);
	facts->urgent = current_sends_urgent();
	facts->spill_bytes = control->spill_bytes;
	facts->spill_messages = control->spill_messages;
	if (can_cast())
		peer_facts(facts, other->cookie, CAST(struct tcp_sock, other->sock), false);
	else
		peer_facts(facts, other->cookie, (struct tcp_sock *)other->sock, true);
	if (!facts->queued_bytes)
		end->queued_messages = 0;
	facts->queued_messages = end->queued_messages;
	return shunt_judge_message(facts);
}

static __always_inline void pass(struct shunt_end *end, struct shunt_flow_end *own, enum shunt_verdict verdict)
{
	own->passed_messages++;
	count(end->pod, SHUNT_COUNTER_PASSED_MESSAGES, 1);
	if (verdict != SHUNT_VERDICT_SPILL)
		return;
	own->spilling = 1;
	own->bulk++;
	count(end->pod, SHUNT_COUNTER_SPILLED, 1);
}

SEC("sk_msg")
int sh_verdict(struct sk_msg_md *msg)
{
	struct shunt_control *control = control_get();
	struct bpf_sock *sk = msg->sk;
	struct shunt_end *end = sk ? bpf_sk_storage_get(&sh_ends, sk, 0, 0) : NULL;
	struct shunt_flow *flow = end ? bpf_map_lookup_elem(&sh_flows, &end->flow) : NULL;
	struct shunt_message_facts facts = {};
	enum shunt_verdict verdict = SHUNT_VERDICT_PASS;
	struct shunt_flow_end *other;
	struct shunt_flow_end *own;
	__u32 size = msg->size;
	__u32 mine;

	if (!flow || !control)
		return SK_PASS;
	mine = end->role & 1;
	own = &flow->end[mine];
	other = &flow->end[!mine];
	follow_run(control, end, own, other, size);
	if (flow->phase == SHUNT_PHASE_RUN && permitted(control, end, &facts))
		verdict = judge(msg, control, end, other, &facts);
	if (verdict != SHUNT_VERDICT_REDIRECT || !redirect(msg, end, own, other->cookie, size))
		pass(end, own, verdict);
	return SK_PASS;
}
