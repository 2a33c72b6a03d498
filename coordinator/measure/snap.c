/*
 * snap.c - the newest matrices of each MCIS.
 */
#include "coordinator/measure/snap.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "lifecycle/lifecycle.h"

struct latest {
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	struct matrix *pool, *newest;
	struct latest *next;
};

struct snap {
	struct coord *c;
	struct latest *latest;
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static struct latest *find(const struct snap *s, const char *ns,
    const char *mcis);

struct snap *
snap_new(struct coord *c, struct mw_err *err)
{
	struct snap *s = xcalloc(1, sizeof *s);

	s->c = c;
	if (store_run_now(c->store, load, s, err))
		return s;
	snap_free(s);
	return NULL;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct snap *s = arg;
	sqlite3_stmt *st = db_stmt(db, "SELECT ns, name, created FROM mcis");

	while (db_row(db, st, err)) {
		struct db_known k = { .ns = db_text(st, 0),
			.mcis = db_text(st, 1),
			.since = sqlite3_column_int64(st, 2),
			.at = INT64_MAX };

		if (!db_mesh_known(db, &k, err))
			return err_wrap(err, "latencies of %s", k.mcis);
		if (k.pool)
			snap_set(s, &k);
	}
	return err->code == MW_OK;
}

static void
latest_drop(struct latest *l)
{
	matrix_unref(l->pool);
	matrix_unref(l->newest);
	l->pool = l->newest = NULL;
}

void
snap_free(struct snap *s)
{
	struct latest *l;

	if (!s)
		return;
	while ((l = s->latest) != NULL) {
		s->latest = l->next;
		latest_drop(l);
		free(l);
	}
	free(s);
}

void
snap_set(struct snap *s, struct db_known *k)
{
	struct latest *l = find(s, k->ns, k->mcis);

	if (!l) {
		l = xcalloc(1, sizeof *l);
		str_copy(l->ns, sizeof l->ns, k->ns);
		str_copy(l->mcis, sizeof l->mcis, k->mcis);
		l->next = s->latest;
		s->latest = l;
	}
	latest_drop(l);
	l->pool = k->pool;
	l->newest = k->newest;
	k->pool = k->newest = NULL;
}

static struct latest *
find(const struct snap *s, const char *ns, const char *mcis)
{
	struct latest *l = s->latest;

	while (l && !(str_eq(l->ns, ns) && str_eq(l->mcis, mcis)))
		l = l->next;
	return l;
}

/* An MCIS that was deleted and made again knows nothing of the old one. */
static struct matrix *
if_own(const struct snap *s, const char *ns, const char *mcis, struct matrix *m)
{
	const struct lc_mcis *g = lc_mcis_find(s->c->lc, ns, mcis);

	return m && g && m->at_wall_ns >= g->row.created_at ? m : NULL;
}

struct matrix *
snap_pool(const struct snap *s, const char *ns, const char *mcis)
{
	const struct latest *l = find(s, ns, mcis);

	return l ? if_own(s, ns, mcis, l->pool) : NULL;
}

struct matrix *
snap_newest(const struct snap *s, const char *ns, const char *mcis)
{
	const struct latest *l = find(s, ns, mcis);

	return l ? if_own(s, ns, mcis, l->newest ? l->newest : l->pool) : NULL;
}

void
snap_who(const struct coord *c, int64_t slot, int64_t gen,
    struct matrix_who *out)
{
	const struct lc_slot *s = lc_slot_find(c->lc, slot);
	const struct conn_row *row =
	    s ? conns_get(c->conns, s->row.spec.connection) : NULL;

	out->slot = slot;
	out->gen = gen;
	if (row)
		out->site = xasprintf("%s-%s-%s", row->csp, row->region,
		    s->row.spec.spec);
}
