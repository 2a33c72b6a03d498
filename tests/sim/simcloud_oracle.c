/*
 * simcloud_oracle.c - looks at the living VMs from above. A slot is the pair
 * of tags (mw-deployment, mw-slot); two living VMs of one slot at one instant
 * are one paid for too much.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "tests/sim/simcloud_int.h"
#include "twin/cloud_int.h"

#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 1000

struct sim_oracle {
	struct clouds *cs;
	size_t seen; /* VM records at the last look */
	struct seat { /* of a living VM, sorted by slot */
		const char *deployment, *slot;
		const struct cloud_vm *vm;
	} * seats;
	size_t n, cap;
	struct doubled {
		char slot[40];
		char first[24], second[24];
	} * found;
	size_t nfound, found_cap;
};

struct sim_oracle *
sim_oracle_new(struct clouds *cs)
{
	struct sim_oracle *o = xcalloc(1, sizeof *o);

	o->cs = cs;
	return o;
}

void
sim_oracle_free(struct sim_oracle *o)
{
	if (!o)
		return;
	free(o->seats);
	free(o->found);
	free(o);
}

static const char *
tag(const struct cloud_vm *v, const char *key)
{
	for (size_t i = 0; i < v->ntags; i++) {
		if (strcmp(v->tags[i].key, key) == 0)
			return v->tags[i].value;
	}
	return NULL;
}

static int
by_slot(const void *a, const void *b)
{
	const struct seat *x = a, *y = b;
	int d = strcmp(x->slot, y->slot);

	return d ? d : strcmp(x->deployment, y->deployment);
}

static void
note(struct sim_oracle *o, const struct seat *a, const struct seat *b)
{
	struct doubled *d;

	for (size_t i = 0; i < o->nfound; i++) {
		if (strcmp(o->found[i].first, a->vm->id) == 0 &&
		    strcmp(o->found[i].second, b->vm->id) == 0)
			return;
	}
	if (o->nfound == FOUND_MAX)
		return;
	VEC_GROW(o->found, o->nfound, o->found_cap);
	d = &o->found[o->nfound++];
	str_copy(d->slot, sizeof d->slot, a->slot);
	str_copy(d->first, sizeof d->first, a->vm->id);
	str_copy(d->second, sizeof d->second, b->vm->id);
}

void
sim_oracle_look(struct sim_oracle *o)
{
	if (o->cs->n == o->seen)
		return;
	o->seen = o->cs->n;
	o->n = 0;
	for (size_t i = 0; i < o->cs->n; i++) {
		const struct cloud_vm *v = o->cs->v[i];
		struct seat s = { tag(v, "mw-deployment"), tag(v, "mw-slot"),
			v };

		if (!s.deployment || !s.slot || !cloud_alive(v))
			continue;
		VEC_GROW(o->seats, o->n, o->cap);
		o->seats[o->n++] = s;
	}
	if (o->n)
		qsort(o->seats, o->n, sizeof *o->seats, by_slot);
	for (size_t i = 1; i < o->n; i++) {
		if (by_slot(&o->seats[i - 1], &o->seats[i]) == 0)
			note(o, &o->seats[i - 1], &o->seats[i]);
	}
}

json_t *
sim_oracle_json(const struct sim_oracle *o)
{
	json_t *j = json_object(), *list = json_array();

	for (size_t i = 0; i < o->nfound; i++) {
		json_t *d = json_object();

		json_put_str(d, "slot", o->found[i].slot);
		json_put_str(d, "first", o->found[i].first);
		json_put_str(d, "second", o->found[i].second);
		json_array_append_new(list, d);
	}
	json_put(j, "doubled", list);
	json_put_int(j, "vms", (int64_t)clouds_alive(o->cs));
	return j;
}
