# story.sh: what stress.sh and soak.sh share: the pods, the daemon's configuration, and the look into its counters.
# shellcheck shell=sh disable=SC2154

prepare() { # SCAN_INTERVAL_MS MIN_TURNS: two pods and a configuration
	a=$(cgroup a)
	b=$(cgroup b)
	cat >"$tmp/shunt.json" <<-END
		{"scan_interval_ms": $1, "promote_min_turns": $2,
		 "splice_allow": ["stress"], "fionread_allow": ["stress"]}
	END
}

attach_pods() { # MODE
	shuntctl attach "$a" --name a --mode "$1" >/dev/null && shuntctl attach "$b" --name b --mode "$1" >/dev/null
}

stat_of() { shuntctl stats -j 2>/dev/null | jq -e "$1"; }
counter() { stat_of ".counters.$1 // 0"; }
redirect_now() { shuntctl status -j 2>/dev/null | jq .redirect; }
some_redirected() { [ "$(redirect_now)" -gt 0 ]; }
none_redirected() { [ "$(redirect_now)" -eq 0 ]; }

# flows and the tables that grow with connections are empty again
all_gone() {
	stat_of '.flows == 0 and ([.maps | to_entries[] | select(.key | test("^sh_(flows|socks|ends|rendezvous)$")) |
		.value.entries] | add) == 0' >/dev/null && [ "$(shuntctl flow list -j | jq length)" -eq 0 ]
}

empty_in_the_end() {
	wait_for 15 all_gone && return 0
	shuntctl stats -j | jq -c '{flows, maps}' | sed 's/^/# left: /'
	shuntctl flow list -j | jq -c '.[:20][]' | sed 's/^/# left: /'
	return 1
}

start_traffic() { # OUTPUT ARGS...: verified traffic in both pods; its pid in $traffic
	traffic_out=$1
	shift
	"$build/tests/stress" --cgroup "$a" --cgroup "$b" ${SHUNT_STRESS_SEED:+--seed "$SHUNT_STRESS_SEED"} "$@" \
		>"$traffic_out" 2>&1 &
	traffic=$!
}

# A receive buffer that overflows can cost a reset on plain TCP too; more than that would be shunt's doing.
few_lost_resets() {
	awk '/^# connections/ { lost = $NF }
		/^# endings/ { for (i = 3; i < NF; i += 2) if ($i ~ /reset|unspec/) aborted += $(i + 1) }
		END { exit !(aborted > 0 && lost <= 2 + aborted / 50) }' "$traffic_out"
}

# stop_traffic NAME: asks it to end, shows what it did, and passes NAME if every byte was right
stop_traffic() {
	kill "$traffic" 2>/dev/null
	end_traffic "$1"
}

end_traffic() {
	wait "$traffic"
	traffic_status=$?
	grep -v '^# steady' "$traffic_out"
	check "$1" [ "$traffic_status" -eq 0 ]
	check "TCP itself lost no more than one reset in fifty" few_lost_resets
}

# chaos SECONDS CONNECTIONS: half of the flows promoted, half demoted at every scan
chaos() {
	start_daemon --config "$tmp/shunt.json" --chaos 50,50
	check "both pods are attached" attach_pods adaptive
	start_traffic "$tmp/chaos.out" --seconds "$1" --connections "$2" --steady 4
	end_traffic "$1 s of $2 connections, promoted and demoted at random: every byte right, nothing lost or hung"
	promoted=$(counter promoted)
	demoted=$(counter demoted)
	redirected=$(counter redirected_messages)
	passed=$(counter passed_messages)
	echo "# promotions $promoted, demotions $demoted, messages redirected $redirected, passed $passed," \
		"spilled $(counter spilled)"
	check "there were at least 1000 promotions ($promoted)" [ "${promoted:-0}" -ge 1000 ]
	check "there were at least 1000 demotions ($demoted)" [ "${demoted:-0}" -ge 1000 ]
	check "at least 10000 messages were redirected ($redirected)" [ "${redirected:-0}" -ge 10000 ]
	check "at least 1000 messages of members were passed ($passed)" [ "${passed:-0}" -ge 1000 ]
	check "every flow has gone and the maps are empty" empty_in_the_end
}
