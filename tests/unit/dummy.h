/* SPDX-License-Identifier: MIT */
/* dummy.h: the real control socket with methods that echo, refuse, stream, flood and wait; and clients to call them. */
#ifndef SHUNT_DUMMY_H
#define SHUNT_DUMMY_H

#include "client.h"
#include "serving.h"

#define TIMEOUT 20000
#define PART_BYTES 65536

struct fixture {
	struct serving serving;
	struct shunt_call *parked; /* by Park, answered by Unpark */
	int flooded;		   /* parts that Flood got rid of */
};

extern const struct shunt_method dummy_methods[];

int dummy_start(void **state);
/* The same, with clients closed after 200 ms without a message. */
int dummy_start_impatient(void **state);
int dummy_stop(void **state);

struct shunt_client *dummy_client_of(struct fixture *fixture);
/* A connected socket; sending and receiving end after TIMEOUT. */
int dummy_raw_of(struct fixture *fixture);
/* One whole message, or what comes before the end of the stream; the count of bytes. */
size_t dummy_read_message(int fd, char *text, size_t size);
/* Echo works. */
void dummy_assert_alive(struct fixture *fixture);
/* A call of the method is answered by this error. */
void dummy_expect_error(struct fixture *fixture, const char *method, const char *expected);

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, dummy_start, dummy_stop)

#endif
