/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h: the kernel's types as far as shunt reads them. Offsets are relocated at load (CO-RE), so only names and
 * types matter here; no vmlinux.h is needed to build, on any machine.
 */
#ifndef SHUNT_BPF_KERNEL_H
#define SHUNT_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#define KERNEL_TCP_ESTABLISHED 1
#define KERNEL_TCP_CLOSE 7
#define KERNEL_SEND_SHUTDOWN 2
#define KERNEL_O_NONBLOCK 04000 /* alpha, mips, parisc and sparc differ: shunt is not built there */
#define KERNEL_TCP_SYN_ACK 0x12
#define KERNEL_TCP_FLAGS_MASK 0x17 /* FIN, SYN, RST, ACK */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct list_head {
	struct list_head *next;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_common {
	unsigned char skc_state;
	atomic64_t skc_cookie;
	refcount_t skc_refcnt;
	unsigned long skc_flags;
};

struct file {
	unsigned int f_flags;
};

struct socket {
	struct file *file;
};

struct wait_queue_head {
	struct list_head head;
};

struct socket_wq {
	struct wait_queue_head wait;
};

struct wait_queue_entry {
	void *func;
	struct list_head entry;
};

struct sk_filter;
struct tcp_ulp_ops;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	struct socket_wq *sk_wq;
	void *sk_user_data;
	struct sk_filter *sk_filter;
	struct sock_cgroup_data sk_cgrp_data;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	struct {
		int owned;
	} sk_lock;
	int sk_rcvbuf;
	int sk_rcvlowat;
	int sk_peek_off;
	__u32 sk_tsflags;
	int sk_err;
	__u8 sk_shutdown;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_ulp_ops *icsk_ulp_ops;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 snd_una;
	__u32 write_seq;
	__u32 copied_seq;
	__u32 data_segs_in;
	__u32 data_segs_out;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u32 urg_seq;
	__u16 urg_data;
	bool is_mptcp;
	__u8 recvmsg_inq : 1;
	__u8 repair : 1;
};

struct tcp_request_sock {
	__u32 rcv_isn;
	__u32 snt_isn;
	__u32 txhash;
};

struct sk_buff {
	__u32 hash;
};

struct bpf_sock_ops_kern {
	struct sock *sk;
	struct sk_buff *skb;
};

struct sk_psock {
	struct list_head ingress_msg;
	refcount_t refcnt;
};

struct bpf_iter_meta {
	__u64 session_id;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

#pragma clang attribute pop

enum sock_flags___shunt {
	SOCK_RCVTSTAMP___shunt = 1,
	SOCK_ZEROCOPY___shunt = 2,
	SOCK_TIMESTAMPING_RX_SOFTWARE___shunt = 3,
};

/* Bit numbers of skc_flags move between kernels: ask the kernel's own enum. */
#define KERNEL_SOCK_FLAG(name) (1ul << bpf_core_enum_value(enum sock_flags___shunt, name##___shunt))

/* Since 6.2. A missing one resolves to address 0: test the address, and the verifier drops the call. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

#endif
