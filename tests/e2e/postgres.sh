#!/bin/sh
# SPDX-License-Identifier: MIT
# postgres.sh: pgbench -S in both protocols is promoted; psql reads the same rows by redirect as over the Unix socket.
# shellcheck disable=SC2154,SC2317,SC1091,SC2119
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/apps/lib.sh"

[ -n "$(postgres_bin)" ] || { skip "the story runs" "PostgreSQL is not installed"; finish; }
need jq

pgbench() { # ARGS...
	inside "$load" timeout 60 "$(postgres_bin)/pgbench" -n -S -c 4 -p "$port" "$@" >"$tmp/pgbench" 2>&1 </dev/null
}

benchmark() { # PROTOCOL
	pgbench -M "$1" -T 60 &
	eventually "pgbench -M $1 is promoted" 'length == 8 and all(.[]; .state == "redirect")'
	before=$(roads)
	check "pgbench -M $1 goes on" wait_for 15 redirected_since "${before% *}" 2000000
	check "more than 90 % of its bytes are redirected" mostly_redirected "$before" "$(roads)"
	while read -r pid; do kill "$pid"; done <"$load/cgroup.procs"
	check "pgbench -M $1 ends well" pgbench -M "$1" -t 5000
	check "no transaction failed" grep -q 'failed transactions: 0 ' "$tmp/pgbench"
}

# Queries with answers of 70 bytes to 200 kB.
queries() {
	seq 1 400 | awk '{
		from = $1 * 131 % 90000
		printf "select md5(string_agg(aid || filler, \047,\047 order by aid)) from pgbench_accounts "
		printf "where aid between %d and %d;\n", from, from + 500
		if ($1 % 10 == 0)
			printf "select * from pgbench_accounts where aid between %d and %d order by aid;\n", from, from + 1500
	}'
}

# Small queries whose answers nobody sees, until the connection is promoted; then the queries that count.
feed() {
	while [ ! -e "$tmp/enough" ]; do echo 'select 1 \g /dev/null'; done
	cat "$tmp/queries"
}

same_rows() {
	psql_of "$port" -h "$dir" -f "$tmp/queries" >"$tmp/expected"
	feed | inside "$load" timeout 60 "$(postgres_bin)/psql" -X -q -A -t -p "$port" -f - >"$tmp/rows" 2>&1 &
	psql=$!
	eventually "psql is promoted" 'length == 2 and all(.[]; .state == "redirect")'
	touch "$tmp/enough"
	check "psql ends well" wait "$psql"
	check "psql reads the same $(wc -c <"$tmp/rows") bytes as over the Unix socket" cmp "$tmp/expected" "$tmp/rows"
}

start_daemon
server=$(managed server adaptive)
load=$(managed load adaptive)
check "a private postgres starts" start_postgres "$server" pg
queries >"$tmp/queries"
benchmark simple
benchmark prepared
same_rows
finish
