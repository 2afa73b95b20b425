#!/bin/sh
# churn.sh: 100 000 connections opened and closed in an adaptive pod leave no map entry and no kernel memory behind.
# shellcheck disable=SC2154
. "$(dirname "$0")/../lib.sh"

connections=${SHUNT_CHURN_CONNECTIONS:-100000}

# A lost reference to a socket keeps its struct, and what keeps a psock or a socket storage keeps the socket: sockets
# stand for all of them.
# Objects on per-CPU free lists would count as used: shrink moves them back first.
sockets_in_kernel() {
	for cache in TCP sock_inode_cache; do
		[ ! -w "/sys/kernel/slab/$cache/shrink" ] || echo 1 >"/sys/kernel/slab/$cache/shrink"
	done
	awk '$1 == "TCP" || $1 == "sock_inode_cache" { n += $2 } END { print n + 0 }' /proc/slabinfo
}

map_memory() { # bytes of the daemon's pinned maps
	for map in "$pins"/maps/*; do bpftool -j map show pinned "$map"; done | jq -s 'map(.bytes_memlock) | add'
}

no_entries() {
	shuntctl stats -j | jq -e '.flows == 0 and ([.maps | to_entries[] |
		select(.key | test("^sh_(flows|socks|ends|rendezvous)$")) | .value.entries] | add) == 0' >/dev/null
}

counters() { jq -e "$1" "$tmp/counters.json" >/dev/null; }

# One socket in a hundred that stayed would be 4000 objects (two ends, two caches); what the rest of the machine opens
# meanwhile is far below 500.
little_more() { [ "$1" -le $(($2 + 500)) ]; }
map_memory_back() { little_more "$(map_memory)" "$maps_before"; }
empty_in_the_end() {
	wait_for 15 no_entries && return 0
	shuntctl stats -j | jq -c '{flows, maps}' | sed 's/^/# left: /'
	return 1
}
socket_memory_back() { little_more "$(sockets_in_kernel)" "$sockets_before"; }

pod=$(cgroup pod)
echo '{"scan_interval_ms": 20, "fionread_allow": ["churn"], "splice_allow": ["churn"]}' >"$tmp/shunt.json"
start_daemon --config "$tmp/shunt.json"
check "the pod is attached" shuntctl attach "$pod" --name pod --mode adaptive -j
check "a first thousand connections" "$build/tests/churn" 1024 2 "$pod"
check "its entries have gone" wait_for 15 no_entries
sockets_before=$(sockets_in_kernel)
maps_before=$(map_memory)
check "$connections connections opened and closed, every message right" "$build/tests/churn" "$connections" 4 "$pod"
check "no map entry is left" empty_in_the_end
shuntctl stats -j | jq .counters >"$tmp/counters.json"
echo "# counters: $(jq -c . "$tmp/counters.json")"
check "a quarter of the connections had a record at both ends" counters ".paired >= $connections * 0.45"
check "some were promoted and carried messages past TCP" counters ".promoted > 100 and .redirected_messages > 1000"
check "every paired end was closed" counters ".closed == .paired"
check "the kernel's sockets are back to $sockets_before" wait_for 10 socket_memory_back
echo "# sockets in the kernel: $sockets_before before, $(sockets_in_kernel) after"
check "the maps' memory is back to $maps_before" wait_for 5 map_memory_back
finish
