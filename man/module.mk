MAN_PAGES += shuntctl.1 shuntd.8 shunt.json.5

# scdoc puts paragraph breaks where mandoc finds them superfluous: after and before headings and before the end of an indent.
define MAN_TIDY
/^\.P$$/ { pending = 1; next } \
/^\.(SH|SS|TH)/ { print; pending = 0; heading = 1; next } \
/^\.RE$$/ { print; pending = 1; next } \
{ if (pending && !heading) print ".P"; pending = 0; heading = 0; print }
endef
$(patsubst man/%.scd,$(O)/man/%,$(wildcard man/*.scd)): $(O)/man/%: man/%.scd
	@mkdir -p $(@D)
	$(call say,MAN)scdoc <$< | awk '$(MAN_TIDY)' >$@.tmp
	$(Q)if command -v mandoc >/dev/null; then mandoc -Tlint -Wwarning $@.tmp; fi && mv $@.tmp $@
