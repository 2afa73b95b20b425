# SPDX-License-Identifier: MIT
# servers.sh: starts private instances of real servers on free loopback ports, with their data below $tmp; for the demo
# and for the stories. Each start_X CGROUP NAME [...] sets $port. The script that sources this defines $tmp,
# inside CGROUP COMMAND... and wait_for SECONDS COMMAND..., and ends the servers by their cgroups.
# shellcheck shell=sh disable=SC2154,SC2086

# free_port: sets $port to a loopback port that nobody listens on, below the ephemeral range
free_port() {
	: "${next_port:=$((20000 + $$ * 61 % 11000))}"
	while
		next_port=$((next_port + 1))
		listening "$next_port"
	do :; done
	port=$next_port
}

listening() { ss -Hltn "sport = :$1" | grep -q .; }

# What a server is run by, without a process in between: redis and nginx as root would be open to every local user.
nobody='setpriv --reuid nobody --regid nogroup --clear-groups'
postgres='setpriv --reuid postgres --regid postgres --init-groups'

# server_dir NAME USER: makes the folder of one instance and sets $dir
server_dir() {
	dir=$tmp/$1
	chmod 711 "$tmp"
	mkdir -p "$dir" && chown "$2" "$dir"
}

# up NAME: waits until the server of this folder listens on $port, otherwise shows its log
up() {
	wait_for 15 listening "$port" && return 0
	echo "$1 did not start:" >&2
	tail -n 20 "$dir/log" >&2
	return 1
}

start_redis() { # CGROUP NAME: with the value of 100 bytes that redis-benchmark asks for
	server_dir "$2" nobody
	free_port
	inside "$1" $nobody redis-server --bind 127.0.0.1 --port "$port" \
		--dir "$dir" --save '' --appendonly no >"$dir/log" 2>&1 </dev/null &
	up redis-server && redis-benchmark -q -p "$port" -t set -d 100 -n 1 >/dev/null
}

# postgres_bin: prints the folder of the newest PostgreSQL's programs, which Debian keeps out of PATH
postgres_bin() {
	for bin in /usr/lib/postgresql/*/bin; do :; done
	[ -x "$bin/postgres" ] && echo "$bin"
}

# start_postgres CGROUP NAME: with pgbench's tables of scale 1; PGPASSWORD opens it
start_postgres() {
	server_dir "$2" postgres
	free_port
	[ -n "${PGPASSWORD:-}" ] || PGPASSWORD=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	export PGPASSWORD PGUSER=postgres PGDATABASE=postgres PGHOST=127.0.0.1
	init_postgres || return 1
	inside "$1" $postgres "$(postgres_bin)/postgres" -D "$dir/data" -F \
		-h 127.0.0.1 -p "$port" -k "$dir" -c shared_buffers=64MB >"$dir/log" 2>&1 </dev/null &
	up postgres && wait_for 15 psql_of "$port" -c 'select 1' || return 1
	"$(postgres_bin)/pgbench" -q -i -s 1 -p "$port" >"$dir/init" 2>&1
}

# One initdb serves every instance: the others get a copy.
init_postgres() {
	if [ ! -d "$tmp/initdb" ]; then
		echo "$PGPASSWORD" >"$dir/password" && chown postgres "$dir/password"
		$postgres "$(postgres_bin)/initdb" -N -A scram-sha-256 -U postgres --pwfile="$dir/password" -D "$dir/data" \
			>"$dir/log" 2>&1 || return 1
		cp -a "$dir/data" "$tmp/initdb"
	else
		cp -a "$tmp/initdb" "$dir/data"
	fi
}

# psql_of PORT ARGS...: the real psql, not Debian's wrapper in perl
psql_of() {
	psql_port=$1
	shift
	"$(postgres_bin)/psql" -X -q -A -t -p "$psql_port" "$@"
}

start_nginx() { # CGROUP NAME: /hello is 1 kB, /put takes and gives files
	server_dir "$2" nobody
	free_port
	mkdir -p "$dir/put" "$dir/html" && chown nobody "$dir/put"
	head -c 768 /dev/urandom | base64 -w 0 >"$dir/html/hello"
	cat >"$dir/nginx.conf" <<-END
		daemon off; worker_processes 1; pid $dir/pid; error_log stderr;
		events { worker_connections 512; }
		http {
			access_log off; keepalive_requests 1000000000; client_max_body_size 64m; tcp_nodelay on;
			client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
			server {
				listen 127.0.0.1:$port; root $dir/html;
				location /put/ { root $dir; dav_methods PUT; create_full_put_path on; }
			}
		}
	END
	inside "$1" $nobody nginx -e stderr -p "$dir" -c "$dir/nginx.conf" \
		>"$dir/log" 2>&1 </dev/null &
	up nginx
}

# start_haproxy CGROUP NAME UPSTREAM_PORT [OPTION...]: a TCP proxy of one thread with these `option` lines
start_haproxy() {
	haproxy_cgroup=$1 haproxy_upstream=$3
	server_dir "$2" nobody
	free_port
	shift 3
	{
		printf 'global\n\tnbthread 1\n\tmaxconn 1000\ndefaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 60s\n'
		printf '\ttimeout server 60s\n'
		for option; do printf '\toption %s\n' "$option"; done
		printf 'listen relay\n\tbind 127.0.0.1:%s\n\tserver upstream 127.0.0.1:%s\n' "$port" "$haproxy_upstream"
	} >"$dir/haproxy.cfg"
	inside "$haproxy_cgroup" $nobody haproxy -db -f "$dir/haproxy.cfg" \
		>"$dir/log" 2>&1 </dev/null &
	up haproxy
}

start_iperf3() { # CGROUP NAME
	server_dir "$2" nobody
	free_port
	inside "$1" $nobody iperf3 -s -B 127.0.0.1 -p "$port" >"$dir/log" 2>&1 </dev/null &
	up iperf3
}
