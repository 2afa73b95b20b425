/* SPDX-License-Identifier: MIT */
/* claims.c: the statements that shunt makes about its speed, as data. Figures only: whether they please is the reader's
 * affair. */
#include "cleanup.h"
#include "results.h"

#define KI 1024
#define RR_SIZES {64, 1 * KI, 4 * KI, 16 * KI, 64 * KI}, .n = 5
#define STREAM_SIZES {64, 1 * KI, 16 * KI, 64 * KI, 256 * KI, 1024 * KI}, .n = 6
#define RR                                                                                                             \
	{                                                                                                              \
		.workload = SHUNT_WORKLOAD_RR                                                                          \
	}
#define RR_BLOCKING                                                                                                    \
	{                                                                                                              \
		.workload = SHUNT_WORKLOAD_RR, .io = SHUNT_IO_BLOCKING                                                 \
	}
#define RR_ONE_CPU                                                                                                     \
	{                                                                                                              \
		.workload = SHUNT_WORKLOAD_RR, .pin = SHUNT_PIN_ONE                                                    \
	}
#define CRR                                                                                                            \
	{                                                                                                              \
		.workload = SHUNT_WORKLOAD_CRR                                                                         \
	}
#define STREAM                                                                                                         \
	{                                                                                                              \
		.workload = SHUNT_WORKLOAD_STREAM                                                                      \
	}

#define CLAIM(text_, cell_, sizes_, variant_, base_, metric_)                                                          \
	{                                                                                                              \
		.text = text_, .cell = cell_, .sizes = sizes_, .variant = SHUNT_VARIANT_##variant_,                    \
		.base = SHUNT_VARIANT_##base_, .metric = SHUNT_METRIC_##metric_,                                       \
	}
#define ONE(size) {size}, .n = 1

const struct shunt_claim shunt_claims[] = {
	CLAIM("request/response 64 B-64 KiB, rate, adaptive to plain", RR, RR_SIZES, ADAPTIVE, PLAIN, RATE),
	CLAIM("request/response 64 B-64 KiB, rate, adaptive to AF_UNIX", RR, RR_SIZES, ADAPTIVE, UNIX, RATE),
	CLAIM("request/response 64 B-64 KiB, CPU per request, adaptive to plain", RR, RR_SIZES, ADAPTIVE, PLAIN, CPU),
	CLAIM("request/response 64 B-64 KiB, machine busy per request, adaptive to plain", RR, RR_SIZES, ADAPTIVE,
	      PLAIN, BUSY),
	CLAIM("request/response 64 B, p50, adaptive to plain", RR, ONE(64), ADAPTIVE, PLAIN, P50),
	CLAIM("request/response 64 B on one CPU, p50, adaptive to plain", RR_ONE_CPU, ONE(64), ADAPTIVE, PLAIN, P50),
	CLAIM("request/response 64 B on one CPU, CPU per request, adaptive to plain", RR_ONE_CPU, ONE(64), ADAPTIVE,
	      PLAIN, CPU),
	CLAIM("stream 64 B-1 MiB, rate, adaptive to plain", STREAM, STREAM_SIZES, ADAPTIVE, PLAIN, RATE),
	CLAIM("stream 64 B-1 MiB, CPU per byte, adaptive to plain", STREAM, STREAM_SIZES, ADAPTIVE, PLAIN, CPU),
	CLAIM("unpromoted: request/response 64 B, rate, observe to plain", RR, ONE(64), OBSERVE, PLAIN, RATE),
	CLAIM("unpromoted: request/response 64 B, CPU, observe to plain", RR, ONE(64), OBSERVE, PLAIN, CPU),
	CLAIM("unpromoted: blocking request/response 64 B, rate, adaptive to plain", RR_BLOCKING, ONE(64), ADAPTIVE,
	      PLAIN, RATE),
	CLAIM("unpromoted: blocking request/response 64 B, CPU, adaptive to plain", RR_BLOCKING, ONE(64), ADAPTIVE,
	      PLAIN, CPU),
	CLAIM("connect/close, rate, adaptive to plain", CRR, ONE(0), ADAPTIVE, PLAIN, RATE),
	CLAIM("connect/close, CPU per connection, adaptive to plain", CRR, ONE(0), ADAPTIVE, PLAIN, CPU),
	CLAIM("connect/close, rate, observe to plain", CRR, ONE(0), OBSERVE, PLAIN, RATE),
	CLAIM("unmanaged neighbour of an adaptive pod: request/response 64 B, rate", RR, ONE(64), NEIGHBOUR, PLAIN,
	      RATE),
	CLAIM("unmanaged neighbour of an adaptive pod: request/response 64 B, CPU", RR, ONE(64), NEIGHBOUR, PLAIN, CPU),
	CLAIM("unmanaged neighbour of an adaptive pod: connect/close, rate", CRR, ONE(0), NEIGHBOUR, PLAIN, RATE),
};
const size_t shunt_claims_count = SHUNT_COUNT_OF(shunt_claims);

static int plan_claim(struct shunt_plan *plan, const struct shunt_claim *claim)
{
	struct shunt_spec spec = {.cell = claim->cell};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < claim->n; i++) {
		spec.cell.size = claim->sizes[i];
		spec.variant = claim->base;
		r = shunt_plan_add(plan, &spec);
		spec.variant = claim->variant;
		if (r >= 0)
			r = shunt_plan_add(plan, &spec);
	}
	return r;
}

int shunt_claims_plan(struct shunt_plan *plan)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < shunt_claims_count; i++)
		r = plan_claim(plan, &shunt_claims[i]);
	return r;
}
