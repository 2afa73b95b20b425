/* SPDX-License-Identifier: MIT */
/* suggest.c: edit distance between short words. */
#include "suggest.h"

#include <limits.h>
#include <string.h>

#define LONGEST 63

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

unsigned shunt_edit_distance(const char *a, const char *b)
{
	size_t na = strlen(a);
	size_t nb = strlen(b);
	unsigned rows[3][LONGEST + 1];
	unsigned *before = rows[0];
	unsigned *above = rows[1];
	unsigned *row = rows[2];

	if (na > LONGEST || nb > LONGEST)
		return UINT_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *spare = before;
		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1, UINT_MAX);
		}
	}
	return row[nb];
}

/* Near: at most a third of the letters are wrong, and never more than three. */
static unsigned limit(const char *word)
{
	size_t third = (strlen(word) + 2) / 3;

	return third > 3 ? 3 : third;
}

void shunt_suggest_offer(struct shunt_suggestion *suggestion, const char *known)
{
	unsigned distance = shunt_edit_distance(suggestion->word, known);

	if (distance > limit(suggestion->word))
		return;
	if (suggestion->best && distance >= suggestion->distance)
		return;
	suggestion->best = known;
	suggestion->distance = distance;
}
