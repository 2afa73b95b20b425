/* SPDX-License-Identifier: MIT */
/* end.h: one end of one connection, driven by one thread on a non-blocking socket. */
#ifndef STRESS_END_H
#define STRESS_END_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "ledger.h"
#include "script.h"

struct stress_end {
	int fd;
	enum stress_role role;
	struct stress_slot *slot;
	struct stress_side *mine;
	struct stress_side *theirs;
	const struct stress_script *script;
	const struct stress_style *style;
	struct stress_rng rng;
	uint64_t send_seed;
	uint64_t receive_seed;
	uint64_t sent;
	uint64_t received;
	uint64_t send_goal;
	uint64_t receive_goal;
	uint64_t moved_ns; /* last progress */
	bool planted;
	char *in; /* STRESS_BUFFER bytes each */
	char *out;
	int memfd;
	int pipe[2];
	int epoll;
	uint32_t interest; /* what the epoll waits for */
	bool has_ring;
	struct io_uring ring;
};

/* end.c. stress_end_run closes the socket, except after connect(AF_UNSPEC): then end->fd stays open for the caller to
 * take. */
int stress_end_init(struct stress_end *end, int fd, enum stress_role role, struct stress_slot *slot,
		    const struct stress_script *script);
void stress_end_run(struct stress_end *end);
void stress_end_free(struct stress_end *end);
/* Judges an error, or an end of stream (0): -ECONNRESET where the other end's script wants it, -ENODATA, or -EBADMSG,
 * reported. */
int stress_broken(struct stress_end *end, const char *call, int error);

/* patience.c: until events; -EBADMSG after a hang, be it a sleep without end or a readiness that never gives anything.
 */
int stress_await(struct stress_end *end, short events);

/* calls.c: one read or write in the end's style; bytes or -errno. The bytes read are in end->in, those to write in
 * end->out. */
ssize_t stress_receive(struct stress_end *end, size_t n, enum stress_read method);
ssize_t stress_transmit(struct stress_end *end, size_t n, bool more, enum stress_write method);

/* wait.c: until the socket is ready for one of events (POLLIN, POLLOUT); 0, -ETIMEDOUT or another -errno. */
int stress_wait(struct stress_end *end, short events, uint32_t timeout_ms);
int stress_ring_open(struct stress_end *end);

#endif
