#!/bin/sh
# SPDX-License-Identifier: MIT
# bench_smoke: shunt-bench starts its own daemon, measures what it says it measures, and leaves nothing. No speed is asserted.
. "$(dirname "$0")/../lib.sh"

# holds FILE EXPRESSION: the jq expression is true of the result file
holds() { jq -e "$2" "$1" >/dev/null; }
start_bench() {
	shunt-bench "$@" >"$tmp/bench.txt" 2>&1 &
	bench=$!
}
run_bench() {
	start_bench "$@"
	wait "$bench" || { cat "$tmp/bench.txt"; false; }
}
nothing_left() { [ -z "$(find "$cgroup2" /run "$bpffs" -maxdepth 1 -name "shunt-bench-$bench" 2>/dev/null)" ]; }
working() { [ -n "$(cat "$cgroup2/shunt-bench-$bench/client/cgroup.procs")" ]; }
variant() { echo "(.rows[] | select(.workload == \"rr\" and .variant == \"$1\"))"; }

first=$tmp/first.json
check "a run with every variant ends with 0" run_bench --workload rr --size 64 \
	--variant plain,adaptive,observe,neighbour,unix --rounds 1 --seconds 0.3 --out "$first"
check "it started a daemon of its own" holds "$first" '.daemon == "private"'
check "the schema is named, nothing failed" holds "$first" \
	'.schema == "io.shunt.bench/1" and .rounds == 1 and (.interrupted | not) and ([.rows[].failed] | add) == 0 and (.samples | length) == 5'
check "quartiles are in order and positive" holds "$first" \
	'[.rows[].values | .rate, .p50_us, .p99_us, .cpu_ns | .q1 > 0 and .q1 <= .median and .median <= .q3] | all'
check "p50 is not above p99; half of the exchanges take at least p50" holds "$first" \
	'[.samples[] | .p50_us > 0 and .p50_us <= .p99_us and .rate * .p50_us < 2.1e6] | all'
check "the window is as long as asked" holds "$first" '[.samples[] | .seconds > 0.25 and .seconds < 5] | all'
check "nobody used more CPU time than there was" holds "$first" \
	'.machine.cpus as $cpus | [.samples[] | .cpu_ns > 0 and .cpu_ns * .rate / 1e9 <= $cpus * 1.1 and .voluntary < 10 and .involuntary < 10] | all'
check "no ratio of a variant to itself, ratios of the others" holds "$first" \
	"$(variant plain).to_plain.rate == null and $(variant adaptive).to_plain.rate.n == 1 and $(variant unix).to_plain.cpu_ns.n == 1"
check "an adaptive row is redirected, or says why it is not" holds "$first" \
	"$(variant adaptive) | .wants_redirect and ((.runs_redirected == 1 and .note == null) or (.runs_not_redirected == 1 and (.note | startswith(\"not redirected\"))))"
check "observe never redirects" holds "$first" "$(variant observe) | .values.redirected.median == 0 and (.note | startswith(\"stays TCP\"))"
check "unmanaged rows know nothing of redirecting" holds "$first" \
	'[.rows[] | select(.variant == "plain" or .variant == "unix" or .variant == "neighbour") | .values.redirected == null and .note == null] | all'
check "daemon, pins, cgroups and folder are gone" nothing_left

second=$tmp/second.json
check "connect/close and streams over veth, pinned, blocking" run_bench --netns --workload crr,stream --size 64 \
	--io blocking --pin one --variant plain,unix --rounds 1 --seconds 0.2 --out "$second"
check "no daemon was started for it" holds "$second" '.daemon == "none" and ([.rows[].failed] | add) == 0'
check "on one CPU the ends never differ" holds "$second" '[.samples[].across | . == 0] | all'

check "two result files can be compared" sh -c "shunt-bench compare $first $first | grep -q '^rr .*adaptive'"
compared() { shunt-bench compare "$first" "$first" --json >"$tmp/compared.json" && holds "$tmp/compared.json" 'length == 4 and .[0].first.rate.n == 1'; }
check "as JSON too" compared
shunt-bench compare "$first" "$second" >/dev/null 2>&1
check "files without a common row are an error" [ $? -eq 1 ]
shunt-bench --variant fast >/dev/null 2>&1
check "wrong usage ends with 2" [ $? -eq 2 ]

start_bench --workload rr --size 64 --variant plain,adaptive --rounds 50 --seconds 5
check "a run is under way" wait_for 20 working
kill -TERM "$bench"
wait "$bench"
check "interrupted, it ends with 130" [ $? -eq 130 ]
check "and leaves nothing either" nothing_left

finish
