/* SPDX-License-Identifier: MIT */
/* serving.h: the daemon's real control socket in a thread of the test, with methods of the test. */
#ifndef SHUNT_SERVING_H
#define SHUNT_SERVING_H

#include <pthread.h>

#include "../../manager/daemon/server-internal.h"

struct serving {
	char folder[32];
	char path[64];
	pthread_t thread;
	sd_event *event;
	struct shunt_server *server;
	int stop;
};

void serving_start(struct serving *serving, const struct shunt_method *methods, void *context, uint64_t idle_usec);
/* Fails the test unless the socket and its folder are gone afterwards. */
void serving_stop(struct serving *serving);

#endif
