#!/bin/sh
# SPDX-License-Identifier: MIT
# haproxy.sh: HAProxy with and without its splice options is never promoted unasked; allowed, it is while it does not
# splice, and when it does the hook takes it out: bytes verified, nothing hangs.
# shellcheck disable=SC2154,SC2317,SC1091,SC2119
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/apps/lib.sh"

need haproxy jq

restart_with() { # CONFIG
	echo "$1" >"$tmp/shunt.json"
	stop_daemon
	start_daemon --config "$tmp/shunt.json"
	server=$(managed server adaptive)
	load=$(managed load adaptive)
}

# proxy NAME OPTION...: an HAProxy in a managed cgroup of its own, so that one's splicing does not taint the next
proxy() {
	proxy_name=$1
	shift
	start_haproxy "$(managed "$proxy_name" adaptive)" "$proxy_name" "$echo_port" "$@"
}

stop_proxy() { # NAME
	shuntctl detach "$story-$1" >/dev/null
	kill_tree "$(cgroup "$1")"
}

unasked() { # NAME OPTION...
	unasked_name=$1
	check "HAProxy with $unasked_name starts" proxy "$@"
	begin_talk "$load" -n 4 -j 4 -b 3000000 echo "$port"
	eventually "with $unasked_name it is refused, reason may_splice" \
		'length == 16 and all(.[]; .state == "tcp" and .reason == "may_splice")'
	end_talk "with $unasked_name its bytes are verified"
	stop_proxy "$unasked_name"
}

allowed() {
	check "an allowed HAProxy starts" proxy allowed
	begin_talk "$load" -n 4 -j 4 -b 3000000 -r 3 echo "$port"
	eventually "allowed and not splicing: both of its legs are promoted" 'length == 16 and all(.[]; .state == "redirect")'
	end_talk "allowed and not splicing: its bytes are verified"
	stop_proxy allowed
}

splicing() { # NAME OPTION...
	splicing_name=$1
	check "an allowed HAProxy with $splicing_name starts" proxy "$@"
	begin_talk "$load" -n 8 -j 8 -b 3000000 -r 3 -R 8 echo "$port"
	eventually "allowed and splicing by $splicing_name: the hook marks it" \
		'any(.[]; .reason == "splice_seen" or .reason == "tainted")'
	end_talk "allowed and splicing by $splicing_name: nothing hangs and every byte is right"
	talk "then none of its connections is reset" "$load" -n 16 -j 8 -w 300 -b 3000000 echo "$port"
	stop_proxy "$splicing_name"
}

restart_with '{}'
check "an echo server starts" start_echo "$server" echo
echo_port=$port
unasked no-option
unasked splice-auto splice-auto
unasked splice-request splice-request
unasked splice-response splice-response
unasked all-options splice-auto splice-request splice-response
restart_with '{"splice_allow": ["haproxy"]}'
allowed
splicing request splice-request
splicing response splice-response
splicing all splice-auto splice-request splice-response
finish
