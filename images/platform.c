#include "images/manifest.h"
#include "base/scope.h"
#include "base/str.h"

#include <string.h>
#include <sys/utsname.h>

static const struct { const char *machine, *arch; int variant; } hosts[] = {
	{ "x86_64", "amd64", 0 }, { "aarch64", "arm64", 8 },   { "armv7l", "arm", 7 },
	{ "armv6l", "arm", 6 },   { "i686", "386", 0 },        { "ppc64le", "ppc64le", 0 },
	{ "s390x", "s390x", 0 },  { "riscv64", "riscv64", 0 }, { "loongarch64", "loong64", 0 },
};

static size_t host(void)
{
	static struct utsname u;

	if (!u.machine[0])
		uname(&u);
	for (size_t i = 0; i < COUNT(hosts); i++)
		if (str_eq(hosts[i].machine, u.machine))
			return i;
	return 0;
}

const char *platform_arch(void)
{
	return hosts[host()].arch;
}

/* The highest variant that runs here. */
static int best_variant(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
		return 4;
	return __builtin_cpu_supports("avx2") ? 3 : __builtin_cpu_supports("sse4.2") ? 2 : 1;
#else
	return hosts[host()].variant;
#endif
}

int platform_rank(const struct platform *p)
{
	int v = 0;

	if (!p)
		return 0;
	if (p->os && *p->os && !str_eq(p->os, "linux"))
		return -1;
	if (p->architecture && *p->architecture && !str_eq(p->architecture, platform_arch()))
		return -1;
	if (p->variant && p->variant[0] == 'v' && p->variant[1] >= '1' && p->variant[1] <= '9')
		v = p->variant[1] - '0';
	return v > best_variant() ? -1 : 1 + v;
}
