# SPDX-License-Identifier: MIT
# loads.sh: the demo's loads and how one round of one is measured. A load prints "COUNT RATE P50_US P99_US".
# Needs from the sourcing script: $tmp, $root, $seconds, inside, servers.sh and $tmp/PLACEMENT.ports.
# shellcheck shell=sh disable=SC2154,SC1090,SC1091,SC2034

loads='redis_1 redis_50 redis_pipe haproxy pg_simple pg_prepared nginx iperf3'

label_of() {
	case $1 in
	redis_1) echo "redis GET, 1 client" ;;
	redis_50) echo "redis GET, 50 clients" ;;
	redis_pipe) echo "redis GET, 50 clients, -P 16" ;;
	haproxy) echo "redis behind HAProxy, 50" ;;
	pg_simple) echo "pgbench -S, 8 clients" ;;
	pg_prepared) echo "pgbench -S -M prepared, 8" ;;
	nginx) echo "nginx and wrk, 32 clients" ;;
	iperf3) echo "iperf3, per MB" ;;
	esac
}

# redis_requests N PLACEMENT PORT ARGS...: one run of redis-benchmark
redis_requests() {
	cgroup=$root/$2/redis-benchmark redis_count=$1 redis_target=$3
	shift 3
	inside "$cgroup" timeout --foreground 30 redis-benchmark -p "$redis_target" -t get -n "$redis_count" --csv "$@" \
		2>"$tmp/error" |
		awk -F '"' -v n="$redis_count" '
			$2 == "GET" { printf "%d %.0f %.0f %.0f\n", n, $4, $10 * 1000, $14 * 1000; found = 1 }
			END { exit !found }'
}

# redis-benchmark knows no duration: as many requests as the run before did in that time; a short first run is thrown
# away.
run_redis() { # KEY PLACEMENT PORT ARGS...
	rate_file=$tmp/rate.$1.$2
	shift
	[ -f "$rate_file" ] || redis_requests 5000 "$@" | cut -d ' ' -f 2 >"$rate_file"
	read -r rate <"$rate_file" || return 1
	redis_requests $((rate * seconds)) "$@" | tee "$tmp/redis" && cut -d ' ' -f 2 "$tmp/redis" >"$rate_file"
}

run_pgbench() { # PLACEMENT ARGS...
	cgroup=$root/$1/pgbench
	shift
	rm -f "$tmp"/pgbench-log.*
	inside "$cgroup" timeout --foreground 30 "$(postgres_bin)/pgbench" -n -S -c 8 -j 1 -T "$seconds" -p "$postgres_port" \
		-l --log-prefix "$tmp/pgbench-log" "$@" >"$tmp/pgbench" 2>"$tmp/error" || return 1
	cat "$tmp"/pgbench-log.* | cut -d ' ' -f 3 | sort -n |
		awk -v tps="$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$tmp/pgbench")" '{ v[NR] = $1 }
			END {
				if (!NR)
					exit 1
				printf "%d %.0f %.0f %.0f\n", NR, tps, v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.5)]
			}'
}

run_wrk() { # PLACEMENT
	inside "$root/$1/wrk" timeout --foreground 30 wrk -t 1 -c 32 -d "$seconds" --latency \
		"http://127.0.0.1:$nginx_port/hello" 2>"$tmp/error" |
		awk 'function us(t) { return t ~ /us$/ ? t + 0 : t ~ /ms$/ ? t * 1000 : t * 1000000 }
			$1 == "50%" { p50 = us($2) }
			$1 == "99%" { p99 = us($2) }
			$2 == "requests" { count = $1 }
			$1 == "Requests/sec:" { rate = $2 }
			END { if (!rate) exit 1; printf "%d %.0f %.0f %.0f\n", count, rate, p50, p99 }'
}

# One second is enough for a stream: it is not promoted.
run_iperf3() { # PLACEMENT
	inside "$root/$1/iperf3-client" timeout --foreground 30 iperf3 -c 127.0.0.1 -p "$iperf3_port" -t 1 -J 2>"$tmp/error" |
		jq -er '.end.sum_received | "\(.bytes / 1e6 | round) \(.bits_per_second / 8e6 | round) - -"'
}

run_load() { # LOAD PLACEMENT
	case $1 in
	redis_1) run_redis "$1" "$2" "$redis_port" -c 1 ;;
	redis_50) run_redis "$1" "$2" "$redis_port" -c 50 ;;
	redis_pipe) run_redis "$1" "$2" "$redis_port" -c 50 -P 16 ;;
	haproxy) run_redis "$1" "$2" "$haproxy_port" -c 50 ;;
	pg_simple) run_pgbench "$2" -M simple ;;
	pg_prepared) run_pgbench "$2" -M prepared ;;
	nginx) run_wrk "$2" ;;
	iperf3) run_iperf3 "$2" ;;
	esac
}

# cpu_us PLACEMENT: what its programs have used, for accelerated with the daemon
cpu_us() {
	cat "$root/$1/cpu.stat" "$([ "$1" = plain ] || echo "$root/daemon/cpu.stat")" 2>/dev/null |
		awk '$1 == "usage_usec" { sum += $2 } END { print sum }'
}

# roads: bytes redirected and bytes by TCP so far
roads() { shuntctl stats -j | jq -r '"\(.redirected_bytes_total) \(.tcp_bytes_total)"'; }

# The reason of the connection that moved most by TCP, looked up while the load runs.
watch_reason() { # SECONDS
	sleep "$(awk -v s="$1" 'BEGIN { print s * 0.7 }')"
	shuntctl flow list -j | jq -r 'map(select(.state == "tcp")) | max_by(.bytes_tcp // 0) | .reason // "-"' >"$tmp/reason"
}

# measure LOAD PLACEMENT: one round; appends LOAD PLACEMENT COUNT RATE P50 P99 CPU_US REDIRECTED TCP REASON to results
measure() {
	. "$tmp/$2.ports"
	echo - >"$tmp/reason"
	watcher=
	[ "$2" = plain ] || { watch_reason "$([ "$1" = iperf3 ] && echo 1 || echo "$seconds")" & watcher=$!; }
	cpu_before=$(cpu_us "$2")
	roads_before=$(roads)
	figures=$(run_load "$1" "$2") || return 1
	roads_after=$(roads)
	cpu_after=$(cpu_us "$2")
	[ -z "$watcher" ] || wait "$watcher"
	echo "$1 $2 $figures $((cpu_after - cpu_before)) $roads_before $roads_after $(cat "$tmp/reason")" |
		awk '{ print $1, $2, $3, $4, $5, $6, $7, $10 - $8, $11 - $9, $12 }' >>"$tmp/results"
}

live() { # CGROUP COMMAND...
	live_cgroup=$root/accelerated/$1
	shift
	inside "$live_cgroup" timeout --foreground 20 "$@" >/dev/null 2>&1 </dev/null &
}

# begin_live_loads: a few connections of each kind, so that there is something to list
begin_live_loads() {
	. "$tmp/accelerated.ports"
	live redis-benchmark redis-benchmark -q -n 100000000 -t get -c 2 -p "$redis_port"
	live redis-benchmark redis-benchmark -q -n 100000000 -t get -c 2 -p "$haproxy_port"
	live pgbench "$(postgres_bin)/pgbench" -n -S -c 2 -T 20 -p "$postgres_port"
	live wrk wrk -t 1 -c 2 -d 20 "http://127.0.0.1:$nginx_port/hello"
	live iperf3-client iperf3 -c 127.0.0.1 -p "$iperf3_port" -t 20
}

# Every connection of the live loads is there and judged; iperf3's control connection stays new.
settled() {
	shuntctl flow list -j | jq -e 'length >= 24 and all(.[]; .reason != "new" or (.pod | startswith("iperf3")))'
}
