/* SPDX-License-Identifier: MIT */
/* spec.c: the words of the axes and the plan of one round. */
#include "spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define X(name, word, ...) #word,
const char *const shunt_workload_words[] = {SHUNT_WORKLOADS(X) NULL};
const char *const shunt_io_words[] = {SHUNT_IOS(X) NULL};
const char *const shunt_net_words[] = {SHUNT_NETS(X) NULL};
const char *const shunt_pin_words[] = {SHUNT_PINS(X) NULL};
const char *const shunt_variant_words[] = {SHUNT_VARIANTS(X) NULL};
#undef X
#define X(name, word, unit) unit,
const char *const shunt_workload_units[] = {SHUNT_WORKLOADS(X) NULL};
#undef X
#define X(name, word, mode, idle, is_unix, sentence) sentence,
const char *const shunt_variant_sentences[] = {SHUNT_VARIANTS(X) NULL};
#undef X
#define X(name, word, mode, idle, is_unix, sentence) {mode, idle, is_unix},
const struct shunt_variant_info shunt_variants[] = {SHUNT_VARIANTS(X)};
#undef X

bool shunt_variant_is_managed(enum shunt_variant variant)
{
	return shunt_variants[variant].mode || shunt_variants[variant].idle_mode;
}

bool shunt_spec_wants_redirect(const struct shunt_spec *spec)
{
	if (spec->cell.workload == SHUNT_WORKLOAD_CRR)
		return false;
	if (spec->variant == SHUNT_VARIANT_EAGER)
		return true;
	return spec->variant == SHUNT_VARIANT_ADAPTIVE && spec->cell.workload == SHUNT_WORKLOAD_RR &&
	       spec->cell.io == SHUNT_IO_EPOLL;
}

bool shunt_cell_equal(const struct shunt_cell *a, const struct shunt_cell *b)
{
	return a->workload == b->workload && a->io == b->io && a->net == b->net && a->pin == b->pin &&
	       a->size == b->size;
}

int shunt_plan_add(struct shunt_plan *plan, const struct shunt_spec *spec)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->specs[i].variant == spec->variant && shunt_cell_equal(&plan->specs[i].cell, &spec->cell))
			return 0;

	struct shunt_spec *specs = reallocarray(plan->specs, plan->n + 1, sizeof(*specs));
	if (!specs)
		return -ENOMEM;
	specs[plan->n++] = *spec;
	plan->specs = specs;
	return 0;
}

void shunt_plan_shuffle(struct shunt_plan *plan, unsigned *seed)
{
	for (size_t i = plan->n; i > 1; i--) {
		size_t j = (size_t)rand_r(seed) % i;
		struct shunt_spec other = plan->specs[j];
		plan->specs[j] = plan->specs[i - 1];
		plan->specs[i - 1] = other;
	}
}

bool shunt_plan_needs_daemon(const struct shunt_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (shunt_variant_is_managed(plan->specs[i].variant))
			return true;
	return false;
}

bool shunt_plan_needs_veth(const struct shunt_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->specs[i].cell.net == SHUNT_NET_VETH)
			return true;
	return false;
}

void shunt_plan_done(struct shunt_plan *plan)
{
	free(plan->specs);
	*plan = (struct shunt_plan){0};
}
