# One Makefile, no recursion. Objects mirror the source tree below $(B)/obj.
#   make            build/vzrun, build/vzrun-image, build/vzrun-net
#   make demo       install what it needs, build, run a Debian guest (TEMPLATE=busybox: offline)
#   make test       install what the tests need, build, run every suite
#   make FAULT=1 | ASAN=1 | V=1 | CC=clang | WERROR=1
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
B       := build$(if $(FAULT),/fault)$(if $(ASAN),/asan)
Q       := $(if $(V),,@)
VERSION := 0.1.0

# --- layers: a folder may include itself and what is named here --------------------------------
LAYERS            := base cgroups netns selinux images runtime/spec runtime/child runtime/container runtime/guest cli
may_base          :=
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
IMAGE_CLIENT := images/client.c
IMAGE_HELPER := $(filter-out $(IMAGE_CLIENT),$(wildcard images/*.c))
BASE_SRC     := $(wildcard base/*.c)
VZRUN_SRC    := $(BASE_SRC) $(wildcard cgroups/*.c) $(filter-out $(NET_HELPER),$(wildcard netns/*.c)) \
                $(wildcard selinux/*.c runtime/*/*.c cli/*.c) $(wildcard $(IMAGE_CLIENT))
IMAGE_SRC    := $(BASE_SRC) $(IMAGE_HELPER)
NET_SRC      := $(BASE_SRC) $(NET_HELPER)
obj           = $(patsubst %.c,$(B)/obj/%.o,$(1))

# The hot path is static: six shared libraries cost more than the whole start of a container.
# A sanitizer needs the dynamic loader.
VZRUN_LIBS   := -lseccomp -lcap -lnl-route-3 -lnl-3 $(if $(ASAN),-lyajl,-lyajl_s) -lm -lpthread
IMAGE_LIBS   := -larchive -lnettle -lyajl -lcap
NET_LIBS     := -lnftables -lyajl

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings \
           -Wundef -Wformat=2 -Wno-format-nonliteral -Wno-missing-field-initializers $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option) -Wno-format-truncation -Werror=implicit -Werror=return-type \
           $(if $(WERROR),-Werror)
HARDEN  := -fstack-protector-strong -fstack-clash-protection -fcf-protection
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DVZRUN_VERSION='"$(VERSION)"' -iquote . $(shell pkg-config --cflags libnl-3.0 2>/dev/null) \
           -MMD -MP $(WARN) $(HARDEN) $(if $(FAULT),-DVZRUN_FAULT_POINTS) \
           $(if $(ASAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) $(CFLAGS)
comma   := ,
LDHARD  := -Wl,-z,relro,-z,now,-z,noexecstack $(if $(ASAN),-fsanitize=address$(comma)undefined)

all: layers $(B)/vzrun $(B)/vzrun-image $(B)/vzrun-net

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/vzrun: $(call obj,$(VZRUN_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static) -o $@ $^ $(VZRUN_LIBS) $(LDFLAGS)

$(B)/vzrun-image: $(call obj,$(IMAGE_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) -pie -o $@ $^ $(IMAGE_LIBS) $(LDFLAGS)

$(B)/vzrun-net: $(call obj,$(NET_SRC))
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) -pie -o $@ $^ $(NET_LIBS) $(LDFLAGS)

$(call obj,$(IMAGE_SRC) $(NET_SRC)): ALL_CFLAGS += -fPIE

layers:
	@bad=0; $(foreach d,$(LAYERS), \
	  ok=$$(echo $(d) $(may_$(d)) | tr ' ' '|'); \
	  grep -nHE '^#include "' $(wildcard $(d)/*.[ch]) /dev/null | grep -vE "\"($$ok)/[^/]*\"" && \
	    { echo "^ $(d)/ may include only $$ok" >&2; bad=1; };) exit $$bad

# --- unit tests: tests/unit/<folder, / as _>_<unit>.c links base, that folder and what it may use ----------
UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
unit_dirs = base $(foreach d,$(LAYERS),$(if $(filter $(subst /,_,$(d))_%,$(1)),$(may_$(d)) $(d)))
unit_src  = $(sort $(foreach d,$(call unit_dirs,$(1)),$(filter-out images/main.c netns/firewall%.c cli/main.c,$(wildcard $(d)/*.c))))
unit_libs = $(if $(filter images_%,$(1)),$(IMAGE_LIBS),$(if $(filter base_%,$(1)),-lyajl,-lseccomp -lcap -lnl-route-3 -lnl-3 -lyajl))

.SECONDEXPANSION:
$(B)/unit/%: tests/unit/%.c $$(call obj,$$(call unit_src,$$*))
	@mkdir -p $(@D)
	@echo "  UNIT    $*"
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARD) -o $@ $^ $(call unit_libs,$*) $(LDFLAGS)

# --- tests/tools/nettool: the netns layer by hand, for tests/bats/3* ---------------------------------------
$(B)/tools/nettool: $(call obj,tests/tools/nettool.c $(BASE_SRC) $(filter-out $(NET_HELPER),$(wildcard netns/*.c)))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static) -o $@ $^ -lnl-route-3 -lnl-3 -lyajl$(if $(ASAN),,_s) -lm -lpthread $(LDFLAGS)

# --- tests/tools/cgtool: the cgroups layer by hand, for tests/bats/4* --------------------------------------
$(B)/tools/cgtool: $(call obj,tests/tools/cgtool.c $(BASE_SRC) $(wildcard cgroups/*.c))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(Q)$(CC) $(LDHARD) $(if $(ASAN),,-static) -o $@ $^ -lyajl$(if $(ASAN),,_s) -lm -lpthread $(LDFLAGS)

check-unit: $(UNIT_BIN)
	$(Q)tests/run-unit $(UNIT_BIN)

clean:
	rm -rf build

.PHONY: all layers clean check-unit
-include $(patsubst %.o,%.d,$(call obj,$(VZRUN_SRC) $(IMAGE_SRC) $(NET_SRC)))
