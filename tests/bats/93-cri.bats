#!/usr/bin/env bats
# containerd's CRI plugin, as a kubelet drives it, with vzrun as the runtime handler of packaging/.
load helpers
load containerd
load cri

setup_file() {
	world_start
	image box
	image pause '.config.Cmd = ["/bin/sleep", "1000000"]'
	mkdir -p "$W/cni"
	cat >"$W/cni/10-ptp.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp",
		 "ipam": {"type": "host-local", "dataDir": "$W/cni.data", "ranges": [[{"subnet": "10.99.0.0/24"}]]}}]}
	END
	# Without CAP_SYS_RESOURCE nobody may lower what the pod's own process is to have.
	cri_config 'restrict_oom_score_adj = true' 'cni.bin_dir = "/usr/lib/cni"' "cni.conf_dir = \"$W/cni\"" \
		'containerd.runtimes.runc.runtime_type = "io.containerd.runc.v2"' |
		sed "s#/usr/local/bin/vzrun#$VZ#" >"$W/containerd.toml"
	containerd_start
	local i
	for i in box pause; do NS=k8s.io ctr_ images import --snapshotter "$FS" "$W/$i.tar" >&2; done
	cri_serve daemon cri
}
teardown_file() { world_stop; }

teardown() {
	local p
	for p in $(cri ListPodSandbox | jq -r '.items[].id'); do
		cri StopPodSandbox "$(ref pod_sandbox "$p")" >/dev/null
		cri RemovePodSandbox "$(ref pod_sandbox "$p")" >/dev/null
	done
	wait_for ended_all || { echo "left behind: $(inside ls /run/containerd/vzrun/k8s.io) $(world_groups)"; return 1; }
}
ended_all() {
	[ -z "$(inside sh -c 'ls /run/containerd/vzrun/k8s.io 2>/dev/null')" ] && [ -z "$(world_groups | grep -v "/$G\$")" ]
}

@test "a pod and a container: ready, running, its output logged, removed" {
	pod
	[ "$(cri PodSandboxStatus "$(ref pod_sandbox "$POD")" | jq -c '.status | [.state, .runtime_handler]')" = "[0,\"$HANDLER\"]" ]
	make a '.command = ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"] | .envs = [{key: "A", value: "b"}]'
	seen "$C" ".state == 0"
	start
	seen "$C" ".state == 1 and .started_at > 0"
	inside test -e "/run/containerd/vzrun/k8s.io/$C/journal"
	wait_for grep -q 'stderr F err' "$W/logs/a.log"
	wait_for grep -q 'stdout F out' "$W/logs/a.log"
	run ex "$C" sh -c 'echo $A $(hostname); cat /proc/1/comm'
	says $'b '"$(uname -n)"$'\nsleep'
	stop "$C"
	seen "$C" ".state == 2 and .exit_code == 137"
	cri RemoveContainer "$(ref container "$C")"
	run status_of
	[ "$status" -ne 0 ]
	has "not found"
}

@test "a pod without the handler runs with the default runtime, beside ours" {
	pod . ""
	box a
	run ex "$C" echo hello
	says hello
	run ! inside test -e "/run/containerd/vzrun/k8s.io/$C"
	run pod . nosuch
	[ "$status" -ne 0 ]
	has nosuch
}

@test "exec: status, errors apart, a timeout, what is not there" {
	pod
	box a
	run --separate-stderr ex "$C" sh -c 'echo out; echo err >&2; exit 5'
	[ "$status" -eq 5 ]
	says out
	[ "$stderr" = err ]
	run cri ExecSync "$(ref container "$C" | jq -c '.cmd = ["sleep", "1000"] | .timeout = 1')"
	[ "$status" -ne 0 ]
	has "timeout"
	wait_for sh -c "! nsenter -t $WORLD -m -p -- pgrep -f 'sleep 1000\$' | grep -vx $(pid)"
	run ex "$C" nothere
	[ "$status" -ne 0 ]
	has 'exec: "nothere": executable file not found in $PATH'
	run ex "$C" /nothere
	has 'exec: "/nothere": stat /nothere: no such file or directory'
}

@test "exec streamed: input, output, errors, status; a terminal and its size" {
	pod
	box a
	run stream Exec "$(ref container "$C" | jq -c '.cmd = ["sh", "-c", "read l; echo got $l; echo bad >&2; exit 4"] | .stdin = true | .stdout = true | .stderr = true')" \
		<<<"a line"
	has "got a line"
	has bad
	has '"reason":"ExitCode","message":"4"'
	run stream Exec "$(ref container "$C" | jq -c '.cmd = ["sh", "-c", "read l; tty; until stty size | grep \"27 91\"; do sleep 0.05; done"] | .stdin = true | .stdout = true | .tty = true')" \
		91x27 <<<"go"
	has /dev/pts/
	has "27 91"
}

@test "attach: the container's own input and output" {
	pod
	make a '.command = ["cat"] | .stdin = true | .stdin_once = true'
	start
	run stream Attach "$(ref container "$C" | jq -c '.stdin = true | .stdout = true | .stderr = true')" < <(echo hello; wait_for grep -q hello "$W/logs/$(jq -r .log_path <<<"$CFG")"; stop "$C")
	has hello
}

@test "limits, and their change while it runs, in the init's groups" {
	pod
	box a '.linux.resources = {cpu_period: 100000, cpu_quota: 50000, cpu_shares: 512, memory_limit_in_bytes: 33554432,
		oom_score_adj: 500, cpuset_cpus: "0"}'
	run ex "$C" cat /proc/1/oom_score_adj /proc/self/oom_score_adj
	says $'500\n500'
	run ex "$C" grep Cpus_allowed_list /proc/self/status
	says $'Cpus_allowed_list:\t0'
	local update='{cpu_quota: 25000, cpu_period: 100000, cpu_shares: 256, memory_limit_in_bytes: 67108864}'
	if inside test -e /sys/fs/cgroup/cgroup.controllers; then
		[ "$(of_pid memory memory.max)" = 33554432 ]
		cri UpdateContainerResources "$(ref container "$C" | jq -c ".linux = $update")"
		[ "$(of_pid memory memory.max)" = 67108864 ]
		[ "$(of_pid cpu cpu.max)" = "25000 100000" ]
	else
		[ "$(of_pid memory memory.limit_in_bytes)" = 33554432 ]
		[ "$(of_pid cpu cpu.cfs_quota_us)" = 50000 ]
		[ "$(of_pid cpu cpu.shares)" = 512 ]
		cri UpdateContainerResources "$(ref container "$C" | jq -c ".linux = $update")"
		[ "$(of_pid memory memory.limit_in_bytes)" = 67108864 ]
		[ "$(of_pid cpu cpu.cfs_quota_us)" = 25000 ]
		[ "$(of_pid cpu cpu.shares)" = 256 ]
	fi
	run cri UpdateContainerResources "$(ref container "$C" | jq -c '.linux = {cpuset_cpus: "4000"}')"
	[ "$status" -ne 0 ]
	has cpuset.cpus
}

@test "stats: memory and processor time of the container, and of the pod" {
	pod
	box a '.command = ["sh", "-c", "dd if=/dev/zero of=/dev/null bs=1M count=300; dd if=/dev/zero of=/dev/shm/x bs=1M count=4; exec sleep 1000"]'
	wait_for ex "$C" sh -c '[ "$(cat /proc/1/comm)" = sleep ]'
	cri ContainerStats "$(ref container "$C")" | jq -e '.stats | (.cpu.usage_core_nano_seconds.value | tonumber) > 1000000 and
		(.memory.working_set_bytes.value | tonumber) > 4000000'
	[ "$(cri ListContainerStats | jq -r '.stats[].attributes.id')" = "$C" ]
	cri PodSandboxStats "$(ref pod_sandbox "$POD")" | jq -e '.stats.linux.containers | length == 1'
}

@test "stop: the image's signal, then after the timeout KILL" {
	pod
	box a '.command = ["sh", "-c", "trap \"exit 3\" TERM; touch /tmp/up; while :; do sleep 0.05; done"]'
	wait_for ex "$C" test -e /tmp/up
	stop "$C" 30
	[ "$(exited)" = '[3,"Error"]' ]
	box b '.command = ["sh", "-c", "trap \"\" TERM; sleep 1000"]'
	stop "$C" 1
	[ "$(exited)" = '[137,"Error"]' ]
	stop "$C" 1
}

@test "exit codes and reasons: completed, failed, killed, out of memory, not startable" {
	pod
	box a '.command = ["true"]'
	[ "$(exited)" = '[0,"Completed"]' ]
	box b '.command = ["sh", "-c", "exit 42"]'
	[ "$(exited)" = '[42,"Error"]' ]
	box c '.command = ["sh", "-c", "kill -SEGV $$"]'
	exited
	box d '.command = ["tail", "/dev/zero"] | .linux.resources = {memory_limit_in_bytes: 16777216}'
	[ "$(exited)" = '[137,"OOMKilled"]' ]
	make e '.command = ["nothere"]'
	run start
	[ "$status" -ne 0 ]
	has 'exec: "nothere": executable file not found in $PATH'
	seen "$C" '.state == 2 and .exit_code == 128 and .reason == "StartError" and (.message | test("nothere"))'
	make f '.command = ["/etc"]'
	run start
	has 'permission denied'
}

@test "a pod's second container of the same name, after the first's end" {
	pod
	box a '.command = ["false"]'
	exited
	box a '.metadata.attempt = 1'
	seen "$C" ".state == 1"
}

@test "system call filter: the engine's default, none, a file's" {
	pod
	run once 'grep Seccomp: /proc/self/status; unshare -m true' '.linux.security_context.seccomp = {profile_type: 0}'
	has "Seccomp:	2"
	has "Operation not permitted"
	run once 'grep Seccomp: /proc/self/status' '.linux.security_context.seccomp = {profile_type: 1}'
	says "Seccomp:	0"
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' \
		>"$BATS_TEST_TMPDIR/s.json"
	run once 'mkdir /tmp/x' ".linux.security_context.seccomp = {profile_type: 2, localhost_ref: \"$BATS_TEST_TMPDIR/s.json\"}"
	has "No space left on device"
}

@test "privileged: capabilities, devices, writable /sys" {
	pod '.linux.security_context.privileged = true'
	run once 'grep CapEff /proc/self/status; ls /dev/loop-control; grep " /sys " /proc/mounts; mount -t tmpfs t /mnt && echo mounted' \
		'.linux.security_context.privileged = true'
	has "CapEff:	$(awk '/CapBnd/ { print $2 }' /proc/self/status)"
	has /dev/loop-control
	has "sysfs /sys sysfs rw"
	has mounted
}

@test "user, groups, capabilities, no_new_privs, a read-only root" {
	pod
	run once 'touch /f 2>&1; id -u; id -g; id -G; grep -E "NoNewPrivs|CapEff" /proc/self/status' '.linux.security_context += {
		run_as_user: {value: 1000}, run_as_group: {value: 1000}, supplemental_groups: [2000, 3000], readonly_rootfs: true, no_new_privs: true}'
	has $'1000\n1000\n1000 2000 3000\n'
	has "touch: /f: Read-only file system"
	has $'CapEff:\t0000000000000000\nNoNewPrivs:\t1'
	run once 'id -u' '.linux.security_context.run_as_username = "user"'
	says 1000
	run once 'grep -E "CapEff" /proc/self/status' '.linux.security_context.capabilities = {add_capabilities: ["NET_ADMIN"], drop_capabilities: ["ALL"]}'
	says $'CapEff:\t0000000000001000'
}

@test "masked and read-only paths" {
	pod
	run once 'exec 2>&1; cat /proc/uptime | wc -c; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/panic' \
		'.linux.security_context |= (.masked_paths = ["/proc/uptime", "/sys/firmware"] | .readonly_paths = ["/proc/sys"])'
	[ "${lines[0]} ${lines[1]}" = "0 0" ]
	has "can't create /proc/sys/kernel/panic: Read-only file system"
}

@test "mounts: read-only, and propagation in each of the three ways" {
	local v=$W/vol$BATS_TEST_NUMBER
	mkdir -p "$v/sub"
	inside mount -t tmpfs tmpfs "$v"
	inside mount --make-rshared "$v"
	inside mkdir "$v/a" "$v/b"
	pod '.linux.security_context.privileged = true'
	box ro ".mounts = [{container_path: \"/mnt\", host_path: \"$v\", readonly: true}]"
	run ex "$C" touch /mnt/x
	has "Read-only file system"
	box slave ".mounts = [{container_path: \"/mnt\", host_path: \"$v\", propagation: 1}]"
	local slave=$C
	inside mount -t tmpfs fromhost "$v/a"
	run ex "$slave" grep -c fromhost /proc/mounts
	says 1
	box private ".mounts = [{container_path: \"/mnt\", host_path: \"$v\"}]"
	inside mount -t tmpfs again "$v/b"
	run ex "$C" grep -c again /proc/mounts
	says 0
	box shared ".mounts = [{container_path: \"/mnt\", host_path: \"$v\", propagation: 2}] | .linux.security_context.privileged = true"
	inside mkdir "$v/c"
	run ex "$C" mount -t tmpfs fromguest /mnt/c
	ok
	inside grep -q "fromguest $v/c" /proc/mounts
	run ex "$slave" grep -c fromguest /proc/mounts
	says 1
}

@test "devices" {
	pod
	run once ': <>/dev/x && echo opened; stat -c %t:%T /dev/x' '.devices = [{host_path: "/dev/loop-control", container_path: "/dev/x", permissions: "rwm"}]'
	says $'opened\na:ed'
}

@test "a pod's network of its own: an address, reached from the node, shared by its containers; sysctls" {
	pod '.hostname = "podhost" | .linux.security_context.namespace_options.network = 0 | .linux.sysctls = {"net.ipv4.ip_forward": "1"}'
	local ip
	ip=$(cri PodSandboxStatus "$(ref pod_sandbox "$POD")" | jq -r .status.network.ip)
	[[ $ip = 10.99.0.* ]]
	box a '.command = ["nc", "-l", "-p", "80", "-e", "echo", "from the pod"]'
	local a=$C
	box b
	run ex "$C" sh -c 'hostname; cat /proc/sys/net/ipv4/ip_forward'
	says $'podhost\n1'
	[ "$(ex "$C" readlink /proc/self/ns/net)" = "$(ex "$a" readlink /proc/self/ns/net)" ]
	[ "$(ex "$C" readlink /proc/self/ns/ipc)" = "$(ex "$a" readlink /proc/self/ns/ipc)" ]
	[ "$(ex "$C" readlink /proc/self/ns/pid)" != "$(ex "$a" readlink /proc/self/ns/pid)" ]
	run inside busybox nc -w 5 "$ip" 80
	says "from the pod"
}

@test "a shared pid namespace: the pod's, the node's, another container's" {
	pod '.linux.security_context.namespace_options.pid = 0'
	box a '.command = ["sleep", "991"]'
	box b '.command = ["sleep", "992"]'
	run ex "$C" ps
	has "sleep 991"
	has "sleep 992"
	has "sleep 1000000"
	# The namespace outlives its members but for the pod's own process.
	stop "$C"
	seen "$C" ".state == 2"
	pod '.linux.security_context.namespace_options.pid = 2'
	box c
	run ex "$C" ps
	has containerd-shim
	stop "$C"
	seen "$C" ".state == 2"
	pod
	box d '.command = ["sleep", "993"]'
	box e ".linux.security_context.namespace_options = {network: 2, pid: 3, target_id: \"$C\"}"
	run ex "$C" ps
	has "sleep 993"
}

@test "twenty containers in one pod, made and stopped at once" {
	pod
	local i jobs=()
	for i in $(seq 20); do
		(box "n$i" ".command = [\"sh\", \"-c\", \"exit $i\"]" && [ "$(exited | cut -d, -f1)" = "[$i" ]) >"$BATS_TEST_TMPDIR/$i" 2>&1 &
		jobs+=($!)
	done
	for i in $(seq 20); do
		ended "${jobs[i - 1]}"
		[ "$status" -eq 0 ] || { cat "$BATS_TEST_TMPDIR/$i"; return 1; }
	done
	[ "$(cri ListContainers | jq '.containers | length')" = 20 ]
}

@test "a pod that is stopped takes its running containers along" {
	pod
	box a
	local a=$C p
	p=$(pid)
	box b
	cri StopPodSandbox "$(ref pod_sandbox "$POD")"
	seen "$a" ".state == 2"
	seen "$C" ".state == 2"
	wait_for eval '! inside kill -0 "$p"'
	[ "$(cri PodSandboxStatus "$(ref pod_sandbox "$POD")" | jq -r .status.state)" = 1 ]
}

@test "the pod's own process is killed: the pod is not ready, its containers go on, all can be removed" {
	pod '.linux.security_context.namespace_options.pid = 0'
	box a
	local p
	p=$(cri PodSandboxStatus "$(ref pod_sandbox "$POD" | jq -c '.verbose = true')" | jq -r '.info.info | fromjson | .pid')
	inside kill -KILL "$p"
	not_ready() { [ "$(cri PodSandboxStatus "$(ref pod_sandbox "$POD")" | jq -r .status.state)" = 1 ]; }
	wait_for not_ready
	# The first process of the shared pid namespace is gone, and so is everything in it.
	wait_for seen "$C" ".state == 2 and .exit_code == 137"
	cri RemoveContainer "$(ref container "$C")"
}

@test "a container with a terminal: attached to, resized, logged" {
	pod
	box a '.command = ["sh", "-c", "read l; tty; until stty size | grep \"27 91\"; do sleep 0.05; done"] | .tty = true | .stdin = true'
	run stream Attach "$(ref container "$C" | jq -c '.stdin = true | .stdout = true | .tty = true')" 91x27 <<<"go"
	has /dev/pts/0
	has "27 91"
	[ "$(exited)" = '[0,"Completed"]' ]
	run log
	has "27 91"
}

@test "containerd is started again: the pod and its containers go on, and what ended meanwhile is known" {
	pod
	box a
	local a=$C
	box b '.command = ["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 6"]'
	local p
	p=$(pid)
	daemon_end containerd TERM
	inside touch "/proc/$p/root/tmp/go"
	wait_for sh -c "! nsenter -t $WORLD -m -p -- kill -0 $p"
	containerd_start
	wait_for cri Version
	wait_for seen "$a" ".state == 1"
	ex "$a" true
	# Newer ones have lost the status by then, with every runtime.
	case $(containerd --version) in
	*" 1.6."*) [ "$(exited)" = '[6,"Error"]' ] ;;
	*) [ "$(exited)" = '[255,"Unknown"]' ] ;;
	esac
}
