/* SPDX-License-Identifier: MIT */
/* service.h: org.varlink.service, by which any varlink client finds out what this service offers. */
#ifndef SHUNT_SERVICE_H
#define SHUNT_SERVICE_H

#include <jansson.h>

#define SHUNT_VARLINK_SERVICE "org.varlink.service"

/*
 * Answers a method of org.varlink.service (name without the interface). 0 and the reply's parameters, or 1 and the
 * parameters of the error named in *ret_error.
 */
int shunt_service_answer(const char *method, const json_t *params, json_t **ret, const char **ret_error);

#endif
