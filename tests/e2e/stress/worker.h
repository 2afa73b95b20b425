/* SPDX-License-Identifier: MIT */
/* worker.h: one process of the stress: listeners, a thread for every connection accepted, a thread for every client. */
#ifndef STRESS_WORKER_H
#define STRESS_WORKER_H

#include <stdint.h>

/* client.c: a client thread's life: one connection after the other in its slot, until the ledger says stop. */
void *stress_client_main(void *slot_number);
/* server.c: listens, tells the ledger, and serves until every client of every worker has finished. 0 or -errno. */
int stress_server_listen(uint32_t worker);
int stress_server_run(void);
/* sockets */
void stress_tune_socket(int fd, const struct stress_style *style);

#endif
