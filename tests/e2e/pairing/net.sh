# net.sh: the namespaces of pairing.sh. l, m: loopback only; c: syncookies always; n: a node with a bridge and NAT;
# a, b: pods on the bridge; d, e: pods behind routed veths.
# shellcheck shell=sh disable=SC2154
ns=st-$story

in_ns() {
	in_ns_name=$ns-$1
	shift
	ip netns exec "$in_ns_name" "$@"
}

add_ns() {
	ip netns add "$ns-$1" && ip -n "$ns-$1" link set lo up
}

bridge_pod() { # LETTER NUMBER
	add_ns "$1"
	ip -n $ns-n link add "v$1" type veth peer name eth0 netns "$ns-$1"
	ip -n $ns-n link set "v$1" master br0 up
	in_ns n sysctl -qw "net.ipv6.conf.v$1.accept_dad=0"
	ip netns exec $ns-n sh -c "echo 1 >/sys/class/net/v$1/brport/hairpin_mode"
	ip -n "$ns-$1" addr add "10.77.0.$2/24" dev eth0
	ip -n "$ns-$1" addr add "fd77::$2/64" dev eth0 nodad
	ip -n "$ns-$1" link set eth0 up
	ip -n "$ns-$1" route add default via 10.77.0.1
	ip -n "$ns-$1" -6 route add default via fd77::1
}

routed_pod() { # LETTER NUMBER
	add_ns "$1"
	ip -n $ns-n link add "v$1" type veth peer name eth0 netns "$ns-$1"
	ip -n $ns-n link set "v$1" up
	ip -n $ns-n route add "10.78.0.$2" dev "v$1"
	in_ns n sysctl -qw "net.ipv4.conf.v$1.proxy_arp=1"
	ip -n "$ns-$1" addr add "10.78.0.$2/32" dev eth0
	ip -n "$ns-$1" link set eth0 up
	ip -n "$ns-$1" route add 169.254.1.1 dev eth0
	ip -n "$ns-$1" route add default via 169.254.1.1 dev eth0
}

make_node() {
	add_ns n
	ip -n $ns-n link add br0 type bridge
	ip -n $ns-n addr add 10.77.0.1/24 dev br0
	ip -n $ns-n addr add fd77::1/64 dev br0 nodad
	ip -n $ns-n link set br0 up
	in_ns n sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.netfilter.nf_conntrack_tcp_loose=0
	bridge_pod a 2
	bridge_pod b 3
	routed_pod d 4
	routed_pod e 5
	ip -n $ns-n route add 10.96.0.0/24 dev br0 src 10.77.0.1
	ip -n $ns-n route add 169.254.1.1 dev br0 # proxy_arp answers for what it has a route to
}

node_nat() {
	in_ns n nft -f - <<-'END'
	table inet st {
		chain dnat_in { type nat hook prerouting priority -100
			jump vips
		}
		chain dnat_out { type nat hook output priority -100
			jump vips
		}
		chain vips {
			ip daddr 10.96.0.10 tcp dport 7110 counter dnat ip to 10.78.0.5
			ip daddr 10.96.0.10 tcp dport { 7111, 7112, 7113 } counter dnat ip to 10.77.0.3
			ip6 daddr fd96::10 tcp dport 7114 counter dnat ip6 to fd77::3
			ip daddr 10.77.0.1 tcp dport 7115 counter dnat ip to 10.77.0.3
		}
		chain post { type nat hook postrouting priority 100
			tcp dport { 7112, 7113, 7114 } counter masquerade fully-random
			tcp dport 7115 counter snat ip to 10.77.0.1
		}
		chain early { type filter hook prerouting priority -300
			tcp dport 7122 tcp flags syn notrack
		}
		chain local { type filter hook input priority 0
			tcp dport 7122 ct state invalid,untracked counter synproxy mss 1460 wscale 7 timestamp sack-perm
			tcp dport 7122 ct state invalid drop
		}
	}
	END
}

pod_redirects() {
	in_ns b nft -f - <<-'END'
	table ip st {
		chain in { type nat hook prerouting priority -100
			tcp dport 7120 counter redirect to :15006
		}
	}
	END
	in_ns a nft -f - <<-'END'
	table ip st {
		chain out { type nat hook output priority -100
			tcp dport 7121 counter redirect to :15001
		}
	}
	END
}

# The first packet of its kind is dropped, the next ones pass: SYN and SYN-ACK have 60 bytes, an ACK 52.
losses() {
	in_ns l nft -f - <<-'END'
	table ip st {
		chain in {
			type filter hook input priority 0
			tcp dport 7030 tcp flags & (syn | ack) == syn quota until 100 bytes counter drop
			tcp sport 7031 tcp flags & (syn | ack) == (syn | ack) quota until 100 bytes counter drop
			tcp dport { 7032, 7033 } tcp flags & (syn | ack | psh) == ack meta length 52 jump first
		}
		chain first {
			tcp dport 7032 quota until 100 bytes counter drop
			tcp dport 7033 quota until 100 bytes counter drop
		}
	}
	table ip held {
		chain in { type filter hook input priority 0
			tcp sport 7038 tcp flags & (syn | ack) == (syn | ack) drop
		}
	}
	END
}

# the rules that must have dropped, redirected or translated did so
rules_were_used() { # NAMESPACE
	in_ns "$1" nft -j list ruleset >"$tmp/rules.json" || return 1
	jq -e '[.nftables[] | .rule? // empty | .expr[] | .counter? // empty | .packets] | length > 0 and all(. > 0)' \
		"$tmp/rules.json" >/dev/null
}

make_network() {
	add_ns l && add_ns m && add_ns c
	in_ns l sysctl -qw net.ipv4.tcp_fastopen=3
	in_ns c sysctl -qw net.ipv4.tcp_syncookies=2
	make_node
	node_nat && pod_redirects && losses
}
