/* SPDX-License-Identifier: MIT */
/* report.h: the daemon's state as JSON, in the shapes of io.shunt.Manager. All return NULL when out of memory. */
#ifndef SHUNT_REPORT_H
#define SHUNT_REPORT_H

#include "manager.h"

json_t *shunt_report_status(struct shunt_manager *manager);
/* An array; slot 0: all pods. */
json_t *shunt_report_pods(struct shunt_manager *manager, uint32_t slot);
json_t *shunt_report_stats(struct shunt_manager *manager);
json_t *shunt_report_probe(const struct shunt_probe *probe);

#endif
