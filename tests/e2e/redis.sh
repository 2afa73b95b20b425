#!/bin/sh
# SPDX-License-Identifier: MIT
# redis.sh: a redis under benchmark in observe, adaptive and eager, its values verified, the daemon killed in between.
# shellcheck disable=SC2154,SC2317,SC1091,SC2119
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/apps/lib.sh"

need redis-server redis-benchmark jq

begin_load() { # 20 connections, each with two managed ends
	inside "$load" timeout 120 redis-benchmark -q -n 100000000 -t get -c 20 -p "$port" >"$tmp/benchmark" 2>&1 </dev/null &
	wait_for 15 flows_are 'length >= 40'
}

end_load() {
	while read -r pid; do kill "$pid"; done <"$load/cgroup.procs"
	wait_for 15 flows_are 'length == 0'
}

mode() {
	shuntctl attach "$server" --mode "$1" >/dev/null && shuntctl attach "$load" --mode "$1" >/dev/null
}

observe() {
	eventually "observe lists every connection with state tcp and reason observe" \
		'length == 40 and all(.[]; .state == "tcp" and .reason == "observe")'
	check "observe redirects nothing" [ "$(roads | cut -d ' ' -f 1)" = 0 ]
}

adaptive() {
	mode adaptive
	eventually "adaptive promotes every connection" 'length == 40 and all(.[]; .state == "redirect" and .reason == "ok")'
	before=$(roads)
	check "the load goes on" wait_for 15 redirected_since "${before% *}" 5000000
	check "more than 90 % of the bytes are redirected" mostly_redirected "$before" "$(roads)"
	talk "values verified in adaptive mode" "$load" -n 8 -w 800 -b 200000 redis "$port"
}

moving() { # FLOWS: the redirected messages of every end have grown since
	shuntctl flow list -j | jq -e --slurpfile old "$1" '
		def messages: map({key: "\(.id) \(.local)", value: .messages_redirected}) | from_entries;
		messages as $now | $old[0] | messages | to_entries | length == 40 and all(.[]; $now[.key] > .value)' >/dev/null
}

crash() {
	shuntctl flow list -j >"$tmp/before"
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null
	talk "values verified without a daemon" "$load" -n 8 -w 300 -b 200000 redis "$port"
	start_daemon
	check "after kill -9 and restart the same connections go on being redirected" wait_for 15 moving "$tmp/before"
	eventually "and keep their state" 'length == 40 and all(.[]; .state == "redirect")'
	talk "values verified with the new daemon" "$load" -n 8 -w 300 -b 200000 redis "$port"
}

eager() {
	end_load
	mode eager
	begin_load
	eventually "eager redirects from the first byte: not one went by TCP" \
		'length == 40 and all(.[]; .state == "redirect" and .bytes_tcp == 0 and .bytes_redirected > 0)'
	talk "values verified in eager mode" "$load" -n 8 -w 300 -b 200000 redis "$port"
}

start_daemon
server=$(managed server observe)
load=$(managed load observe)
check "a private redis starts" start_redis "$server" redis
check "the load starts" begin_load
observe
adaptive
crash
eager
finish
