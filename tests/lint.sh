#!/bin/sh
# lint.sh: what can be checked without running anything: names, directions of dependency, sizes, format, byte order.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${SHUNT_BUILD:=build}"
points=0 failures=0
sources=$(git ls-files '*.c' '*.h' 2>/dev/null)
[ -n "$sources" ] || sources=$(find include bpf lib manager bench tests cni libshunt proxy -name '*.[ch]' 2>/dev/null)

# verdict NAME LINES: passed when LINES is empty
verdict() {
	points=$((points + 1))
	if [ -z "$2" ]; then
		echo "ok $points - lint: $1"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $points - lint: $1"
	printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
}

# hits PATTERN FILES...: lines that match
hits() {
	hits_pattern=$1
	shift
	grep -nE "$hits_pattern" "$@" 2>/dev/null
}

in_folders() { for folder; do printf '%s\n' $sources | grep "^$folder/"; done; }

kernel_names() { # of maps and programs, as the skeleton carries them
	sed -nE 's/^\t+(map->name|s->(maps|progs)\[[0-9]+\]\.name|.*->name) = "(.*)";/\3/p' "$SHUNT_BUILD"/*.skel.h | sort
}

names=$(kernel_names)
verdict "the skeleton names maps and programs" "$([ "$(printf '%s\n' "$names" | wc -l)" -ge 15 ] || echo "found only: $names")"
verdict "kernel-visible names have at most 15 characters" "$(printf '%s\n' "$names" | awk 'length($0) > 15')"
verdict "kernel-visible names begin with sh_" "$(printf '%s\n' "$names" | grep -vE '^(sh_|shunt\.rodata$|\.rodata|rodata)')"
verdict "kernel-visible names are unique" "$(printf '%s\n' "$names" | uniq -d)"

verdict "one file calls libbpf's loader" "$(hits 'sh_core__(open|load)|bpf_object__(open|load)' $(in_folders manager lib bench) | grep -vE '^manager/daemon/(datapath|probe|trial)\.c')"
verdict "clients never include libbpf" "$(hits '#include <bpf/' $(in_folders manager/cli lib bench cni libshunt proxy))"
verdict "the contract includes linux/types.h and itself only" "$(hits '#include' $(in_folders include) | grep -vE '<linux/types.h>|"[a-z_]+\.h"')"
verdict "lib/ does not look at manager/" "$(hits '#include "(daemon|cli|manager)/' $(in_folders lib))"
verdict "the datapath does not include user space" "$(hits '#include ["<](cleanup|log|jansson|stdio|stdlib)' $(in_folders bpf))"
verdict "shared structs are declared once" "$(hits '^struct shunt_(flow|flow_end|end|pod|control|event|isns|rendezvous|address) \{' $sources | grep -v '^include/')"

verdict "no line is over 120 columns" "$(awk 'length($0) > 120 { print FILENAME ":" FNR ": " length($0) " columns" }' $sources)"
verdict "no C file is over 500 lines" "$(wc -l $sources | awk '$1 > 500 && $2 != "total" { print $2 ": " $1 " lines" }' | grep '\.c:')"
verdict "nothing is left unfinished" "$(hits 'TODO|FIXME|\bXXX\b|placeholder|not implemented' $sources)"
verdict "every source says its licence first" "$(for f in $sources; do head -n 1 "$f" | grep -q SPDX-License-Identifier || echo "$f"; done)"
verdict "the datapath is GPL-2.0-only" "$(for f in $(in_folders bpf); do head -n 1 "$f" | grep -q 'GPL-2.0-only' || echo "$f"; done)"

if command -v ctags >/dev/null; then
	long=$(printf '%s\n' $sources | ctags -L - --languages=C --kinds-C=f --fields=+ne -f - 2>/dev/null |
		awk -F'\t' '{ l = e = 0; for (i = 4; i <= NF; i++) { if ($i ~ /^line:/) l = substr($i, 6); if ($i ~ /^end:/) e = substr($i, 5) }
			if (e - l >= 80) print $2 ": " $1 " has " e - l + 1 " lines" }')
	verdict "no function is over 80 lines" "$long"
else
	points=$((points + 1))
	echo "ok $points - lint: no function is over 80 lines # SKIP universal-ctags is not installed"
fi

if command -v sparse >/dev/null; then
	found=$(printf '#include <linux/types.h>\n#include "shunt/flow.h"\n#include "shunt/isn.h"\n#include "shunt/judge.h"\n#include "shunt/verdict.h"\n#include "shunt/event.h"\n' >"$SHUNT_BUILD/sparse.c" &&
		sparse -Wbitwise -Wno-decl -Iinclude "$SHUNT_BUILD/sparse.c" 2>&1)
	verdict "sparse finds no mixed byte order in the contract" "$found"
else
	points=$((points + 1))
	echo "ok $points - lint: sparse # SKIP sparse is not installed"
fi
echo "1..$points"
[ $failures -eq 0 ]
