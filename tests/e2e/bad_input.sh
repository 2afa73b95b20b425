#!/bin/sh
# bad_input.sh: each mistake gets its exit code and one sentence that says what to do; connections go on.
. "$(dirname "$0")/../lib.sh"

# says NAME STATUS WORDS COMMAND...: the command ends with STATUS and its output has WORDS
says() {
	says_name=$1 says_status=$2 says_words=$3
	shift 3
	timeout 20 "$@" >"$tmp/out" 2>&1
	says_got=$?
	if [ $says_got -eq "$says_status" ] && { [ -z "$says_words" ] || grep -qiE "$says_words" "$tmp/out"; }; then
		ok "$says_name"
	else
		not_ok "$says_name: status $says_got, said: $(head -c 300 "$tmp/out")"
	fi
}

says "no daemon: exit 3" 3 "no shuntd answers" shuntctl status
says "an unknown command suggests the nearest" 2 "did you mean.*status" shuntctl staus
says "an unknown option is wrong usage" 2 "unknown|unrecognized|no option" shuntctl status --frobnicate
says "a pin directory off bpffs" 1 "not on a bpffs" shuntd --pin-dir "$tmp/pins" --socket "$socket"
says "a pin directory with a dot" 1 "dot" shuntd --pin-dir "$bpffs/shunt.test" --socket "$socket"
says "a missing config file" 1 "nosuch.json" shuntd --config "$tmp/nosuch.json" --socket "$socket" --pin-dir "$pins"
echo '{"scan_intervall_ms": 100}' >"$tmp/typo.json"
says "an unknown key names the nearest" 1 "scan_interval_ms" shuntd --config "$tmp/typo.json" --socket "$socket" --pin-dir "$pins"
echo '{"scan_interval_ms": -1}' >"$tmp/range.json"
says "a value out of range" 1 "scan_interval_ms" shuntd --config "$tmp/range.json" --socket "$socket" --pin-dir "$pins"
echo '{"mode": ' >"$tmp/syntax.json"
says "a syntax error names the line" 1 "line" shuntd --config "$tmp/syntax.json" --socket "$socket" --pin-dir "$pins"
says "an unknown log level" 2 "log-level" shuntd --log-level loud --socket "$socket" --pin-dir "$pins"

start_daemon
says "a second daemon on the same pins" 1 "another shuntd already runs" shuntd --pin-dir "$pins" --socket "$tmp/other.sock"
says "a second daemon on the same socket" 1 "another shuntd answers" shuntd --pin-dir "${pins}-other" --socket "$socket"
check "and it has made no pins" [ ! -e "${pins}-other" ]
says "a cgroup that does not exist" 4 "no cgroup|No such" shuntctl attach shunt-test-$story/nosuch
says "a folder outside cgroup2" 2 "outside" shuntctl attach /tmp
outer=$(cgroup outer)
inner=$(cgroup outer/inner)
says "a cgroup is attached" 0 "managed" shuntctl attach "$outer" --name outer
says "below an attached cgroup: refused with its name" 1 'attached as "outer"' shuntctl attach "$inner"
says "a name that is taken" 1 'taken' shuntctl attach "$(cgroup second)" --name outer
says "an unknown mode" 2 "adaptive" shuntctl attach "$outer" --mode fast
says "an unknown pod" 4 "no pod" shuntctl detach nosuch
says "an unknown flow" 4 "no connection" shuntctl flow show 999999999
rmdir "$inner" "$outer"
pod_gone() { ! shuntctl pod show outer; }
check "a vanished cgroup is forgotten" wait_for 5 pod_gone

says "the command's status is run's status" 7 "" shuntctl run -- sh -c 'exit 7'
says "a command that is not there" 127 "nosuch" shuntctl run -- /nosuch
says "a command that cannot be run" 126 "denied|cannot" shuntctl run -- /etc/passwd
says "a signal's status" 143 "" shuntctl run -- sh -c 'kill -TERM $$'
says "sockets of run are in a managed cgroup" 0 "shunt-run-" shuntctl run -- sh -c 'cat /proc/self/cgroup'
shuntctl run -- sleep 60 &
runner=$!
run_pod() { shuntctl pod list -j | jq -e '[.[] | select(.transient)] | length == 1'; }
no_run_pod() { shuntctl pod list -j | jq -e '[.[] | select(.transient)] | length == 0'; }
check "run is a pod while it lives" wait_for 5 run_pod
sleeper=$(cat "$cgroup2"/shunt-run-"$runner"/cgroup.procs 2>/dev/null)
kill -9 "$runner"
kill -9 $sleeper
check "a killed run is cleaned up" wait_for 10 no_run_pod
check "and its cgroup too" wait_for 5 [ ! -e "$cgroup2/shunt-run-$runner" ]

printf 'garbage\0' | timeout 5 socat -t 2 - "UNIX-CONNECT:$socket" >"$tmp/out" 2>&1
check "garbage on the socket is answered" grep -q 'InvalidMessage' "$tmp/out"
head -c 10485760 /dev/zero | tr '\0' x | timeout 10 socat -t 2 - "UNIX-CONNECT:$socket" >"$tmp/out" 2>&1
check "a 10 MiB message does not harm the daemon" shuntctl status
if id nobody >/dev/null 2>&1; then
	says "an unprivileged caller" 3 "may not be opened" runuser -u nobody -- "$build/bin/shuntctl" --socket "$socket" status
else
	skip "an unprivileged caller" "there is no user nobody"
fi
check "the daemon never died" kill -0 "$daemon"
shuntctl uninstall >/dev/null
wait "$daemon"
daemon=

# a mount namespace of its own in which MOUNTPOINT is missing or empty: without MOUNTPOINT COMMAND...
without=$tmp/without
cat >"$without" <<-'END'
	#!/bin/sh
	[ -n "${unshared-}" ] || exec env unshared=1 unshare -m "$0" "$@"
	umount -l "$1" 2>/dev/null || mount -t tmpfs none "$1"
	shift
	exec "$@"
END
chmod +x "$without"
says "no BTF: the doctor says so" 0 "btf" "$without" /sys/kernel/btf shuntd --probe
says "no BTF: the daemon ends with a sentence" 1 "cannot (load|probe)" "$without" /sys/kernel/btf timeout 10 shuntd --socket "$socket" --pin-dir "$pins"
[ -d "$pins" ] && shuntd --pin-dir "$pins" --uninstall >/dev/null 2>&1
says "no cgroup2: the doctor says so" 0 "cgroup2" "$without" "$cgroup2" shuntd --probe
"$without" "$bpffs" shuntd --socket "$socket" >"$tmp/shuntd.log" 2>&1 &
daemon=$!
check "no bpffs: the daemon mounts one" wait_for 10 shuntctl status
stop_daemon

echo '{"max_flows": 64, "promote_min_turns": 4}' >"$tmp/small.json"
start_daemon --config "$tmp/small.json"
full=$(cgroup full)
shuntctl attach "$full" --name full >/dev/null
inside "$full" redis-server --port 7412 --save '' --dir "$tmp" >/dev/null 2>&1 &
server=$!
wait_for 10 redis-cli -p 7412 ping
inside "$full" redis-benchmark -p 7412 -c 100 -n 100000000 -t get -q >"$tmp/benchmark.log" 2>&1 &
load=$!
is_full() { shuntctl flow list -j | jq -e '[.[].reason] | any(. == "map_full") and any(. == "ok")'; }
check "a full table: some connections say map_full, the others go on" wait_for 10 is_full
check "the daemon warns once" wait_for 5 sh -c "[ \"\$(grep -c 'map_full' '$tmp/shuntd.log')\" = 1 ]"
check "all of them work" kill -0 "$load"
kill "$load" "$server"
finish
