/* SPDX-License-Identifier: MIT */
/* probe.c: asks the kernel what it has, tries what can be tried, and draws the conclusions. */
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/utsname.h>

#include "cgroup.h"
#include "cleanup.h"
#include "findings.h"

static inline void free_btf(struct btf **btf)
{
	btf__free(*btf);
}

#define _cleanup_btf_ _cleanup_(free_btf)

const char *shunt_probe_result_word(enum shunt_probe_result result)
{
	static const char *const words[] = {
#define X(name, word) #word,
		SHUNT_PROBE_RESULTS(X)
#undef X
	};

	return words[result];
}

const char *shunt_kernel_level_word(enum shunt_kernel_level level)
{
	static const char *const words[] = {
#define X(name, word, sentence) #word,
		SHUNT_KERNEL_LEVELS(X)
#undef X
	};

	return words[level];
}

const char *shunt_scan_kind_word(enum shunt_scan_kind scan)
{
	static const char *const words[] = {
#define X(name, word) #word,
		SHUNT_SCAN_KINDS(X)
#undef X
	};

	return words[scan];
}

void shunt_probe_free(struct shunt_probe *probe)
{
	if (!probe)
		return;
	for (size_t i = 0; i < probe->count; i++) {
		free(probe->items[i].text);
		free(probe->items[i].detail);
	}
	free(probe->items);
	free(probe);
}

SHUNT_DEFINE_CLEANUP(struct shunt_probe *, shunt_probe_free)

static int read_version(struct shunt_probe *probe)
{
	struct utsname name;

	if (uname(&name) < 0)
		return -errno;
	snprintf(probe->release, sizeof(probe->release), "%s", name.release);
	snprintf(probe->build, sizeof(probe->build), "%s", name.version);
	if (!shunt_kernel_parse(name.release, name.version, &probe->version))
		probe->version = (struct shunt_kernel_version){};
	probe->decision = shunt_kernel_decide(&probe->version);
	return 0;
}

/* The smallest tracing program, "return 0", loaded for and attached to one BTF id for a moment. */
static int try_tracing(int id, enum bpf_attach_type type)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type, .attach_btf_id = id);

	if (id < 0)
		return id;
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "sh_probe_trace", "GPL", program,
					       SHUNT_COUNT_OF(program), &options);
	if (fd < 0)
		return -errno;
	_cleanup_close_ int link = bpf_raw_tracepoint_open(NULL, fd);
	return link < 0 ? -errno : 0;
}

static void add_tracing(struct shunt_probe *probe, int *error, int fentry, int tp_btf)
{
	probe->fentry_works = fentry == 0;
	probe->tp_btf_works = tp_btf == 0;
	shunt_findings_add(probe, error, "fentry", fentry ? SHUNT_PROBE_INFO : SHUNT_PROBE_OK,
			   fentry ? "shunt needs no trampolines" : NULL, "%s%s",
			   fentry ? "trampolines (fentry) do not work: " : "trampolines (fentry) work",
			   fentry ? strerror(-fentry) : "");
	if (tp_btf == 0)
		shunt_findings_add(probe, error, "tp_btf", SHUNT_PROBE_OK, NULL,
				   "readers that splice(2) are seen (tp_btf/tcp_rcv_space_adjust)");
	else
		shunt_findings_add(probe, error, "tp_btf", SHUNT_PROBE_WARN,
				   "A program that starts to splice from a redirected socket would hang unseen: only "
				   "executables that cannot splice are "
				   "promoted. Remove your own patterns from splice_allow on this node",
				   "readers that splice(2) cannot be seen (tp_btf/tcp_rcv_space_adjust: %s)",
				   strerror(-tp_btf));
}

static void add_kfunc(struct shunt_probe *probe, int *error, const char *name, bool found, const char *without)
{
	shunt_findings_add(probe, error, name, found ? SHUNT_PROBE_OK : SHUNT_PROBE_INFO, found ? NULL : without,
			   "the kernel function %s is %s", name, found ? "there" : "not there");
}

static int add_btf(struct shunt_probe *probe)
{
	int error = 0;
	_cleanup_btf_ struct btf *btf = btf__load_vmlinux_btf();

	if (!btf) {
		shunt_findings_add(probe, &error, "btf", SHUNT_PROBE_FAIL,
				   "use a kernel with CONFIG_DEBUG_INFO_BTF=y: shunt's programs need it to load",
				   "the kernel does not describe its types (/sys/kernel/btf/vmlinux: %s)",
				   strerror(errno));
		return error;
	}
	shunt_findings_add(probe, &error, "btf", SHUNT_PROBE_OK, NULL,
			   "the kernel describes its types (/sys/kernel/btf/vmlinux)");
	probe->has_rdonly_cast = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	probe->has_sock_destroy = btf__find_by_name_kind(btf, "bpf_sock_destroy", BTF_KIND_FUNC) > 0;
	add_kfunc(probe, &error, "bpf_rdonly_cast", probe->has_rdonly_cast,
		  "upstream since 6.2; fields are read one by one, 26 ns each");
	add_kfunc(probe, &error, "bpf_sock_destroy", probe->has_sock_destroy,
		  "upstream since 6.5; connections are reset by inet_diag instead");
	add_tracing(probe, &error,
		    try_tracing(btf__find_by_name_kind(btf, "tcp_close", BTF_KIND_FUNC), BPF_TRACE_FENTRY),
		    try_tracing(btf__find_by_name_kind(btf, "btf_trace_tcp_rcv_space_adjust", BTF_KIND_TYPEDEF),
				BPF_TRACE_RAW_TP));
	return error;
}

/* "ffffffff81234560 T name" */
static uint64_t find_symbol(const char *wanted)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/kallsyms", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	size_t length = strlen(wanted);

	while (file && getline(&line, &size, file) >= 0) {
		const char *name = strchr(line, ' ');
		if (name && name[1] && name[2] == ' ' && !strncmp(name + 3, wanted, length) &&
		    strchr("\n\t", name[3 + length]))
			return strtoull(line, NULL, 16);
	}
	return 0;
}

static int add_symbols(struct shunt_probe *probe)
{
	int error = 0;

	probe->woken_wake_function = find_symbol("woken_wake_function");
	if (probe->woken_wake_function)
		shunt_findings_add(probe, &error, "kallsyms", SHUNT_PROBE_OK, NULL,
				   "threads asleep inside recv() can be told from epoll");
	else
		shunt_findings_add(probe, &error, "kallsyms", SHUNT_PROBE_WARN,
				   "set kernel.kptr_restrict to 1 or 0 while shuntd starts, and give it CAP_SYSLOG",
				   "kernel addresses are hidden (/proc/kallsyms): a socket with anybody waiting on it "
				   "is not promoted");
	return error;
}

static int read_number(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	int number;

	return file && fscanf(file, "%d", &number) == 1 ? number : -1;
}

static int add_system(struct shunt_probe *probe)
{
	const char *mount = NULL;
	int error = 0;

	if (read_number("/proc/sys/net/core/bpf_jit_enable") == 0)
		shunt_findings_add(probe, &error, "jit", SHUNT_PROBE_WARN, "sysctl net.core.bpf_jit_enable=1",
				   "BPF programs are interpreted: slower than TCP");
	else
		shunt_findings_add(probe, &error, "jit", SHUNT_PROBE_OK, NULL, "BPF programs are compiled");
	if (shunt_cgroup_mount(&mount) == 0)
		shunt_findings_add(probe, &error, "cgroup2", SHUNT_PROBE_OK, NULL, "cgroup2 is mounted on %s", mount);
	else
		shunt_findings_add(probe, &error, "cgroup2", SHUNT_PROBE_FAIL,
				   "mount -t cgroup2 none /sys/fs/cgroup/unified; in a container: mount the host's",
				   "cgroup2 is not mounted: nothing can be attached");
	if (shunt_bpffs_mount(&mount) == 0)
		shunt_findings_add(probe, &error, "bpffs", SHUNT_PROBE_OK, NULL, "bpffs is mounted on %s", mount);
	else
		shunt_findings_add(probe, &error, "bpffs", SHUNT_PROBE_FAIL, "mount -t bpf bpf /sys/fs/bpf",
				   "bpffs is not mounted: nothing would outlive the daemon");
	return error;
}

static enum shunt_fionread fionread_state(const struct shunt_trial *trial)
{
	const struct shunt_trial_fionread *f = &trial->fionread;

	if (trial->fionread_result < 0)
		return SHUNT_FIONREAD_UNKNOWN;
	if (f->tcp == 10 && f->redirected == 10)
		return SHUNT_FIONREAD_C;
	if (f->tcp == 10)
		return SHUNT_FIONREAD_A;
	return f->redirected == 10 ? SHUNT_FIONREAD_B : SHUNT_FIONREAD_UNKNOWN;
}

static int add_trial(struct shunt_probe *probe)
{
	struct shunt_trial trial;

	shunt_trial_run(&trial);
	probe->fionread = fionread_state(&trial);
	probe->fionread_wrong = probe->fionread != SHUNT_FIONREAD_C;
	probe->has_sockmap_link = trial.link == 0;
	probe->ktls_on_members = trial.tls_on_member == 0;
	if (trial.load < 0 || trial.pair < 0)
		probe->level = SHUNT_KERNEL_OBSERVE;
	return shunt_findings_add_trial(probe, &trial);
}

static void lower(enum shunt_kernel_level *level, enum shunt_kernel_level most)
{
	if (*level > most)
		*level = most;
}

/* The version says what may be done at most; wrong counts, and splices that would not be seen, take "full" away. */
static void conclude(struct shunt_probe *probe)
{
	lower(&probe->level, probe->decision.level);
	if (probe->fionread_wrong || !probe->tp_btf_works)
		lower(&probe->level, SHUNT_KERNEL_REDUCED);
	probe->scan = probe->decision.scan;
}

int shunt_probe_run(struct shunt_probe **ret)
{
	static int (*const steps[])(struct shunt_probe *) = {
		read_version, shunt_findings_add_kernel, add_system, add_btf, add_symbols, add_trial,
	};
	_cleanup_(shunt_probe_free_p) struct shunt_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return -ENOMEM;
	probe->level = SHUNT_KERNEL_FULL;
	for (size_t i = 0; i < SHUNT_COUNT_OF(steps); i++) {
		int r = steps[i](probe);
		if (r < 0)
			return r;
	}
	conclude(probe);
	*ret = TAKE_PTR(probe);
	return 0;
}
