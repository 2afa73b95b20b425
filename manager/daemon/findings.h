/* SPDX-License-Identifier: MIT */
/* findings.h: what a probe found, in words for people: what, why it matters, what to do. */
#ifndef SHUNT_FINDINGS_H
#define SHUNT_FINDINGS_H

#include "probe.h"
#include "trial.h"

/* Adds an item; detail may be NULL and is copied. The first -ENOMEM is kept in *error and makes later calls do nothing.
 */
void shunt_findings_add(struct shunt_probe *probe, int *error, const char *name, enum shunt_probe_result result,
			const char *detail, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The kernel's version, what follows from it, and the state of every known bug. */
int shunt_findings_add_kernel(struct shunt_probe *probe);
/* What the trial showed. */
int shunt_findings_add_trial(struct shunt_probe *probe, const struct shunt_trial *trial);

#endif
