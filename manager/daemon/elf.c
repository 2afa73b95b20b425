/* SPDX-License-Identifier: MIT */
/* elf.c: reads imports and Go's marks out of ELF files by libelf; never maps them, because a mapped file can shrink. */
#include "elf.h"

#include <errno.h>
#include <gelf.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define LARGEST_TABLE                                                                                                  \
	(64u << 20) /* bytes of a symbol, string or note section: a hostile header must not fill the memory */
#define LARGEST_SEARCH (1ull << 30) /* bytes of a Go program: the largest real ones are a fifth of it */
#define CHUNK (256u << 10)
#define GO_NOTE_BUILD_ID 4

static inline void end_elf(Elf **elf)
{
	if (*elf)
		elf_end(*elf);
}

/* With both NULs: the name as the function table holds it, not a longer one that contains it. */
static const char go_splice[] = "\0internal/poll.Splice";

static int search_go_splice(int fd, off_t size, bool *ret)
{
	size_t keep = sizeof(go_splice) - 1;
	size_t have = 0;

	if ((unsigned long long)size > LARGEST_SEARCH)
		return -EFBIG;
	_cleanup_free_ char *buffer = malloc(CHUNK + sizeof(go_splice));
	if (!buffer)
		return -ENOMEM;
	for (off_t offset = 0; offset < size;) {
		ssize_t got = pread(fd, buffer + have, CHUNK, offset);
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		offset += got;
		have += got;
		if (memmem(buffer, have, go_splice, sizeof(go_splice))) {
			*ret = true;
			return 0;
		}
		size_t tail = have < keep ? have : keep;
		memmove(buffer, buffer + have - tail, tail);
		have = tail;
	}
	*ret = false;
	return 0;
}

static Elf_Data *section_data(Elf_Scn *section, GElf_Shdr *ret_header)
{
	if (!section || !gelf_getshdr(section, ret_header) || ret_header->sh_type == SHT_NOBITS ||
	    ret_header->sh_size > LARGEST_TABLE)
		return NULL;
	return elf_getdata(section, NULL);
}

/* The string at offset of a table, or NULL when it would run out of it. */
static const char *table_string(const Elf_Data *table, size_t offset)
{
	if (!table->d_buf || offset >= table->d_size ||
	    !memchr((char *)table->d_buf + offset, 0, table->d_size - offset))
		return NULL;
	return (char *)table->d_buf + offset;
}

static int read_imports(Elf *elf, Elf_Scn *section, struct shunt_elf *result)
{
	GElf_Shdr header;
	GElf_Shdr names_header;
	Elf_Data *symbols = section_data(section, &header);
	Elf_Data *names = symbols ? section_data(elf_getscn(elf, header.sh_link), &names_header) : NULL;

	if (!names || !header.sh_entsize || header.sh_size / header.sh_entsize > INT32_MAX)
		return -EBADMSG;
	for (int i = 0; i < (int)(header.sh_size / header.sh_entsize); i++) {
		GElf_Sym symbol;
		if (!gelf_getsym(symbols, i, &symbol))
			return -EBADMSG;
		const char *name = table_string(names, symbol.st_name);
		if (!name)
			return -EBADMSG;
		if (symbol.st_shndx != SHN_UNDEF)
			continue;
		result->imports_splice |= !strcmp(name, "splice");
		result->imports_ioctl |= !strcmp(name, "ioctl");
	}
	return 0;
}

/* One that names no library and no dynamic linker is static, also as a position-independent executable. */
static bool dynamic_needs_libraries(Elf_Scn *section)
{
	GElf_Shdr header;
	Elf_Data *data = section_data(section, &header);
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++)
		if (entry.d_tag == DT_NEEDED)
			return true;
	return false;
}

static bool note_is_go(Elf_Scn *section)
{
	GElf_Shdr header;
	Elf_Data *data = section_data(section, &header);
	GElf_Nhdr note;
	size_t name;
	size_t description;

	for (size_t at = 0; data && (at = gelf_getnote(data, at, &note, &name, &description)) > 0;)
		if (note.n_type == GO_NOTE_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp((char *)data->d_buf + name, "Go", 3))
			return true;
	return false;
}

static bool name_is_go(const char *name)
{
	return !strcmp(name, ".gopclntab") || !strcmp(name, ".data.rel.ro.gopclntab") || !strcmp(name, ".go.buildinfo");
}

struct seen {
	bool interpreter; /* program headers */
	bool dynamic;
	bool imports; /* sections */
	bool needed;
};

/* libelf counts the headers that lie inside the file; an executable without any is none. */
static int read_segments(Elf *elf, struct seen *seen)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) < 0 || count == 0)
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;
		if (!gelf_getphdr(elf, (int)i, &header))
			return -EBADMSG;
		seen->interpreter |= header.p_type == PT_INTERP;
		seen->dynamic |= header.p_type == PT_DYNAMIC;
	}
	return 0;
}

static int read_section(Elf *elf, Elf_Scn *section, size_t names, struct seen *seen, struct shunt_elf *result)
{
	GElf_Shdr header;

	if (!gelf_getshdr(section, &header))
		return -EBADMSG;
	const char *name = elf_strptr(elf, names, header.sh_name);
	if (name && name_is_go(name))
		result->is_go = true;
	if (header.sh_type == SHT_NOTE)
		result->is_go |= note_is_go(section);
	if (header.sh_type == SHT_DYNAMIC)
		seen->needed |= dynamic_needs_libraries(section);
	if (header.sh_type != SHT_DYNSYM)
		return 0;
	seen->imports = true;
	return read_imports(elf, section, result);
}

static int read_sections(Elf *elf, struct seen *seen, struct shunt_elf *result)
{
	size_t names;
	Elf_Scn *section = NULL;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return -EBADMSG;
	while ((section = elf_nextscn(elf, section))) {
		int r = read_section(elf, section, names, seen, result);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_elf(Elf *elf, struct shunt_elf *result)
{
	GElf_Ehdr header;
	struct seen seen = {};

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
		return -ENOEXEC;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return -ENOEXEC;
	int r = read_segments(elf, &seen);
	if (r == 0)
		r = read_sections(elf, &seen, result);
	if (r < 0)
		return r;
	/* A linked program whose section headers were cut off still imports, but no longer says what. */
	if ((seen.interpreter || seen.dynamic) && !seen.imports)
		return -EBADMSG;
	result->is_static = !seen.interpreter && !seen.needed;
	return 0;
}

int shunt_elf_inspect(int fd, struct shunt_elf *ret)
{
	struct stat status;
	struct shunt_elf result = {};

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOEXEC;
	elf_version(EV_CURRENT);
	_cleanup_(end_elf) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return -ENOEXEC;
	int r = read_elf(elf, &result);
	if (r == 0 && result.is_go)
		r = search_go_splice(fd, status.st_size, &result.has_go_splice);
	if (r < 0)
		return r;
	*ret = result;
	return 0;
}
