# SPDX-License-Identifier: MIT
# table.awk: the demo's results as one table; a line a round: LOAD PLACEMENT COUNT RATE P50 P99 CPU_US REDIRECTED TCP
# REASON.
# -v loads="LOAD=LABEL;..." gives order and labels.

function median(values, n,    i, j, held) {
	for (i = 2; i <= n; i++) {
		held = values[i]
		for (j = i - 1; j > 0 && values[j] > held; j--)
			values[j + 1] = values[j]
		values[j + 1] = held
	}
	return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

function middle(key, column,    i, values, n) {
	n = rounds[key]
	for (i = 1; i <= n; i++) {
		if (cell[key, i, column] == "-")
			return "-"
		values[i] = cell[key, i, column] + 0
	}
	return n ? median(values, n) : "-"
}

function grouped(number,    text) {
	text = sprintf("%.0f", number)
	while (text ~ /[0-9][0-9][0-9][0-9]/)
		sub(/[0-9][0-9][0-9]($| )/, " &", text)
	return text
}

function whole(figure) {
	return figure == "-" ? figure : sprintf("%.0f", figure)
}

function share(load,    all) {
	all = redirected[load] + tcp[load]
	return all ? 100 * redirected[load] / all : 0
}

function row(label, placement, key, more) {
	printf "%-28s %-11s %11s %7s %7s %9.2f%s\n", label, placement, grouped(middle(key, "rate")), whole(middle(key, "p50")),
		whole(middle(key, "p99")), middle(key, "cpu"), more
}

function comparison(load,    plain, fast) {
	plain = load SUBSEP "plain"
	fast = load SUBSEP "accelerated"
	return sprintf(" %6.2f %6.2f %9.1f %%  %s", middle(fast, "rate") / middle(plain, "rate"),
		middle(fast, "cpu") / middle(plain, "cpu"), share(load), rest(load))
}

# Where every connection was redirected in the end, what went by TCP is from before its promotion.
function rest(load) {
	if (share(load) >= 99.95)
		return "-"
	return reason[load] == "-" ? "new" : reason[load]
}

{
	key = $1 SUBSEP $2
	round = ++rounds[key]
	cell[key, round, "rate"] = $4
	cell[key, round, "p50"] = $5
	cell[key, round, "p99"] = $6
	cell[key, round, "cpu"] = $7 / $3
}

$2 == "accelerated" {
	redirected[$1] += $8
	tcp[$1] += $9
	if ($10 != "-" || !($1 in reason))
		reason[$1] = $10
}

END {
	printf "%40s %11s  p50 µs  p99 µs  CPU µs/r   rate    CPU  redirected  reason of the rest\n", "", "requests/s"
	count = split(loads, entries, ";")
	for (i = 1; i < count; i++) {
		split(entries[i], entry, "=")
		row(entry[2], "plain", entry[1] SUBSEP "plain", "")
		row("", "accelerated", entry[1] SUBSEP "accelerated", comparison(entry[1]))
	}
}
