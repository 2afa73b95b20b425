/* SPDX-License-Identifier: MIT */
/* fail.h: an error with its sentence: what failed, on what, why, what to do next. */
#ifndef SHUNT_FAIL_H
#define SHUNT_FAIL_H

/* Writes the sentence to *ret_error (to be freed; NULL when out of memory) and returns r. */
int shunt_fail(int r, char **ret_error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
