/* SPDX-License-Identifier: MIT */
/* view.c: draws the views of a command with libsmartcols. */
#include "view.h"

#include <ctype.h>
#include <errno.h>
#include <libsmartcols.h>
#include <string.h>

#include "cleanup.h"

static void unref_table(struct libscols_table **table)
{
	scols_unref_table(*table);
}

#define _cleanup_table_ _cleanup_(unref_table)

static const json_t *member(const json_t *object, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	char *rest = copy;

	while (object && rest) {
		const char *name = strsep(&rest, ".");
		object = json_object_get(object, name);
	}
	return object;
}

/* A row of a list, or one member of an object with its key. */
static const json_t *cell_value(const struct shunt_column *column, const json_t *row, const json_t *key)
{
	if (!strcmp(column->path, "@key"))
		return key;
	if (!strcmp(column->path, "@value"))
		return row;
	return member(row, column->path);
}

static bool shown(const struct shunt_column *column, struct shunt_view_style style)
{
	return !column->verbose || style.verbose;
}

static struct libscols_table *new_table(bool headings, struct shunt_view_style style)
{
	struct libscols_table *table = scols_new_table();

	if (!table)
		return NULL;
	scols_table_enable_colors(table, style.color);
	scols_table_enable_noheadings(table, !headings);
	return table;
}

static int set_cell(struct libscols_line *line, size_t i, const json_t *value, enum shunt_format format)
{
	char *text = shunt_value_text(value, format);

	if (!text)
		return -ENOMEM;
	const char *color = shunt_word_color(text);
	if (color)
		scols_cell_set_color(scols_line_get_cell(line, i), color);
	return scols_line_refer_data(line, i, text);
}

static int add_columns(struct libscols_table *table, const struct shunt_column *columns, struct shunt_view_style style)
{
	for (; columns->path; columns++) {
		int flags = (columns->right ? SCOLS_FL_RIGHT : 0) | (columns->wrap ? SCOLS_FL_WRAP : 0);
		if (shown(columns, style) && !scols_table_new_column(table, columns->header, 0, flags))
			return -ENOMEM;
	}
	return 0;
}

static int add_row(struct libscols_table *table, const struct shunt_column *columns, const json_t *row,
		   const json_t *key, struct shunt_view_style style)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	size_t i = 0;

	if (!line)
		return -ENOMEM;
	for (; columns->path; columns++) {
		if (!shown(columns, style))
			continue;
		int r = set_cell(line, i++, cell_value(columns, row, key), columns->format);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool left_out(const struct shunt_view *view, const json_t *row)
{
	return view->skip_zero && json_is_integer(row) && json_integer_value(row) == 0;
}

static int add_list_rows(struct libscols_table *table, const struct shunt_view *view, const json_t *list,
			 struct shunt_view_style style)
{
	size_t i;
	const json_t *row;
	int r = 0;

	json_array_foreach (list, i, row)
		if (r == 0)
			r = add_row(table, view->columns, row, NULL, style);
	return r;
}

static int add_member_rows(struct libscols_table *table, const struct shunt_view *view, const json_t *object,
			   struct shunt_view_style style)
{
	const char *name;
	json_t *row;

	json_object_foreach ((json_t *)object, name, row) {
		json_auto_t *key = json_string(name);
		if (left_out(view, row))
			continue;
		int r = add_row(table, view->columns, row, key, style);
		if (r < 0)
			return r;
	}
	return 0;
}

static void print_title(const struct shunt_view *view)
{
	if (view->title)
		printf("\n%s\n", view->title);
}

static int print_table(const struct shunt_view *view, const json_t *rows, struct shunt_view_style style)
{
	_cleanup_table_ struct libscols_table *table = new_table(true, style);

	if (!table)
		return -ENOMEM;
	int r = add_columns(table, view->columns, style);
	if (r < 0)
		return r;
	r = json_is_array(rows) ? add_list_rows(table, view, rows, style) : add_member_rows(table, view, rows, style);
	if (r < 0)
		return r;
	if (scols_table_is_empty(table)) {
		if (view->text)
			printf("%s\n", view->text);
		return 0;
	}
	print_title(view);
	return scols_print_table(table);
}

/* A list among the facts gets a line for each entry. */
static int add_fact(struct libscols_table *table, const char *header, const json_t *value, enum shunt_format format)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		return -ENOMEM;
	int r = scols_line_set_data(line, 0, header);
	return r < 0 ? r : set_cell(line, 1, value, format);
}

static int add_facts(struct libscols_table *table, const struct shunt_column *column, const json_t *value)
{
	size_t i;
	const json_t *entry;

	if (!json_is_array(value) || !json_array_size(value) || column->format == SHUNT_FORMAT_PROGRAMS)
		return add_fact(table, column->header, value, column->format);
	json_array_foreach (value, i, entry) {
		int r = add_fact(table, i ? "" : column->header, entry, column->format);
		if (r < 0)
			return r;
	}
	return 0;
}

static int print_facts(const struct shunt_view *view, const json_t *object, struct shunt_view_style style)
{
	_cleanup_table_ struct libscols_table *table = new_table(false, style);

	if (!table || !scols_table_new_column(table, "", 0, 0) || !scols_table_new_column(table, "", 0, SCOLS_FL_WRAP))
		return -ENOMEM;
	for (const struct shunt_column *column = view->columns; column->path; column++) {
		if (!shown(column, style))
			continue;
		int r = add_facts(table, column, cell_value(column, object, NULL));
		if (r < 0)
			return r;
	}
	print_title(view);
	return scols_print_table(table);
}

static int print_records(const struct shunt_view *view, const json_t *list, struct shunt_view_style style)
{
	size_t i;
	const json_t *row;

	json_array_foreach (list, i, row) {
		if (i)
			putchar('\n');
		int r = print_facts(view, row, style);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Names come from elsewhere: what could move a terminal's cursor is not printed. */
static void print_safely(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void print_sentence(const char *text, const json_t *reply)
{
	while (*text) {
		size_t plain = strcspn(text, "{");
		printf("%.*s", (int)plain, text);
		text += plain;
		if (!*text)
			break;
		size_t length = strcspn(text + 1, "}");
		_cleanup_free_ char *name = strndup(text + 1, length);
		_cleanup_free_ char *value = shunt_value_text(name ? member(reply, name) : NULL, SHUNT_FORMAT_PLAIN);
		print_safely(value ? value : "");
		text += length + 1 + (text[length + 1] == '}');
	}
	putchar('\n');
}

static int print_view(const struct shunt_view *view, const json_t *reply, struct shunt_view_style style)
{
	const json_t *part = view->path ? member(reply, view->path) : reply;

	switch (view->kind) {
	case SHUNT_VIEW_TABLE:
		return print_table(view, part, style);
	case SHUNT_VIEW_FACTS:
		return print_facts(view, part, style);
	case SHUNT_VIEW_RECORDS:
		return print_records(view, part, style);
	case SHUNT_VIEW_SENTENCE:
		print_sentence(view->text, reply);
		return 0;
	case SHUNT_VIEW_END:
		break;
	}
	return 0;
}

int shunt_view_print(const struct shunt_view *views, const json_t *reply, struct shunt_view_style style)
{
	for (; views && views->kind != SHUNT_VIEW_END; views++) {
		int r = print_view(views, reply, style);
		if (r < 0)
			return r;
	}
	return 0;
}
