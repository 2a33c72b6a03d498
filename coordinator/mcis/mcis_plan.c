/*
 * mcis_plan.c - counts and prices of a plan, from the catalogue.
 */
#include "coordinator/mcis/mcis_plan.h"

#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"

#include <string.h>

static const char *const changes[] = { "create", "keep", "replace", "remove",
	"retry", "forget" };

int64_t
mcis_price(struct coord *c, const char *connection, const char *spec,
    const char **reason)
{
	const struct spec_row *sp = conns_spec(c->conns, connection, spec);

	*reason = NULL;
	if (sp && sp->cost_per_hour_micros >= 0)
		return sp->cost_per_hour_micros;
	*reason = sp && sp->cost_reason && sp->cost_reason[0] ? sp->cost_reason
							      : "priceUnknown";
	return -1;
}

void
mcis_cost_add(struct mcis_cost *sum, int64_t micros, const char *reason)
{
	sum->vms++;
	if (micros >= 0) {
		sum->micros += micros;
		return;
	}
	sum->unknown++;
	if (!sum->reason)
		sum->reason = reason;
}

bool
mcis_counts(const struct lc_slot *s)
{
	return s->row.desired ||
	    (s->inst.phase != LC_P_NONE && s->inst.phase != LC_P_DEAD);
}

void
mcis_cost_put(json_t *j, const char *key, const struct mcis_cost *cost)
{
	if (cost->unknown == 0) {
		json_put_int(j, key, cost->micros);
		return;
	}
	json_put(j, key, NULL);
	json_put_str(j, "costReason", cost->reason);
	json_put_int(j, "costUnknownVms", cost->unknown);
	json_put_int(j, "costKnownPerHourMicros", cost->micros);
}

static bool
is(const struct lc_plan_item *it, const char *change)
{
	return str_eq(it->change, change);
}

/* The group that vm_id belongs to: all before its last dash. */
static bool
in_group(const char *vm_id, const char *group)
{
	size_t n = strlen(group);
	const char *dash = strrchr(vm_id, '-');

	return dash && (size_t)(dash - vm_id) == n &&
	    memcmp(vm_id, group, n) == 0;
}

static const struct lc_spec *
wished(const struct lc_wish *w, const char *vm_id)
{
	for (size_t i = 0; i < w->ngroups; i++) {
		if (in_group(vm_id, w->groups[i].name) &&
		    w->groups[i].spec.connection[0])
			return &w->groups[i].spec;
	}
	return NULL;
}

/* Where the VM will be, or where it was if it goes. */
static void
place_of(const struct lc_wish *w, const struct lc_mcis *m,
    const struct lc_plan_item *it, const char **connection, const char **spec)
{
	const struct lc_spec *want = wished(w, it->vm_id);
	const struct lc_slot *s = m ? lc_vm_find(m, it->vm_id) : NULL;

	*connection = *spec = "";
	if (want && !is(it, "remove") && !is(it, "forget")) {
		*connection = want->connection;
		*spec = want->spec;
		return;
	}
	/* Scaled: as the others of its group. */
	for (const struct lc_slot *o = m ? m->slots : NULL; !s && o;
	     o = o->next) {
		if (in_group(it->vm_id, o->row.group))
			s = o;
	}
	if (s) {
		*connection = s->row.spec.connection;
		*spec = s->row.spec.spec;
	}
}

static void
add_item(struct coord *c, const struct lc_wish *w, const struct lc_mcis *m,
    const struct lc_plan_item *it, struct mcis_change *out)
{
	const struct lc_slot *s = m ? lc_vm_find(m, it->vm_id) : NULL;
	bool counted = s && mcis_counts(s);
	const char *conn, *spec, *why = NULL, *old_why = NULL;
	int64_t price, old = 0;

	place_of(w, m, it, &conn, &spec);
	price = mcis_price(c, conn, spec, &why);
	if (counted) {
		old = mcis_price(c, s->row.spec.connection, s->row.spec.spec,
		    &old_why);
		mcis_cost_add(&out->before, old, old_why);
	}
	if (is(it, "remove") || is(it, "forget")) {
		if (counted)
			mcis_cost_add(&out->most, old, old_why);
		return;
	}
	mcis_cost_add(&out->after, price, why);
	/* One that is replaced ends before the next one begins. */
	if (counted && (old < 0 || (price >= 0 && old > price)))
		mcis_cost_add(&out->most, old, old_why);
	else
		mcis_cost_add(&out->most, price, why);
}

static const struct lc_wish_group *
group_of(const struct lc_wish *w, const char *name)
{
	for (size_t i = 0; i < w->ngroups; i++) {
		if (str_eq(w->groups[i].name, name))
			return &w->groups[i];
	}
	return NULL;
}

/* VMs that are no item of the plan: they end already, or are of a group that
 * is not named while others are scaled. */
static void
add_others(struct coord *c, const struct lc_wish *w, const struct lc_mcis *m,
    struct mcis_change *out)
{
	bool scale = w->ngroups > 0 && !w->groups[0].spec.connection[0];

	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		const struct lc_wish_group *g = group_of(w, s->row.group);
		const char *why;
		int64_t price;

		if (!mcis_counts(s) || (g && s->row.index <= g->count) ||
		    !(s->row.drop || (scale && !g)))
			continue;
		price = mcis_price(c, s->row.spec.connection, s->row.spec.spec,
		    &why);
		mcis_cost_add(&out->before, price, why);
		mcis_cost_add(&out->most, price, why);
		if (!s->row.drop)
			mcis_cost_add(&out->after, price, why);
	}
}

void
mcis_plan_change(struct coord *c, const struct lc_wish *w,
    const struct lc_mcis *m, const struct lc_reply *r, struct mcis_change *out)
{
	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < r->n; i++)
		add_item(c, w, m, &r->items[i], out);
	if (m)
		add_others(c, w, m, out);
}

static json_t *
item_json(struct coord *c, const struct lc_wish *w, const struct lc_mcis *m,
    const struct lc_plan_item *it)
{
	static const char *const answers[] = { "go", "join", "noop", "no" };
	json_t *j = json_object();
	const char *conn, *spec, *why;
	int64_t price;

	json_put_str(j, "vmId", it->vm_id);
	json_put_str(j, "change", it->change);
	json_put_str(j, "answer", answers[it->answer]);
	json_put_str(j, "reason", it->reason[0] ? it->reason : NULL);
	if (!w)
		return j;
	place_of(w, m, it, &conn, &spec);
	price = mcis_price(c, conn, spec, &why);
	json_put_str(j, "connection", conn);
	json_put_str(j, "spec", spec);
	if (price >= 0) {
		json_put_int(j, "costPerHourMicros", price);
	} else {
		json_put(j, "costPerHourMicros", NULL);
		json_put_str(j, "costReason", why);
	}
	return j;
}

void
mcis_plan_put(struct coord *c, json_t *j, const struct lc_wish *w,
    const struct lc_mcis *m, const struct lc_reply *r)
{
	json_t *list = json_array(), *sum = json_object(), *before;
	struct mcis_change ch;

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(list, item_json(c, w, m, &r->items[i]));
	json_put(j, "plan", list);
	if (!w) {
		json_decref(sum);
		return;
	}
	for (size_t k = 0; k < ARRAY_LEN(changes); k++) {
		int64_t n = 0;

		for (size_t i = 0; i < r->n; i++)
			n += is(&r->items[i], changes[k]);
		json_put_int(sum, changes[k], n);
	}
	mcis_plan_change(c, w, m, r, &ch);
	json_put_int(sum, "vmsBefore", ch.before.vms);
	json_put_int(sum, "vmsAfter", ch.after.vms);
	json_put(j, "summary", sum);
	mcis_cost_put(j, "costPerHourMicros", &ch.after);
	before = json_object();
	json_put_int(before, "vms", ch.before.vms);
	mcis_cost_put(before, "costPerHourMicros", &ch.before);
	json_put(j, "before", before);
	json_put_str(j, "planRevision", r->revision);
}
