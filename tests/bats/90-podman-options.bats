#!/usr/bin/env bats
# Podman's options with vzrun: what each does, seen from inside; the same as with crun and runc, where these can.
load helpers
load podman

setup_file() {
	podman_start
	mkdir -p "$W/data/sub"
	echo text >"$W/data/file"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$W" "$W/data"
}
teardown_file() { podman_stop; }
teardown() { podman_clean; }

MAPS=(--uidmap 0:100000:5000 --gidmap 0:200000:5000)
# v1 FILE, v2 FILE: a group's file, from inside, on either kind of host
group() { echo "cat /sys/fs/cgroup/$1 /sys/fs/cgroup/$2 2>/dev/null"; }

@test "limits: memory, processes, processor; asked together, each is there" {
	once --memory 32m --memory-reservation 16m --pids-limit 50 --cpus 0.5 --cpuset-cpus 0 --cpu-shares 512 --oom-score-adj 500 \
		--ulimit nofile=100:200 --ulimit nproc=300:400 --ulimit core=0 -- sh -c "
		$(group memory/memory.limit_in_bytes memory.max)
		$(group memory/memory.soft_limit_in_bytes memory.low)
		$(group pids/pids.max pids.max)
		$(group cpu/cpu.cfs_quota_us cpu.max)
		grep Cpus_allowed_list /proc/self/status; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; ulimit -c"
	ok
	says "33554432
16777216
50
$(kernel_has_cgroup cpuset && [ -e /sys/fs/cgroup/cgroup.controllers ] && echo 50000 100000 || echo 50000)
Cpus_allowed_list:	0
500
100
200
0"
}

@test "--pids-limit -1 and 0: none" {
	local n
	for n in -1 0; do
		once --pids-limit "$n" -- sh -c "$(group pids/pids.max pids.max); true"
		ok; says max
	done
}

@test "limits of v1: shares, swappiness, the killer, swap, real-time, block devices" {
	[ -d /sys/fs/cgroup/memory ] || skip "kernel: no cgroup v1 memory"
	peers --memory 32m --memory-swap 64m --memory-swappiness 10 --oom-kill-disable --cpu-shares 512 --cpu-period 50000 \
		--cpu-quota 10000 --cpuset-mems 0 -- sh -c 'cd /sys/fs/cgroup; cat memory/memory.memsw.limit_in_bytes memory/memory.swappiness \
		memory/memory.oom_control cpu/cpu.shares cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpuset/cpuset.mems'
	has 67108864
}

@test "a limit that cannot be is refused by name" {
	WANT=126 once --ulimit nofile=99999999:99999999 -- true
	has "RLIMIT_NOFILE: cannot raise the hard limit"
	has "OCI permission denied"
	once --memory 600k -- true
	[ "$status" -eq 0 ] || has "memory limit too low"
}

@test "capabilities, privileges, system calls" {
	peers -- grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status
	peers --cap-add NET_ADMIN,MKNOD --security-opt no-new-privileges -- grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status
	peers --cap-drop ALL --cap-add CHOWN -u user -- grep Cap /proc/self/status
	peers --privileged -- grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/self/status
	once --privileged -- sh -c 'ls /dev/loop-control; mount -t tmpfs t /mnt && mount | grep -c " /mnt "; grep -c "^[^ ]* /sys sysfs rw" /proc/mounts'
	says "/dev/loop-control
1
1"
	once --security-opt seccomp=unconfined -- grep Seccomp: /proc/self/status
	says "Seccomp:	0"
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}' >"$W/seccomp.json"
	once --security-opt seccomp="$W/seccomp.json" -- mkdir /x
	has "No space left on device"
}

@test "mask, unmask, options of proc, sysctls" {
	once --security-opt mask=/etc/passwd:/usr --security-opt proc-opts=hidepid=2 --sysctl kernel.shm_rmid_forced=1 \
		--sysctl kernel.msgmax=7777 -- sh -c 'grep -c . /etc/passwd; ls /usr; grep -c "^proc /proc .*hidepid" /proc/mounts; cat /proc/sys/kernel/shm_rmid_forced /proc/sys/kernel/msgmax'
	says "0
1
1
7777"
	once --security-opt unmask=ALL -- sh -c 'grep -c " /proc/" /proc/self/mountinfo; (echo 7 >/proc/sys/kernel/msgmax) && echo open'
	has 0
	once -- sh -c '(echo 7 >/proc/sys/kernel/msgmax) 2>&1; cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware'
	has "can't create /proc/sys/kernel/msgmax: Read-only file system"
	[ "${lines[1]}" = 0 ]
}

@test "read-only with its tmpfs, tmpfs of every kind" {
	peers --read-only -- sh -c 'exec 2>&1; touch /x; touch /tmp/x && touch /run/x && touch /dev/shm/x && echo yes'
	has "touch: /x: Read-only file system
yes"
	peers --read-only --read-only-tmpfs=false -- sh -c 'touch /x; touch /tmp/x'
	peers --tmpfs /t:size=1m,mode=700,noexec --tmpfs /new -- sh -c 'grep " /t " /proc/mounts; stat -c %a /t /new'
	# What the image has there is copied up, but where it is not wanted.
	once --tmpfs /etc --mount type=tmpfs,dst=/usr,notmpcopyup,tmpfs-mode=1770 -u 1000:1000 -- sh -c 'grep -c user /etc/passwd; ls -A /usr 2>&1; stat -c %a /usr'
	says "1
ls: can't open '/usr': Permission denied
1770"
}

@test "volumes: read-only, propagation, flags, overlay, anonymous and named, a file; processes elsewhere" {
	once -v "$W/data:/v:ro,nosuid,nodev,noexec" -- sh -c 'touch /v/x; grep " /v " /proc/self/mountinfo | cut -d" " -f6'
	has "touch: /v/x: Read-only file system"
	has "ro,nosuid,nodev,noexec"
	once -v "$W/data:/v:z" -v "$W/data/file:/etc/f" -- cat /v/file /etc/f
	says "text
text"
	once -v "$W/data:/v:O" -- sh -c 'echo other >/v/file; cat /v/file'
	says other
	[ "$(cat "$W/data/file")" = text ]
	p volume create vol >/dev/null
	once -v vol:/v -v /anonymous -- sh -c 'echo kept >/v/k; touch /anonymous/x'
	once --mount type=volume,src=vol,dst=/v,ro -- sh -c 'cat /v/k; touch /v/x'
	has kept
	has "Read-only file system"
	p volume rm vol >/dev/null
	once --mount type=image,src=localhost/box,dst=/image --mount type=devpts,destination=/pts -- sh -c 'ls /image/etc; ls /pts'
	says "group
passwd
ptmx"
	# What exporters of metrics are given
	once -v /proc:/host/proc:ro -v /:/host/root:ro,rslave -- sh -c 'cat /host/proc/1/comm /host/root/proc/1/comm'
	says "docker-init
docker-init"
}

@test "what is mounted on a shared volume is seen on the other side, on a slave's only inside" {
	inside mount --bind "$W/data" "$W/data"
	inside mount --make-rshared "$W/data"
	p run -d --name a --cap-add SYS_ADMIN -v "$W/data:/v:rshared" localhost/box sleep 1000 >/dev/null
	p exec --privileged a mount -t tmpfs t /v/sub
	inside mountpoint -q "$W/data/sub"
	p rm -f -t 0 a >/dev/null
	inside umount "$W/data/sub"
	p run -d --name a -v "$W/data:/v:rslave" localhost/box sleep 1000 >/dev/null
	inside mount -t tmpfs t "$W/data/sub"
	p exec a grep -q ' /v/sub ' /proc/mounts
	p exec --privileged a mount -t tmpfs t /v/sub
	[ "$(inside grep -c " $W/data/sub " /proc/self/mountinfo)" = 1 ]
	p rm -f -t 0 a >/dev/null
	inside umount "$W/data/sub"
	inside umount "$W/data"
}

@test "devices: by path, renamed and read-only, by rule" {
	[ -c /dev/fuse ] || skip "kernel: no fuse"
	once --device /dev/fuse --device /dev/loop-control:/dev/lc:r -- sh -c 'exec 3<>/dev/fuse && echo fuse; exec 4</dev/lc && echo read; (exec 5<>/dev/lc) 2>&1'
	has "fuse
read"
	has "Operation not permitted"
	once --device-cgroup-rule 'c 10:229 rwm' --cap-add MKNOD -- sh -c 'mknod /f c 10 229 && exec 3<>/f && echo opened'
	says opened
	once -- sh -c 'ls /dev | tr "\n" " "; for l in fd stdout ptmx; do readlink /dev/$l; done'
	says "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero /proc/self/fd
/proc/self/fd/1
pts/ptmx"
}

@test "names and namespaces: host name, the host's, one's own, of no size" {
	once --hostname foo --shm-size 1m -- sh -c 'hostname; cat /etc/hostname; echo; grep -o "/dev/shm.*size=1024k" /proc/mounts'
	has "foo
foo"
	has "size=1024k"
	local ns
	for ns in ipc pid net uts; do
		once --$ns host -- readlink /proc/self/ns/$ns
		says "$(inside readlink /proc/1/ns/$ns)"
	done
	once -- sh -c 'for n in ipc pid net uts mnt cgroup user; do readlink /proc/self/ns/$n; done'
	hasnt "$(inside readlink /proc/1/ns/ipc)"
	hasnt "$(inside readlink /proc/1/ns/net)"
	has "$(inside readlink /proc/1/ns/user)"
	once --network podman -p 8080:80 --dns 192.0.2.1 --add-host there:192.0.2.2 -- sh -c 'ip -o -4 a show eth0; cat /etc/resolv.conf; grep there /etc/hosts'
	has "inet 10.88."
	has "nameserver 192.0.2.1"
	has "192.0.2.2	there"
}

@test "groups: disabled, a parent, host's and own namespace; systemd's mode" {
	once --cgroups=disabled -- sh -c 'cat /proc/self/cgroup; ls -d /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | head -1'
	ok
	hasnt libpod
	has cgroup.procs
	once --cgroups=no-conmon --cgroup-parent "/$G" --cgroupns=host -- cat /proc/self/cgroup
	has "/$G/libpod-"
	once --cgroupns=private -- cat /proc/1/cgroup
	hasnt libpod
	# On v1 newer ones take systemd's mode with the host's namespace only.
	local ns=private
	[ -e /sys/fs/cgroup/cgroup.controllers ] || [ "$(p version -f '{{.Client.Version}}' | cut -d. -f1)" = 4 ] || ns=host
	once --systemd=always --cgroupns=$ns -- sh -c 'for m in /run /run/lock /tmp /sys/fs/cgroup/systemd; do grep -c " $m .*rw" /proc/mounts; done; mkdir /sys/fs/cgroup/systemd/$HOSTNAME && rmdir /sys/fs/cgroup/systemd/$HOSTNAME && echo made; echo $container'
	if [ -d /sys/fs/cgroup/systemd ]; then
		says "1
1
1
1
made
podman"
	else
		has podman
	fi
}

@test "user namespaces: maps, files, volumes, privileges, terminals, groups of one's own" {
	once "${MAPS[@]}" -- sh -c 'cat /proc/self/uid_map /proc/self/gid_map | tr -s " "; stat -c "%u %g" /etc/passwd; touch /x; stat -c "%u %g" /x; echo ok >/dev/stderr'
	says " 0 100000 5000
 0 200000 5000
0 0
0 0
ok"
	once "${MAPS[@]}" -u user --read-only --tmpfs /t --memory 32m --sysctl kernel.msgmax=7777 -- sh -c 'id -u; touch /t/x; stat -c %u /t/x; cat /proc/sys/kernel/msgmax'
	says "1000
1000
7777"
	once "${MAPS[@]}" --privileged -- sh -c 'grep CapEff /proc/self/status; mount -t tmpfs t /mnt && echo mounted; readlink /dev/ptmx'
	says "CapEff:	$(awk '/CapBnd/ { print $2 }' /proc/self/status)
mounted
pts/ptmx"
	# The volume's owner is root inside by an idmapped mount, and by a change of owner.
	once "${MAPS[@]}" -v "$W/data:/v:idmap" -v vol:/w:U -- sh -c 'stat -c %u /v/file; touch /w/x; stat -c %u /w/x'
	says "0
0"
	[ "$(stat -c %u "$W/data/file")" = 0 ]
	p volume rm -f vol >/dev/null
	once "${MAPS[@]}" --pid host --uts host -- sh -c 'cat /proc/1/comm; hostname'
	says "docker-init
$(inside hostname)"
	once "${MAPS[@]}" --network podman --cgroupns host --init -- sh -c 'ip -o -4 a show eth0; id -u'
	has "inet 10.88."
	p run -d --name a "${MAPS[@]}" localhost/box sleep 1000 >/dev/null
	run p run --rm --userns container:a --pid container:a --net container:a --ipc container:a --uts container:a localhost/box \
		sh -c 'for n in user pid net ipc uts; do readlink /proc/self/ns/$n; done; ps | grep -c "sleep 100[0]"'
	says "$(p exec a sh -c 'for n in user pid net ipc uts; do readlink /proc/self/ns/$n; done')
1"
	[ "$(p exec -u 5 a id -u)" = 5 ]
}

@test "automatic user namespaces do not overlap" {
	echo "containers:1000000:1000000" >"$W/subid"
	inside mount --bind "$W/subid" /etc/subuid
	inside mount --bind "$W/subid" /etc/subgid
	# Newer ones ask for a user of that name, too.
	{ cat /etc/passwd; echo 'containers:x:64999:64999::/:/bin/false'; } >"$W/passwd"
	inside mount --bind "$W/passwd" /etc/passwd
	p run -d --name a --userns auto:size=1000 localhost/box sleep 1000 >/dev/null
	p run -d --name b --userns auto:size=1000 localhost/box sleep 1000 >/dev/null
	local first second
	first=$(p exec a awk '{ print $2 }' /proc/self/uid_map)
	second=$(p exec b awk '{ print $2 }' /proc/self/uid_map)
	[ "$first" -ge 1000000 ]
	[ "$second" -ge 1000000 ]
	[ "$first" != "$second" ]
	inside umount /etc/subuid /etc/subgid /etc/passwd
}

@test "a root file system of one's own, overlaid or not; a directory to work in; users and groups" {
	cp -a "$W/rootfs" "$W/own"
	run p run --rm --rootfs "$W/own" sh -c 'touch /mark; ls -d /etc'
	says /etc
	[ -e "$W/own/mark" ]
	run p run --rm --rootfs "$W/own:O" sh -c 'rm /mark; ls /mark'
	[ -e "$W/own/mark" ]
	peers -u user --group-add 77 -w /root --umask 077 --personality LINUX32 -- sh -c 'id -u; id -g; pwd; umask; touch /tmp/x; stat -c %a /tmp/x'
	peers -u 1234:5678 -- sh -c 'id -u; id -g'
	once --personality LINUX32 -- uname -m
	says i686
}

@test "preserved descriptors, hooks' annotations, a pid file, no log" {
	run bash -c 'exec 3<<<"three" 4<<<"four"; exec nsenter -t "$1" -m -n -p -- podman run --rm --preserve-fds 2 --log-driver none localhost/box sh -c "cat <&3; cat <&4; ls /proc/self/fd | wc -l"' - "$WORLD"
	has "three
four"
	p run -d --name a --pidfile "$W/pid" --annotation a=b localhost/box sleep 1000 >/dev/null
	[ "$(cat "$W/pid")" = "$(p inspect -f '{{.State.Pid}}' a)" ]
	[ "$(inside vzrun state "$(p inspect -f '{{.Id}}' a)" | jq -r '.annotations.a, .status')" = "b
running" ]
}
