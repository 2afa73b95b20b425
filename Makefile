# shunt: one non-recursive Makefile. Everything is built in $(O); each folder's module.mk adds to the lists below.
#
#   make                     build all            make V=1        show the commands
#   make O=build-asan SAN=asan                    the same under AddressSanitizer and UBSan
#   make help                every target

O       ?= build
V       ?= 0
SAN     ?=
PREFIX  ?= /usr/local
DESTDIR ?=

CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool 2>/dev/null || echo /usr/sbin/bpftool)
LLVM_STRIP ?= $(shell command -v llvm-strip 2>/dev/null || ls /usr/lib/llvm-*/bin/llvm-strip 2>/dev/null | tail -1)
VERSION := $(shell cat VERSION)

ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$@)';
else
Q :=
say =
endif

## flags

HARDENING := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter -Werror=implicit
CPPFLAGS += -D_GNU_SOURCE -DSHUNT_VERSION='"$(VERSION)"' -Iinclude -Ilib -I$(O)
LDFLAGS  += -pie -Wl,-z,relro,-z,now
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ifeq ($(SAN),asan)
CFLAGS   += $(SANFLAGS)
LDFLAGS  += $(SANFLAGS)
else
CFLAGS   += $(HARDENING)
endif

BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/;s/ppc64le/powerpc/;s/riscv64/riscv/;s/s390x/s390/')
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Wno-unused-parameter \
	-Iinclude -Ibpf/lib -I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

## the lists that module.mk files fill

BINS :=          # programs for build/bin: NAME_SRCS, NAME_PKGS (pkg-config), NAME_DEPS (archives in build/lib), NAME_LDLIBS
ARCHIVES :=      # archives for build/lib: NAME_SRCS
TEST_BINS :=     # programs for build/tests: the same variables
UNIT_TESTS :=    # programs for build/tests that run without root, always under ASan and UBSan: the same variables
BPF_OBJS :=      # skeletons: NAME_SRC is the one translation unit
BPF_TESTS :=     # executable test stories that need root, in order (files of the tree or build/tests/...)
E2E_TESTS :=     # the same, run after them
SOAK_TESTS :=    # long ones: make soak
FULL_TESTS :=    # only in make check-full
MAN_PAGES :=     # scdoc sources: man/NAME.SECTION.scd
INSTALL_BINS :=  # which of BINS are installed
INSTALL_SBINS :=

.DEFAULT_GOAL := all
include $(sort $(wildcard */module.mk */*/module.mk */*/*/module.mk))

## how things are built

obj_of   = $(patsubst %.c,$(O)/obj/%.o,$(1))
sanobj_of = $(patsubst %.c,$(O)/sanobj/%.o,$(1))
pkg_cflags = $(if $(1),$(shell pkg-config --cflags $(1)))
pkg_libs   = $(if $(1),$(shell pkg-config --libs $(1)))
SKELETONS := $(patsubst %,$(O)/%.skel.h,$(BPF_OBJS))

$(O)/obj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/sanobj/%.o: %.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC-SAN)$(CC) $(CPPFLAGS) $(filter-out $(HARDENING),$(CFLAGS)) $(SANFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

# program: NAME, directory, object function, link flags
define program
$(O)/$(2)/$(1): $(call $(3),$($(1)_SRCS)) $(patsubst %,$(O)/lib/$(if $(filter sanobj_of,$(3)),san-)lib%.a,$($(1)_DEPS))
	@mkdir -p $$(@D)
	$$(call say,LINK)$(CC) $(4) $(LDFLAGS) -o $$@ $$^ $(call pkg_libs,$($(1)_PKGS)) $($(1)_LDLIBS)
$(call $(3),$($(1)_SRCS)): EXTRA_CFLAGS += $(call pkg_cflags,$($(1)_PKGS)) $($(1)_CFLAGS)
OBJS += $(call $(3),$($(1)_SRCS))
endef

define archive
$(O)/lib/lib$(1).a: $(call obj_of,$($(1)_SRCS))
	@mkdir -p $$(@D)
	$$(call say,AR)rm -f $$@ && ar rcs $$@ $$^
$(O)/lib/san-lib$(1).a: $(call sanobj_of,$($(1)_SRCS))
	@mkdir -p $$(@D)
	$$(call say,AR)rm -f $$@ && ar rcs $$@ $$^
$(call obj_of,$($(1)_SRCS)) $(call sanobj_of,$($(1)_SRCS)): EXTRA_CFLAGS += $(call pkg_cflags,$($(1)_PKGS))
OBJS += $(call obj_of,$($(1)_SRCS)) $(call sanobj_of,$($(1)_SRCS))
endef

# bpf: NAME. Debug line info stays out of the embedded object; BTF stays in.
define bpf
$(O)/bpf/$(1).bpf.o: $($(1)_SRC)
	@mkdir -p $$(@D)
	$$(call say,BPF)$(CLANG) $(BPF_CFLAGS) $($(1)_CFLAGS) -MMD -MP -MT $$@ -MF $(O)/bpf/$(1).d -c -o $$@ $$< && $(LLVM_STRIP) -g $$@
$(O)/$(1).skel.h: $(O)/bpf/$(1).bpf.o
	$$(call say,SKEL)$(BPFTOOL) gen skeleton $$< name $(1) >$$@.tmp && mv $$@.tmp $$@
-include $(O)/bpf/$(1).d
endef

$(foreach b,$(BPF_OBJS),$(eval $(call bpf,$(b))))
$(foreach a,$(ARCHIVES),$(eval $(call archive,$(a))))
$(foreach p,$(BINS),$(eval $(call program,$(p),bin,obj_of,)))
$(foreach p,$(TEST_BINS),$(eval $(call program,$(p),tests,obj_of,)))
$(foreach p,$(UNIT_TESTS),$(eval $(call program,$(p),tests,sanobj_of,$(SANFLAGS))))

$(O)/man/%: man/%.scd
	@mkdir -p $(@D)
	$(call say,MAN)scdoc <$< >$@.tmp && mv $@.tmp $@

-include $(OBJS:.o=.d)

## targets

BIN_PATHS  := $(addprefix $(O)/bin/,$(BINS))
TEST_PATHS := $(addprefix $(O)/tests/,$(TEST_BINS))
UNIT_PATHS := $(addprefix $(O)/tests/,$(UNIT_TESTS))
RUN := SHUNT_BUILD=$(abspath $(O)) tests/run

all: $(BIN_PATHS) $(patsubst %,$(O)/lib/lib%.a,$(ARCHIVES)) $(O)/compile_commands.json ## build everything into $(O)

tests: all $(TEST_PATHS) $(UNIT_PATHS) ## build every test as well

check: tests ## every test that fits in 15 minutes; needs root
	$(Q)$(RUN) $(UNIT_PATHS) tests/lint.sh $(BPF_TESTS) $(E2E_TESTS)

check-full: tests man ## check, then the long stories
	$(Q)$(RUN) $(UNIT_PATHS) tests/lint.sh $(BPF_TESTS) $(E2E_TESTS) $(FULL_TESTS)

unit: $(UNIT_PATHS) ## host tests under ASan and UBSan; no root
	$(Q)$(RUN) $(UNIT_PATHS)

bpf: tests ## datapath tests on real sockets; needs root
	$(Q)$(RUN) $(BPF_TESTS)

e2e: tests ## whole stories; needs root
	$(Q)$(RUN) $(E2E_TESTS)

soak: tests ## 30 minutes of verified bytes under random promotion and demotion; needs root
	$(Q)seconds=$${SHUNT_SOAK_SECONDS:-1800}; \
	SHUNT_SOAK_SECONDS=$$seconds SHUNT_TEST_TIMEOUT=$$((seconds + 300)) $(RUN) $(SOAK_TESTS)

bench: all ## the benchmark of this machine: plain TCP, adaptive, eager, AF_UNIX side by side; needs root
	$(Q)$(O)/bin/shuntctl bench

lint: ## static checks: sparse, format, names, dependency directions
	$(Q)$(RUN) tests/lint.sh

man: $(addprefix $(O)/man/,$(MAN_PAGES)) ## manual pages

install: all man ## install below $(DESTDIR)$(PREFIX)
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	$(Q)install -m 755 $(addprefix $(O)/bin/,$(INSTALL_BINS)) $(DESTDIR)$(PREFIX)/bin
	$(Q)install -m 755 $(addprefix $(O)/bin/,$(INSTALL_SBINS)) $(DESTDIR)$(PREFIX)/sbin
	$(Q)for page in $(MAN_PAGES); do \
		install -D -m 644 $(O)/man/$$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page; done

uninstall: ## remove what install put there
	$(Q)rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(INSTALL_BINS)) $(addprefix $(DESTDIR)$(PREFIX)/sbin/,$(INSTALL_SBINS))
	$(Q)for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page; done

check-install: all man ## install into a scratch folder, run, uninstall, find nothing left
	$(Q)tests/check-install.sh $(O)

clean: ## remove $(O)
	$(Q)rm -rf $(O)

help: ## this list
	$(Q)sed -nE 's/^([a-z][a-z-]*):[^#]*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

# For editors and clang-tidy: one entry a translation unit, made from the same variables as the rules.
$(O)/compile_commands.json: $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	$(call say,JSON){ sep='['; for f in $(sort $(foreach p,$(BINS) $(ARCHIVES) $(TEST_BINS) $(UNIT_TESTS),$($(p)_SRCS))); do \
		printf '%s\n{"directory": "%s", "file": "%s", "command": "%s"}' "$$sep" '$(CURDIR)' "$$f" \
		"$(CC) $(subst ",\\\",$(subst ',,$(CPPFLAGS))) $(CFLAGS) $(call pkg_cflags,jansson libnl-3.0) -c $$f"; sep=,; done; printf '\n]\n'; } >$@

.PHONY: all tests check check-full unit bpf e2e soak bench lint man install uninstall check-install clean help
.DELETE_ON_ERROR:
.SECONDARY:
