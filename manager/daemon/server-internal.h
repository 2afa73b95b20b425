/* SPDX-License-Identifier: MIT */
/* server-internal.h: limits of the control socket that its test must know or shorten. */
#ifndef SHUNT_SERVER_INTERNAL_H
#define SHUNT_SERVER_INTERNAL_H

#include <stdint.h>

#include "server.h"

#define SHUNT_SERVER_CLIENTS 64

/* For clients that connect from now on. */
void shunt_server_set_idle(struct shunt_server *server, uint64_t usec);

#endif
