# Two machines with a wire between them (tests/vm/run -2): the tests run on a, 192.0.2.1 and 2001:db8::1; the other is
# b, 192.0.2.2 and 2001:db8::2, and does what a shell of its own reads from there (tests/vm/guest).

is_pair() { [ -n "${VZRUN_VM_OTHER:-}" ]; }

# It answers: it may still boot when the first test begins.
other_answers() { other true 2>/dev/null; }

# other WORDS...: a command on b, without input; what it says, and its status
other() {
	local fd said

	exec {fd}<>"/dev/tcp/$VZRUN_VM_OTHER/7000" || return 125
	printf '{ %s; } </dev/null 2>&1; printf "\\n%%d" $?; exit\n' "$(printf '%q ' "$@")" >&"$fd"
	said=$(cat <&"$fd")
	exec {fd}>&-
	[[ ${said##*$'\n'} =~ ^[0-9]+$ ]] || { echo "other: the machine is gone: $said" >&2; return 125; }
	printf '%s' "${said%$'\n'*}"
	[ -z "${said%$'\n'*}" ] || [[ ${said%$'\n'*} == *$'\n' ]] || echo
	return "${said##*$'\n'}"
}

# at a|b WORDS...: a command on that machine
at() {
	case $1 in
	a) "${@:2}" </dev/null ;;
	b) other "${@:2}" ;;
	esac
}
