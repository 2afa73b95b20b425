/* SPDX-License-Identifier: MIT */
/* test.h: what every cmocka file needs, in the order cmocka demands. */
#ifndef SHUNT_TEST_H
#define SHUNT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
