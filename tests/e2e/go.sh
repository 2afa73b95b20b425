#!/bin/sh
# SPDX-License-Identifier: MIT
# go.sh: a Go proxy made of io.Copy, in three shapes, is not promoted by default and never hangs; allowed, the hook
# catches it.
# shellcheck disable=SC2154,SC2317,SC1091,SC2119
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/apps/lib.sh"

need go jq

restart_with() { # CONFIG
	echo "$1" >"$tmp/shunt.json"
	stop_daemon
	start_daemon --config "$tmp/shunt.json"
	server=$(managed server adaptive)
	load=$(managed load adaptive)
}

build_relay() {
	(cd "$top/tests/e2e/go" && GOCACHE="$build/go-cache" GOFLAGS=-mod=mod CGO_ENABLED=0 \
		timeout 120 go build -o "$build/tests/apps-relay" .)
}

# relay NAME SHAPE: in a managed cgroup of its own
relay() {
	server_dir "$1" nobody
	free_port
	inside "$(managed "$1" adaptive)" "$build/tests/apps-relay" "$port" "$echo_port" "$2" >"$dir/log" 2>&1 </dev/null &
	up relay
}

stop_relay() { # NAME
	shuntctl detach "$story-$1" >/dev/null
	kill_tree "$(cgroup "$1")"
}

protocol_of() { if [ "$1" = copy ]; then echo echo; else echo relay; fi; }

unasked() { # SHAPE
	check "the Go proxy starts, $1" relay "$1" "$1"
	begin_talk "$load" -n 8 -j 8 -b 3000000 "$(protocol_of "$1")" "$port"
	eventually "$1: not promoted by default, reason may_splice" \
		'length >= 16 and all(.[]; .state == "tcp" and .reason == "may_splice")'
	end_talk "$1: nothing hangs and every byte is right"
	stop_relay "$1"
}

# A connection whose bytes were already redirected when io.Copy began is reset: the client sees it, the daemon logs it.
resets_are_logged() {
	seen=$(sed -n 's/.*reset=\([0-9]*\).*/\1/p' "$tmp/talk")
	logged=$(grep -c ' was reset: splice' "$tmp/shuntd.log")
	echo "# $seen resets seen, $logged logged by then"
	[ "$logged" -ge "$((resets_before + seen))" ]
}

allowed() { # SHAPE RESETS
	check "an allowed Go proxy starts, $1" relay "allowed-$1" "$1"
	resets_before=$(grep -c ' was reset: splice' "$tmp/shuntd.log")
	talk "allowed, $1: the first connections may be reset, nothing hangs" "$load" \
		-n 8 -j 8 -w 600 -b 3000000 -R "$2" "$(protocol_of "$1")" "$port"
	check "allowed, $1: every reset is the daemon's and logged" resets_are_logged
	talk "allowed, $1: those that follow at once are whole" "$load" -n 16 -j 8 -w 300 -b 3000000 \
		"$(protocol_of "$1")" "$port"
	begin_talk "$load" -n 8 -j 8 -b 3000000 "$(protocol_of "$1")" "$port"
	eventually "allowed, $1: the hook has caught it, later connections are not promoted" \
		'all(.[]; .state == "tcp") and (map(select(.reason == "splice_seen" or .reason == "tainted")) | length) >= 16'
	end_talk "allowed, $1: the later ones are whole"
	stop_relay "allowed-$1"
}

check "the Go proxy builds" build_relay
restart_with '{}'
check "an echo server starts" start_echo "$server" echo
echo_port=$port
for shape in copy frames late; do unasked "$shape"; done
restart_with '{"splice_allow": ["apps-relay"]}'
allowed copy 0
allowed frames 8 # bytes may arrive while the proxy still connects to its upstream
allowed late 8
finish
