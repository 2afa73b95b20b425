# lib.sh: what the shell stories share. Source it first; it names cgroups, namespaces and folders after the story's file,
# cleans up before and after, starts a private shuntd, prints TAP, and searches the kernel log for warnings at the end.
# shellcheck shell=sh
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${SHUNT_BUILD:-$top/build}
story=$(basename "$0" .sh)
tmp=/run/shunt-test-$story
socket=$tmp/shunt.sock
export SHUNT_SOCKET="$socket"
PATH=$build/bin:$PATH:/usr/sbin:/sbin
cgroup2=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
home_cgroup=$cgroup2$(sed -n 's/^0:://p' /proc/self/cgroup)
points=0
failures=0

ok() { points=$((points + 1)); echo "ok $points - $story: $1"; }
not_ok() { points=$((points + 1)); failures=$((failures + 1)); echo "not ok $points - $story: $1"; }
skip() { points=$((points + 1)); echo "ok $points - $story: $1 # SKIP $2"; }

# check NAME COMMAND...: one test point, passed if the command succeeds
check() {
	check_name=$1
	shift
	if "$@"; then ok "$check_name"; else not_ok "$check_name"; fi
}

# wait_for SECONDS COMMAND...: true as soon as the command succeeds
wait_for() {
	deadline=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# cgroup NAME: makes and prints a cgroup2 folder of this story
cgroup() {
	mkdir -p "$cgroup2/shunt-test-$story/$1" && echo "$cgroup2/shunt-test-$story/$1"
}

# inside CGROUP COMMAND...: runs a command whose sockets belong to CGROUP
inside() {
	inside_cgroup=$1
	shift
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$inside_cgroup" "$@"
}

# start_daemon [ARGS...]: a private shuntd with its own socket and pins; waits until it answers
start_daemon() {
	shuntd --socket "$socket" --pin-dir "$pins" --log-level "${SHUNT_LOG_LEVEL:-info}" "$@" >>"$tmp/shuntd.log" 2>&1 &
	daemon=$!
	wait_for 20 shuntctl status || { cat "$tmp/shuntd.log"; not_ok "the daemon answers"; finish; }
}

stop_daemon() {
	[ -n "${daemon:-}" ] || return 0
	kill "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null
	daemon=
}

# A process is counted out of its cgroup a moment after it was reaped: try until the folders are gone.
remove_tree() {
	find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do kill -9 "$pid" 2>/dev/null; done
	find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null
	[ ! -d "$1" ]
}

kill_tree() { # CGROUP: every process below it, then the folders
	[ -d "$1" ] || return 0
	wait_for 5 remove_tree "$1"
}

clean_up() {
	stop_daemon
	kill_tree "$cgroup2/shunt-test-$story"
	[ ! -d "$pins" ] || shuntd --pin-dir "$pins" --socket "$socket" --uninstall >/dev/null 2>&1
	for ns in $(ip netns list 2>/dev/null | awk -v p="st-$story" 'index($1, p) == 1 { print $1 }'); do ip netns del "$ns"; done
	rm -rf "$tmp"
}

kernel_log_bad() { dmesg | tail -n +"$dmesg_start" | grep -E 'BUG:|WARNING:|Oops|general protection|refcount_t|circular locking|soft lockup|rcu.*stall'; }

# finish: the last line of every story
finish() {
	trap - EXIT INT TERM
	clean_up
	if kernel_log_bad; then not_ok "the kernel log has no warning"; else ok "the kernel log has no warning"; fi
	echo "1..$points"
	[ "$failures" -eq 0 ]
	exit
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP $story needs root"; echo "ok 1 - $story # SKIP needs root"; exit 0; }
bpffs=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "bpf") { print $5; exit } }' /proc/self/mountinfo)
[ -n "$bpffs" ] || { mount -t bpf bpf /sys/fs/bpf && bpffs=/sys/fs/bpf; }
pins=$bpffs/shunt-test-$story
dmesg_start=$(($(dmesg | wc -l) + 1))
trap 'not_ok "the story was interrupted"; finish' INT TERM
trap 'not_ok "the story reached its end"; finish' EXIT
daemon=
clean_up
mkdir -p "$tmp"
