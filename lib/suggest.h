/* SPDX-License-Identifier: MIT */
/* suggest.h: "did you mean": the known word nearest to a mistyped one. */
#ifndef SHUNT_SUGGEST_H
#define SHUNT_SUGGEST_H

/* Start with {.word = what was typed}; offer every known word; best is the nearest, NULL when none is near. Borrows. */
struct shunt_suggestion {
	const char *word;
	const char *best;
	unsigned distance;
};

void shunt_suggest_offer(struct shunt_suggestion *suggestion, const char *known);
/* Edits (insert, delete, replace, swap of neighbours) from a to b; longer words than 63 bytes are never near. */
unsigned shunt_edit_distance(const char *a, const char *b);

#endif
