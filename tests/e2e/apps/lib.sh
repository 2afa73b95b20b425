# SPDX-License-Identifier: MIT
# lib.sh: what the stories with real programs share. Source it after tests/lib.sh.
# shellcheck shell=sh disable=SC2154,SC1091
. "$top/demo/servers.sh"
client=$build/tests/apps-client
echo_server=$build/tests/apps-echo

# need PROGRAM...: the whole story is a skip when one is missing
need() {
	for program; do
		command -v "$program" >/dev/null || { skip "the story runs" "$program is not installed"; finish; }
	done
}

# managed NAME MODE: a cgroup of this story that shunt manages; printed, or nothing when attach failed
managed() {
	managed_cgroup=$(cgroup "$1")
	shuntctl attach "$managed_cgroup" --name "$story-$1" --mode "$2" >/dev/null && echo "$managed_cgroup"
}

# flows_are JQ: true of the array that flow list prints
flows_are() { shuntctl flow list -j | jq -e "$1" >/dev/null; }

# eventually NAME JQ: a test point, passed as soon as JQ is true of the flows; otherwise the flows are shown
eventually() {
	if wait_for 20 flows_are "$2"; then
		ok "$1"
	else
		shuntctl flow list | head -n 60 | sed 's/^/# /'
		not_ok "$1"
	fi
}

# talk NAME CGROUP CLIENT-ARGS...: a test point, passed if the verifying client is content
talk() {
	talk_name=$1 talk_cgroup=$2
	shift 2
	if inside "$talk_cgroup" timeout 90 "$client" "$@" >"$tmp/talk" 2>&1; then talk_status=ok; else talk_status=not_ok; fi
	sed 's/^/# /' "$tmp/talk"
	$talk_status "$talk_name ($(tail -n 1 "$tmp/talk"))"
}

# begin_talk CGROUP CLIENT-ARGS...: the verifying client in the background; it takes turns until end_talk
begin_talk() {
	talk_cgroup=$1
	shift
	rm -f "$tmp/enough"
	inside "$talk_cgroup" timeout 90 "$client" -u "$tmp/enough" "$@" >"$tmp/talk" 2>&1 </dev/null &
	talking=$!
}

# end_talk NAME: lets it go on to its bulk and its end; a test point as for talk
end_talk() {
	touch "$tmp/enough"
	if wait "$talking"; then talk_status=ok; else talk_status=not_ok; fi
	sed 's/^/# /' "$tmp/talk"
	$talk_status "$1 ($(tail -n 1 "$tmp/talk"))"
}

start_echo() { # CGROUP NAME
	server_dir "$2" nobody
	free_port
	inside "$1" "$echo_server" "$port" >"$dir/log" 2>&1 </dev/null &
	up apps-echo
}

# roads: bytes redirected and bytes by TCP so far
roads() { shuntctl stats -j | jq -r '"\(.redirected_bytes_total) \(.tcp_bytes_total)"'; }

# redirected_since BYTES MORE: that many bytes more were redirected
redirected_since() { [ "$(roads | cut -d ' ' -f 1)" -ge $(($1 + $2)) ]; }

# mostly_redirected BEFORE AFTER: more than nine of ten bytes took the fast road
mostly_redirected() {
	echo "$1 $2" | awk '{ fast = $3 - $1; slow = $4 - $2; printf "# redirected %d, by TCP %d bytes\n", fast, slow
		exit !(fast > 9 * slow) }'
}

# fionread_right: what the doctor found of this kernel
fionread_right() { shuntctl doctor -j | jq -e 'any(.checks[]; .name == "fionread" and .result == "ok")' >/dev/null; }
