/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * flow.h: the records that kernel and user space share. A flow is one TCP connection with both ends on this node; its
 * id is the server's socket cookie. Integers are in host order unless their type says otherwise; addresses are IPv6,
 * IPv4 v4-mapped.
 */
#ifndef SHUNT_FLOW_H
#define SHUNT_FLOW_H

#include <linux/types.h>
#include "limits.h"

enum shunt_role { SHUNT_CLIENT = 0, SHUNT_SERVER = 1 };

/* Key of sh_rendezvous: both ends of a connection know both initial sequence numbers, whatever NAT lies between them.
 */
struct shunt_isns {
	__u32 client;
	__u32 server;
};

/* Value of sh_rendezvous: what the ends of a young connection know of each other. Kernel addresses are never shown to
 * anybody. */
struct shunt_rendezvous {
	__u64 cookie[2]; /* by enum shunt_role; 0: has not come yet */
	__u64 sock[2];	 /* struct tcp_sock * */
	__u64 born_ns;	 /* CLOCK_MONOTONIC_COARSE */
	__u32 token;	 /* hash of the SYN-ACK's sk_buff; never leaves the machine */
	__u16 pod[2];	 /* slot in sh_pods */
	__u32 recorded;	 /* bit per role: has its storage */
	__u32 refused;	 /* enum shunt_reason, 0: not refused */
};

/* One end's address pair as the socket sees it (after NAT the two ends of a flow differ). */
struct shunt_address {
	__u8 ip[16];
	__u32 port; /* host order */
};

/* Life of a flow's membership. The verdict redirects in RUN only. */
enum shunt_phase {
	SHUNT_PHASE_TCP = 0, /* neither end is in sh_socks */
	SHUNT_PHASE_JOIN,    /* the server is in, the client's next visit decides */
	SHUNT_PHASE_RUN,     /* both are in */
	SHUNT_PHASE_DRAIN,   /* verdicts pass; each end leaves once nothing is queued or in flight */
};

/* What one end has sent, and where it lives. Written by that end's verdict and by the scan: single words, no invariant
 * over two. */
struct shunt_flow_end {
	__u64 cookie;
	__u64 sock; /* struct tcp_sock * */
	__u64 netns;
	__u64 redirected_bytes;
	__u64 redirected_messages;
	__u64 passed_messages; /* while a member */
	__u64 tcp_bytes;       /* as of the last scan or close */
	__u64 turns;	       /* messages that answered one of the other end */
	__u64 bulk;	       /* messages beyond the run limits, or spilled */
	__u32 pod;
	__u32 spilling; /* the last verdict was a spill */
	struct shunt_address local;
	struct shunt_address remote;
	__u32 spliced;		/* splice(2) was seen reading this socket */
	__u32 ulp;		/* TCP_ULP was asked for */
} __attribute__((aligned(64))); /* two CPUs write the two ends: each has cache lines of its own */

/* Value of sh_flows, by id. */
struct shunt_flow {
	__u64 id;
	__u64 created_ns; /* CLOCK_MONOTONIC */
	__u64 changed_ns; /* last change of phase */
	__u32 phase;	  /* enum shunt_phase */
	__u32 reason;	  /* enum shunt_reason: why it is not redirected, OK in RUN */
	__u32 recorded;	  /* bit per role: has its storage in sh_ends */
	__u32 inside;	  /* bit per role: is in sh_socks */
	__u32 closed;	  /* bit per role */
	__u32 backoff;	  /* shift, grows with every demotion */
	__u64 retry_ns;	  /* no promotion before this */
	__u64 judged_ns;  /* when reason was last worked out */
	__u64 seen_bulk[2];
	__u64 seen_turns[2];
	struct shunt_flow_end end[2];
};

/* Value of sh_ends (socket storage): what a program that holds the socket needs at once. */
struct shunt_end {
	__u64 cookie; /* of this socket when it was recorded; another value means a recycled socket */
	__u64 flow;   /* id */
	__u32 role;
	__u32 pod;
	__u32 peer_pod;
	__u32 stuck_told; /* the daemon was asked to reset it */
	__u64 peer_messages_seen;
	__u64 run_bytes; /* sent since the other end last sent */
	__u32 run_messages;
	__u32 queued_messages; /* upper bound of what the peer has not read */
	__u32 base_segs_out;   /* start of the judgement window */
	__u32 base_segs_in;
	__u64 base_bytes;
	__u64 base_ns;
	__u64 stuck_ns; /* since when a spliced member has had bytes queued */
};

/* Value of sh_pods, by slot: one attached cgroup. */
struct shunt_pod {
	__u64 cgroup_id;
	__u64 attached_ns; /* CLOCK_MONOTONIC */
	__u32 mode;	   /* enum shunt_mode; the verdict obeys it with the next message */
	__u32 transient;
	char name[SHUNT_POD_NAME_LEN];
	char cgroup[512]; /* below the cgroup2 mount, with a leading slash */
};

/* Value of sh_cgroups, by cgroup id: the daemon's judgement of the programs that run there. */
enum {
	SHUNT_JUDGED = 1,
	SHUNT_MAY_SPLICE = 2,
	SHUNT_MAY_FIONREAD = 4,
};

/* Why the kill switch is set. */
enum shunt_stop {
	SHUNT_STOP_NOT = 0,
	SHUNT_STOP_DRAIN, /* an operator's drain: stays until resume, over restarts too */
	SHUNT_STOP_EXIT,  /* the daemon drained on its way out: its successor resumes */
};

/* The one value of sh_control: what the daemon tells the programs. */
struct shunt_control {
	__u32 abi;	    /* SHUNT_ABI; stays the first word in every version */
	__u32 stop;	    /* enum shunt_stop; not 0: no insertion, every verdict passes */
	__u64 heartbeat_ns; /* CLOCK_MONOTONIC of the last scan */
	__u32 promote_min_turns;
	__u32 spill_bytes;
	__u32 spill_messages;
	__u32 run_bytes;
	__u32 run_messages;
	__u32 fionread_wrong; /* readers that may ask FIONREAD must stay out */
	__u32 kernel_unfit;   /* pair and count only */
	__u32 chaos_promote;  /* tests only: percent of flows promoted, */
	__u32 chaos_demote;   /* and demoted, at each scan, whatever they do; both 0: off */
	__u32 pad;
};

_Static_assert(sizeof(struct shunt_isns) == 8, "a key without padding");
_Static_assert(sizeof(struct shunt_rendezvous) == 56, "shunt_rendezvous is part of the contract");
_Static_assert(sizeof(struct shunt_flow_end) == 128, "shunt_flow_end is part of the contract");
_Static_assert(sizeof(struct shunt_flow) == 128 + 2 * 128, "shunt_flow is part of the contract");
_Static_assert(sizeof(struct shunt_end) == 88, "shunt_end is part of the contract");
_Static_assert(sizeof(struct shunt_pod) == 664, "shunt_pod is part of the contract");
_Static_assert(sizeof(struct shunt_control) == 56, "shunt_control is part of the contract");

#endif
