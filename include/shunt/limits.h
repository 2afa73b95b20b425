/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* limits.h: every number that kernel and user space must agree on. */
#ifndef SHUNT_LIMITS_H
#define SHUNT_LIMITS_H

#define SHUNT_ABI 1		      /* layout of maps and records; pins of another ABI are never adopted */
#define SHUNT_MAX_PODS 1024	      /* attached cgroups; slot 0 means "not managed" */
#define SHUNT_POD_NAME_LEN 128	      /* bytes with the NUL */
#define SHUNT_MAX_FLOWS_DEFAULT 65536 /* config max_flows */
#define SHUNT_MAX_FLOWS_MAX 1048576
#define SHUNT_MAX_RENDEZVOUS 65536	/* connections younger than SHUNT_RECORD_SEGMENTS, node-wide */
#define SHUNT_MAX_REFUSED 4096		/* remembered single ends with a reason of their own (LRU) */
#define SHUNT_MAX_OLDER 65536		/* connections that existed before attach */
#define SHUNT_MAX_CGROUPS 16384		/* judged cgroups below the attached ones */
#define SHUNT_MAX_TAINTED 4096		/* cgroups in which splice(2) was seen (LRU) */
#define SHUNT_EVENTS_BYTES (256 * 1024) /* ring buffer */

#define SHUNT_RECORD_SEGMENTS 4		  /* data segments each way before a connection gets its record */
#define SHUNT_RECORD_STREAM 64		  /* or this many in one direction: a stream is recorded too */
#define SHUNT_HEARTBEAT_NS 10000000000ull /* adaptive members pass when the daemon was silent for longer */
#define SHUNT_BACKOFF_BASE_NS 1000000000ull
#define SHUNT_BACKOFF_MAX_SHIFT 6      /* 64 s */
#define SHUNT_WINDOW_NS 10000000000ull /* a judgement window that saw too few turns starts again after this */
#define SHUNT_TURN_BYTES 131072	       /* more bytes per turn than this is a stream, not request/response */
#define SHUNT_BULK_MIN 64	       /* bulk messages before the scan weighs them against turns */
#define SHUNT_WAITERS_MAX 8	       /* wait queue entries looked at; a longer queue counts as a waiter */

#endif
