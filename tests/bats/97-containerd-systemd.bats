#!/usr/bin/env bats
# containerd as a unit of systemd's, with systemd's cgroup driver: ctr, and the CRI plugin as a kubelet drives it.
load helpers
load containerd
load cri
load machine

PARENT=vzt-pods.slice
BOX=docker.io/library/box:latest

setup_file() {
	on_machine || return 0
	machine_install
	command -v containerd ctr protoc curl >/dev/null || return 0
	export G=vzt FS=overlayfs
	image box
	image pause '.config.Cmd = ["/bin/sleep", "1000000"]'
	mkdir -p /etc/containerd
	cri_config 'containerd.default_runtime_name = "vzrun"' | sed 's/# \(SystemdCgroup = true\)/\1/' >/etc/containerd/config.toml
	patient containerd
	systemctl daemon-reload
	systemctl start containerd
	wait_for ctr_ version
	local i
	for i in box pause; do NS=k8s.io ctr_ images import "$W/$i.tar" >&2; done
	ctr_ images import "$W/box.tar" >&2
	cri_serve systemd-run -q --unit vzt-cri --setenv "CRI_PB=$W/pb"
}
teardown_file() {
	[ -n "${FS:-}" ] || return 0
	systemctl stop vzt-cri containerd
	systemctl stop vzt.slice
	rm /etc/containerd/config.toml
}

setup() {
	need_machine
	[ -n "${FS:-}" ] || skip "host: no containerd in this machine (tests/vm/run -e)"
	ID=c$BATS_TEST_NUMBER
}
teardown() {
	[ -n "${FS:-}" ] || return 0
	local p
	for p in $(cri ListPodSandbox | jq -r '.items[].id'); do
		cri StopPodSandbox "$(ref pod_sandbox "$p")" >/dev/null
		cri RemovePodSandbox "$(ref pod_sandbox "$p")" >/dev/null
	done
	wait_for nothing || { echo "left behind: $(left)"; return 1; }
}
left() {
	systemctl list-units --all --plain --no-legend 'cri-containerd-*' 'ctr-*'
	ls /run/containerd/vzrun/k8s.io /run/containerd/runc/vzt 2>/dev/null | grep '^c'
}
nothing() { [ -z "$(left)" ]; }
task() { ctr_ tasks ls | awk -v id="$ID" -v s="$1" '$1 == id && $3 == s { found = 1 } END { exit !found }'; }

@test "ctr: a scope of the name that is asked for, with its limits; exec, pause, metrics; the unit goes with the task" {
	local u=ctr-$ID.scope
	ctr_ run -d --null-io --runc-binary /usr/local/bin/vzrun --runc-systemd-cgroup --cgroup "vzt-ctr.slice:ctr:$ID" \
		--memory-limit 67108864 --cpus 0.5 $BOX "$ID" sleep 1000
	[ "$(prop "$u" Slice)" = vzt-ctr.slice ]
	[ "$(prop "$u" MemoryMax) $(cat "$(group_of "$u")/memory.max")" = "67108864 67108864" ]
	[ "$(cat "$(group_of "$u")/cpu.max")" = "50000 100000" ]
	run ctr_ tasks exec --exec-id e "$ID" cat /proc/self/cgroup
	ok
	ctr_ tasks pause "$ID"
	task PAUSED
	ctr_ tasks resume "$ID"
	run ctr_ tasks metrics "$ID"
	has memory.usage
	ctr_ tasks kill -s KILL "$ID"
	wait_for task STOPPED
	ctr_ tasks delete "$ID" || true
	ctr_ containers delete "$ID"
	wait_for unit_gone "$u"
}

# What a container's scope is called by the CRI plugin
scope() { echo "cri-containerd-$C.scope"; }

@test "CRI: a pod's slice, a scope for each container with its limits; exec, stats, update; nothing stays" {
	pod
	[ "$(prop "cri-containerd-$POD.scope" Slice)" = vzt-pods.slice ]
	box a '.linux.resources = {cpu_period: 100000, cpu_quota: 50000, memory_limit_in_bytes: 67108864}'
	[ "$(prop "$(scope)" Slice)" = vzt-pods.slice ]
	[ "$(prop "$(scope)" MemoryMax) $(cat "$(group_of "$(scope)")/memory.max")" = "67108864 67108864" ]
	[ "$(cat "$(group_of "$(scope)")/cpu.max")" = "50000 100000" ]
	run ex "$C" sh -c 'echo out; exit 5'
	[ "$status" -eq 5 ]
	quiet UpdateContainerResources "$(ref container "$C" | jq -c '.linux = {cpu_quota: 25000, cpu_period: 100000, memory_limit_in_bytes: 50331648}')"
	[ "$(prop "$(scope)" MemoryMax) $(cat "$(group_of "$(scope)")/memory.max")" = "50331648 50331648" ]
	[ "$(cat "$(group_of "$(scope)")/cpu.max")" = "25000 100000" ]
	systemctl daemon-reload
	[ "$(cat "$(group_of "$(scope)")/memory.max")" = 50331648 ]
	cri ContainerStats "$(ref container "$C")" | jq -e '.stats.memory.working_set_bytes.value | tonumber > 0'
	stop "$C"
	seen "$C" ".state == 2 and .exit_code == 137"
	wait_for unit_gone "$(scope)"
}

# Of a process beside the first, see 98.
@test "CRI: out of memory in the scope is the reason that is told" {
	pod
	box a '.command = ["sh", "-c", "tail /dev/zero; sleep 1000"] | .linux.resources = {memory_limit_in_bytes: 16777216}'
	wait_for seen "$C" '.state == 1 and .reason == "OOMKilled"'
	stop "$C"
	seen "$C" '.exit_code == 137 and .reason == "OOMKilled"'
}

@test "CRI: containerd is started again; pod and containers are in scopes of their own and go on" {
	pod
	box a
	systemctl restart containerd
	wait_for cri Version
	wait_for seen "$C" ".state == 1"
	ex "$C" true
	systemctl is-active -q "$(scope)"
}
