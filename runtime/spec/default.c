#include "runtime/spec/spec.h"

/* What `vzrun spec` writes: the configuration that engines and tutorials start from. First what both kinds have. */
#define PROCESS_TO_PTS \
	"{\n" \
	"\t\"ociVersion\": \"1.3.0\",\n" \
	"\t\"process\": {\n" \
	"\t\t\"terminal\": true,\n" \
	"\t\t\"user\": {\n" \
	"\t\t\t\"uid\": 0,\n" \
	"\t\t\t\"gid\": 0\n" \
	"\t\t},\n" \
	"\t\t\"args\": [\"sh\"],\n" \
	"\t\t\"env\": [\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", \"TERM=xterm\"],\n" \
	"\t\t\"cwd\": \"/\",\n" \
	"\t\t\"capabilities\": {\n" \
	"\t\t\t\"bounding\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n" \
	"\t\t\t\"effective\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n" \
	"\t\t\t\"permitted\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]\n" \
	"\t\t},\n" \
	"\t\t\"rlimits\": [\n" \
	"\t\t\t{\n" \
	"\t\t\t\t\"type\": \"RLIMIT_NOFILE\",\n" \
	"\t\t\t\t\"hard\": 1024,\n" \
	"\t\t\t\t\"soft\": 1024\n" \
	"\t\t\t}\n" \
	"\t\t],\n" \
	"\t\t\"noNewPrivileges\": true\n" \
	"\t},\n" \
	"\t\"root\": {\n" \
	"\t\t\"path\": \"rootfs\",\n" \
	"\t\t\"readonly\": true\n" \
	"\t},\n" \
	"\t\"hostname\": \"vzrun\",\n" \
	"\t\"mounts\": [\n" \
	"\t\t{\n" \
	"\t\t\t\"destination\": \"/proc\",\n" \
	"\t\t\t\"type\": \"proc\",\n" \
	"\t\t\t\"source\": \"proc\"\n" \
	"\t\t},\n" \
	"\t\t{\n" \
	"\t\t\t\"destination\": \"/dev\",\n" \
	"\t\t\t\"type\": \"tmpfs\",\n" \
	"\t\t\t\"source\": \"tmpfs\",\n" \
	"\t\t\t\"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]\n" \
	"\t\t},\n" \
	"\t\t{\n" \
	"\t\t\t\"destination\": \"/dev/pts\",\n" \
	"\t\t\t\"type\": \"devpts\",\n" \
	"\t\t\t\"source\": \"devpts\",\n"

#define SHM_TO_SYS \
	"\t\t},\n" \
	"\t\t{\n" \
	"\t\t\t\"destination\": \"/dev/shm\",\n" \
	"\t\t\t\"type\": \"tmpfs\",\n" \
	"\t\t\t\"source\": \"shm\",\n" \
	"\t\t\t\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]\n" \
	"\t\t},\n" \
	"\t\t{\n" \
	"\t\t\t\"destination\": \"/dev/mqueue\",\n" \
	"\t\t\t\"type\": \"mqueue\",\n" \
	"\t\t\t\"source\": \"mqueue\",\n" \
	"\t\t\t\"options\": [\"nosuid\", \"noexec\", \"nodev\"]\n" \
	"\t\t},\n" \
	"\t\t{\n" \
	"\t\t\t\"destination\": \"/sys\",\n"

#define NAMESPACES \
	"\t\t\t},\n" \
	"\t\t\t{\n" \
	"\t\t\t\t\"type\": \"ipc\"\n" \
	"\t\t\t},\n" \
	"\t\t\t{\n" \
	"\t\t\t\t\"type\": \"uts\"\n" \
	"\t\t\t},\n" \
	"\t\t\t{\n" \
	"\t\t\t\t\"type\": \"cgroup\"\n" \
	"\t\t\t},\n" \
	"\t\t\t{\n" \
	"\t\t\t\t\"type\": \"mount\"\n"

#define PATHS \
	"\t\t\"maskedPaths\": [\"/proc/acpi\", \"/proc/asound\", \"/proc/interrupts\", \"/proc/kcore\"," \
	" \"/proc/keys\", \"/proc/latency_stats\", \"/proc/sched_debug\", \"/proc/scsi\"," \
	" \"/proc/timer_list\", \"/proc/timer_stats\", \"/sys/devices/virtual/powercap\"," \
	" \"/sys/firmware\"],\n" \
	"\t\t\"readonlyPaths\": [\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\"," \
	" \"/proc/sysrq-trigger\"]"

static const char privileged[] =
	PROCESS_TO_PTS
	"\t\t\t\"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\","
	" \"gid=5\"]\n"
	SHM_TO_SYS
	"\t\t\t\"type\": \"sysfs\",\n"
	"\t\t\t\"source\": \"sysfs\",\n"
	"\t\t\t\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]\n"
	"\t\t},\n"
	"\t\t{\n"
	"\t\t\t\"destination\": \"/sys/fs/cgroup\",\n"
	"\t\t\t\"type\": \"cgroup\",\n"
	"\t\t\t\"source\": \"cgroup\",\n"
	"\t\t\t\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]\n"
	"\t\t}\n"
	"\t],\n"
	"\t\"linux\": {\n"
	"\t\t\"resources\": {\n"
	"\t\t\t\"devices\": [\n"
	"\t\t\t\t{\n"
	"\t\t\t\t\t\"allow\": false,\n"
	"\t\t\t\t\t\"access\": \"rwm\"\n"
	"\t\t\t\t}\n"
	"\t\t\t]\n"
	"\t\t},\n"
	"\t\t\"namespaces\": [\n"
	"\t\t\t{\n"
	"\t\t\t\t\"type\": \"pid\"\n"
	"\t\t\t},\n"
	"\t\t\t{\n"
	"\t\t\t\t\"type\": \"network\"\n"
	NAMESPACES
	"\t\t\t}\n"
	"\t\t],\n"
	PATHS "\n"
	"\t}\n"
	"}\n";

/* The ids are filled in by the command. */
static const char rootless_text[] =
	PROCESS_TO_PTS
	"\t\t\t\"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"]\n"
	SHM_TO_SYS
	"\t\t\t\"type\": \"none\",\n"
	"\t\t\t\"source\": \"/sys\",\n"
	"\t\t\t\"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"ro\"]\n"
	"\t\t}\n"
	"\t],\n"
	"\t\"linux\": {\n"
	"\t\t\"namespaces\": [\n"
	"\t\t\t{\n"
	"\t\t\t\t\"type\": \"pid\"\n"
	NAMESPACES
	"\t\t\t},\n"
	"\t\t\t{\n"
	"\t\t\t\t\"type\": \"user\"\n"
	"\t\t\t}\n"
	"\t\t],\n"
	PATHS ",\n"
	"\t\t\"uidMappings\": [\n"
	"\t\t\t{\n"
	"\t\t\t\t\"containerID\": 0,\n"
	"\t\t\t\t\"hostID\": @UID@,\n"
	"\t\t\t\t\"size\": 1\n"
	"\t\t\t}\n"
	"\t\t],\n"
	"\t\t\"gidMappings\": [\n"
	"\t\t\t{\n"
	"\t\t\t\t\"containerID\": 0,\n"
	"\t\t\t\t\"hostID\": @GID@,\n"
	"\t\t\t\t\"size\": 1\n"
	"\t\t\t}\n"
	"\t\t]\n"
	"\t}\n"
	"}\n";

const char *spec_default_text(bool rootless)
{
	return rootless ? rootless_text : privileged;
}
