/*
 * quota.c - the table of quotas, and whether a plan fits into them. A VM
 * counts from the wish on until it is proven gone; so does its price, also
 * while it is suspended.
 */
#include "coordinator/mcis/quota.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/coord.h"
#include "coordinator/mcis/mcis_plan.h"
#include "coordinator/store/db_quota.h"

#include <string.h>

struct row {
	char *ns;
	struct quota q;
};

struct quotas {
	struct coord *c;
	struct row *rows;
	size_t n, cap;
};

struct save {
	struct store_job job;
	struct db_quota row;
};

static void load_one(void *arg, const struct db_quota *r);

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_quota_load(db, load_one, arg, err);
}

struct quotas *
quotas_new(struct coord *c, struct mw_err *err)
{
	struct quotas *q = xcalloc(1, sizeof *q);

	q->c = c;
	if (store_run_now(c->store, load, q, err))
		return q;
	quotas_free(q);
	err_wrap(err, "quotas");
	return NULL;
}

void
quotas_free(struct quotas *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++)
		free(q->rows[i].ns);
	free(q->rows);
	free(q);
}

static struct row *
find(const struct quotas *q, const char *ns)
{
	for (size_t i = 0; i < q->n; i++) {
		if (str_eq(q->rows[i].ns, ns))
			return &q->rows[i];
	}
	return NULL;
}

static void
keep(struct quotas *q, const char *ns, const struct quota *to)
{
	struct row *r = find(q, ns);

	if (!r) {
		VEC_GROW(q->rows, q->n, q->cap);
		r = &q->rows[q->n++];
		r->ns = xstrdup(ns);
	}
	r->q = *to;
}

static void
load_one(void *arg, const struct db_quota *r)
{
	const struct quota q = { r->max_vms, r->max_micros, r->allow_unknown };

	keep(arg, r->ns, &q);
}

/* ns "": of the whole deployment. Without limits: as if it were not there. */
static void
quotas_get(const struct quotas *q, const char *ns, struct quota *out)
{
	const struct row *r = find(q, ns);

	*out = r ? r->q : (struct quota){ -1, -1, false };
}

static bool
save_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	return db_quota_put(db, &container_of(job, struct save, job)->row, err);
}

static void
save_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct save *s = container_of(job, struct save, job);

	(void)ok;
	(void)err;
	free((char *)(uintptr_t)s->row.ns);
	free(s);
}

void
quotas_set(struct quotas *q, const char *ns, const struct quota *to)
{
	struct save *s = xcalloc(1, sizeof *s);

	keep(q, ns, to);
	s->job.run = save_run;
	s->job.done = save_done;
	s->row = (struct db_quota){ xstrdup(ns), to->max_vms, to->max_micros,
		to->allow_unknown };
	store_submit(q->c->store, &s->job);
}

/* ---- what is used -------------------------------------------------------- */

/* All VMs of the namespace ("": of all) but those of one MCIS. */
static void
used(struct coord *c, const char *ns, const struct lc_mcis *but,
    struct mcis_cost *out)
{
	memset(out, 0, sizeof *out);
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next) {
		if (m == but || (ns[0] && !str_eq(m->row.ns, ns)))
			continue;
		for (const struct lc_slot *s = m->slots; s; s = s->next) {
			const char *why;
			int64_t price;

			if (!mcis_counts(s))
				continue;
			price = mcis_price(c, s->row.spec.connection,
			    s->row.spec.spec, &why);
			mcis_cost_add(out, price, why);
		}
	}
}

json_t *
quotas_json(struct coord *c, const char *ns)
{
	json_t *j = json_object(), *u = json_object();
	struct mcis_cost cost;
	struct quota q;

	quotas_get(c->quotas, ns, &q);
	used(c, ns, NULL, &cost);
	json_put_str(j, "ns", ns[0] ? ns : NULL);
	json_put(j, "maxVms", q.max_vms >= 0 ? json_integer(q.max_vms) : NULL);
	json_put(j, "maxUsdPerHour",
	    q.max_micros >= 0 ? json_real((double)q.max_micros / 1e6) : NULL);
	json_put_bool(j, "allowUnknownPrices", q.allow_unknown);
	json_put_int(u, "vms", cost.vms);
	mcis_cost_put(u, "costPerHourMicros", &cost);
	json_put(j, "used", u);
	return j;
}

/* ---- the check ----------------------------------------------------------- */

static const char *
where(const char *ns, char *buf, size_t size)
{
	struct str t = STR_INIT;

	if (!ns[0])
		return "the deployment";
	str_addf(&t, "namespace %s", ns);
	str_copy(buf, size, str_cstr(&t));
	str_free(&t);
	return buf;
}

static bool
too_many(const char *at, const struct quota *q, const struct mcis_cost *would,
    const struct mcis_cost *was, const struct mcis_change *ch,
    struct mw_err *err)
{
	int64_t going = ch->most.vms - ch->after.vms;

	if (q->max_vms < 0 || would->vms <= q->max_vms ||
	    would->vms <= was->vms)
		return true;
	err_set(err, MW_LIMIT, 0, "%s would be %lld of at most %lld VMs", at,
	    (long long)would->vms, (long long)q->max_vms);
	if (going > 0)
		return err_hint(err,
		    "%lld that are removed count until they are gone: remove "
		    "first, then add",
		    (long long)going);
	return err_hint(err, "milkyway quota shows and sets it");
}

static bool
too_dear(const char *at, const struct quota *q, const struct mcis_cost *would,
    const struct mcis_cost *was, bool allow_unknown, struct mw_err *err)
{
	if (q->max_micros < 0)
		return true;
	if (would->unknown > was->unknown && !q->allow_unknown &&
	    !allow_unknown) {
		err_set(err, MW_LIMIT, 0,
		    "%lld VMs have no known price (%s) and %s has a limit of "
		    "%.4f USD/h",
		    (long long)(would->unknown - was->unknown), would->reason,
		    at, (double)q->max_micros / 1e6);
		return err_hint(err,
		    "repeat with allowUnknownPrices=1, or "
		    "--allow-unknown-prices, to count them as nothing");
	}
	if (would->micros <= q->max_micros || would->micros <= was->micros)
		return true;
	err_set(err, MW_LIMIT, 0, "%s would be %.4f of at most %.4f USD/h", at,
	    (double)would->micros / 1e6, (double)q->max_micros / 1e6);
	return err_hint(err, "milkyway quota shows and sets it");
}

static void
plus(struct mcis_cost *a, const struct mcis_cost *b)
{
	a->vms += b->vms;
	a->micros += b->micros;
	a->unknown += b->unknown;
	if (!a->reason)
		a->reason = b->reason;
}

bool
quotas_check(struct coord *c, const struct lc_wish *w, const struct lc_mcis *m,
    const struct lc_reply *r, bool allow_unknown, struct mw_err *err)
{
	const char *const scopes[] = { w->ns, "" };
	struct mcis_change ch;
	bool planned = false;

	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		struct mcis_cost was, would;
		char buf[LC_ID_LEN + 16];
		const char *at = where(scopes[i], buf, sizeof buf);
		struct quota q;

		quotas_get(c->quotas, scopes[i], &q);
		if (q.max_vms < 0 && q.max_micros < 0)
			continue;
		if (!planned)
			mcis_plan_change(c, w, m, r, &ch);
		planned = true;
		used(c, scopes[i], m, &was);
		would = was;
		plus(&was, &ch.before);
		plus(&would, &ch.most);
		if (!too_many(at, &q, &would, &was, &ch, err) ||
		    !too_dear(at, &q, &would, &was, allow_unknown, err))
			return false;
	}
	return true;
}
