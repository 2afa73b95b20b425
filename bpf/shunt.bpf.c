// SPDX-License-Identifier: GPL-2.0-only
/* shunt.bpf.c: the one translation unit: maps are defined once, each program file is a page to read. */
#include "lib/kernel.h"
#include "lib/maps.h"
#include "lib/sock.h"

#include "sockops/pairing.bpf.c"
#include "skmsg/verdict.bpf.c"
#include "scan/member.bpf.c"
#include "scan/scan.bpf.c"
#include "scan/splice.bpf.c"
#include "sockops/ulp.bpf.c"

char LICENSE[] SEC("license") = "GPL";
