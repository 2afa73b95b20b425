/* SPDX-License-Identifier: MIT */
/* patience.c: waits for progress, and tells a connection that hangs from one that is slow. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "end.h"

#define STALLED_ROUNDS 6

/* Nothing has moved for the whole patience: is it this connection's fault? */
static bool stuck(struct stress_end *end, short events)
{
	uint64_t their_sent = end->theirs->sent;
	bool over = end->theirs->state >= STRESS_SIDE_SHUT;

	if (events & POLLIN && (their_sent > end->received || over)) {
		ssize_t now = recv(end->fd, end->in, 1, MSG_PEEK | MSG_DONTWAIT);

		stress_fail(end->slot, end->role,
			    "hang: %llu bytes received, the other end has sent %llu%s; no wake-up; a read now gives "
			    "%zd (%s)",
			    (unsigned long long)end->received, (unsigned long long)their_sent,
			    over ? " and finished" : "", now, now < 0 ? strerror(errno) : "no error");
		return true;
	}
	if (events & POLLOUT && end->theirs->received == end->sent) {
		stress_fail(end->slot, end->role, "hang: all %llu bytes sent were read, but the socket is not writable",
			    (unsigned long long)end->sent);
		return true;
	}
	return false;
}

/*
 * TCP itself may lose a reset: a segment dropped for want of receive buffer leaves its number beyond rcv_nxt, and the
 * challenge that would repair it is rate limited. The socket is then established for ever; one that is closed should
 * have woken us.
 */
static bool reset_was_lost(struct stress_end *end)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	if (end->theirs->state != STRESS_SIDE_ABORTED || end->fd < 0)
		return false;
	if (getsockopt(end->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 || info.tcpi_state == TCP_CLOSE)
		return false;
	atomic_fetch_add(&stress_ledger->totals.lost_resets, 1);
	return true;
}

/* How long neither end has moved a byte or changed its state. */
static uint64_t both_idle_ms(const struct stress_end *end)
{
	uint64_t theirs = end->theirs->changed_ns;

	return (stress_now_ns() - (theirs > end->moved_ns ? theirs : end->moved_ns)) / 1000000;
}

int stress_await(struct stress_end *end, short events)
{
	uint32_t patience = stress_ledger->options.patience_ms;

	atomic_fetch_add_explicit(&stress_ledger->totals.waits, 1, memory_order_relaxed);
	for (;;) {
		int r = stress_wait(end, events, patience / 10);
		uint64_t idle = both_idle_ms(end);

		if (end->slot->failed)
			return -EBADMSG;
		if (r < 0 && r != -ETIMEDOUT)
			return stress_broken(end, "wait", r);
		if (r == 0 && idle < patience)
			return 0;
		stress_note(end->mine, "wait", (uint32_t)events, r, end->received);
		if (idle >= patience / 5 && reset_was_lost(end))
			return -ECONNRESET;
		if (idle >= patience && stuck(end, events))
			return -EBADMSG;
		if (r == 0)
			return 0;
		if (idle < STALLED_ROUNDS * patience)
			continue;
		stress_fail(end->slot, end->role, "stalled: nothing moved for %u times the patience", STALLED_ROUNDS);
		return -EBADMSG;
	}
}
