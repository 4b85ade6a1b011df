# Shared by the suites of network commands. Network namespaces stand for the host, the outside and each guest.
load spaces

network_setup() {
	spaces_begin
	FAULTY=$BUILD/fault/vzrun
	host_and_outside
}

net() { h env VZRUN_HOME="$H" "$VZ" network "$@"; }
bridge_of() { jq -r .bridge "$H/networks/$1.json"; }

closed() { [[ $(dial "$1" "$2" "$3") =~ ^(refused|silence)$ ]]; }
reaches() { ! closed "$@"; }

# refused STATUS TEXT ARG...: this network command fails so, in one line, and changes nothing
refused() {
	local want=$1 text=$2
	shift 2
	everything >"$D/was"
	run net "$@"
	[ "$status" -eq "$want" ] && [ "${lines[0]}" = "vzrun: $text" ] && [ "$(grep -c ^vzrun: <<<"$output")" = 1 ] || {
		echo "$*"; echo "got  $status: $output"; echo "want $want: vzrun: $text"
		return 1
	}
	everything | diff "$D/was" -
}
everything() {
	[ ! -d "$H/networks" ] || (cd "$H/networks" && find . ! -name .lock ! -name .others -type f -exec sha256sum {} + | sort)
	# Ports come and go with their guests, and what a bridge carries with them.
	h ip -o link | sed -E 's/^[0-9]*: //; s/<[^>]*>//; s/ state [A-Z]+//' | grep -v '^vz[0-9a-f]\{9\}@'
	h ip -o addr | sed 's/^[0-9]*: //' | grep -v fe80
	h nft list ruleset | awk -f "$BATS_TEST_DIRNAME/../net/standing.awk"
	h sh -c 'grep . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/*forwarding' | grep -v '/vz[0-9a-f]\{9\}/'
}
