// SPDX-License-Identifier: GPL-2.0-only
/*
 * ulp.bpf.c: sees TCP_ULP before it takes effect. Kernel TLS on a member fails where a plain socket's succeeds, so the
 * flow is never promoted again, and a member leaves at once.
 */
#include "lib/sock.h"

#define LEVEL_TCP 6
#define OPTION_TCP_ULP 31
#define PAGE_BYTES 4096

SEC("cgroup/setsockopt")
int sh_setsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct shunt_flow *flow;
	struct shunt_end *end;

	if (ctx->optlen > PAGE_BYTES)
		ctx->optlen = 0; /* larger than the copy the kernel made for us: let it use the caller's buffer, or the
				    call fails */
	if (ctx->level != LEVEL_TCP || ctx->optname != OPTION_TCP_ULP || !sk)
		return 1;
	end = bpf_sk_storage_get(&sh_ends, sk, 0, 0);
	flow = end ? bpf_map_lookup_elem(&sh_flows, &end->flow) : NULL;
	if (!flow)
		return 1;
	flow->end[end->role & 1].ulp = 1;
	if (flow->phase == SHUNT_PHASE_RUN || flow->phase == SHUNT_PHASE_JOIN) {
		flow->reason = SHUNT_REASON_ULP;
		flow->phase = SHUNT_PHASE_DRAIN;
	}
	return 1;
}
