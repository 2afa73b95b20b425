/* SPDX-License-Identifier: MIT */
/* serving.c: starts and ends the server's thread. */
#include "test.h"

#include "serving.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

static int on_stop(sd_event_source *source, int fd, uint32_t events, void *context)
{
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void *serve(void *context)
{
	struct serving *serving = context;

	sd_event_loop(serving->event);
	return NULL;
}

void serving_start(struct serving *serving, const struct shunt_method *methods, void *context, uint64_t idle_usec)
{
	snprintf(serving->folder, sizeof(serving->folder), "/tmp/shunt-test-%d", getpid());
	assert_return_code(mkdir(serving->folder, 0700), errno);
	snprintf(serving->path, sizeof(serving->path), "%s/s", serving->folder);
	serving->stop = eventfd(0, EFD_CLOEXEC);
	assert_return_code(sd_event_new(&serving->event), 0);
	assert_return_code(sd_event_add_io(serving->event, NULL, serving->stop, POLLIN, on_stop, NULL), 0);
	assert_return_code(shunt_server_new(&serving->server, serving->event, serving->path, methods, context), 0);
	shunt_server_set_idle(serving->server, idle_usec);
	assert_int_equal(pthread_create(&serving->thread, NULL, serve, serving), 0);
}

void serving_stop(struct serving *serving)
{
	uint64_t one = 1;

	assert_int_equal(write(serving->stop, &one, sizeof(one)), sizeof(one));
	pthread_join(serving->thread, NULL);
	shunt_server_free(serving->server);
	sd_event_unref(serving->event);
	close(serving->stop);
	assert_int_equal(access(serving->path, F_OK), -1);
	assert_int_equal(rmdir(serving->folder), 0);
}
