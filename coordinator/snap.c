/*
 * snap.c - the newest matrix of each MCIS.
 */
#include "coordinator/snap.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/coord.h"
#include "coordinator/db_mesh.h"
#include "lifecycle/lifecycle.h"

struct latest {
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	struct matrix *m;
	struct latest *next;
};

struct snap {
	struct latest *latest;
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static void keep(void *arg, const char *ns, const char *mcis,
    struct matrix *take_m);

struct snap *
snap_new(struct coord *c, struct mw_err *err)
{
	struct snap *s = xcalloc(1, sizeof *s);

	if (store_run_now(c->store, load, s, err))
		return s;
	snap_free(s);
	return NULL;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_round_each_newest(db, keep, arg, err);
}

void
snap_free(struct snap *s)
{
	struct latest *l;

	if (!s)
		return;
	while ((l = s->latest) != NULL) {
		s->latest = l->next;
		matrix_unref(l->m);
		free(l);
	}
	free(s);
}

/* The new matrix takes the place of the old one; running solves copied it. */
static void
keep(void *arg, const char *ns, const char *mcis, struct matrix *take_m)
{
	struct snap *s = arg;
	struct latest *l = s->latest;

	while (l && !(str_eq(l->ns, ns) && str_eq(l->mcis, mcis)))
		l = l->next;
	if (!l) {
		l = xcalloc(1, sizeof *l);
		str_copy(l->ns, sizeof l->ns, ns);
		str_copy(l->mcis, sizeof l->mcis, mcis);
		l->next = s->latest;
		s->latest = l;
	}
	matrix_unref(l->m);
	l->m = take_m;
}

void
snap_add(struct snap *s, const char *ns, const char *mcis,
    struct matrix *take_m)
{
	keep(s, ns, mcis, take_m);
}

struct matrix *
snap_latest(const struct snap *s, const char *ns, const char *mcis)
{
	for (struct latest *l = s->latest; l; l = l->next)
		if (str_eq(l->ns, ns) && str_eq(l->mcis, mcis))
			return l->m;
	return NULL;
}
