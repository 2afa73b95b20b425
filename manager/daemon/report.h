/* SPDX-License-Identifier: MIT */
/* report.h: the daemon's state as JSON, in the shapes of io.shunt.Manager. All return NULL when out of memory. */
#ifndef SHUNT_REPORT_H
#define SHUNT_REPORT_H

#include "manager.h"
#include "selftest.h"

json_t *shunt_report_status(struct shunt_manager *manager);
/* An array; slot 0: all pods. */
json_t *shunt_report_pods(struct shunt_manager *manager, uint32_t slot);
json_t *shunt_report_stats(struct shunt_manager *manager);
/* Without a daemon: what its datapath would do was not tried, and that is said. */
json_t *shunt_report_probe(const struct shunt_probe *probe);
json_t *shunt_report_doctor(const struct shunt_probe *probe, const struct shunt_selftest *selftest);

#endif
