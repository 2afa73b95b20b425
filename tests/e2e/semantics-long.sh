#!/bin/sh
# SPDX-License-Identifier: MIT
# semantics-long.sh: 200 stopped readers at once, and the probes of semantics.sh with the ends swapped.
SHUNT_SEMANTICS_LONG=1 exec "$(dirname "$0")/semantics.sh"
