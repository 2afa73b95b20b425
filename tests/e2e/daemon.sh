#!/bin/sh
# daemon.sh: attach, patterns, mode switches, drain, kill -9, restart, uninstall with and without a daemon: redis goes on through all.
. "$(dirname "$0")/../lib.sh"

port=7411
pod=$(cgroup pod)

field() { shuntctl flow list -j | jq -r "[.[] | select(.state == \"redirect\")] | length"; } # ends redirected now
redirected() { [ "$(field)" -ge 2 ]; }
none_redirected() { [ "$(field)" -eq 0 ]; }
members() { shuntctl stats -j | jq -r '.maps.sh_socks.entries'; }
no_members() { [ "$(members)" = 0 ]; }
load_alive() { kill -0 "$load" 2>/dev/null; }
kernel_objects() { { bpftool prog list; bpftool map list; bpftool link list; } 2>/dev/null | grep -cE 'name sh_'; }

start_load() {
	inside "$pod" redis-server --port $port --save '' --dir "$tmp" --daemonize no >"$tmp/redis.log" 2>&1 &
	wait_for 10 redis-cli -p $port ping || { not_ok "redis answers"; finish; }
	inside "$pod" redis-benchmark -p $port -c 8 -n 100000000 -t set,get -q >"$tmp/benchmark.log" 2>&1 &
	load=$!
}

before=$(kernel_objects)
cat >"$tmp/shunt.json" <<-END
	{"attach": [{"cgroup": "shunt-test-$story/po?", "name": "by-pattern", "mode": "adaptive"}], "promote_min_turns": 4}
END
start_daemon --config "$tmp/shunt.json"
check "a pattern of the config attaches the cgroup" wait_for 5 shuntctl pod show by-pattern
start_load
check "connections are redirected" wait_for 10 redirected
ids=$(shuntctl flow list -j | jq -c '[.[].id] | unique')

shuntctl attach "$pod" --mode observe >/dev/null
check "observe forbids redirecting at once" none_redirected
check "and says so" [ "$(shuntctl flow list -j | jq -r '[.[].reason] | unique | join(" ")')" = observe ]
check "members leave under load" wait_for 5 no_members
shuntctl attach "$pod" --mode off >/dev/null
check "off: still the same connections" [ "$(shuntctl flow list -j | jq -c '[.[].id] | unique')" = "$ids" ]
shuntctl attach "$pod" --mode eager >/dev/null
check "eager promotes living connections" wait_for 5 redirected
shuntctl attach "$pod" --mode adaptive >/dev/null
check "adaptive goes on" wait_for 5 redirected

check "drain ends with no member left" shuntctl drain
check "drained" no_members
check "reason draining" [ "$(shuntctl flow list -j | jq -r '.[0].reason')" = draining ]
shuntctl resume >/dev/null
check "resume redirects again" wait_for 10 redirected

total=$(shuntctl stats -j | jq .redirected_messages_total)
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
daemon=
check "without a daemon the load goes on" load_alive
# the redirected messages of all pods, straight from the pinned map: nobody is there to ask
counted() { bpftool -j map dump pinned "$pins/maps/sh_counters" | jq -c '[.[].formatted.values[].value[1]] | add'; }
still_redirecting() { counted_before=$(counted) && redis-cli -p $port ping >/dev/null && sleep 0.2 && [ "$(counted)" -gt "$counted_before" ]; }
silent() { ! still_redirecting; }
check "and is redirected for a while" still_redirecting
check "after 10 s of silence adaptive members pass" wait_for 14 silent
check "the load goes on over TCP" load_alive
start_daemon --config "$tmp/shunt.json"
check "a restarted daemon finds the same flows" [ "$(shuntctl flow list -j | jq -c '[.[].id] | unique')" = "$ids" ]
check "its totals go on" [ "$(shuntctl stats -j | jq .redirected_messages_total)" -gt "$total" ]
check "still redirected" wait_for 10 redirected

stop_daemon
start_daemon --config "$tmp/shunt.json" --drain-on-exit
check "SIGTERM left flows and pins" wait_for 10 redirected
stop_daemon
start_daemon --config "$tmp/shunt.json"
check "--drain-on-exit left no member; its successor resumes" wait_for 10 redirected

check "detach under load" shuntctl detach by-pattern
check "the load does not notice" load_alive
check "detached: nothing is listed, or attached again by the pattern" wait_for 5 shuntctl pod show by-pattern
older() { [ "$(shuntctl flow list -j | jq -r '[.[] | select(.reason == "older_than_attach")] | length')" -ge 2 ]; }
check "its connections are older than the new attach" wait_for 5 older

check "uninstall with a daemon" shuntctl uninstall
wait "$daemon"
daemon=
check "the daemon has ended and the pins are gone" [ ! -e "$pins" ]
check "the load does not notice that either" load_alive
check "no program, map or link is left" wait_for 5 sh -c "[ \"\$({ bpftool prog list; bpftool map list; bpftool link list; } | grep -cE 'name sh_')\" -le $before ]"

start_daemon --config "$tmp/shunt.json"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
daemon=
check "uninstall without a daemon" shuntd --pin-dir "$pins" --socket "$socket" --uninstall
check "its pins are gone too" [ ! -e "$pins" ]
check "the load never failed" load_alive
kill "$load"
finish
