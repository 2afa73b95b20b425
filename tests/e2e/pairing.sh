#!/bin/sh
# pairing.sh: which connections are proven to be node-local and which are not: every road through NAT, namespaces and
# odd handshakes, all open at the same time in observe mode, asserted from `shuntctl flow list`.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/pairing/net.sh"

rows=$tmp/rows
peer=$build/tests/pairing-peer

# start NAME CGROUP NAMESPACE ARGS...: a pairing-peer that lives until the story closes descriptor 9
start() {
	start_name=$1 start_cgroup=$2 start_ns=$ns-$3
	shift 3
	inside "$start_cgroup" ip netns exec "$start_ns" "$peer" "$@" <"$tmp/hold" >"$tmp/$start_name" 2>&1 9>&- &
}

says() { grep -q "^$1" "$tmp/$2"; }

serve() { # PORT CGROUP NAMESPACE ADDR:PORT [OPTIONS]
	serve_port=$1
	shift
	serve_cgroup=$1 serve_ns=$2
	shift 2
	start "serve.$serve_port" "$serve_cgroup" "$serve_ns" serve "$@"
	wait_for 5 says listening "serve.$serve_port" && return
	not_ok "a server on $serve_port: $(cat "$tmp/serve.$serve_port")"
}

# row PORT "NAME" EXPECTATION CLIENT_NAMESPACE COMMAND ADDR:PORT [OPTIONS]: a client, and what the daemon must say.
# EXPECTATION: paired:N (connections) or a reason
row() {
	row_port=$1 row_name=$2 row_expect=$3 row_ns=$4
	shift 4
	start "row.$row_port" "$clients" "$row_ns" "$@"
	echo "$row_port|$row_name|$row_expect" >>"$rows"
}

# ends_are PORT EXPECTATION: the listed ends of one row are as expected
ends_are() {
	shuntctl flow list -j >"$tmp/flows.json" && jq -e --arg port "$1" --arg want "$2" '
		def hit: [(.local, .remote) | sub(".*:"; "")] | index($port);
		([.[] | select(hit) | .id]) as $ids | [.[] | select(hit or (.id as $id | $ids | index($id)))] as $ends |
		(($want | capture("^paired:(?<n>[0-9]+)$") | .n | tonumber) // null) as $n |
		($ends | all(.state == "tcp")) and
		if $n then ($ends | length) == 2 * $n and ($ends | all(.reason == "observe" and .peer_pod != null)) and
			($ends | group_by(.id) | length == $n and all(length == 2 and .[0].netns != null))
		else ($ends | length) >= 1 and ($ends | all(.reason == $want)) end' "$tmp/flows.json" >/dev/null
}

judge_rows() {
	while IFS='|' read -r port name expect; do
		if ! wait_for 8 says ready "row.$port"; then
			not_ok "$name: the connection works: $(cat "$tmp/row.$port")"
		elif wait_for 5 ends_are "$port" "$expect"; then
			ok "$name: $expect"
		else
			not_ok "$name: $expect"
			jq -c --arg port "$port" '
				[.[] | select([(.local, .remote) | sub(".*:"; "")] | index($port))][:6][] | {id, pod, local, remote, peer_pod, state, reason}' "$tmp/flows.json" | sed 's/^/# /'
		fi
	done <"$rows"
}

loopback_rows() {
	serve 7000 "$servers" l 127.0.0.1:7000
	row 7000 "loopback v4" paired:20 l connect 127.0.0.1:7000 --count 20
	serve 7001 "$servers" l '[::1]:7001'
	row 7001 "loopback v6" paired:5 l connect '[::1]:7001' --count 5
	serve 7002 "$servers" l '[::]:7002'
	row 7002 "v4 to a dual-stack listener" paired:5 l connect 127.0.0.1:7002 --count 5
	serve 7003 "$servers" l 127.0.0.1:7003
	row 7003 "v4-mapped to v4" paired:5 l connect '[::ffff:127.0.0.1]:7003' --count 5
	serve 7004 "$servers" l '[::]:7004'
	row 7004 "v4-mapped to dual-stack" paired:5 l connect '[::ffff:127.0.0.1]:7004' --count 5
	serve 7005 "$servers" l 127.0.0.1:7005
	row 7005 "blocking connect" paired:1 l connect 127.0.0.1:7005 --blocking-connect
	serve 7006 "$servers" l 127.0.0.1:7006 --server-first
	row 7006 "the server speaks first" paired:1 l connect 127.0.0.1:7006 --server-first
	serve 7007 "$servers" l 127.0.0.1:7007 --defer
	row 7007 "TCP_DEFER_ACCEPT" paired:1 l connect 127.0.0.1:7007
	serve 7020 "$servers" l 127.0.0.1:7020
	row 7020 "source 127.0.0.6" paired:1 l connect 127.0.0.1:7020 --from 127.0.0.6:0
	serve 7021 "$servers" l 127.0.0.1:7021 --reuseport
	start serve.7021b "$servers" l serve 127.0.0.1:7021 --reuseport
	wait_for 5 says listening serve.7021b
	row 7021 "SO_REUSEPORT, two listening processes" paired:40 l connect 127.0.0.1:7021 --count 40
}

odd_handshake_rows() {
	serve 7030 "$servers" l 127.0.0.1:7030
	row 7030 "SYN lost" paired:1 l connect 127.0.0.1:7030
	serve 7031 "$servers" l 127.0.0.1:7031
	row 7031 "SYN-ACK lost" unproven l connect 127.0.0.1:7031
	serve 7032 "$servers" l 127.0.0.1:7032
	row 7032 "final ACK lost, the client speaks first" paired:1 l connect 127.0.0.1:7032
	serve 7033 "$servers" l 127.0.0.1:7033 --server-first
	row 7033 "final ACK lost, the server speaks first" paired:1 l connect 127.0.0.1:7033 --server-first
	serve 7034 "$servers" l 127.0.0.1:7034 --fastopen cookie
	row 7034 "TCP_FASTOPEN, cookie request" paired:1 l connect 127.0.0.1:7034 --fastopen cookie
	serve 7035 "$servers" l 127.0.0.2:7035 --fastopen cookie
	row 7035 "TCP_FASTOPEN, data in the SYN" unproven l connect 127.0.0.2:7035 --fastopen data
	row 7036 "connect to self" unproven l self 127.0.0.1:7036
	row 7044 "simultaneous open" unproven l cross 127.0.0.1:7044
	serve 7039 "$servers" l 127.0.0.1:7039 --mptcp
	row 7039 "MPTCP at both ends" mptcp l connect 127.0.0.1:7039 --mptcp
	serve 7040 "$servers" l 127.0.0.1:7040
	row 7040 "MPTCP client to TCP listener" mptcp l connect 127.0.0.1:7040 --mptcp
	serve 7041 "$servers" l 127.0.0.1:7041 --mptcp
	row 7041 "TCP client to MPTCP listener" paired:1 l connect 127.0.0.1:7041
	serve 7042 "$servers" c 127.0.0.1:7042
	row 7042 "syncookies" unproven c connect 127.0.0.1:7042
	row 7043 "another machine" remote m remote 192.0.2.7:7043
}

bridge_rows() {
	serve 7100 "$servers" b 0.0.0.0:7100
	row 7100 "pod to pod over a bridge, v4" paired:3 a connect 10.77.0.3:7100 --count 3
	serve 7101 "$servers" b '[::]:7101'
	row 7101 "pod to pod over a bridge, v6" paired:3 a connect '[fd77::3]:7101' --count 3
	serve 7102 "$servers" b 0.0.0.0:7102
	row 7102 "node to pod" paired:1 n connect 10.77.0.3:7102
	serve 7103 "$servers" n 0.0.0.0:7103
	row 7103 "pod to the host network" paired:1 a connect 10.77.0.1:7103
	serve 7104 "$servers" e 0.0.0.0:7104
	row 7104 "routed pod to pod" paired:1 d connect 10.78.0.5:7104
	serve 7110 "$servers" e 0.0.0.0:7110
	row 7110 "ClusterIP by DNAT, routed" paired:1 d connect 10.96.0.10:7110
	serve 7111 "$servers" b 0.0.0.0:7111
	row 7111 "ClusterIP by DNAT in OUTPUT, from the node" paired:1 n connect 10.96.0.10:7111
	serve 7112 "$servers" b 0.0.0.0:7112
	row 7112 "ClusterIP by DNAT and MASQUERADE" paired:3 a connect 10.96.0.10:7112 --count 3
	serve 7113 "$servers" b 0.0.0.0:7113
	row 7113 "hairpin through the ClusterIP" paired:1 b connect 10.96.0.10:7113
	serve 7114 "$servers" b '[::]:7114'
	row 7114 "IPv6 DNAT and MASQUERADE" paired:1 a connect '[fd96::10]:7114'
	serve 7115 "$servers" b 0.0.0.0:7115
	row 7115 "NodePort by dnat and snat" paired:1 a connect 10.77.0.1:7115
	serve 7120 "$servers" b 0.0.0.0:15006
	row 7120 "REDIRECT on the way in" paired:1 a connect 10.77.0.3:7120
	serve 7121 "$servers" a 0.0.0.0:15001
	row 7121 "REDIRECT on the way out" paired:1 a connect 203.0.113.9:7121
	serve 7122 "$servers" n 0.0.0.0:7122
	row 7122 "SYNPROXY" unproven a connect 10.77.0.1:7122
}

# the same addresses and ports in two namespaces at once: each end pairs with its own
twin_rows() {
	serve 7050 "$servers" l 127.0.0.1:7050
	start serve.7050m "$servers" m serve 127.0.0.1:7050
	wait_for 5 says listening serve.7050m
	start row.7050m "$clients" m connect 127.0.0.1:7050 --from 127.0.0.1:40000
	row 7050 "the same tuple in two namespaces" paired:2 l connect 127.0.0.1:7050 --from 127.0.0.1:40000
}

twins_apart() {
	jq -e '[.[] | select([.local, .remote] | any(endswith(":7050")))] | length == 4 and
		(group_by(.id) | all(map(.netns) | unique | length == 1)) and (map(.netns) | unique | length == 2)' \
		"$tmp/flows.json" >/dev/null
}

move_server() { awk '/^listening/ { print $2 }' "$tmp/serve.$1" >"$2/cgroup.procs"; } # PORT CGROUP

cgroup_rows() {
	serve 7060 "$unmanaged" l 127.0.0.1:7060
	row 7060 "only the client is managed" peer_unmanaged l connect 127.0.0.1:7060
	serve 7061 "$servers" l 127.0.0.1:7061
	start row.7061 "$unmanaged" l connect 127.0.0.1:7061
	echo "7061|only the server is managed|peer_unmanaged" >>"$rows"
	serve 7062 "$unmanaged" l 127.0.0.1:7062
	move_server 7062 "$servers"
	row 7062 "the listener was created outside, its process moved in" peer_unmanaged l connect 127.0.0.1:7062
	serve 7063 "$servers" l 127.0.0.1:7063
	move_server 7063 "$unmanaged"
	row 7063 "the listener was created inside, its process moved out" paired:1 l connect 127.0.0.1:7063
	serve 7066 "$unmanaged" b 0.0.0.0:7066
	row 7066 "the other end is in an unmanaged namespace" peer_unmanaged a connect 10.77.0.3:7066
}

# everything of pod `late` exists before it is attached
late_rows() {
	serve 7064 "$late" l 127.0.0.1:7064
	mkfifo "$tmp/early"
	inside "$late" ip netns exec "$ns-l" "$peer" connect 127.0.0.1:7064 --early \
		<"$tmp/early" >"$tmp/row.7064" 2>&1 9>&- &
	exec 8>"$tmp/early"
	start row.7065 "$late" l connect 127.0.0.1:7064 --from 127.0.0.1:7065
	wait_for 5 says early row.7064 && wait_for 5 says ready row.7065
	check "pod late is attached" shuntctl attach "$late" --name late --mode observe
	echo go >&8
	echo "7065|the connection was established before attach|older_than_attach" >>"$rows"
}

# 7064 is also the port of 7065's server: the younger connection is told apart by its client's port
early_row() {
	wait_for 5 says ready row.7064 || return 1
	early_paired() {
		shuntctl flow list -j | jq -e '
			[.[] | select([.local, .remote] | any(endswith(":7064")) and (any(endswith(":7065")) | not))] | length == 2 and all(.reason == "observe" and .peer_pod == "late") and .[0].id == .[1].id' >/dev/null
	}
	wait_for 5 early_paired
}

# TCP_REPAIR claims the handshake of 7038 while its SYN-ACK is held back
forged_unproven() {
	shuntctl flow list -j | jq -e --arg port "$forged_port" '[.[] | select(.local | endswith(":" + $port))] |
		length == 1 and .[0].reason == "unproven" and .[0].state == "tcp"' >/dev/null
}

start_forgery() {
	serve 7038 "$servers" l 127.0.0.1:7038
	mkfifo "$tmp/forge"
	inside "$clients" ip netns exec "$ns-l" "$peer" forge 127.0.0.1:7038 <"$tmp/forge" >"$tmp/forged" 2>&1 9>&- &
	exec 7>"$tmp/forge"
}

# The claim is refused, and the true connection, whose SYN-ACK is sent again with another token, is unproven as well.
judge_forgery() {
	wait_for 5 says forged forged || return 1
	forged_port=$(awk '/^forged/ { print $2 }' "$tmp/forged")
	wait_for 5 forged_unproven || return 1
	in_ns l nft delete table ip held
	echo go >&7
	wait_for 8 says ready forged && wait_for 5 ends_are 7038 unproven
}

prepare() {
	clients=$(cgroup clients)
	servers=$(cgroup servers)
	unmanaged=$(cgroup unmanaged)
	late=$(cgroup late)
	mkfifo "$tmp/hold"
	exec 9<>"$tmp/hold"
	: >"$rows"
	echo '{"mode": "observe"}' >"$tmp/shunt.json"
	start_daemon --config "$tmp/shunt.json"
	check "clients are attached" shuntctl attach "$clients" --name clients --mode observe
	check "servers are attached" shuntctl attach "$servers" --name servers --mode observe
}

check "the namespaces and their rules" make_network
prepare
start_forgery
check "a forged handshake pairs with nobody" judge_forgery
odd_handshake_rows
loopback_rows
bridge_rows
twin_rows
cgroup_rows
late_rows
judge_rows
check "the twins pair within their namespaces" twins_apart
check "listener and client socket older than attach: paired:1" early_row
check "the node's NAT rules were used" rules_were_used n
check "the redirects were used" rules_were_used a
check "the losses took place" rules_were_used l
check "syncookies were used" in_ns c sh -c 'nstat -asz TcpExtSyncookiesRecv | grep -q "Recv *[1-9]"'
check "data in a SYN was accepted" in_ns l sh -c 'nstat -asz TcpExtTCPFastOpenPassive | grep -q "Passive *[1-9]"'
exec 9>&- 7>&- 8>&-
finish
