/* SPDX-License-Identifier: MIT */
/* cleanup.h: variables that release what they own when they leave scope. JSON has its own: json_auto_t of jansson. */
#ifndef SHUNT_CLEANUP_H
#define SHUNT_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* Hands the value over and leaves nothing behind to be released. */
#define TAKE_PTR(pointer)                                                                                              \
	({                                                                                                             \
		__typeof__(pointer) *_take_pointer = &(pointer);                                                       \
		__typeof__(pointer) _taken = *_take_pointer;                                                           \
		*_take_pointer = NULL;                                                                                 \
		_taken;                                                                                                \
	})
#define TAKE_FD(fd)                                                                                                    \
	({                                                                                                             \
		int *_take_fd = &(fd);                                                                                 \
		int _taken = *_take_fd;                                                                                \
		*_take_fd = -1;                                                                                        \
		_taken;                                                                                                \
	})

#define SHUNT_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Defines the cleanup function for a type that has its own destructor: SHUNT_DEFINE_CLEANUP(struct x *, shunt_x_free).
 */
#define SHUNT_DEFINE_CLEANUP(type, destroy)                                                                            \
	static inline void destroy##_p(type *value)                                                                    \
	{                                                                                                              \
		if (*value)                                                                                            \
			destroy(*value);                                                                               \
	}

static inline void shunt_cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void shunt_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void shunt_cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void shunt_cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _cleanup_free_ _cleanup_(shunt_cleanup_free)
#define _cleanup_close_ _cleanup_(shunt_cleanup_close)
#define _cleanup_fclose_ _cleanup_(shunt_cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(shunt_cleanup_closedir)

#endif
