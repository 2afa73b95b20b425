/* SPDX-License-Identifier: MIT */
/* service.c: what the service says about itself; the descriptions are the .varlink files beside this one, embedded at
 * build time. */
#include "service.h"

#include <string.h>

#include "cleanup.h"
#include "varlink.h"

static const struct interface {
	const char *name;
	const char *description;
} interfaces[] = {
	{
		SHUNT_VARLINK_SERVICE,
#include "varlink/org.varlink.service.h"
	},
	{
		SHUNT_INTERFACE,
#include "varlink/io.shunt.Manager.h"
	},
};

static json_t *info(void)
{
	json_t *names = json_array();

	for (size_t i = 0; i < SHUNT_COUNT_OF(interfaces); i++)
		json_array_append_new(names, json_string(interfaces[i].name));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "shunt", "product", "shuntd", "version", SHUNT_VERSION,
			 "url", "https://shunt.io", "interfaces", names);
}

static int describe(const json_t *params, json_t **ret, const char **ret_error)
{
	const char *name = json_string_value(json_object_get(params, "interface"));

	if (!name) {
		*ret_error = SHUNT_VARLINK_SERVICE ".InvalidParameter";
		*ret = json_pack("{s:s}", "parameter", "interface");
		return 1;
	}
	for (size_t i = 0; i < SHUNT_COUNT_OF(interfaces); i++) {
		if (strcmp(interfaces[i].name, name) != 0)
			continue;
		*ret = json_pack("{s:s}", "description", interfaces[i].description);
		return 0;
	}
	*ret_error = SHUNT_VARLINK_SERVICE ".InterfaceNotFound";
	*ret = json_pack("{s:s}", "interface", name);
	return 1;
}

int shunt_service_answer(const char *method, const json_t *params, json_t **ret, const char **ret_error)
{
	if (!strcmp(method, "GetInfo")) {
		*ret = info();
		return 0;
	}
	if (!strcmp(method, "GetInterfaceDescription"))
		return describe(params, ret, ret_error);
	*ret_error = SHUNT_VARLINK_SERVICE ".MethodNotFound";
	*ret = json_pack("{s:s+}", "method", SHUNT_VARLINK_SERVICE ".", method);
	return 1;
}
