#!/usr/bin/env bats
# Podman's pods with vzrun: shared namespaces, and what Kubernetes' files make of them.
load helpers
load podman

setup_file() { podman_start; }
teardown_file() { podman_stop; }
teardown() { podman_clean; }

of() { p exec "$1" readlink "/proc/self/ns/$2"; }

@test "a pod: network, ipc, host name and, when asked, processes are shared; the rest is each one's own" {
	p pod create --name pod --hostname together --share net,ipc,uts,pid >/dev/null
	p run -d --pod pod --name a localhost/box sleep 1000 >/dev/null
	p run -d --pod pod --name b --privileged localhost/box sleep 2000 >/dev/null
	local ns
	for ns in net ipc uts pid; do [ "$(of a $ns)" = "$(of b $ns)" ]; done
	[ "$(of a mnt)" != "$(of b mnt)" ]
	[ "$(p exec a hostname)" = together ]
	run p exec a ps
	has "sleep 2000"
	has "catatonit"
	p exec b sh -c 'echo 7 >/proc/sys/net/ipv4/ip_default_ttl; cat /proc/sys/net/ipv4/ip_default_ttl'
	[ "$(p exec a cat /proc/sys/net/ipv4/ip_default_ttl)" = 7 ]
	p exec a touch /dev/shm/seen
	p exec b test -e /dev/shm/seen
	run p exec a sh -c 'echo 8 >/proc/sys/net/ipv4/ip_default_ttl'
	has "Read-only file system"
	[ "$(p pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}')" = "pod Running 3" ]
	# kill --all of one leaves the others alone, though they share their processes.
	p rm -f -t 0 b >/dev/null
	p exec a true
	run p pod top pod user args
	has "sleep 1000"
	p pod stats --no-stream --format '{{.Name}}' pod | grep -qx a
}

@test "a pod paused, unpaused, stopped, started, restarted, killed, removed" {
	p pod create --name pod --network none >/dev/null
	p run -d --pod pod --name a --init localhost/box sleep 1000 >/dev/null
	p pod pause pod >/dev/null
	in_state a paused
	p pod unpause pod >/dev/null
	p exec a true
	p pod stop -t 0 pod >/dev/null
	in_state a exited
	p pod start pod >/dev/null
	p exec a true
	p pod restart pod >/dev/null
	p exec a true
	p pod kill pod >/dev/null
	wait_for in_state a exited
	p pod rm -f pod >/dev/null
	[ -z "$(podman_left)" ]
}

@test "a pod with limits, in a user namespace of its own" {
	p pod create --name pod --network none --uidmap 0:100000:5000 --memory 64m --cpus 0.5 >/dev/null
	run p run --rm --pod pod localhost/box sh -c 'cat /proc/self/uid_map; id -u'
	ok
	has 100000
	run p run --rm --pod pod --read-only localhost/box sh -c 'touch /x'
	has "Read-only file system"
	local d
	for d in memory cpu; do
		[ -d /sys/fs/cgroup/$d ] || d=
		run find /sys/fs/cgroup/$d -type d -path "*$(p pod inspect -f '{{.ID}}' pod)*" -prune
		[ -n "$output" ]
	done
}

@test "a container joins another's namespaces one by one" {
	box a --network podman --hostname first
	run p run --rm --net container:a localhost/box sh -c 'ip -o -4 a show eth0; hostname'
	has "inet 10.88."
	run p run --rm --pid container:a --ipc container:a localhost/box sh -c 'cat /proc/1/cmdline | tr "\0" " "; readlink /proc/self/ns/ipc'
	says "sleep 1000 $(of a ipc)"
	run p run --rm --uts container:a --cgroupns container:a localhost/box sh -c 'hostname; readlink /proc/self/ns/cgroup'
	says "first
$(of a cgroup)"
}

@test "generate kube, kube play, kube down: containers, commands, limits, volumes, security" {
	mkdir "$W/kube"
	echo fromhost >"$W/kube/file"
	cat >"$W/pod.yaml" <<-END
		apiVersion: v1
		kind: ConfigMap
		metadata: {name: words}
		data: {word: configured}
		---
		apiVersion: v1
		kind: Pod
		metadata: {name: kp}
		spec:
		  hostname: kubed
		  containers:
		  - name: main
		    image: localhost/box
		    command: [sh, -c, "cat /host/file; echo \$WORD; id -u; grep CapEff /proc/self/status; trap exit TERM; while :; do sleep 0.1; done"]
		    env: [{name: WORD, valueFrom: {configMapKeyRef: {name: words, key: word}}}]
		    resources: {limits: {memory: 64Mi, cpu: 500m}}
		    securityContext: {runAsUser: 1000, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
		    volumeMounts: [{name: shared, mountPath: /shared}, {name: host, mountPath: /host, readOnly: true}]
		  - {name: side, image: localhost/box, command: [sh, -c, "trap exit TERM; while :; do sleep 0.1; done"], securityContext: {privileged: true},
		     volumeMounts: [{name: shared, mountPath: /shared}]}
		  volumes:
		  - {name: shared, emptyDir: {}}
		  - {name: host, hostPath: {path: $W/kube, type: Directory}}
	END
	run p kube play "$W/pod.yaml"
	ok
	wait_for logged kp-main CapEff
	run p logs kp-main
	says "fromhost
configured
1000
CapEff:	0000000000000000"
	[ "$(p exec kp-side sh -c 'echo shared >/shared/file; hostname')" = kubed ]
	[ "$(p exec kp-main cat /shared/file)" = shared ]
	run p exec kp-main sh -c 'touch /x; touch /host/x; grep NoNewPrivs /proc/self/status; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null'
	has "touch: /x: Read-only file system"
	has "touch: /host/x: Read-only file system"
	has "NoNewPrivs:	1"
	has 67108864
	run p generate kube kp
	has "memory: 64Mi"
	p kube down "$W/pod.yaml"
	p volume prune -f >/dev/null
	[ -z "$(podman_left)" ]
}
