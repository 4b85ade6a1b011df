#!/usr/bin/env bats
# Every field of linux.resources, read from inside the container, on v1, hybrid and v2 hosts alike. What a host's
# kernel has no controller for is skipped by name.
load helpers

setup_file() {
	need_engine
	export LAYOUT=v1
	case $(stat -fc %T /sys/fs/cgroup) in cgroup2fs) LAYOUT=v2 ;; esac
}
setup() { engine_setup; }
teardown() { engine_teardown; }

v2() { [ "$LAYOUT" = v2 ]; }
res() { cfg --argjson r "$1" '.linux.resources = ($r + {devices: [{allow: false, access: "rwm"}]})'; }
# The container's own file, as the process inside sees it
cat_() { v2 && echo "/sys/fs/cgroup/$1" || echo "/sys/fs/cgroup/$2/$1"; }
has_ctl() { kernel_has_cgroup "$1" || grep -qsw "$1" /sys/fs/cgroup/unified/cgroup.controllers; }
need_ctl() { has_ctl "$(v2 && echo "$2" || echo "$1")" || skip "kernel: no $(v2 && echo "$2" || echo "$1") cgroup controller"; }

# reads JSON CONTROLLER: FILE VALUE pairs of v1, "--", those of v2 (without "--" the same)
reads() {
	local json=$1 ctl=$2 word f script="" want="" side=v1
	shift 2
	for word in "$@"; do
		if [ "$word" = -- ]; then side=v2; v2 && { script=; want=; }; continue; fi
		! [ $side = v2 ] || v2 || continue
		if [ -z "$f" ]; then f=$word; script+="cat $(cat_ "$f" "$ctl"); "; else want+="${want:+$'\n'}$word"; f=; fi
	done
	res "$json"
	sh_ "$script"
	go
	ok || { echo "$json"; return 1; }
	says "$want" || { echo "$json"; return 1; }
}
refuses() { res "$1"; go; fails 1 "$2"; [ -z "$(state_left)$(groups_left)" ]; }

@test "memory: limit, swap, reservation" {
	need_ctl memory memory
	reads '{"memory": {"limit": 67108864}}' memory memory.limit_in_bytes 67108864 -- memory.max 67108864
	reads '{"memory": {"limit": 67108864, "swap": 134217728}}' memory \
		memory.limit_in_bytes 67108864 memory.memsw.limit_in_bytes 134217728 -- memory.max 67108864 memory.swap.max 67108864
	reads '{"memory": {"limit": 67108864, "swap": 67108864}}' memory memory.memsw.limit_in_bytes 67108864 -- memory.swap.max 0
	reads '{"memory": {"limit": 67108864, "swap": -1}}' memory memory.memsw.limit_in_bytes 9223372036854771712 -- memory.swap.max max
	reads '{"memory": {"limit": -1}}' memory memory.limit_in_bytes 9223372036854771712 \
		memory.memsw.limit_in_bytes 9223372036854771712 -- memory.max max memory.swap.max max
	reads '{"memory": {"limit": 0, "swap": 0}}' memory memory.limit_in_bytes 9223372036854771712 -- memory.max max
	reads '{"memory": {"reservation": 33554432}}' memory memory.soft_limit_in_bytes 33554432 -- memory.low 33554432
	reads '{"memory": {"reservation": -1}}' memory memory.soft_limit_in_bytes 9223372036854771712 -- memory.low max
}

@test "memory: what only v1 has, and v2 refuses by name" {
	need_ctl memory memory
	if v2; then
		refuses '{"memory": {"swappiness": 5}}' "swappiness: cgroup v2 has no such setting"
		refuses '{"memory": {"kernelTCP": 67108864}}' "kernel TCP memory limit: cgroup v2 has no such setting"
		refuses '{"memory": {"disableOOMKiller": true}}' "disabled OOM killer: cgroup v2 has no such setting"
		reads '{"memory": {"disableOOMKiller": false, "useHierarchy": true}}' memory -- memory.max max
		return
	fi
	reads '{"memory": {"swappiness": 5}}' memory memory.swappiness 5
	reads '{"memory": {"swappiness": 0}}' memory memory.swappiness 0
	reads '{"memory": {"kernelTCP": 67108864}}' memory memory.kmem.tcp.limit_in_bytes 67108864
	res '{"memory": {"limit": 67108864, "disableOOMKiller": true}}'
	sh_ "head -1 $(cat_ memory.oom_control memory)"
	go; ok; says "oom_kill_disable 1"
	reads '{"memory": {"useHierarchy": true}}' memory memory.use_hierarchy 1
}

@test "memory: kernel is ignored and said, checkBeforeUpdate refuses what is in use" {
	need_ctl memory memory
	res '{"memory": {"kernel": 67108864}}'
	args true
	go; ok; has "memory.kernel is ignored"
	res '{"memory": {"limit": 4096, "checkBeforeUpdate": true}}'
	go; [ "$status" = 1 ] || v2
}

@test "cpu: shares, quota, period, burst, idle" {
	need_ctl cpu cpu
	reads '{"cpu": {"shares": 512}}' cpu cpu.shares 512 -- cpu.weight 59
	reads '{"cpu": {"quota": 50000, "period": 200000}}' cpu cpu.cfs_quota_us 50000 cpu.cfs_period_us 200000 -- cpu.max "50000 200000"
	reads '{"cpu": {"quota": -1}}' cpu cpu.cfs_quota_us -1 -- cpu.max "max 100000"
	reads '{"cpu": {"quota": -9999}}' cpu cpu.cfs_quota_us -1 -- cpu.max "max 100000"
	reads '{"cpu": {"period": 50000}}' cpu cpu.cfs_period_us 50000 -- cpu.max "max 50000"
	reads '{"cpu": {"quota": 50000, "burst": 20000}}' cpu cpu.cfs_burst_us 20000 -- cpu.max.burst 20000
	reads '{"cpu": {"idle": 1}}' cpu cpu.idle 1
	reads '{"cpu": {"shares": 100, "idle": 1}}' cpu cpu.idle 1
	reads '{"cpu": {"shares": 0, "quota": 0, "period": 0}}' cpu cpu.shares 1024 cpu.cfs_quota_us -1 -- cpu.weight 100
}

@test "cpu: real-time limits" {
	need_ctl cpu cpu
	if v2; then
		refuses '{"cpu": {"realtimeRuntime": 1000}}' "real-time runtime: cgroup v2 has no such setting"
		return
	fi
	[ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ] || skip "kernel: no CONFIG_RT_GROUP_SCHED"
	reads '{"cpu": {"realtimePeriod": 500000}}' cpu cpu.rt_period_us 500000
}

@test "cpuset: the process runs there, and sees it" {
	need_ctl cpuset cpuset
	reads '{"cpu": {"cpus": "0", "mems": "0"}}' cpuset cpuset.cpus 0 cpuset.mems 0
	sh_ "grep Cpus_allowed_list /proc/self/status | cut -f2"
	go; ok; says 0
}

@test "v1: limits of memory or CPU have cpuset beside them, which a JVM looks for before it believes them" {
	v2 && skip "cgroup v2: there is one hierarchy"
	[ -d /sys/fs/cgroup/cpuset ] || skip "kernel: no cpuset controller"
	sh_ "cat $(cat_ cpuset.cpus cpuset); grep -c ' /sys/fs/cgroup/cpuset .*cpuset' /proc/self/mountinfo"
	for r in '{"memory": {"limit": 67108864}}' '{"cpu": {"quota": 50000, "period": 100000}}'; do
		res "$r"
		go; ok; says "$(cat /sys/fs/cgroup/cpuset/cpuset.cpus)
1"
	done
}

@test "v1: a group's directory is read-only where its mount is asked to be" {
	v2 && skip "cgroup v2: there is one hierarchy"
	sh_ 'mkdir /sys/fs/cgroup/new && echo made'
	go; [ "$status" = 1 ]
	[[ $output == *"Read-only file system"* ]]
	cfg '(.mounts[] | select(.type == "cgroup") | .options) -= ["ro"]'
	go; ok; says made
}

@test "pids" {
	need_ctl pids pids
	reads '{"pids": {"limit": 77}}' pids pids.max 77
	reads '{"pids": {"limit": -1}}' pids pids.max max
	reads '{"pids": {"limit": -20}}' pids pids.max max
	reads '{"pids": {}}' pids pids.max max
	cfg '.ociVersion = "1.2.1"'
	reads '{"pids": {"limit": 0}}' pids pids.max max
}

@test "pids: 0 is a limit to those who know the specification's 1.3" {
	need_ctl pids pids
	cfg '.ociVersion = "1.3.0"'
	res '{"pids": {"limit": 0}}'
	sh_ "read -r max <$(cat_ pids.max pids); echo \"\$max\"; busybox true; exit 0"
	go
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = 1 ]
	has "can't fork"
}

disk() { lsblk -dnro MAJ:MIN,TYPE | awk '$2 == "disk" && $1 !~ /^253:/ { print $1; exit }'; }

@test "block I/O: throttles of a disk" {
	need_ctl blkio io
	local d major minor k
	d=$(disk); [ -n "$d" ] || skip "kernel: no disk"
	major=${d%:*}; minor=${d#*:}
	k="\"major\": $major, \"minor\": $minor"
	reads "{\"blockIO\": {\"throttleReadBpsDevice\": [{$k, \"rate\": 1048576}]}}" blkio \
		blkio.throttle.read_bps_device "$d 1048576" -- io.max "$d rbps=1048576 wbps=max riops=max wiops=max"
	reads "{\"blockIO\": {\"throttleWriteBpsDevice\": [{$k, \"rate\": 2097152}], \"throttleReadIOPSDevice\": [{$k, \"rate\": 300}], \"throttleWriteIOPSDevice\": [{$k, \"rate\": 400}]}}" blkio \
		blkio.throttle.write_bps_device "$d 2097152" blkio.throttle.read_iops_device "$d 300" blkio.throttle.write_iops_device "$d 400" \
		-- io.max "$d rbps=max wbps=2097152 riops=300 wiops=400"
	res '{"blockIO": {"throttleReadBpsDevice": [{"major": 4095, "minor": 9, "rate": 5}]}}'
	go; [ "$status" = 1 ]; [[ "$output" = "vzrun: read rate: write \"4095:9 "*" to /sys/fs/cgroup/"*": No such device" ]]
}

@test "block I/O: weights" {
	need_ctl blkio io
	local g=/sys/fs/cgroup/$(v2 || echo blkio/)vzrun-t$$-weights have
	mkdir "$g"; have=$(ls "$g" | grep -E '^(blkio(\.bfq)?\.weight|io(\.bfq)?\.weight)$' | head -1); rmdir "$g"
	if [ -z "$have" ]; then
		res '{"blockIO": {"weight": 500}}'
		go; [ "$status" = 1 ]; has "block I/O weight: write \"500\" to "; has "blkio.bfq.weight: No such file or directory"
		skip "kernel: no I/O weights"
	fi
	case $have in
	io.weight) reads '{"blockIO": {"weight": 500}}' blkio -- io.weight "default 4950" ;;
	*) res '{"blockIO": {"weight": 500}}'; sh_ "cat $(cat_ "$have" blkio)"; go; ok; [[ "$output" == 500 || "$output" == "default 500" ]] ;;
	esac
}

@test "huge pages, and the reservation with them" {
	need_ctl hugetlb hugetlb
	[ -d /sys/kernel/mm/hugepages/hugepages-2048kB ] || skip "kernel: no 2 MiB pages"
	res '{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
	sh_ 'd=$(find /sys/fs/cgroup -maxdepth 2 -name "hugetlb.2MB.max" -o -maxdepth 2 -name "hugetlb.2MB.limit_in_bytes" | head -1); d=${d%/*}; cat $d/hugetlb.2MB.max 2>/dev/null || cat $d/hugetlb.2MB.limit_in_bytes; cat $d/hugetlb.2MB.rsvd.max 2>/dev/null || cat $d/hugetlb.2MB.rsvd.limit_in_bytes'
	go; ok; says "4194304
4194304"
	res '{"hugepageLimits": [{"pageSize": "3MB", "limit": 4194304}]}'
	go; [ "$status" = 1 ]; [[ "$output" = 'vzrun: huge page limit: write "4194304" to '*'hugetlb.3MB.'*': No such file or directory' ]]
	refuses '{"hugepageLimits": [{"pageSize": "2 MB", "limit": 1}]}' 'config.json: linux.resources: hugepageLimits[0].pageSize: "2 MB" is no size such as 2MB or 1GB'
}

@test "network class and priorities, rdma: set, or refused by the controller's name" {
	local json ctl what
	while IFS='|' read -r ctl what json; do
		res "$json"
		args true
		go
		if v2 && [ "$ctl" != rdma ]; then
			fails 1 "$what: cgroup v2 has no $ctl controller"
		elif has_ctl "$ctl"; then
			ok || [ "$ctl" = rdma ]
		else
			[ "$status" = 1 ]
			[[ "$output" == "vzrun: $what: the $ctl controller is not available"* ]] || { echo "$output"; return 1; }
		fi
		[ -z "$(state_left)$(groups_left)" ]
	done <<-'T'
	net_cls|network class|{"network": {"classID": 1048577}}
	net_prio|network priority|{"network": {"priorities": [{"name": "lo", "priority": 7}]}}
	rdma|RDMA limit|{"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}}
	T
}

@test "unified: any file of the v2 tree, several lines, what is no limit or not there" {
	local tree=/sys/fs/cgroup/unified
	v2 && tree=/sys/fs/cgroup
	[ -e "$tree/cgroup.controllers" ] || skip "kernel: no cgroup v2 tree is mounted"
	res '{"unified": {"cgroup.max.depth": "5", "cgroup.max.descendants": "9"}}'
	sh_ "cd /sys/fs/cgroup; [ -e unified ] && cd unified; cat cgroup.max.depth cgroup.max.descendants"
	go; ok; says "5
9"
	if v2; then
		reads '{"unified": {"memory.high": "50000000", "pids.max": "66"}}' memory -- memory.high 49999872 pids.max 66
	else
		refuses '{"unified": {"memory.max": "50000000"}}' "invalid configuration: unified.memory.max: the memory controller is not in the v2 tree at $tree"
	fi
	res '{"unified": {"cgroup.nothing": "1"}}'
	go; [ "$status" = 1 ]; [[ "$output" = "vzrun: unified.cgroup.nothing: there is no $tree/"* ]]
	refuses '{"unified": {"cgroup.procs": "1"}}' "config.json: linux.resources: unified: cgroup.procs is no limit"
	refuses '{"unified": {"../x.y": "1"}}' 'config.json: linux.resources: unified: "../x.y" is no name of a cgroup file'
	refuses '{"unified": {"memory": "1"}}' 'config.json: linux.resources: unified: "memory" is no name of a cgroup file'
	res '{"unified": {"cgroup.max.depth": "many"}}'
	go; [ "$status" = 1 ]; [[ "$output" = 'vzrun: unified: write "many" to '*'/cgroup.max.depth: Invalid argument' ]]
	[ -z "$(state_left)$(groups_left)" ]
}

# ---- devices ----

# v2 needs no controller for it. /dev/fuse is what any process could open.
need_devices() {
	v2 || need_ctl devices devices
	grep -qw fuse /proc/misc || skip "kernel: no fuse"
}

nodes() { cfg '.process.capabilities |= map_values(. + ["CAP_MKNOD"])'; sh_ "$1"; go; ok; }
OPEN='t() { mknod /n $1 $2 $3 2>/dev/null; if head -c0 /n 2>/dev/null; then echo "$2:$3 opens"; else echo "$2:$3 not"; fi; rm -f /n; }'

@test "devices: refused unless allowed, the default devices whatever the rules say" {
	need_devices
	cfg '.linux.resources = {devices: [{allow: false, access: "rwm"}]}'
	nodes "$OPEN; t c 1 3; t c 1 5; t c 1 7; t c 1 8; t c 1 9; t c 1 1; t c 10 229"
	says "1:3 opens
1:5 opens
1:7 opens
1:8 opens
1:9 opens
1:1 not
10:229 not"
	cfg '.linux.resources.devices += [{allow: true, type: "c", major: 10, minor: 229, access: "r"}]'
	nodes "$OPEN; t c 10 229; mknod /k c 10 229; { echo >/k; } 2>/dev/null || echo 'not written'"
	says "10:229 opens
not written"
}

@test "devices: that of tunnels is open, as with runc and crun, unless a rule closes it, or a group above" {
	need_devices
	grep -qw tun /proc/misc || skip "kernel: no tun"
	cfg '.linux.resources = {devices: [{allow: false, access: "rwm"}]}'
	nodes "$OPEN; t c 10 200; t c 10 229; mknod /k c 10 200; { true <>/k; } 2>/dev/null && echo written"
	says "10:200 opens
10:229 not
written"
	cfg '.linux.resources.devices += [{allow: false, type: "c", major: 10, minor: 200, access: "rwm"}]'
	nodes "$OPEN; t c 10 200; t c 1 3"
	says "10:200 not
1:3 opens"
	cfg '.linux.resources.devices |= reverse'
	nodes "$OPEN; t c 10 200"
	says "10:200 opens"
	cfg '.linux.resources.devices = [{allow: true, access: "rwm"}, {allow: false, type: "c", major: 10, minor: 200, access: "w"}]'
	nodes "$OPEN; t c 10 200; { true <>/k; } 2>/dev/null || echo 'not written'"
	says "10:200 opens
not written"
	[ -d /sys/fs/cgroup/devices ] || return 0
	local rule g=/sys/fs/cgroup/devices/vzrun-bats-$ID
	mkdir "$g"
	echo a >"$g/devices.deny"
	for rule in 'c *:* m' 'b *:* m' 'c 1:* rwm' 'c 5:* rwm' 'c 136:* rwm'; do echo "$rule" >"$g/devices.allow"; done
	cfg '.linux.cgroupsPath = $g + "/c" | .linux.resources.devices = [{allow: false}]' --arg g "/vzrun-bats-$ID"
	sh_ "$OPEN; t c 10 200; t c 1 3"
	go
	ok
	says "10:200 not
1:3 opens"
	# Asked for by name it is no more than was named, and no less.
	echo 'c 10:200 rw' >"$g/devices.allow"
	cfg '.linux.resources.devices += [{allow: true, type: "c", major: 10, minor: 200, access: "rw"}]'
	go
	rmdir /sys/fs/cgroup/*"/vzrun-bats-$ID"
	ok
	says "10:200 opens
1:3 opens"
}

@test "devices: without any rule it is as if all were denied" {
	need_devices
	cfg 'del(.linux.resources)'
	nodes "$OPEN; t c 1 3; t c 10 229"
	says "1:3 opens
10:229 not"
	cfg '.linux.resources = {devices: []}'
	nodes "$OPEN; t c 10 229"
	says "10:229 not"
}

@test "devices: a group with others below it, whose default v1 does not change" {
	[ -d /sys/fs/cgroup/devices ] || skip "kernel: no devices cgroup controller"
	local g=/vzrun-bats-$ID
	cfg --arg g "$g" '.linux.cgroupsPath = $g'
	mkdir -p "/sys/fs/cgroup/devices$g/below"
	go
	rmdir "/sys/fs/cgroup/devices$g/below" "/sys/fs/cgroup/devices$g"
	fails 1 "device rules: cgroup v1 does not change the default of a group with others below it (devices.deny)"
	[ -z "$(state_left)" ]
}

@test "devices: the last rule that matches decides; all allowed" {
	need_devices
	cfg '.linux.resources = {devices: [{allow: true, access: "rwm"}]}'
	nodes "$OPEN; t c 10 229"
	says "10:229 opens"
	cfg '.linux.resources = {devices: [{allow: true, access: "rwm"}, {allow: false, type: "c", major: 10, minor: 229, access: "rwm"}]}'
	nodes "$OPEN; t c 10 229; t c 1 3"
	says "10:229 not
1:3 opens"
	cfg '.linux.resources.devices[1].access = "rwa"'
	nodes "$OPEN; t c 10 229"
	says 'vzrun: warning: linux.resources: devices[1].access: "rwa" has letters other than r, w, m: left out
10:229 not'
	cfg '.linux.resources = {devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 10, access: "rw"}]}'
	nodes "$OPEN; t c 10 229"
	says "10:229 opens"
	# no access named: all of it
	cfg '.linux.resources = {devices: [{allow: true, type: "c", major: 10, access: "rw"}, {allow: false}]}'
	nodes "$OPEN; t c 10 229"
	says "10:229 not"
	cfg '.linux.resources = {devices: [{allow: false}, {allow: true, type: "c", major: 10}]}'
	nodes "$OPEN; t c 10 229"
	says "10:229 opens"
}

@test "values out of range are refused with their place" {
	refuses '{"memory": {"limit": -2}}' "config.json: linux.resources: memory.limit: -2 is not in the range -1 to 9223372036854775807"
	refuses '{"memory": {"limit": 100, "swap": 50}}' "config.json: linux.resources: memory.swap: 50 is less than memory.limit 100: it counts memory and swap together"
	refuses '{"memory": {"swappiness": 101}}' "config.json: linux.resources: memory.swappiness: 101 is above 100"
	refuses '{"cpu": {"shares": 1}}' "config.json: linux.resources: cpu.shares: 1 is below 2"
	refuses '{"cpu": {"quota": 500}}' "config.json: linux.resources: cpu.quota: 500 is below 1000"
	refuses '{"cpu": {"cpus": "0-"}}' 'config.json: linux.resources: cpu.cpus: "0-" is no list such as 0-3,7'
	refuses '{"cpu": {"idle": 2}}' "config.json: linux.resources: cpu.idle: 2 is above 1"
	refuses '{"memory": {"swap": -2}}' "config.json: linux.resources: memory.swap: -2 is not in the range -1 to 9223372036854775807"
	refuses '{"blockIO": {"weight": 5}}' "config.json: linux.resources: blockIO.weight: 5 is below 10"
	refuses '{"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 1001}]}}' "config.json: linux.resources: blockIO.weightDevice[0].weight: 1001 is not in the range 10 to 1000"
	cfg '.linux.resources = {devices: [{allow: true, type: "x", access: "r"}]}'
	go; fails 1 'config.json: linux.resources: devices[0].type: "x" is none of a, b, c'
	cfg '.linux.resources = {devices: [{allow: true, type: "c", access: "x"}]}'
	go; fails 1 'config.json: linux.resources: devices[0].access: "x" has none of r, w, m'
}

# unread ERROR COMMAND...: the first look at the host's cgroups fails
unread() {
	traced
	local why=$1
	shift
	run strace -f -qq -o /dev/null -P /proc/self/cgroup -e inject=openat:error="$why":when=1 "$VZ" --root "$ROOT" "$@" </dev/null
	output=$(grep -v '^strace: ' <<<"$output")
}

@test "a host whose cgroups cannot be read is not one without: nothing starts, nothing is forgotten" {
	cfg 'del(.linux.resources) | .process.args = ["/bin/touch", "/tmp/ran"]'
	unread ENFILE run -b "$B" "$ID"
	fails 1 "read which cgroups this host has: Too many open files in system"
	[ ! -e "$B/rootfs/tmp/ran" ]
	[ -z "$(state_left)" ]
	args sleep 300
	v create "$ID" >/dev/null 2>&1
	unread ENFILE delete -f "$ID"
	[ "$status" -eq 1 ]
	has "read which cgroups this host has: Too many open files in system"
	is created
	[ -n "$(groups_left)" ]
	vz delete -f "$ID"
}

# owners: of the container's group and of its files, on the host
owners() {
	local d
	for d in /sys/fs/cgroup/vzrun-$ID /sys/fs/cgroup/{unified,memory}/vzrun-$ID; do
		[ ! -d "$d" ] || stat -c %u:%g "$d" "$d/cgroup.procs"
	done | sort -u | xargs
	[ ! -e "/sys/fs/cgroup/vzrun-$ID/memory.max" ] || [ "$(stat -c %u "/sys/fs/cgroup/vzrun-$ID/memory.max")" = 0 ]
	vz delete -f "$ID"
}
writable_tree() { cfg '(.mounts[] | select(.destination == "/sys/fs/cgroup").options) -= ["ro"]'; }

@test "who may write to the tree owns its group, on v2 alone: engines that run an init with a user namespace rest on it" {
	sh_ 'sleep 300'
	cfg '.process.user.uid = 1000 | .linux.resources = {memory: {limit: 100000000}}'
	create; [ "$(owners)" = 0:0 ]
	writable_tree
	create; [ "$(owners)" = "$(v2 && echo 1000:0 || echo 0:0)" ]
	cfg '(.mounts[] | select(.destination == "/sys/fs/cgroup").options) += ["rro"]'
	create; [ "$(owners)" = 0:0 ]
	cfg '(.mounts[] | select(.destination == "/sys/fs/cgroup").options) -= ["rro"] | .linux.namespaces |= map(select(.type != "cgroup"))'
	create; [ "$(owners)" = 0:0 ]
	cfg '.linux.namespaces += [{type: "cgroup"}, {type: "user"}] | .process.user.uid = 0
	     | .linux |= (.uidMappings = [{containerID: 0, hostID: 300000, size: 65536}] | .gidMappings = .uidMappings)'
	chown -R 300000:300000 "$B/rootfs"
	create; [ "$(owners)" = "$(v2 && echo 300000:0 || echo 0:0)" ]
	v2 || return 0
	sh_ 'mkdir /sys/fs/cgroup/own && echo $$ >/sys/fs/cgroup/own/cgroup.procs && echo +pids >/sys/fs/cgroup/cgroup.subtree_control && echo made'
	go; says made
}

@test "rro makes the whole tree of groups read-only" {
	writable_tree
	cfg '(.mounts[] | select(.destination == "/sys/fs/cgroup").options) += ["rro"]'
	sh_ 'grep " /sys/fs/cgroup" /proc/self/mountinfo | grep -v " ro,"; echo end'
	go
	says end
}
