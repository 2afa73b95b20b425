#!/bin/sh
# SPDX-License-Identifier: MIT
# reasons.sh: each situation that forbids acceleration has its word, before and after promotion; once reading sockets by
# read-only casts, once by probe reads as kernels before 6.2 need it.
. "$(dirname "$0")/../lib.sh"

echo '{"promote_min_turns": 4, "scan_interval_ms": 20}' >"$tmp/shunt.json"
pod=$(cgroup pod)

round() { # NAME
	start_daemon --config "$tmp/shunt.json"
	shuntctl attach "$pod" --mode adaptive >/dev/null
	inside "$pod" timeout 60 "$build/tests/reasons" >"$tmp/out" 2>&1
	check "every reason came as expected, $1" [ $? -eq 0 ]
	cat "$tmp/out"
	shuntctl uninstall >/dev/null
	wait "$daemon"
	daemon=
}

round "by casts"
SHUNT_TEST_NO_CAST=1
export SHUNT_TEST_NO_CAST
round "by probe reads"
finish
