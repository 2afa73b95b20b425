/* SPDX-License-Identifier: MIT */
/* view.h: how a JSON answer is shown to people: tables described as data. */
#ifndef SHUNT_VIEW_H
#define SHUNT_VIEW_H

#include <jansson.h>
#include <stdbool.h>

enum shunt_format {
	SHUNT_FORMAT_PLAIN = 0,
	SHUNT_FORMAT_BYTES,
	SHUNT_FORMAT_AGE, /* seconds */
	SHUNT_FORMAT_SHARE,
	SHUNT_FORMAT_YESNO,
	SHUNT_FORMAT_MEANING,  /* a reason's or counter's word: its sentence */
	SHUNT_FORMAT_PROGRAMS, /* list of {executable, verdict} */
};

struct shunt_column {
	const char *path; /* member of the row, "a.b" of its member; "@key" and "@value" when rows are an object's
			     members */
	const char *header;
	enum shunt_format format;
	bool right;
	bool verbose; /* only with -v */
	bool wrap;
};

enum shunt_view_kind {
	SHUNT_VIEW_END = 0,
	SHUNT_VIEW_TABLE,   /* rows of a list, or members of an object */
	SHUNT_VIEW_FACTS,   /* one object: a line each column */
	SHUNT_VIEW_RECORDS, /* facts of every row of a list */
	SHUNT_VIEW_SENTENCE,
};

struct shunt_view {
	enum shunt_view_kind kind;
	const char *path; /* in the reply; NULL: the reply itself */
	const char *title;
	const struct shunt_column *columns; /* ended by a NULL path */
	const char *text;		    /* sentence, with {member}; or what to say when there are no rows */
	bool skip_zero;			    /* rows whose "@value" is 0 */
};

struct shunt_view_style {
	bool color;
	bool verbose;
};

/* Prints all views of the list, which is ended by SHUNT_VIEW_END. */
int shunt_view_print(const struct shunt_view *views, const json_t *reply, struct shunt_view_style style);

/* values.c: one value as text for people, in new memory; NULL without memory. */
char *shunt_value_text(const json_t *value, enum shunt_format format);
/* The colour of a word that means good, doubtful or bad; NULL for others. */
const char *shunt_word_color(const char *word);

#endif
