# rows.jq: the demo's results as JSON, one object a round.
def figure: if . == "-" then null else tonumber end;
[inputs | split(" ") | {
	load: .[0], placement: .[1], count: (.[2] | figure), per_second: (.[3] | figure), p50_us: (.[4] | figure),
	p99_us: (.[5] | figure), cpu_us: (.[6] | figure), redirected_bytes: (.[7] | figure), tcp_bytes: (.[8] | figure),
	reason: (if .[9] == "-" then null else .[9] end)
}]
