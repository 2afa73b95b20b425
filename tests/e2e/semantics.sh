#!/bin/sh
# SPDX-License-Identifier: MIT
# semantics.sh: what an application can tell, call by call: plain TCP against a managed pair of blocking sockets, a
# promoted pair, and eager pods. The differences are those of docs/semantics.md, no more and no fewer.
# shellcheck disable=SC2154,SC2317,SC1091
. "$(dirname "$0")/../lib.sh"

root=$cgroup2/shunt-test-$story

# The test program imports splice and ioctl: without these patterns its pairs would rightly be refused.
cat >"$tmp/shunt.json" <<'END'
{"scan_interval_ms": 20, "promote_min_turns": 4, "splice_allow": ["semantics*"], "fionread_allow": ["semantics*"]}
END

manage() { # POD MODE
	shuntctl attach "$(cgroup "$1")" --name "$1" --mode "$2" >/dev/null || not_ok "attach $1 in mode $2"
}

# ask ARGS...: runs the probes; their points become points of this story
ask() {
	"$build/tests/semantics" --root "$root" --socket "$socket" --docs "$top/docs/semantics.md" "$@" \
		>"$tmp/probes" 2>"$tmp/probes.err"
	ask_status=$?
	ask_points=$(grep -cE '^(not )?ok ' "$tmp/probes")
	awk -v n="$points" '/^1\.\./ { next } /^(not )?ok / { sub(/ok [0-9]+/, "ok " ++n) } { print }' "$tmp/probes"
	sed 's/^/# /' "$tmp/probes.err"
	points=$((points + ask_points))
	failures=$((failures + $(grep -c '^not ok ' "$tmp/probes")))
	if [ "$ask_status" -gt 1 ] || [ "$ask_points" -eq 0 ]; then not_ok "the probes ran (status $ask_status)"; fi
}

cgroup plain >/dev/null
start_daemon --config "$tmp/shunt.json"
manage managed adaptive
manage promoted adaptive
manage eager eager
manage eager-blocking eager
if [ -n "${SHUNT_SEMANTICS_LONG:-}" ]; then
	ask --long --serial --only 'stopped_readers_200'
	ask --swap
else
	set -f # patterns are for the probes
	# shellcheck disable=SC2086
	ask ${SHUNT_SEMANTICS:-}
	set +f
fi
check "the daemon still answers" shuntctl status

finish
