/* Sections of linux.seccomp as texts, for the tests of filters. */
#pragma once
#include "base/json.h"
#include "base/scope.h"
#include "runtime/spec/seccomp.h"
#include <linux/audit.h>
#include <seccomp.h>
#include <string.h>

/* The architecture that the test runs on, as the kernel (AUDIT_ARCH_) and libseccomp call it; one of no section. */
static inline uint32_t native(void) { return seccomp_arch_native(); }
static inline uint32_t stranger(void)
{
	return native() == AUDIT_ARCH_AARCH64 ? AUDIT_ARCH_RISCV64 : AUDIT_ARCH_AARCH64;
}
/* By its name, of any machine. */
static inline uint32_t number(uint32_t arch, const char *call)
{
	return (uint32_t)seccomp_syscall_resolve_name_arch(arch, call);
}

struct loaded { struct arena a; struct json *tree; struct spec_seccomp s; };

static void unload(struct loaded *l)
{
	arena_free(&l->a);
	json_free(&l->tree);
}

/* JSON with single quotes. */
static int load(const char *quoted, struct loaded *l)
{
	auto_free char *text = strdup(quoted);

	if (!text)
		return fail(ENOMEM, "out of memory");
	for (char *at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	TRY(json_parse("c.json", text, strlen(text), &l->tree));
	TRY(bind_decode(&l->a, &spec_seccomp_record, l->tree, &l->s));
	return spec_seccomp_check(&l->s);
}

#define X86 "'architectures':['SCMP_ARCH_X86_64','SCMP_ARCH_X86','SCMP_ARCH_X32'],"
#define WHEN(index, value, two, op) \
	"{'index':" #index ",'value':" #value ",'valueTwo':" #two ",'op':'SCMP_CMP_" op "'}"
#define RULE(name, action, args) "{'names':['" name "'],'action':'SCMP_ACT_" action "','args':[" args "]}"

static const char some_rules[] =
	"'syscalls':["
	"{'names':['read','write','open','close','stat','mmap','brk','clone3','socket','nope','exit_group',"
	"'getpid','execve','futex','statx','openat2'],'action':'SCMP_ACT_ALLOW'},"
	"{'names':['mount','bpf'],'action':'SCMP_ACT_ERRNO','errnoRet':95},"
	"{'names':['kill'],'action':'SCMP_ACT_TRAP'},{'names':['ptrace'],'action':'SCMP_ACT_TRACE'},"
	RULE("personality", "ALLOW", WHEN(0, 0, 0, "EQ")) ","
	RULE("personality", "ALLOW", WHEN(0, 131072, 0, "EQ")) ","
	RULE("clone", "ALLOW", WHEN(0, 2114060288, 0, "MASKED_EQ")) ","
	RULE("prctl", "LOG", WHEN(0, 38, 0, "NE") "," WHEN(1, 7, 0, "LT")) ","
	RULE("lseek", "ALLOW", WHEN(1, 8589934592, 0, "GE")) ","
	RULE("fcntl", "ALLOW", WHEN(1, 1030, 0, "LE") "," WHEN(2, 5, 0, "GT")) "]}";

/* The rules above with other beginnings. */
static int load_rules(const char *head, struct loaded *l)
{
	char text[4096];

	snprintf(text, sizeof text, "{%s%s", head, some_rules);
	return load(text, l);
}
