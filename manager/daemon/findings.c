/* SPDX-License-Identifier: MIT */
/* findings.c: the words of doctor about the kernel's version, its known bugs and what was tried on a loopback pair. */
#include "findings.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cleanup.h"

static int append(struct shunt_probe *probe, struct shunt_probe_item *item)
{
	struct shunt_probe_item *items = reallocarray(probe->items, probe->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	probe->items = items;
	items[probe->count++] = *item;
	return 0;
}

void shunt_findings_add(struct shunt_probe *probe, int *error, const char *name, enum shunt_probe_result result,
			const char *detail, const char *format, ...)
{
	struct shunt_probe_item item = {.name = name, .result = result};
	va_list arguments;

	if (*error)
		return;
	va_start(arguments, format);
	if (vasprintf(&item.text, format, arguments) < 0)
		item.text = NULL;
	va_end(arguments);
	if (detail)
		item.detail = strdup(detail);
	*error = item.text && (item.detail || !detail) ? append(probe, &item) : -ENOMEM;
	if (*error) {
		free(item.text);
		free(item.detail);
	}
}

static const char *level_sentence(enum shunt_kernel_level level)
{
	static const char *const sentences[] = {
#define X(name, word, sentence) sentence,
		SHUNT_KERNEL_LEVELS(X)
#undef X
	};

	return sentences[level];
}

static enum shunt_probe_result level_result(enum shunt_kernel_level level)
{
	if (level == SHUNT_KERNEL_FULL)
		return SHUNT_PROBE_OK;
	return level == SHUNT_KERNEL_REDUCED ? SHUNT_PROBE_INFO : SHUNT_PROBE_FAIL;
}

static void add_version(struct shunt_probe *probe, int *error)
{
	const struct shunt_kernel_version *version = &probe->version;
	enum shunt_kernel_level level = probe->decision.level;

	if (!version->major) {
		shunt_findings_add(probe, error, "kernel", SHUNT_PROBE_FAIL,
				   "run shunt on a Linux kernel whose uname -r starts with a version",
				   "the version of kernel \"%s\" cannot be read", probe->release);
		return;
	}
	shunt_findings_add(
		probe, error, "kernel", level_result(level),
		version->vendor_known
			? "judged by its stable version; the probes below lower it further where they find something"
			: "a vendor's own version: bugs fixed by backports cannot be told, and count as open",
		"%s, judged as %s%u.%u.%u: by version at most %s - %s", probe->release,
		version->vendor_known ? "" : "at least ", version->major, version->minor, version->patch,
		shunt_kernel_level_word(level), level_sentence(level));
	if (!probe->decision.tried && level > SHUNT_KERNEL_REFUSE)
		shunt_findings_add(
			probe, error, "kernel_series", SHUNT_PROBE_INFO,
			"run your own workload in mode observe first, then in one pod; shuntctl bench compares",
			"nobody of the project has run this kernel: no promise");
}

static void add_scan(struct shunt_probe *probe, int *error)
{
	static const char *const texts[] = {
		[SHUNT_SCAN_NONE] =
			"no iterator is safe on this kernel: connections are paired and counted, not promoted",
		[SHUNT_SCAN_STORAGE] =
			"flows are scanned by the socket storage iterator: one pass for all network namespaces",
		[SHUNT_SCAN_TCP] = "flows are scanned by iter/tcp, in the network namespaces that have candidates",
	};
	bool none = probe->decision.scan == SHUNT_SCAN_NONE;

	shunt_findings_add(probe, error, "scan", none ? SHUNT_PROBE_FAIL : SHUNT_PROBE_OK,
			   none ? "both iterators have bugs here that crash the kernel; use a kernel below 7.0, or "
				  "7.1.13 and later"
				: NULL,
			   "%s", texts[probe->decision.scan]);
}

static const char *bug_words(enum shunt_bug_state state)
{
	static const char *const words[] = {
#define X(name, text) text,
		SHUNT_BUG_STATES(X)
#undef X
	};

	return words[state];
}

static enum shunt_probe_result bug_result(const struct shunt_kernel_bug *bug, enum shunt_bug_state state)
{
	if (state == SHUNT_BUG_FIXED || state == SHUNT_BUG_ABSENT)
		return SHUNT_PROBE_OK;
	if (bug->weight == SHUNT_BUG_NOTE)
		return SHUNT_PROBE_INFO;
	if (bug->weight == SHUNT_BUG_ERROR)
		return state == SHUNT_BUG_OPEN ? SHUNT_PROBE_FAIL : SHUNT_PROBE_WARN;
	return state == SHUNT_BUG_OPEN ? SHUNT_PROBE_WARN : SHUNT_PROBE_INFO;
}

static int fixes_text(const struct shunt_kernel_bug *bug, char **ret)
{
	size_t size = 0;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);
	const char *comma = "fixed in ";

	if (!stream)
		return -ENOMEM;
	for (size_t i = 0; i < SHUNT_MAX_FIXES && bug->fixes[i].major; i++) {
		if (bug->fixes[i].patch == SHUNT_NEVER)
			continue;
		fprintf(stream, "%s%u.%u.%u", comma, bug->fixes[i].major, bug->fixes[i].minor, bug->fixes[i].patch);
		comma = ", ";
	}
	if (bug->mainline.major)
		fprintf(stream, "%s%u.%u.%u and later", comma, bug->mainline.major, bug->mainline.minor,
			bug->mainline.patch);
	if (bug->since_major)
		fprintf(stream, "in kernels from %u.%u on; no fix is known", bug->since_major, bug->since_minor);
	if (fclose(stream) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}

static void add_bug(struct shunt_probe *probe, int *error, size_t index)
{
	const struct shunt_kernel_bug *bug = &shunt_kernel_bugs[index];
	enum shunt_bug_state state = probe->decision.bugs[index];
	_cleanup_free_ char *fixes = NULL;

	if (*error)
		return;
	*error = fixes_text(bug, &fixes);
	shunt_findings_add(probe, error, bug->label, bug_result(bug, state), fixes, "%s: %s; touches %s",
			   bug_words(state), bug->what, bug->touches);
}

int shunt_findings_add_kernel(struct shunt_probe *probe)
{
	int error = 0;

	add_version(probe, &error);
	add_scan(probe, &error);
	for (size_t i = 0; i < SHUNT_KERNEL_BUGS; i++)
		add_bug(probe, &error, i);
	return error;
}

static const char fionread_detail[] = "Programs that ask it (nginx, Java, .NET) can stop reading with bytes still "
				      "queued, so such programs are not promoted (reason "
				      "fionread). Fixed in 6.12.114 and 7.2; fionread_allow in shunt.json names "
				      "programs known not to ask it of TCP sockets";

static void add_fionread(struct shunt_probe *probe, int *error, const struct shunt_trial *trial)
{
	const struct shunt_trial_fionread *f = &trial->fionread;

	switch (probe->fionread) {
	case SHUNT_FIONREAD_C:
		shunt_findings_add(probe, error, "fionread", SHUNT_PROBE_OK, NULL,
				   "FIONREAD counts right on redirected sockets (state C)");
		break;
	case SHUNT_FIONREAD_A:
		shunt_findings_add(probe, error, "fionread", SHUNT_PROBE_WARN, fionread_detail,
				   "FIONREAD forgets redirected bytes (state A: %d of 10)", f->redirected);
		break;
	case SHUNT_FIONREAD_B:
		shunt_findings_add(
			probe, error, "fionread", SHUNT_PROBE_WARN, fionread_detail,
			"FIONREAD forgets the bytes that TCP brings to a redirected socket (state B: %d of 10)",
			f->tcp);
		break;
	case SHUNT_FIONREAD_UNKNOWN:
		shunt_findings_add(probe, error, "fionread", SHUNT_PROBE_WARN, fionread_detail,
				   "FIONREAD could not be tried (%s; %d and %d of 10)",
				   strerror(-trial->fionread_result), f->tcp, f->redirected);
		break;
	}
}

static void add_owner(struct shunt_probe *probe, int *error, int answer)
{
	if (answer == -EBUSY)
		shunt_findings_add(probe, error, "second_map", SHUNT_PROBE_OK, NULL,
				   "a socket that another program redirects is refused by the kernel (EBUSY): reason "
				   "foreign_psock");
	else if (answer == 0)
		shunt_findings_add(probe, error, "second_map", SHUNT_PROBE_WARN,
				   "do not run another sockmap accelerator (Cilium socket LB acceleration, Kmesh, "
				   "Envoy, Beyla) beside shunt here",
				   "the kernel lets two programs own one socket");
	else
		shunt_findings_add(probe, error, "second_map", SHUNT_PROBE_WARN, NULL,
				   "two owners of a socket could not be tried: %s", strerror(-answer));
}

static void add_ktls(struct shunt_probe *probe, int *error, const struct shunt_trial *trial)
{
	if (trial->ulp_on_plain == -ENOENT) {
		shunt_findings_add(probe, error, "ktls_member", SHUNT_PROBE_OK, NULL,
				   "no kernel TLS here, so it cannot meet a redirected socket");
		return;
	}
	if (trial->tls_on_member == 0)
		shunt_findings_add(probe, error, "ktls_member", SHUNT_PROBE_WARN,
				   "shunt never promotes a socket with an upper layer protocol and demotes one that "
				   "gets it; a program that starts kernel "
				   "TLS long after its connection is a case for mode off",
				   "kernel TLS is accepted on a redirected socket (CVE-2026-93824 is open)");
	else if (trial->tls_on_member == -EINVAL)
		shunt_findings_add(probe, error, "ktls_member", SHUNT_PROBE_OK, NULL,
				   "kernel TLS is refused on a redirected socket");
	else
		shunt_findings_add(probe, error, "ktls_member", SHUNT_PROBE_INFO, NULL,
				   "kernel TLS on a redirected socket could not be tried: %s",
				   strerror(-(trial->ulp_on_member < 0 ? trial->ulp_on_member : trial->tls_on_member)));
	if (trial->ulp_on_plain == 0 && trial->member_after_ulp != -EINVAL)
		shunt_findings_add(probe, error, "ulp_first", SHUNT_PROBE_WARN,
				   "shunt looks at icsk_ulp_ops itself before it promotes",
				   "a socket with kernel TLS is accepted in a sockmap (%s)",
				   trial->member_after_ulp ? strerror(-trial->member_after_ulp) : "no error");
	else if (trial->ulp_on_plain == 0)
		shunt_findings_add(probe, error, "ulp_first", SHUNT_PROBE_OK, NULL,
				   "a socket with kernel TLS is refused by the kernel (EINVAL)");
}

int shunt_findings_add_trial(struct shunt_probe *probe, const struct shunt_trial *trial)
{
	int error = 0;

	if (trial->load < 0) {
		shunt_findings_add(probe, &error, "sockmap", SHUNT_PROBE_FAIL,
				   "shunt needs CONFIG_BPF_STREAM_PARSER, and CAP_BPF and CAP_NET_ADMIN in the initial "
				   "user namespace",
				   "the smallest sk_msg program and its map do not load: %s", strerror(-trial->load));
		return error;
	}
	if (trial->pair < 0) {
		shunt_findings_add(probe, &error, "sockmap", SHUNT_PROBE_FAIL,
				   "is the interface lo up here, does a firewall drop 127.0.0.1, or does another "
				   "program own every new socket (EBUSY)?",
				   "a loopback connection could not be put into a private map: %s",
				   strerror(-trial->pair));
		return error;
	}
	shunt_findings_add(probe, &error, "sockmap", SHUNT_PROBE_OK, NULL,
			   "a loopback connection was redirected through a private map");
	shunt_findings_add(probe, &error, "sockmap_link", trial->link ? SHUNT_PROBE_INFO : SHUNT_PROBE_OK,
			   trial->link ? "upstream since 6.10; another program could replace the verdict unnoticed"
				       : NULL,
			   "%s",
			   trial->link ? "no bpf_link for sockmap programs: attached without"
				       : "sockmap programs are attached by bpf_link");
	add_fionread(probe, &error, trial);
	add_owner(probe, &error, trial->second_map);
	add_ktls(probe, &error, trial);
	return error;
}
