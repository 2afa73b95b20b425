#!/bin/sh
# doctor.sh: doctor promotes, hands over and demotes a connection of its own through the running daemon, and leaves nothing behind.
. "$(dirname "$0")/../lib.sh"

result() { jq -r ".checks[] | select(.name == \"$1\") | .result" "$tmp/doctor"; }
text() { jq -r ".checks[] | select(.name == \"$1\") | .text" "$tmp/doctor"; }
is() { # RESULT: of both checks
	[ "$(result promotion)/$(result handover)" = "$1/$1" ] && return
	jq -c '.checks[] | select(.name == "promotion" or .name == "handover")' "$tmp/doctor" | sed 's/^/# /'
	return 1
}
says() { case $(text promotion)/$(text handover) in *"$1"*/*"$1"*) ;; *) return 1 ;; esac }
ask() { timeout 20 shuntctl doctor -j >"$tmp/doctor"; }
own_cgroup() { find "$cgroup2" -maxdepth 1 -name "shunt-doctor-$daemon"; }
children() { cat "/proc/$daemon/task/$daemon/children"; }
links() { find "$pins/links" -type f -name '*-*'; }
# what the maps hold: records, young connections, judged cgroups, members, and slots of pods that have not been freed
entries() { shuntctl stats -j | jq -c '[.maps.sh_flows, .maps.sh_rendezvous, .maps.sh_cgroups, .maps.sh_socks | .entries]'; }
slots() { bpftool -j map dump pinned "$pins/maps/sh_pods" | jq '[.[].formatted.value | select(.cgroup_id != 0 or .name != "")] | length'; }
counted() { shuntctl stats -j | jq -c '.counters | add'; }
descriptors() { find "/proc/$daemon/fd" -mindepth 1 | wc -l; }

shuntd --probe >"$tmp/doctor"
check "without a daemon both checks say that none runs" says "no daemon runs"
check "and are no fault" is info

start_daemon
began=$(date +%s%N)
check "doctor answers" ask
took=$((($(date +%s%N) - began) / 1000000))
if is ok; then
	ok "promotion and handover were tried and work"
else
	not_ok "promotion and handover were tried and work"
fi
check "within 5 s ($took ms)" [ "$took" -lt 5000 ]
check "it leaves no pod" [ "$(shuntctl pod list -j | jq length)" = 0 ]
check "nor a slot" [ "$(slots)" = 0 ]
check "nor an entry in a table" [ "$(entries)" = '[0,0,0,0]' ]
check "nor a link" [ -z "$(links)" ]
check "nor a cgroup" [ -z "$(own_cgroup)" ]
check "nor a process" [ -z "$(children)" ]
check "its bytes are in no total" [ "$(counted)" = 0 ]

before=$(descriptors)
failed=0
for _ in 1 2 3 4 5 6 7 8 9 10; do ask && is ok || failed=$((failed + 1)); done
check "ten in a row work" [ "$failed" = 0 ]
check "and leave no pod, slot, entry or link" [ "$(shuntctl pod list -j | jq length)$(slots)$(entries)$(links)" = '00[0,0,0,0]' ]
check "nor a cgroup or process" [ -z "$(own_cgroup)$(children)" ]
check "nor a descriptor" [ "$(descriptors)" = "$before" ]

# beside a pod of its own, whose name and totals stay as they are
shuntctl attach "$(cgroup pod)" --mode adaptive >/dev/null
check "beside an attached pod it works too" ask
check "with the same result" is ok
check "and the pod is still the only one" [ "$(shuntctl pod list -j | jq length)" = 1 ]
check "with nothing counted" [ "$(counted)" = 0 ]

shuntctl drain >/dev/null
check "doctor during a drain answers" ask
check "and has not tried" is info
check "because of the drain" says "draining"
shuntctl resume >/dev/null
check "after resume it answers" ask
check "and tries again" is ok
shuntctl detach "shunt-test-$story/pod" >/dev/null
shuntctl attach "$cgroup2" --name everything --mode off >/dev/null
ask
check "with the root attached there is no place for a test: not tried" is info
check "and it names the pod" says "everything"
stop_daemon
shuntd --pin-dir "$pins" --socket "$socket" --uninstall >/dev/null

echo '{"promote_min_turns": 100000}' >"$tmp/many.json"
start_daemon --config "$tmp/many.json"
ask
check "more turns than a test can take: not tried" is info
check "and it says why" says "promote_min_turns"
stop_daemon
echo '{"promote_min_turns": 5000}' >"$tmp/many.json"
start_daemon --config "$tmp/many.json"
ask
check "5000 turns: the test takes as many" is ok

# Killed in mid-test, as soon as its child is there: the child dies with the daemon, the successor forgets the pod.
shuntctl doctor -j >/dev/null 2>&1 &
asking=$!
child=
tries=0
while [ -z "$child" ] && [ $tries -lt 20000 ]; do
	tries=$((tries + 1))
	read -r child <"/proc/$daemon/task/$daemon/children" || : # no newline ends it
done
kill -9 "$daemon"
killed=$daemon
wait "$daemon" 2>/dev/null
daemon=
wait $asking
left() { [ -d "$cgroup2/shunt-doctor-$killed" ]; }
gone() { case $(sed 's/.*) //' "/proc/$child/stat" 2>/dev/null) in '' | Z*) ;; *) return 1 ;; esac }
clean() { ! left && [ "$(shuntctl pod list -j | jq length)" = 0 ] && [ "$(slots)" = 0 ]; }
check "the daemon was killed in the middle of a test" [ -n "$child" ]
check "that leaves the test's cgroup" left
check "and no child" wait_for 2 gone
start_daemon
check "the cgroup and its pod go with the next daemon" wait_for 10 clean
finish
