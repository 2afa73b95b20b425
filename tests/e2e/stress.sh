#!/bin/sh
# stress.sh: verified bytes over every socket call while ends are promoted and demoted at random, then under mode
# switches, detach, drain and a killed daemon. SHUNT_STRESS_SECONDS (60) is the length of the first part,
# SHUNT_STRESS_SEED repeats a run's scripts.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/stress/story.sh"

# A checker that never complains proves nothing: every kind of fault is planted and must be found.
planted() { # FAULT EXPECTED_WORD
	"$build/tests/stress" --seconds 1 --connections 8 --workers 2 --patience-ms 1500 --plant "$1" --seed 5 \
		>"$tmp/planted.$1" 2>&1
	[ $? -eq 1 ] && grep -q "FAILURE.*$2" "$tmp/planted.$1"
}

prove_checker() {
	for fault in flip:corrupt skip:corrupt repeat:corrupt lose:lost hang:hang extra:extra; do
		check "the checker finds the planted fault ${fault%:*}" planted "${fault%:*}" "${fault#*:}"
	done
}

switch_modes() {
	for mode in observe eager off adaptive observe adaptive off eager adaptive; do
		attach_pods "$mode" || return 1
		case $mode in
		observe | off) wait_for 10 none_redirected || return 1 ;;
		*) wait_for 10 some_redirected || return 1 ;;
		esac
	done
}

redirected_in_a() { [ "$(shuntctl flow list --pod a --state redirect -j | jq length)" -gt 0 ]; }

detach_and_attach() {
	wait_for 10 redirected_in_a || return 1
	shuntctl detach a -j >"$tmp/detach.json" && jq -e '.left == 0' "$tmp/detach.json" >/dev/null || return 1
	shuntctl flow list -j | jq -e 'all(.pod == "b")' >/dev/null || return 1
	attach_pods adaptive && wait_for 10 redirected_in_a
}

drain_and_resume() {
	shuntctl drain -j >"$tmp/drain.json" && wait_for 10 none_redirected || return 1
	shuntctl resume && wait_for 10 some_redirected
}

# steady_flows: id, end and what it has sent by both roads, of the connections that live through everything
steady_flows() {
	ports=$(awk '/^# steady/ { printf "%s\"%s\"", n++ ? "," : "", $3 }' "$traffic_out")
	shuntctl flow list -j | jq -c "[.[] | select([(.local, .remote) | sub(\".*:\"; \"\")] | any(IN($ports)))
		| {key: \"\(.id) \(.local)\", value: [.bytes_redirected, .messages_redirected, .bytes_tcp // 0]}]
		| from_entries"
}

kill_and_restart() {
	steady_flows >"$tmp/before.json"
	before=$(counter redirected_messages)
	kill -9 "$daemon" && wait "$daemon"
	daemon=
	start_daemon --config "$tmp/shunt.json"
	steady_flows >"$tmp/after.json"
	echo "# steady ends before the kill: $(jq length "$tmp/before.json"), after it: $(jq length "$tmp/after.json")"
	[ "$(counter redirected_messages)" -ge "$before" ] || return 1
	jq -e -s '.[0] as $old | .[1] as $new | ($old | length) >= 8 and
		all($old | keys[]; . as $k | $new[$k] != null and
			([$old[$k], $new[$k]] | transpose | all(.[0] <= .[1])))' \
		"$tmp/before.json" "$tmp/after.json" >/dev/null && wait_for 10 some_redirected
}

second_part() {
	start_daemon --config "$tmp/shunt.json"
	attach_pods adaptive
	start_traffic "$tmp/normal.out" --seconds 600 --connections 64 --steady 8
	check "under the normal judgement connections are redirected" wait_for 15 some_redirected
	check "modes switched under load take effect" switch_modes
	check "a pod detached and attached again under load" detach_and_attach
	check "drain and resume under load" drain_and_resume
	check "after kill -9 and a restart flows keep their ids and counters" kill_and_restart
	stop_traffic "verified traffic through all of this: every byte right, nothing lost or hung"
	check "every flow has gone and the maps are empty" empty_in_the_end
}

prove_checker
prepare 10 0
chaos "${SHUNT_STRESS_SECONDS:-60}" 80
stop_daemon
prepare 20 8
second_part
finish
