/* SPDX-License-Identifier: MIT */
/* tell.c: the observation: a line of words a probe writes. */
#include "semantics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

int64_t shunt_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void shunt_note(struct shunt_ctx *ctx, const char *format, ...)
{
	size_t room = SHUNT_TEXT_MAX - ctx->used;
	va_list args;
	int n;

	if (ctx->used && room > 1) {
		ctx->text[ctx->used++] = ' ';
		room--;
	}
	va_start(args, format);
	n = vsnprintf(ctx->text + ctx->used, room, format, args);
	va_end(args);
	ctx->used += n < (int)room ? (size_t)n : room - 1;
}

const char *shunt_error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "EUNKNOWN";
}

void shunt_note_result(struct shunt_ctx *ctx, const char *what, ssize_t result)
{
	int error = errno;

	if (result < 0)
		shunt_note(ctx, "%s=%s", what, shunt_error_name(error));
	else
		shunt_note(ctx, "%s=%zd", what, result);
}

void shunt_note_events(struct shunt_ctx *ctx, const char *what, unsigned events)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{EPOLLIN, "IN"},   {EPOLLPRI, "PRI"},  {EPOLLOUT, "OUT"},     {EPOLLERR, "ERR"},
		{EPOLLHUP, "HUP"}, {POLLNVAL, "NVAL"}, {EPOLLRDHUP, "RDHUP"},
	};
	char words[64] = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(events & names[i].bit))
			continue;
		if (words[0])
			strcat(words, ",");
		strcat(words, names[i].name);
	}
	shunt_note(ctx, "%s=%s", what, words[0] ? words : "none");
}
