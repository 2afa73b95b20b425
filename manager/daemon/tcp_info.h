/* SPDX-License-Identifier: MIT */
/* tcp_info.h: the counters of the kernel's struct tcp_info, of which kernels send more or less. */
#ifndef SHUNT_TCP_INFO_H
#define SHUNT_TCP_INFO_H

#include <stddef.h>

#include "diag.h"

/* What the kernel did not send becomes 0. */
void shunt_tcp_info_read(const void *info, size_t size, struct shunt_diag_socket *ret);

#endif
