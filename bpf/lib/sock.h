/* SPDX-License-Identifier: GPL-2.0-only */
/* sock.h: reading sockets. The only file that knows how: by the verifier's own
 * loads, by a read-only cast (6.2), or by probe reads. */
#ifndef SHUNT_BPF_SOCK_H
#define SHUNT_BPF_SOCK_H

#include "maps.h"
#include "shunt/judge.h"

/* Tests force the way of kernels before 6.2, so that those are not its only
 * test. */
const volatile bool sh_no_cast = false;
/* Address of woken_wake_function from /proc/kallsyms: its wait queue entries
 * are threads asleep in recv() or send(). 0: unknown. */
const volatile __u64 sh_woken = 0;

/*
 * READ(probe, pointer, field...) with probe a constant: a plain load where the
 * verifier vouches for the pointer, a probe read where it does not. The
 * compiler drops the other branch.
 */
#define READ(probe, pointer, field) ((probe) ? BPF_CORE_READ(pointer, field) : (pointer)->field)
#define READ_BITS(probe, pointer, field)                                                                               \
	((probe) ? BPF_CORE_READ_BITFIELD_PROBED(pointer, field) : BPF_CORE_READ_BITFIELD(pointer, field))

static __always_inline bool can_cast(void)
{
	return !sh_no_cast && &bpf_rdonly_cast && &bpf_cast_to_kern_ctx;
}

#define CAST(type, address) ((type *)bpf_rdonly_cast((void *)(long)(address), bpf_core_type_id_kernel(type)))

static __always_inline struct sock *sock_of(struct tcp_sock *tp)
{
	return (struct sock *)tp; /* tcp_sock begins with its sock */
}

/* Socket memory is recycled (SLAB_TYPESAFE_BY_RCU): a peer is ours while it
 * carries the paired cookie and somebody refers to it. */
static __always_inline bool sock_alive(__u64 address, __u64 cookie)
{
	struct sock *sk = (struct sock *)address;

	if (!address || !cookie)
		return false;
	if (can_cast()) {
		sk = CAST(struct sock, address);
		return (__u64)sk->__sk_common.skc_cookie.counter == cookie &&
		       sk->__sk_common.skc_refcnt.refs.counter > 0;
	}
	return (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) == cookie &&
	       BPF_CORE_READ(sk, __sk_common.skc_refcnt.refs.counter) > 0;
}

/* sk_user_data carries flags in its low three bits. */
static __always_inline __u64 psock_address(void *user_data)
{
	return (__u64)(long)user_data & ~7ull;
}

static __always_inline __u64 sock_psock(__u64 address)
{
	struct sock *sk = (struct sock *)address;

	if (can_cast())
		return psock_address(CAST(struct sock, address)->sk_user_data);
	return psock_address(BPF_CORE_READ(sk, sk_user_data));
}

/* References to a psock: one as a member, one for each call that is between
 * verdict and enqueue. 0: no psock. */
static __always_inline int psock_references(__u64 psock)
{
	if (!psock)
		return 0;
	if (can_cast())
		return CAST(struct sk_psock, psock)->refcnt.refs.counter;
	return BPF_CORE_READ((struct sk_psock *)psock, refcnt.refs.counter);
}

/* Are redirected messages waiting to be read? The list is empty when its head
 * points to itself. */
static __always_inline bool psock_has_messages(__u64 psock)
{
	__u64 head = psock + bpf_core_field_offset(struct sk_psock, ingress_msg);

	if (!psock)
		return false;
	if (can_cast())
		return (__u64)(long)CAST(struct sk_psock, psock)->ingress_msg.next != head;
	return (__u64)(long)BPF_CORE_READ((struct sk_psock *)psock, ingress_msg.next) != head;
}

static __always_inline __u64 sock_cgroup(struct sock *sk, const bool probe)
{
	struct cgroup *cgroup = READ(probe, sk, sk_cgrp_data.cgroup);
	struct kernfs_node *node;

	if (!cgroup)
		return 0;
	node = READ(probe, cgroup, kn);
	return node ? READ(probe, node, id) : 0;
}

/*
 * A thread that went to sleep inside recv() would not see redirected bytes.
 * Entries of epoll, poll and io_uring have other functions and are harmless. A
 * queue too long to look through, or an unknown function address, counts as a
 * waiter.
 */
static __always_inline bool sock_has_waiter(struct sock *sk, const bool probe)
{
	struct socket_wq *wq = READ(probe, sk, sk_wq);
	struct list_head *head;
	struct list_head *next;

	if (!wq)
		return false;
	head = (struct list_head *)((long)wq + bpf_core_field_offset(struct socket_wq, wait.head));
	next = READ(probe, wq, wait.head.next);
	for (int i = 0; i < SHUNT_WAITERS_MAX; i++) {
		struct wait_queue_entry *entry;
		__u64 address = (__u64)(long)next - bpf_core_field_offset(struct wait_queue_entry, entry);

		if ((long)next == (long)head)
			return false;
		if (!sh_woken)
			return true;
		if (probe) {
			entry = (struct wait_queue_entry *)address;
			if ((__u64)(long)BPF_CORE_READ(entry, func) == sh_woken)
				return true;
			next = BPF_CORE_READ(entry, entry.next);
		} else {
			entry = CAST(struct wait_queue_entry, address);
			if ((__u64)(long)entry->func == sh_woken)
				return true;
			next = entry->entry.next;
		}
	}
	return true;
}

/* 16 bits before 6.6: a plain load is narrowed by CO-RE, a probe read is not. */
static __always_inline __u32 sock_timestamping(struct sock *sk, const bool probe)
{
	__u32 flags = 0;

	if (!probe)
		return sk->sk_tsflags;
	bpf_probe_read_kernel(&flags, bpf_core_field_size(sk->sk_tsflags), &sk->sk_tsflags);
	return flags;
}

static __always_inline bool sock_wants_timestamps(struct sock *sk, const bool probe)
{
	unsigned long stamped = KERNEL_SOCK_FLAG(SOCK_RCVTSTAMP) | KERNEL_SOCK_FLAG(SOCK_TIMESTAMPING_RX_SOFTWARE);

	return (READ(probe, sk, __sk_common.skc_flags) & stamped) || sock_timestamping(sk, probe);
}

/* Fills in what the socket itself tells; member: its psock and user data are
 * ours. */
static __always_inline void sock_facts(struct shunt_socket_facts *facts, struct tcp_sock *tp, bool member,
				       const bool probe)
{
	struct sock *sk = sock_of(tp);
	unsigned long flags = READ(probe, sk, __sk_common.skc_flags);
	struct socket *socket = READ(probe, sk, sk_socket);
	struct file *file = socket ? READ(probe, socket, file) : NULL;

	facts->cgroup = sock_cgroup(sk, probe);
	facts->established = READ(probe, sk, __sk_common.skc_state) == KERNEL_TCP_ESTABLISHED;
	facts->half_closed = READ(probe, sk, sk_shutdown) || READ(probe, sk, sk_err);
	facts->has_file = !!file;
	facts->nonblocking = file && (READ(probe, file, f_flags) & KERNEL_O_NONBLOCK);
	facts->waiter = sock_has_waiter(sk, probe);
	if (bpf_core_field_exists(tp->is_mptcp))
		facts->mptcp = READ(probe, tp, is_mptcp);
	facts->foreign_psock = !member && READ(probe, sk, sk_user_data);
	facts->ulp = !!READ(probe, tp, inet_conn.icsk_ulp_ops);
	facts->filter = !!READ(probe, sk, sk_filter);
	facts->repair = READ_BITS(probe, tp, repair);
	facts->zerocopy = !!(flags & KERNEL_SOCK_FLAG(SOCK_ZEROCOPY));
	facts->timestamps = sock_wants_timestamps(sk, probe);
	facts->inq = READ_BITS(probe, tp, recvmsg_inq);
	facts->lowat = READ(probe, sk, sk_rcvlowat) > 1;
	facts->peek_off = READ(probe, sk, sk_peek_off) >= 0;
	facts->urgent = READ(probe, tp, urg_data) || READ(probe, tp, urg_seq);
}

/* What the maps tell of the cgroup in which the socket was created. */
static __always_inline void cgroup_facts(struct shunt_socket_facts *facts)
{
	__u64 cgroup = facts->cgroup;
	__u32 *programs = bpf_map_lookup_elem(&sh_cgroups, &cgroup);

	facts->programs = programs ? *programs : 0;
	facts->tainted = !!bpf_map_lookup_elem(&sh_tainted, &cgroup);
}

#endif
