# A client of the CRI, as a kubelet is one, for the suites 93 and 97: pods and containers in few words.

HANDLER=$(awk '$1 == "handler:" { print $2 }' "$TOP/packaging/kubernetes/runtimeclass.yaml")

# cri_config [LINE...]: containerd's configuration with its CRI plugin, which is two since containerd 2, and the file of
# packaging/ for it; LINE... is of the plugin that runs containers. Of the order of tables TOML asks nothing.
cri_config() {
	local run=io.containerd.grpc.v1.cri images=io.containerd.grpc.v1.cri version=2
	local pause='sandbox_image = "docker.io/library/pause:latest"' fs="containerd.snapshotter"
	case $(containerd --version | awk '{ print $3 }') in
	1.*) ;;
	*)
		run=io.containerd.cri.v1.runtime images=io.containerd.cri.v1.images version=3
		pause='pinned_images.sandbox = "docker.io/library/pause:latest"' fs=snapshotter
		;;
	esac
	containerd_config $version
	printf '[plugins."%s"]\n' $run
	printf '%s\n' "$@"
	[ $images = $run ] || printf '[plugins."%s"]\n' $images
	printf '%s = "%s"\n' $fs "$FS"
	echo "$pause"
	cat "$TOP/packaging/containerd/vzrun-v$version.toml"
}

# cri_serve [CMD...]: what speaks gRPC to containerd at $W/containerd.sock, in the background; CMD... starts it
cri_serve() {
	mkdir -p "$W/pb" "$W/logs"
	protoc --proto_path="$TOP/tests/cri" --python_out="$W/pb" cri.proto
	export CRI_PB=$W/pb
	"$@" "$TOP/tests/cri/cri.py" serve "$W/containerd.sock" "$W/cri.sock"
	wait_for cri Version
}

# cri METHOD [JSON]
cri() { curl -sS --fail-with-body --unix-socket "$W/cri.sock" -d "${2-{\}}" "http://cri/$1"; }
# ex CONTAINER CMD...: run to its end; its output, errors and status
ex() {
	local c=$1 r
	shift
	r=$(cri ExecSync "$(jq -nc --arg c "$c" '{container_id: $c, cmd: $ARGS.positional}' --args -- "$@")") || { echo "$r"; return 1; }
	jq -j '.stdout | @base64d' <<<"$r"
	jq -j '.stderr | @base64d' <<<"$r" >&2
	return "$(jq .exit_code <<<"$r")"
}
# stream METHOD JSON [COLSxROWS]: Exec or Attach
stream() {
	local url
	url=$(cri "$1" "$2" | jq -r .url) || return 1
	inside "$TOP/tests/cri/cri.py" stream "$url" ${3:+"$3"}
}
ref() { jq -nc --arg k "${1}_id" --arg v "$2" '{($k): $v}'; }

# pod [FILTER [HANDLER]]: a pod of the node's network unless the filter says otherwise, below the group $PARENT; its id in $POD
pod() {
	PODCFG=$(jq -nc --arg g "${PARENT:-/$G}" --arg n "$BATS_TEST_NUMBER-$RANDOM" --arg l "$W/logs" '{
		metadata: {name: $n, uid: $n, namespace: "default"}, log_directory: $l,
		linux: {cgroup_parent: $g, security_context: {namespace_options: {network: 2, pid: 1}}}} | '"${1:-.}")
	local r
	r=$(cri RunPodSandbox "$(jq -nc --argjson c "$PODCFG" --arg h "${2-$HANDLER}" '{config: $c, runtime_handler: $h}')") || { echo "$r"; return 1; }
	POD=$(jq -r .pod_sandbox_id <<<"$r")
}
# make NAME [FILTER]: a container in $POD, with its namespaces; its id in $C
make() {
	CFG=$(jq -nc --arg n "$1" --argjson p "$PODCFG" '{metadata: {name: $n}, image: {image: "docker.io/library/box:latest"},
		command: ["sleep", "1000"], log_path: ($n + ".log"), linux: {security_context: {
		namespace_options: $p.linux.security_context.namespace_options}}} | '"${2:-.}")
	local r
	r=$(cri CreateContainer "$(jq -nc --arg p "$POD" --argjson c "$CFG" --argjson s "$PODCFG" \
		'{pod_sandbox_id: $p, config: $c, sandbox_config: $s}')") || { echo "$r"; return 1; }
	C=$(jq -r .container_id <<<"$r")
}
quiet() { local r; r=$(cri "$@") || { echo "$r"; return 1; }; }
start() { quiet StartContainer "$(ref container "${1:-$C}")"; }
box() { make "$@" && start; }
stop() { quiet StopContainer "$(ref container "$1" | jq -c --argjson t "${2:-0}" '.timeout = $t')"; }
status_of() { cri ContainerStatus "$(ref container "${1:-$C}" | jq -c '.verbose = true')"; }
pid() { status_of "$@" | jq -r '.info.info | fromjson | .pid'; }
# seen CONTAINER jq-condition: of its status
seen() { status_of "$1" | jq -e ".status | $2" >/dev/null; }
exited() { wait_for seen "$C" ".state == 2"; status_of | jq -c '.status | [.exit_code, .reason]'; }
# ended CMD: runs a shell command as a container of its own; its log on standard output
once() {
	local cmd=$1
	make "o$RANDOM" ".command = [\"sh\", \"-c\", $(jq -nc --arg c "$cmd" '$c')] | ${2:-.}" && start || return 1
	exited >/dev/null
	log
}
log() { cut -d' ' -f4- "$W/logs/$(jq -r .log_path <<<"$CFG")"; }
of_pid() { inside python3 "$BATS_TEST_DIRNAME/cgroup-of.py" "$(pid)" "$1" "$2"; }
