/* SPDX-License-Identifier: MIT */
/* tcp_info.c: apart from diag.c, because linux/tcp.h and the older netinet/tcp.h, which libnl includes, exclude each
 * other. */
#include "tcp_info.h"

#include <linux/tcp.h>
#include <string.h>

void shunt_tcp_info_read(const void *info, size_t size, struct shunt_diag_socket *ret)
{
	struct tcp_info copy = {};

	memcpy(&copy, info, size < sizeof(copy) ? size : sizeof(copy));
	ret->bytes_sent = copy.tcpi_bytes_sent;
	ret->bytes_retrans = copy.tcpi_bytes_retrans;
	ret->bytes_received = copy.tcpi_bytes_received;
	ret->data_segs_out = copy.tcpi_data_segs_out;
	ret->data_segs_in = copy.tcpi_data_segs_in;
}
