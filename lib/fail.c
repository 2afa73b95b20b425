/* SPDX-License-Identifier: MIT */
/* fail.c: an error with its sentence. */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

int shunt_fail(int r, char **ret_error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_error, format, args) < 0)
		*ret_error = NULL;
	va_end(args);
	return r;
}
