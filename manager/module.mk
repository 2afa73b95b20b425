# shuntd, the daemon, and shuntctl, its client

BINS += shuntd shuntctl
INSTALL_SBINS += shuntd
INSTALL_BINS += shuntctl

shuntd_SRCS := $(wildcard manager/daemon/*.c)
shuntd_PKGS := libbpf jansson libnl-3.0 libnl-idiag-3.0 libsystemd libelf
shuntd_DEPS := shuntbase

shuntctl_SRCS := $(wildcard manager/cli/*.c)
shuntctl_PKGS := jansson smartcols libcgroup
shuntctl_DEPS := shuntbase

# The interface descriptions are embedded as C string literals.
VARLINK_HEADERS := $(patsubst manager/daemon/%.varlink,$(O)/varlink/%.h,$(wildcard manager/daemon/*.varlink))
$(O)/varlink/%.h: manager/daemon/%.varlink
	@mkdir -p $(@D)
	$(call say,EMBED)sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $< >$@.tmp && mv $@.tmp $@
$(O)/obj/manager/daemon/service.o $(O)/sanobj/manager/daemon/service.o: | $(VARLINK_HEADERS)
