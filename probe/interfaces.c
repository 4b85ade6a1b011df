#include "probe/probe.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Parts of the kernel that guests seldom need and exploits often use: each is really opened, by a child. */

static int answer(long r)
{
	return r >= 0 ? YES : NO;
}

static int perf(void *arg)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof a,
				     .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1 };

	(void)arg;
	return answer(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int bpf_map(void *arg)
{
	union bpf_attr a = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	(void)arg;
	return answer(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
}

static int io_uring(void *arg)
{
	struct io_uring_params p = { 0 };

	(void)arg;
	return answer(syscall(SYS_io_uring_setup, 1, &p));
}

static int userfault(void *arg)
{
	(void)arg;
	return answer(syscall(SYS_userfaultfd, O_CLOEXEC));
}

/* The handle of the root, opened again: with CAP_DAC_READ_SEARCH any file of the disk is opened so. */
static int by_handle(void *arg)
{
	struct { struct file_handle h; char room[128]; } x = { .h.handle_bytes = sizeof x.room };
	auto_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int mount;

	(void)arg;
	if (root < 0 || name_to_handle_at(root, "", &x.h, &mount, AT_EMPTY_PATH) < 0)
		return NO;
	return answer(open_by_handle_at(root, &x.h, O_RDONLY | O_CLOEXEC));
}

static int add_key_(void *arg)
{
	(void)arg;
	return answer(syscall(SYS_add_key, "user", "vzrun-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

static int tiocsti(void *arg)
{
	(void)arg;
	/* The filter decides before the descriptor is looked at. */
	return ioctl(-1, TIOCSTI, "") < 0 && errno == EBADF ? YES : NO;
}

static int tioclinux(void *arg)
{
	(void)arg;
	return ioctl(-1, TIOCLINUX, "") < 0 && errno == EBADF ? YES : NO;
}

#ifdef __x86_64__
static int i386(void *arg)
{
	long r;

	(void)arg;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(20L) : "r8", "r9", "r10", "r11", "memory");
	return (int)r > 0 ? YES : NO;
}

static int x32(void *arg)
{
	(void)arg;
	return answer(syscall(0x40000000 | SYS_getpid));
}
#endif

static const struct probe_try tries[] = {
	{ "interface", "perf_event_open", perf },
	{ "interface", "bpf", bpf_map },
	{ "interface", "io_uring", io_uring },
	{ "interface", "userfaultfd", userfault },
	{ "interface", "open_by_handle_at", by_handle },
	{ "interface", "add_key", add_key_ },
	{ "terminal-injection", "TIOCSTI", tiocsti },
	{ "terminal-injection", "TIOCLINUX", tioclinux },
#ifdef __x86_64__
	{ "foreign-abi", "i386", i386 },
	{ "foreign-abi", "x32", x32 },
#endif
};

/* The types of socket that one family or another takes. */
static int family(void *arg)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET };

	for (size_t i = 0; i < COUNT(types); i++)
		if (socket(*(int *)arg, types[i] | SOCK_CLOEXEC, 0) >= 0 || errno == EPERM)
			return errno == EPERM ? NO : YES;
	return NO;
}

static const char *const families[] = {
	[AF_UNIX] = "unix", [AF_INET] = "inet", [AF_AX25] = "ax25", [AF_IPX] = "ipx", [AF_APPLETALK] = "appletalk",
	[AF_NETROM] = "netrom", [AF_X25] = "x25", [AF_INET6] = "inet6", [AF_ROSE] = "rose", [AF_KEY] = "key",
	[AF_NETLINK] = "netlink", [AF_PACKET] = "packet", [AF_RDS] = "rds", [AF_PPPOX] = "pppox", [AF_LLC] = "llc",
	[AF_IB] = "ib", [AF_CAN] = "can", [AF_TIPC] = "tipc", [AF_BLUETOOTH] = "bluetooth", [AF_IUCV] = "iucv",
	[AF_RXRPC] = "rxrpc", [AF_PHONET] = "phonet", [AF_IEEE802154] = "ieee802154", [AF_CAIF] = "caif",
	[AF_ALG] = "alg", [AF_NFC] = "nfc", [AF_VSOCK] = "vsock", [AF_KCM] = "kcm", [AF_QIPCRTR] = "qipcrtr",
	[AF_SMC] = "smc", [AF_XDP] = "xdp", [AF_MAX - 1] = NULL,
};

void probe_interfaces(void)
{
	try_all(tries, COUNT(tries));
	for (int f = 1; f < AF_MAX; f++) {
		if (in_child(family, &f) != YES)
			continue;
		if (families[f])
			found("socket-family", "%s", families[f]);
		else
			found("socket-family", "%d", f);
	}
}
