/* SPDX-License-Identifier: MIT */
/* stamping.c: keeps the kernel's packet timestamps switched on, which happens some time after the first socket asks and
 * ends with the last. */
#include "semantics.h"

#include <errno.h>
#include <netinet/in.h>

static bool stamped(int from, int to)
{
	char byte = 0, control[128];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = to, .events = POLLIN};

	return send(from, &byte, 1, 0) == 1 && poll(&p, 1, 1000) > 0 && recvmsg(to, &msg, MSG_DONTWAIT) == 1 &&
	       CMSG_FIRSTHDR(&msg);
}

int shunt_stamping_hold(void)
{
	struct shunt_ctx ctx = {.way = shunt_way_named("plain"), .patience_ms = 5000};
	int64_t until = shunt_now_ms() + ctx.patience_ms;
	int client, server, on = 1, r = shunt_pair_make(&ctx, &client, &server), in_a_row = 0;

	if (r)
		return r;
	setsockopt(server, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	while (in_a_row < 20) {
		if (shunt_now_ms() > until)
			return -ETIMEDOUT;
		in_a_row = stamped(client, server) ? in_a_row + 1 : 0;
		poll(NULL, 0, 1);
	}
	return 0;
}
