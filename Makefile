# One Makefile, no recursion. Objects mirror the source tree below $(B)/obj.
#   make            build/vzrun, build/vzrun-image, build/vzrun-net, build/vzrun-systemd, build/vzrun-probe
#   make demo       install what it needs, build, run a Debian guest (TEMPLATE=busybox: offline)
#   make test-vm    suites in a virtual machine under systemd
#   make test       install what the tests need, build, run every suite
#   make test-hard  the long sweeps of tests/hard, as root (PART="faults ...": only these)
#   make bench      vzrun, the floor and the runtimes that are installed, side by side (QUICK=1, BENCH="--only run")
#   make exposure   what a default guest exposes, beside the defaults of its peers
#   make check-unit | check-bats T=pattern | check-fuzz | asan | asan-bats T=pattern | lint | fmt | install | deps | clean
#   make FAULT=1 | ASAN=1 | FUZZ=1 | V=1 | CC=clang | WERROR=1 | LIBC=glibc
CC      ?= cc
# Small: a start runs most of its code once, and pays for pages, not for cycles.
CFLAGS  ?= -Os -g
PREFIX  ?= /usr/local
DESTDIR ?=
# CI builds, by both compilers, with warnings as errors.
WERROR  ?= $(CI)
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
# An object that only a unit test is made of is kept, too.
.SECONDARY:
B       := build$(if $(ASAN),/asan)$(if $(FAULT),/fault)$(if $(FUZZ),/fuzz)
Q       := $(if $(V),,@)
VERSION := 0.1.0

# --- layers: a folder may include itself and what is named here --------------------------------
LAYERS            := base probe cgroups netns selinux images runtime/spec runtime/child runtime/container runtime/guest cli
may_base          :=
may_probe         := base
may_cgroups       := base
may_netns         := base
may_selinux       := base
may_images        := base
may_runtime/spec  := base cgroups netns selinux
may_runtime/child := base cgroups netns selinux runtime/spec
may_runtime/container := base cgroups netns selinux runtime/spec runtime/child
may_runtime/guest := base cgroups netns selinux images runtime/spec runtime/child runtime/container
may_cli           := base images netns runtime/spec runtime/child runtime/container runtime/guest

# --- what each executable is made of ------------------------------------------------------------
NET_HELPER   := $(wildcard netns/firewall*.c)
SYSTEMD_HELPER := $(wildcard cgroups/systemd*.c)
IMAGE_CLIENT := images/client.c
IMAGE_HELPER := $(filter-out $(IMAGE_CLIENT),$(wildcard images/*.c))
BASE_SRC     := $(wildcard base/*.c)
# What every start runs lies together: the pages of a file come in sixteen at a time, and count as memory. compat/order.ld says it
# of functions.
VZRUN_SRC    := $(BASE_SRC) $(wildcard runtime/spec/*.c runtime/child/*.c runtime/container/*.c) \
                $(filter-out $(SYSTEMD_HELPER),$(wildcard cgroups/*.c)) $(wildcard cli/*.c selinux/*.c runtime/guest/*.c) \
                $(filter-out $(NET_HELPER),$(wildcard netns/*.c)) $(wildcard $(IMAGE_CLIENT))
IMAGE_SRC    := $(BASE_SRC) $(IMAGE_HELPER)
NET_SRC      := $(BASE_SRC) $(NET_HELPER)
SYSTEMD_SRC  := $(BASE_SRC) $(wildcard cgroups/*.c)
PROBE_SRC    := $(BASE_SRC) $(wildcard probe/*.c)
obj           = $(patsubst %.c,$(B)/obj/%.o,$(1))

# The hot path is static: six shared libraries cost more than the whole start of a container.
# A sanitizer needs the dynamic loader.
VZRUN_LIBS   := -lseccomp -lnl-route-3 -lnl-3 -lm -lpthread
IMAGE_LIBS   := -larchive -lnettle -lcap
NET_LIBS     := -lnftables
SYSTEMD_LIBS := -lsystemd

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings \
           -Wundef -Wformat=2 -Wno-format-nonliteral -Wno-missing-field-initializers $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option) -Wno-format-truncation -Werror=implicit -Werror=return-type \
           $(if $(WERROR),-Werror)
MACHINE := $(shell $(CC) -dumpmachine)
HARDEN  := -fstack-protector-strong -fstack-clash-protection $(if $(filter x86_64% i%86%,$(MACHINE)),-fcf-protection) \
           $(if $(filter aarch64%,$(MACHINE)),-mbranch-protection=standard)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DVZRUN_VERSION='"$(VERSION)"' -DVZRUN_PREFIX='"$(PREFIX)"' -iquote . $(shell pkg-config --cflags libnl-3.0 2>/dev/null) \
           -MMD -MP $(WARN) $(HARDEN) $(if $(FAULT),-DVZRUN_FAULT_POINTS) \
           $(if $(ASAN)$(FUZZ),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
           $(if $(FUZZ),-fsanitize=fuzzer-no-link) $(CFLAGS)
comma   := ,
LDHARD  := -Wl,-z,relro,-z,now,-z,noexecstack $(if $(ASAN),-fsanitize=address$(comma)undefined)

# --- musl, where musl-gcc is installed (LIBC=glibc: not) -----------------------------------------------------
# glibc's start asks the processor for its caches, some 150 CPUIDs. On a virtual machine each of them traps, and together they take
# longer than anything else in a command (docs/speed.md). So vzrun itself, which starts for each command, is built with musl and
# what compat/ adds to it. The kernel's headers and libseccomp's lie among glibc's, and are taken out of there by name.
LIBC    ?= $(if $(ASAN)$(FUZZ),glibc,$(if $(shell command -v $(MUSL_CC)),musl,glibc))
MUSL_CC ?= musl-gcc
COMPAT_SRC  := compat/musl.c compat/fortify.c
ifeq ($(LIBC),musl)
vzrun_cc    := $(MUSL_CC)
# By file: musl-gcc looks only where musl's own libraries are.
vzrun_libs   = $(foreach l,$(filter-out -lm -lpthread,$(VZRUN_LIBS)),$(shell $(CC) -print-file-name=$(l:-l%=lib%.a)))
vzrun_obj    = $(patsubst %.c,$(B)/musl/%.o,$(1) $(COMPAT_SRC))
else
vzrun_cc     = $(CC)
vzrun_libs   = $(VZRUN_LIBS)
vzrun_obj    = $(call obj,$(1))
endif
MUSL_CFLAGS := -isystem compat -include compat/musl.h -isystem $(B)/musl/include
HOST_INCLUDE := /usr/include

$(B)/musl/include/words.h: compat/mkwords.c
	@mkdir -p $(@D)
	@for d in linux asm-generic seccomp.h seccomp-syscalls.h; do ln -sfn $(HOST_INCLUDE)/$$d $(@D)/$$d; done
	@for d in $(HOST_INCLUDE)/$$($(CC) -print-multiarch 2>/dev/null)/asm $(HOST_INCLUDE)/asm; do \
	   [ ! -d $$d ] || { ln -sfn $$d $(@D)/asm; break; }; done
	$(Q)$(CC) -D_GNU_SOURCE -o $(B)/musl/mkwords $< && $(B)/musl/mkwords >$@

$(B)/musl/%.o: %.c $(B)/musl/include/words.h | $(B)/.needs
	@mkdir -p $(@D)
	@echo "  MUSL    $<"
	$(Q)$(MUSL_CC) $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS)) $(MUSL_CFLAGS) -ffunction-sections -fdata-sections -c -o $@ $<

HELPERS := vzrun-image vzrun-net vzrun-systemd vzrun-probe
all: layers $(B)/vzrun $(HELPERS:%=$(B)/%)

# --- what the build needs; every missing thing is named at once -------------------------------------------
NEEDS := libseccomp:libseccomp-dev libcap:libcap-dev libnl-3.0:libnl-3-dev libnl-route-3.0:libnl-route-3-dev \
         libnftables:libnftables-dev libarchive:libarchive-dev nettle:nettle-dev \
         libsystemd:libsystemd-dev
$(B)/.needs: Makefile
	@mkdir -p $(@D)
	@command -v pkg-config >/dev/null || { echo "vzrun needs pkg-config: apt-get install pkg-config, or make deps" >&2; exit 1; }
	@lack=; for n in $(NEEDS); do pkg-config --exists $${n%:*} || lack="$$lack $${n#*:}"; done; \
	 [ -z "$$lack" ] || { echo "vzrun needs:$$lack" >&2; \
	   echo "  try   apt-get install$$lack   |   make deps" >&2; exit 1; }
	@touch $@

$(B)/obj/%.o: %.c | $(B)/.needs
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The commit is written down only where it is shown, and only when it changed.
$(B)/commit: FORCE
	@mkdir -p $(@D)
	@c=$$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown); \
	 [ "$$c" = "$$(cat $@ 2>/dev/null)" ] || echo "$$c" >$@
VERSION_OBJ := $(B)/obj/cli/version.o $(B)/musl/cli/version.o
$(VERSION_OBJ): $(B)/commit
$(VERSION_OBJ): ALL_CFLAGS += -DVZRUN_COMMIT='"$(shell cat $(B)/commit)"'
FORCE:

# libnl's look-ups of names, which nothing here calls, would need the shared libc: not worth three warnings a link.
LDQUIET = $(shell $(CC) -Wl,--help 2>/dev/null | grep -q no-warnings && echo -Wl,--no-warnings)

# The static executable begins before libc does (runtime/container/self_entry.c): nothing there may call into libc.
ENTRY_ARCH := $(filter x86_64% aarch64%,$(MACHINE))
$(B)/obj/runtime/container/self_entry.o $(B)/musl/runtime/container/self_entry.o: ALL_CFLAGS += -ffreestanding -fno-stack-protector -fno-stack-clash-protection -fno-sanitize=all \
    $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)

# What a start runs lies together in memory (make order).
ORDER   := $(if $(filter musl,$(LIBC)),compat/order.ld)
$(B)/vzrun: $(call vzrun_obj,$(VZRUN_SRC)) $(ORDER)
	@echo "  LD      $@"
	$(Q)$(vzrun_cc) $(LDHARD) $(if $(ASAN),,-static $(if $(filter glibc,$(LIBC)),$(LDQUIET)) $(if $(ENTRY_ARCH),-Wl$(comma)-e$(comma)self_entry) $(ORDER:%=-Wl$(comma)-T$(comma)%)) -Wl$(comma)-Map$(comma)$@.map -o $@ $(filter %.o,$^) $(vzrun_libs) $(LDFLAGS)

$(B)/vzrun-image: $(call obj,$(IMAGE_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) -pie -o $@ $^ $(IMAGE_LIBS) $(LDFLAGS)

$(B)/vzrun-net: $(call obj,$(NET_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) -pie -o $@ $^ $(NET_LIBS) $(LDFLAGS)

$(B)/vzrun-systemd: $(call obj,$(SYSTEMD_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) -pie -o $@ $^ $(SYSTEMD_LIBS) $(LDFLAGS)

# It runs in any root, and brings its own libc.
$(B)/vzrun-probe: $(call obj,$(PROBE_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static $(LDQUIET)) -o $@ $^ -lseccomp -lm -lpthread $(LDFLAGS)

$(call obj,$(IMAGE_SRC) $(NET_SRC) $(SYSTEMD_SRC)): ALL_CFLAGS += -fPIE

layers:
	@bad=0; $(foreach d,$(LAYERS), \
	  ok=$$(echo $(d) $(may_$(d)) | tr ' ' '|'); \
	  grep -nHE '^#include "' $(wildcard $(d)/*.[ch]) /dev/null | grep -vE "\"($$ok)/[^/]*\"" && \
	    { echo "^ $(d)/ may include only $$ok" >&2; bad=1; };) exit $$bad

# --- unit tests: tests/unit/<folder, / as _>_<unit>.c links base, that folder and what it may use ----------
UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
unit_dirs = base $(foreach d,$(LAYERS),$(if $(filter $(subst /,_,$(d))_%,$(1)),$(may_$(d)) $(d)))
unit_src   = $(sort $(if $(filter cli_% runtime_guest_%,$(1)),$(filter-out cli/main.c,$(VZRUN_SRC)),$(filter-out \
               images/main.c netns/firewall%.c cgroups/systemd_bus.c cgroups/systemd_main.c,$(foreach d,$(call unit_dirs,$(1)),$(wildcard $(d)/*.c)))))
unit_libs = $(if $(filter images_%,$(1)),$(IMAGE_LIBS),$(if $(filter base_%,$(1)),,-lseccomp -lnl-route-3 -lnl-3))

.SECONDEXPANSION:
$(B)/unit/%: tests/unit/%.c $$(call obj,$$(call unit_src,$$*))
	@mkdir -p $(@D)
	@echo "  UNIT    $*"
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARD) -o $@ $^ $(call unit_libs,$*) $(LDFLAGS)

# --- tests/tools/nettool: the netns layer by hand, for tests/bats/3* ---------------------------------------
$(B)/tools/nettool: $(call obj,tests/tools/nettool.c $(BASE_SRC) $(filter-out $(NET_HELPER),$(wildcard netns/*.c)))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static $(LDQUIET)) -o $@ $^ -lnl-route-3 -lnl-3 -lm -lpthread $(LDFLAGS)

# --- tests/tools/cgtool: the cgroups layer by hand, for tests/bats/4* --------------------------------------
$(B)/tools/cgtool: $(call obj,tests/tools/cgtool.c $(BASE_SRC) $(filter-out $(SYSTEMD_HELPER),$(wildcard cgroups/*.c)))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static) -o $@ $^ -lm -lpthread $(LDFLAGS)

# --- tests/tools/jsontool: the parser of base/, for tests/bats/05-json --------------------------------------
$(B)/tools/jsontool: $(call obj,tests/tools/jsontool.c $(BASE_SRC))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) -o $@ $^ -lm -lpthread $(LDFLAGS)

# --- tests/tools/escape, reach: an attacker's words, static, for tests/bats/54-escapes* and 47-selinux ------
$(B)/tools/escape: $(call obj,tests/tools/escape.c tests/tools/escape_exe.c)
$(B)/tools/reach: $(call obj,tests/tools/reach.c)
$(B)/tools/escape $(B)/tools/reach:
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static) -o $@ $^ $(LDFLAGS)

# --- tests/tools/inject: system calls that fail, for tests/hard/faults and tests/bats/82 ---------------------
$(B)/tools/inject: $(call obj,tests/tools/inject.c tests/tools/inject_call.c)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static) -o $@ $^ -lseccomp $(LDFLAGS)

# These need the host as it is, or run where there is no loader: never with a sanitizer.
PLAIN_TOOLS := build/tools/escape build/tools/inject build/tools/reach
TOOLS := $(B)/tools/nettool $(B)/tools/cgtool $(B)/tools/jsontool

# Everything that is run by tests/bats
tested: all $(TOOLS)
	$(Q)$(MAKE) --no-print-directory FAULT=1 all $(B)/fault/tools/nettool
	$(Q)$(MAKE) --no-print-directory ASAN= $(PLAIN_TOOLS) $(BENCH_BIN)
.PHONY: tested

# --- bench/: the least work there is, and vzrun and its peers against it (docs/speed.md) -------------------
BENCH_BIN := build/bench/floor build/bench/timer build/bench/packets build/bench/steps
$(BENCH_BIN): build/bench/%: bench/%.c
	@mkdir -p $(@D)
	@echo "  BENCH   $*"
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -static -o $@ $<

bench: all $(BENCH_BIN)
	$(Q)bench/bench $(if $(QUICK),--quick) $(BENCH)
# Which functions a start runs, for the linker: after larger changes.
order: all $(BENCH_BIN)
	$(Q)bench/order
# What a default guest exposes, beside the defaults of its peers (docs/exposure.md).
exposure: all
	$(Q)tests/deps exposure
	$(Q)bench/exposure $(EXPOSURE)
.PHONY: bench order exposure

# --- fuzz targets: tests/fuzz/fuzz_*.c with an archive of everything but the main()s ----------------------
FUZZ_BIN := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SRC := $(filter-out cli/main.c images/main.c netns/firewall%.c cgroups/systemd_bus.c cgroups/systemd_main.c,$(sort $(VZRUN_SRC) $(IMAGE_SRC)))
FUZZ_OBJ := $(call obj,$(FUZZ_SRC))
ifneq ($(FUZZ),)
$(B)/libvzrun.a: $(FUZZ_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(B)/libvzrun.a
	@echo "  FUZZ    $*"
	$(Q)$(CC) $(filter-out -fsanitize=fuzzer-no-link,$(ALL_CFLAGS)) -fsanitize=fuzzer -o $@ $< $(B)/libvzrun.a \
	    -lseccomp -lcap -lnl-route-3 -lnl-3 -larchive -lnettle -lm -lpthread $(LDFLAGS)
endif
fuzz:
	$(Q)$(MAKE) --no-print-directory FUZZ=1 CC=clang CFLAGS="-O1 -g" $(FUZZ_BIN)

# --- suites -------------------------------------------------------------------------------------------------
deps:
	$(Q)tests/deps

test: deps
	$(Q)$(MAKE) --no-print-directory tested
	$(Q)$(MAKE) --no-print-directory $(UNIT_BIN)
	$(Q)$(MAKE) --no-print-directory fuzz
	$(Q)tests/run unit bats fuzz vm

check-unit: $(UNIT_BIN)
	$(Q)tests/run-unit $(UNIT_BIN)

# What needs systemd as PID 1 or another layout of control groups: in a virtual machine (tests/vm/run), as root.
test-vm: tested
	$(Q)tests/vm/run
	$(Q)tests/vm/run -l selinux
	$(Q)tests/vm/run -l apparmor
	$(Q)tests/vm/run tests/bats/35-vxlan.bats
	$(Q)tests/vm/run -a ipv6.disable=1 tests/bats/39-no-ipv6.bats
	$(Q)tests/vm/run -2
	$(Q)tests/vm/run -f 'VLAN|vlan' tests/bats/33-network-commands.bats tests/bats/34-nics-wires.bats
	$(Q)tests/vm/run -c v1 tests/bats/46-systemd-cgroup.bats
	$(Q)tests/vm/run -c hybrid tests/bats/46-systemd-cgroup.bats
	$(Q)tests/vm/run -e tests/bats/9[678]-*-systemd.bats

# What takes hours rather than a minute. Each part of tests/hard is an executable.
test-hard: tested
	$(Q)tests/hard/run $(PART)

# make check-bats T=mounts: the files whose name has the word
check-bats: tested
	$(Q)T='$(T)' tests/run bats

check-fuzz: fuzz
	$(Q)tests/run fuzz

asan:
	$(Q)$(MAKE) --no-print-directory ASAN=1 all
	$(Q)$(MAKE) --no-print-directory ASAN=1 check-unit

# The same files against a build with both sanitizers (T=mounts, JOBS=1 as above). What a background process reports fails no
# test by itself: it lands in the directory.
asan-bats:
	$(Q)$(MAKE) --no-print-directory ASAN=1 tested
	$(Q)rm -rf build/asan/reports && mkdir -m 1777 build/asan/reports
	$(Q)ASAN_OPTIONS=exitcode=99:log_path=$(CURDIR)/build/asan/reports/r UBSAN_OPTIONS=print_stacktrace=1 \
	    VZRUN_BUILD=$(CURDIR)/build/asan T='$(T)' tests/run bats; \
	  rc=$$?; ! cat build/asan/reports/* 2>/dev/null && exit $$rc

# Both compilers with warnings as errors (gcc with -fanalyzer), in directories of their own; what else is installed.
# Exceptions are at their lines, each with its reason. gcc 12 follows neither TRY and fail() nor cleanup attributes: of four
# kinds of its reports two dozen were looked at, one was right, and they are off.
ANALYZER := -fanalyzer $(patsubst %,-Wno-analyzer-%,use-of-uninitialized-value null-dereference malloc-leak double-free)
LINT_SRC := $(sort $(VZRUN_SRC) $(IMAGE_SRC) $(NET_SRC) $(SYSTEMD_SRC) $(PROBE_SRC) $(UNIT_SRC) $(wildcard tests/tools/*.c bench/*.c))
linted    = $(addprefix $(1)/,vzrun $(HELPERS) $(UNIT_SRC:%.c=obj/%.o))
lint: layers lint-text lint-sh lint-cppcheck lint-tidy
	$(Q)$(MAKE) --no-print-directory WERROR=1 CC=gcc CFLAGS="-Os -g $(ANALYZER)" B=build/lint-gcc $(call linted,build/lint-gcc)
	$(Q)$(MAKE) --no-print-directory WERROR=1 CC=clang B=build/lint-clang $(call linted,build/lint-clang)

lint-sh:
	$(Q)shellcheck -x $$(git ls-files | grep -v '\.bats$$' | xargs grep -lE '^#!.*(bash|/sh)$$')
	$(Q)shellcheck -s bash tests/bats/*.bash

# A tab is one character, as in .editorconfig.
lint-text:
	$(Q)! grep -nE '^.{121,}' $$(git ls-files '*.[ch]') /dev/null || { echo "^ lines over 120 characters" >&2; exit 1; }
	$(Q)awk '/^@test/ { t = 1 } /^}/ { t = 0 } \
	  t && /^	+(! |\[.* \]+ && \[)/ && !/\|\|/ { print FILENAME ":" FNR ": " $$0; bad = 1 } END { exit bad }' tests/bats/*.bats || \
	  { echo "^ fails no test where it is not its last line: run ! CMD; a line for each condition" >&2; exit 1; }

# ctuuninitvar takes sizeof for a use.
CPPCHECK := cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 --language=c --inline-suppr \
	    --suppress=missingIncludeSystem --suppress=ctuuninitvar -D_GNU_SOURCE -D__x86_64__ --include=tests/tools/cppcheck.h \
	    '-DVZRUN_VERSION=""' '-DVZRUN_COMMIT=""' '-DVZRUN_PREFIX=""' -I .
lint-cppcheck:
	$(Q)! command -v cppcheck >/dev/null || $(CPPCHECK) -j$$(nproc) $(LINT_SRC)

lint-tidy:
	$(Q)! command -v clang-tidy >/dev/null || echo $(LINT_SRC) | xargs -n 4 -P $$(nproc) sh -c \
	  'clang-tidy --quiet "$$@" -- -std=gnu11 -D_GNU_SOURCE -DVZRUN_VERSION=\"\" -DVZRUN_COMMIT=\"\" -DVZRUN_PREFIX=\"\" -iquote . -I/usr/include/libnl3 2>/dev/null' sh

fmt:
	$(Q)git diff --name-only HEAD -- '*.[ch]' | xargs -r clang-format -i

man: $(B)/vzrun
	@mkdir -p $(B)/man
	$(Q)$(B)/vzrun gen man >$(B)/man/vzrun.1
	$(Q)$(B)/vzrun gen completion bash >$(B)/man/vzrun.bash

# Podman reads drop-ins nowhere but in /etc; what else engines want is for the administrator to place.
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
DROPINS    := $(wildcard packaging/*/*.*)

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/vzrun $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/vzrun $(DESTDIR)$(PREFIX)/bin/vzrun
	install -m 755 $(HELPERS:%=$(B)/%) $(DESTDIR)$(PREFIX)/libexec/vzrun/
	install -d $(DESTDIR)$(SYSCONFDIR)/containers/containers.conf.d $(sort $(dir $(DROPINS:%=$(DESTDIR)$(PREFIX)/share/vzrun/%)))
	$(foreach f,$(DROPINS),install -m 644 $(f) $(DESTDIR)$(PREFIX)/share/vzrun/$(f) &&) \
	sed 's,/usr/local/bin,$(PREFIX)/bin,' packaging/podman/50-vzrun.conf \
	    >$(DESTDIR)$(SYSCONFDIR)/containers/containers.conf.d/50-vzrun.conf
# The image helper's type, where the policy module is loaded.
	@[ -n "$(DESTDIR)" ] || ! selinuxenabled 2>/dev/null || restorecon $(PREFIX)/libexec/vzrun/vzrun-image
	install -m 644 $(B)/man/vzrun.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(B)/man/vzrun.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/vzrun

clean:
	rm -rf build

.PHONY: FORCE all layers clean deps test test-vm test-hard fuzz check-unit check-bats check-fuzz asan asan-bats lint lint-text lint-sh lint-cppcheck lint-tidy fmt man install
-include $(patsubst %.o,%.d,$(call vzrun_obj,$(VZRUN_SRC)) $(call obj,$(VZRUN_SRC) $(IMAGE_SRC) $(NET_SRC) $(SYSTEMD_SRC) $(PROBE_SRC) tests/tools/nettool.c tests/tools/cgtool.c tests/tools/jsontool.c tests/tools/escape.c tests/tools/escape_exe.c tests/tools/reach.c tests/tools/inject.c tests/tools/inject_call.c))

# --- the main job, shown (demo/run); offline: make demo TEMPLATE=busybox ------------------------------------
demo:
	$(Q)tests/deps $(if $(filter busybox,$(TEMPLATE)),build,demo)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)TEMPLATE='$(or $(TEMPLATE),debian:bookworm)' demo/run $(B)

.PHONY: demo
