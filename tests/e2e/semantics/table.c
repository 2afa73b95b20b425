/* SPDX-License-Identifier: MIT */
/* table.c: reads the table of differences in docs/semantics.md, which the runner holds the world to. */
#include "semantics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char marker[] = "<!-- differences -->";

/* One cell without its blanks and backticks; returns where the next one starts, NULL after the last. */
static const char *cell(const char *at, char *to, size_t size)
{
	const char *end = strchr(at, '|');
	size_t len;

	if (!end)
		return NULL;
	while (*at == ' ' || *at == '`')
		at++;
	len = (size_t)(end - at);
	while (end > at && len && (at[len - 1] == ' ' || at[len - 1] == '`'))
		len--;
	if (end < at || len >= size)
		len = 0;
	memcpy(to, at, len);
	to[len] = 0;
	return end + 1;
}

static bool parse_row(const char *line, struct shunt_row *row)
{
	const char *at = line;

	if (*at++ != '|')
		return false;
	at = cell(at, row->probe, sizeof(row->probe));
	at = at ? cell(at, row->who, sizeof(row->who)) : NULL;
	at = at ? cell(at, row->plain, sizeof(row->plain)) : NULL;
	at = at ? cell(at, row->observed, sizeof(row->observed)) : NULL;
	return at && row->probe[0] && row->who[0] && row->plain[0] && row->observed[0];
}

/* Below the marker: rows up to the first line that is not one; the head and the rule under it are skipped. */
static int read_rows(FILE *f, struct shunt_table *table)
{
	char *line = NULL;
	size_t size = 0;
	unsigned number = 0, in_table = 0;

	while (getline(&line, &size, f) > 0) {
		number++;
		if (!strncmp(line, marker, sizeof(marker) - 1)) {
			in_table = 1;
			continue;
		}
		if (!in_table || line[0] != '|') {
			in_table = in_table > 1 ? 0 : in_table;
			continue;
		}
		if (++in_table <= 3)
			continue;
		if (table->n_rows == sizeof(table->rows) / sizeof(table->rows[0]) ||
		    !parse_row(line, &table->rows[table->n_rows])) {
			fprintf(stderr, "docs: line %u is not a row of probe, who, plain, observed\n", number);
			free(line);
			return -EBADMSG;
		}
		table->rows[table->n_rows++].line = number;
	}
	free(line);
	return 0;
}

int shunt_table_load(struct shunt_table *table, const char *path)
{
	FILE *f = fopen(path, "re");
	int r;

	if (!f)
		return -errno;
	r = read_rows(f, table);
	fclose(f);
	return r;
}

bool shunt_row_concerns(const struct shunt_row *row, const char *probe, const char *way)
{
	size_t len = strlen(way);

	if (strcmp(row->probe, probe))
		return false;
	for (const char *w = row->who; *w; w += strcspn(w, ", ")) {
		w += strspn(w, ", ");
		if (!strncmp(w, way, len) && (w[len] == 0 || w[len] == ',' || w[len] == ' '))
			return true;
	}
	return false;
}

struct shunt_row *shunt_table_find(struct shunt_table *table, const char *probe, const char *way)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		if (shunt_row_concerns(&table->rows[i], probe, way))
			return &table->rows[i];
	}
	return NULL;
}
