/*
 * conns_use.c - see conns_use.h. Owns the proofs under way; the connection they
 * ask is their caller's.
 */
#include "coordinator/cloud/conns_use.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns_check.h"
#include "coordinator/cloud/prereq.h"
#include "coordinator/coord.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

struct proof {
	struct conn_own *own;
	char *id;
	bool parts; /* it is asked for these now */
	void (*done)(void *arg, const struct mw_err *err);
	void *arg;
};

static void on_answer(struct csp_answer *take_a, void *arg);

static bool
in_use(const struct conns *cs, const char *id, struct mw_err *err)
{
	size_t vms = lc_connection_vms(cs->c->lc, id);
	size_t parts = prereq_count(cs->c->prereq, id);

	if (vms) {
		err_set(err, MW_CONFLICT, 0, "%zu VMs use connection %s", vms,
		    id);
		err_hint(err, "delete their MCIS first");
	} else if (parts) {
		err_set(err, MW_CONFLICT, 0,
		    "%zu networks, groups and keys are in the cloud of %s yet",
		    parts, id);
		err_hint(err, "they go with their MCIS; wait a minute");
	}
	return vms || parts;
}

bool
conns_idle(const struct conns *cs, const char *id, struct mw_err *err)
{
	const struct conn_own *o;

	LIST_FOREACH(o, &cs->own, link)
	{
		if (!o->adds || !str_eq(o->cn->row.id, id))
			continue;
		err_set(err, MW_CONFLICT, 0,
		    "connection %s is being added just now", id);
		return err_hint(err,
		    "wait until that has ended: milkyway action list");
	}
	return !in_use(cs, id, err);
}

bool
conns_opens(struct conns *cs, const struct conn_row *row, struct mw_err *err)
{
	struct conn *cn = conn_new(row);
	bool ok = conn_open(cs, cn, err);

	conn_free(cn);
	return ok;
}

bool
conns_may_become(const struct conns *cs, const struct conn_row *row,
    bool *prove, struct mw_err *err)
{
	const struct conn_row *old = conns_get(cs, row->id);

	*prove = false;
	if (!old || !in_use(cs, row->id, err))
		return true;
	if (!str_eq(old->driver, row->driver) || !str_eq(old->csp, row->csp) ||
	    !str_eq(old->region, row->region)) {
		err_wrap(err, "it stays driver %s, cloud %s, region %s",
		    old->driver, old->csp, old->region);
		return err_hint(err,
		    "delete or end these first, or use another name");
	}
	*err = (struct mw_err)MW_ERR_INIT;
	*prove = !str_eq(old->endpoint, row->endpoint) ||
	    !str_eq(old->credential, row->credential);
	return true;
}

const struct conn_row *
conns_sealed_use(const struct conns *cs, const char *name)
{
	char *ref = xasprintf("sealed:%s", name);
	const struct conn_row *found = NULL;
	struct mw_err err = MW_ERR_INIT;

	for (size_t i = 0; i < cs->n; i++) {
		const struct conn_row *r = &cs->v[i]->row;

		if (str_eq(r->credential, ref) && in_use(cs, r->id, &err) &&
		    (!found || str_eq(r->id, name)))
			found = r;
	}
	free(ref);
	return found;
}

/* ---- proof --------------------------------------------------------------- */

static void
end(struct proof *f, const struct mw_err *err)
{
	f->done(f->arg, err);
	free(f->id);
	free(f);
}

static void
ask(struct proof *f)
{
	struct csp_req *q = csp_req_new(f->parts ? CSP_PART_LIST : CSP_VM_LIST,
	    f->own->cn->row.id);
	struct csp_tag *tag = arena_array(q->arena, 1, sizeof *tag);

	tag->key = "mw-deployment";
	tag->value = arena_strdup(q->arena, f->own->cs->c->deployment);
	q->tags = tag;
	q->ntags = 1;
	q->deadline_ms = CONNS_CHECK_MS;
	conn_submit(f->own->cn, q, on_answer, f);
}

static bool
vm_known(const struct proof *f, const char *csp_id)
{
	const struct lc_mcis *m = lc_mcis_first(f->own->cs->c->lc);

	for (; m && csp_id; m = m->next)
		for (const struct lc_slot *s = m->slots; s; s = s->next)
			if (str_eq(s->inst.connection, f->id) &&
			    str_eq(s->inst.csp_id, csp_id))
				return true;
	return false;
}

static bool
part_known(const struct proof *f, const struct csp_part *part)
{
	const struct coord *c = f->own->cs->c;
	const struct prereq_row *r;
	const char *last;

	if (part->deployment && !str_eq(part->deployment, c->deployment))
		return false;
	for (size_t i = 0; (r = prereq_at(c->prereq, i, &last)); i++)
		if (str_eq(r->connection, f->id) &&
		    str_eq(r->key_id, part->key))
			return true;
	return false;
}

static bool
shown(const struct proof *f, const struct csp_answer *a)
{
	for (size_t i = 0; i < a->nvms; i++)
		if (vm_known(f, a->vms[i].csp_id))
			return true;
	for (size_t i = 0; i < a->nparts; i++)
		if (part_known(f, &a->parts[i]))
			return true;
	return false;
}

static void
on_answer(struct csp_answer *take_a, void *arg)
{
	struct proof *f = arg;
	struct mw_err err = MW_ERR_INIT;
	bool again = false;

	if (!f->own->cs)
		err_set(&err, MW_CANCELED, 0, "the coordinator stops");
	else if (take_a->cls != CSP_OK &&
	    !(f->parts && take_a->reason == CSP_R_UNSUPPORTED))
		conns_check_words(take_a, &err);
	else if (!shown(f, take_a)) {
		again = !f->parts;
		if (!again)
			in_use(f->own->cs, f->id, &err);
	}
	csp_answer_free(take_a);
	if (again && f->own->cn->dc) {
		f->parts = true;
		ask(f);
		return;
	}
	if (err.code == MW_CONFLICT) {
		err_wrap(&err,
		    "what it reaches now holds none of what it held "
		    "before: another account or cloud");
		err_hint(&err,
		    "use another name for that one, or delete or end these "
		    "first");
	}
	end(f, &err);
}

void
conns_prove(struct conn_own *own, const char *id,
    void (*done)(void *arg, const struct mw_err *err), void *arg)
{
	struct proof *f = xcalloc(1, sizeof *f);

	f->own = own;
	f->id = xstrdup(id);
	f->done = done;
	f->arg = arg;
	ask(f);
}
