/* SPDX-License-Identifier: MIT */
/* test_elf.c: real programs are read rightly, damaged ones refused, and none crashes the reader. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../manager/daemon/elf.h"
#include "cleanup.h"

static int inspect(const char *path, struct shunt_elf *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : shunt_elf_inspect(fd, ret);
}

static void require(const char *path)
{
	if (access(path, R_OK) == 0)
		return;
	print_message("# %s is not installed\n", path);
	skip();
}

static void imports_splice(void **state)
{
	struct shunt_elf elf;

	require("/usr/sbin/haproxy");
	assert_int_equal(inspect("/usr/sbin/haproxy", &elf), 0);
	assert_true(elf.imports_splice);
	assert_false(elf.is_static);
	assert_false(elf.is_go);
}

static void imports_ioctl_only(void **state)
{
	struct shunt_elf elf;

	require("/usr/sbin/nginx");
	assert_int_equal(inspect("/usr/sbin/nginx", &elf), 0);
	assert_true(elf.imports_ioctl);
	assert_false(elf.imports_splice);
}

static void imports_without_splice(void **state)
{
	struct shunt_elf elf;

	require("/usr/bin/redis-server");
	assert_int_equal(inspect("/usr/bin/redis-server", &elf), 0);
	assert_false(elf.imports_splice);
	assert_true(elf.imports_ioctl);
}

static void own_imports(void **state)
{
	struct shunt_elf elf;

	assert_int_equal(inspect("/proc/self/exe", &elf), 0);
	assert_false(elf.is_static);
	assert_false(elf.is_go);
}

/* libc defines both functions: a definition is not an import. */
static void definition_is_no_import(void **state)
{
	struct shunt_elf elf;

	require("/lib/x86_64-linux-gnu/libc.so.6");
	assert_int_equal(inspect("/lib/x86_64-linux-gnu/libc.so.6", &elf), 0);
	assert_false(elf.imports_splice);
	assert_false(elf.imports_ioctl);
}

struct scratch {
	char folder[64];
	char source[96];
	char program[96];
};

static void scratch_open(struct scratch *scratch, const char *extension, const char *text)
{
	snprintf(scratch->folder, sizeof(scratch->folder), "/tmp/shunt-test-elf-XXXXXX");
	assert_non_null(mkdtemp(scratch->folder));
	snprintf(scratch->source, sizeof(scratch->source), "%s/a.%s", scratch->folder, extension);
	snprintf(scratch->program, sizeof(scratch->program), "%s/a", scratch->folder);
	_cleanup_fclose_ FILE *file = fopen(scratch->source, "we");
	assert_non_null(file);
	fputs(text, file);
}

static void scratch_close(const struct scratch *scratch)
{
	unlink(scratch->source);
	unlink(scratch->program);
	rmdir(scratch->folder);
}

/* Builds the text and inspects the result; -ENOSYS: the compiler is not there. */
static int build_and_inspect(const char *compiler, const char *extension, const char *text, struct shunt_elf *ret)
{
	struct scratch scratch;
	_cleanup_free_ char *command = NULL;

	scratch_open(&scratch, extension, text);
	assert_true(asprintf(&command, "timeout 120 %s -o %s %s 2>/dev/null", compiler, scratch.program,
			     scratch.source) > 0);
	int r = system(command) == 0 ? inspect(scratch.program, ret) : -ENOSYS;
	scratch_close(&scratch);
	return r;
}

static const char ioctl_caller[] =
	"#include <sys/ioctl.h>\nint main(void) { int n = 0; return ioctl(0, FIONREAD, &n); }\n";

static void static_program(void **state)
{
	struct shunt_elf elf;

	int r = build_and_inspect("cc -static", "c", ioctl_caller, &elf);
	if (r == -ENOSYS) {
		print_message("# no C compiler with a static libc\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(elf.is_static);
	assert_false(elf.is_go);
}

static void static_pie_program(void **state)
{
	struct shunt_elf elf;

	int r = build_and_inspect("cc -static-pie", "c", ioctl_caller, &elf);
	if (r == -ENOSYS) {
		print_message("# no C compiler that makes static PIEs\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(elf.is_static);
}

static void unversioned_weak_import(void **state)
{
	struct shunt_elf elf;
	const char *text = "extern long splice(void) __attribute__((weak));\nint main(void) { return splice ? "
			   "(int)splice() : 0; }\n";

	int r = build_and_inspect("cc -fno-builtin -nodefaultlibs -nostartfiles -shared -fPIC", "c", text, &elf);
	if (r == -ENOSYS) {
		print_message("# no C compiler\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(elf.imports_splice);
	assert_false(elf.imports_ioctl);
}

#define GO "env HOME=/tmp GOCACHE=${GOCACHE:-/tmp/shunt-test-gocache} GO111MODULE=off nice go build -ldflags '-s -w'"

static void go_proxy(void **state)
{
	struct shunt_elf elf;
	const char *text = "package main\nimport (\"io\"; \"net\")\nfunc main() { a, _ := net.Dial(\"tcp\", \":1\"); "
			   "b, _ := net.Dial(\"tcp\", \":2\"); io.Copy(a, b) }\n";

	int r = build_and_inspect(GO, "go", text, &elf);
	if (r == -ENOSYS) {
		print_message("# no go compiler\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(elf.is_go);
	assert_true(elf.has_go_splice);
}

static void go_without_copy(void **state)
{
	struct shunt_elf elf;
	const char *text = "package main\nimport \"net\"\nfunc main() { a, _ := net.Dial(\"tcp\", \":1\"); var b "
			   "[9]byte; a.Read(b[:]) }\n";

	int r = build_and_inspect(GO, "go", text, &elf);
	if (r == -ENOSYS) {
		print_message("# no go compiler\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(elf.is_go);
	assert_false(elf.has_go_splice);
}

static void not_elf(void **state)
{
	struct shunt_elf elf = {.is_go = true};

	assert_int_equal(inspect("/dev/null", &elf), -ENOEXEC);
	assert_int_equal(inspect("/", &elf), -ENOEXEC);
	assert_int_equal(inspect("/etc/passwd", &elf), -ENOEXEC);
	assert_int_equal(shunt_elf_inspect(-1, &elf), -EBADF);
	assert_true(elf.is_go);
}

static char *slurp(const char *path, size_t *ret_size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	struct stat status;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	char *bytes = malloc(status.st_size);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, status.st_size, file), status.st_size);
	*ret_size = status.st_size;
	return bytes;
}

static int inspect_bytes(const char *bytes, size_t size, struct shunt_elf *ret)
{
	_cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	return shunt_elf_inspect(fd, ret);
}

/* The section headers lie at the end: every cut loses them, and with them the imports. */
static void truncated(void **state)
{
	struct shunt_elf elf;
	size_t size;
	_cleanup_free_ char *bytes = slurp("/proc/self/exe", &size);

	assert_int_equal(inspect_bytes(bytes, size, &elf), 0);
	for (size_t cut = 0; cut < 100; cut++)
		assert_true(inspect_bytes(bytes, size * cut / 100, &elf) < 0);
	for (size_t cut = 0; cut < 256; cut++)
		assert_true(inspect_bytes(bytes, cut, &elf) < 0);
}

/* Whatever the headers say, the answer is a result or an error. Sanitizers watch. */
static void hostile(void **state)
{
	struct shunt_elf elf;
	size_t size;
	_cleanup_free_ char *bytes = slurp("/bin/true", &size);
	uint64_t sections;
	unsigned refused = 0;

	memcpy(&sections, bytes + 40, sizeof(sections));
	assert_true(sections < size);
	srandom(1);
	for (int round = 0; round < 3000; round++) {
		_cleanup_free_ char *copy = malloc(size);
		memcpy(copy, bytes, size);
		for (int i = 0; i < 4; i++) {
			size_t area = round % 2 ? 1024 : size - sections;
			size_t at = (round % 2 ? 0 : sections) + (size_t)random() % area;
			copy[at] = (char)(random() % 3 ? random() : -1);
		}
		refused += inspect_bytes(copy, size, &elf) < 0;
	}
	assert_true(refused > 100);
	assert_true(refused < 3000);
}

static void fields(char *bytes, size_t at, uint64_t value)
{
	memcpy(bytes + at, &value, sizeof(value));
}

/* A sparse file of a terabyte whose dynamic symbols claim to fill it must cost neither memory nor time. */
static void huge(void **state)
{
	struct shunt_elf elf;
	size_t size;
	uint64_t sections;
	_cleanup_free_ char *bytes = slurp("/bin/true", &size);
	_cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);

	memcpy(&sections, bytes + 40, sizeof(sections));
	for (size_t at = sections; at + 64 <= size; at += 64)
		if (bytes[at + 4] == 11) /* SHT_DYNSYM: its sh_size */
			fields(bytes, at + 32, 1ull << 39);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(ftruncate(fd, 1ll << 40), 0);
	assert_int_equal(shunt_elf_inspect(fd, &elf), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(imports_splice),
		cmocka_unit_test(imports_ioctl_only),
		cmocka_unit_test(imports_without_splice),
		cmocka_unit_test(own_imports),
		cmocka_unit_test(definition_is_no_import),
		cmocka_unit_test(static_program),
		cmocka_unit_test(static_pie_program),
		cmocka_unit_test(unversioned_weak_import),
		cmocka_unit_test(go_proxy),
		cmocka_unit_test(go_without_copy),
		cmocka_unit_test(not_elf),
		cmocka_unit_test(truncated),
		cmocka_unit_test(hostile),
		cmocka_unit_test(huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
