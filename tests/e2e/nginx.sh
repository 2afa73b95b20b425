#!/bin/sh
# SPDX-License-Identifier: MIT
# nginx.sh: keep-alive GETs and then 4 MB uploads on the same connection never hang; promoted only where FIONREAD is
# right.
# shellcheck disable=SC2154,SC2317,SC1091,SC2119
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/apps/lib.sh"

need nginx jq
start_daemon
server=$(managed server adaptive)
load=$(managed load adaptive)
check "a private nginx starts" start_nginx "$server" nginx
begin_talk "$load" -n 4 -j 4 http "$port"
if fionread_right; then
	eventually "FIONREAD is right here: every keep-alive connection is promoted" \
		'length == 8 and all(.[]; .state == "redirect")'
else
	eventually "FIONREAD is wrong here: no keep-alive connection is promoted, reason fionread" \
		'length == 8 and all(.[]; .state == "tcp" and .reason == "fionread")'
fi
end_talk "the keep-alive connections end well"
talk "40 GETs, then 4 MB up and down, verified" "$load" -n 40 -j 8 -w 400 -k 40 -b 4000000 -r 2 http "$port"
talk "the same with 600 kB" "$load" -n 40 -j 8 -w 400 -k 40 -b 600000 -r 4 http "$port"
fionread_right || check "nothing was redirected" [ "$(roads | cut -d ' ' -f 1)" = 0 ]
finish
