/*
 * mesh_budget.c - bytes of matrix rounds by MCIS and day. Called by mesh.c.
 */
#include "coordinator/measure/mesh_budget.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/measure/mesh_plan.h"
#include "lifecycle/lifecycle.h"

#define DAY_NS (86400 * NS_PER_S)

struct spent {
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	int64_t day, bytes;
	uint64_t rounds;
	struct spent *next;
};

struct mesh_budget {
	struct spent *all;
};

/* A stored round tells its members but not its plan: exact without levels, an
 * estimate (as many pairs of representatives as in the rings) with them. */
static int64_t
bytes_of(int64_t n, int64_t k)
{
	int64_t pairs =
	    n > MESH_PLAN_FULL_MAX ? n * 2 * MESH_PLAN_RING : n * (n - 1);

	if (n > MESH_PLAN_BOTH_MAX && n <= MESH_PLAN_FULL_MAX)
		pairs /= 2;
	return pairs * k * MESH_PLAN_PROBE_BYTES;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct mesh_budget *b = arg;
	int64_t now = clock_wall_ns();
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT ns, mcis, n, k, t0 FROM rtt_round WHERE t0 >= ?1");

	sqlite3_bind_int64(st, 1, now / DAY_NS * DAY_NS);
	while (db_row(db, st, err))
		mesh_budget_add(b, (const char *)sqlite3_column_text(st, 0),
		    (const char *)sqlite3_column_text(st, 1),
		    bytes_of(sqlite3_column_int64(st, 2),
			sqlite3_column_int64(st, 3)),
		    sqlite3_column_int64(st, 4));
	return err->code == MW_OK;
}

struct mesh_budget *
mesh_budget_new(struct store *store, struct mw_err *err)
{
	struct mesh_budget *b = xcalloc(1, sizeof *b);

	if (store_run_now(store, load, b, err))
		return b;
	mesh_budget_free(b);
	return NULL;
}

void
mesh_budget_free(struct mesh_budget *b)
{
	struct spent *s;

	if (!b)
		return;
	while ((s = b->all) != NULL) {
		b->all = s->next;
		free(s);
	}
	free(b);
}

static struct spent *
find(const struct mesh_budget *b, const char *ns, const char *mcis)
{
	struct spent *s = b->all;

	while (s && !(str_eq(s->ns, ns) && str_eq(s->mcis, mcis)))
		s = s->next;
	return s;
}

void
mesh_budget_add(struct mesh_budget *b, const char *ns, const char *mcis,
    int64_t bytes, int64_t wall_ns)
{
	struct spent *s = find(b, ns, mcis);
	int64_t day = wall_ns / DAY_NS;

	if (!s) {
		s = xcalloc(1, sizeof *s);
		str_copy(s->ns, sizeof s->ns, ns);
		str_copy(s->mcis, sizeof s->mcis, mcis);
		s->next = b->all;
		b->all = s;
	}
	if (s->day != day) {
		s->day = day;
		s->bytes = 0;
	}
	s->bytes += bytes;
	s->rounds++;
}

int64_t
mesh_budget_spent(const struct mesh_budget *b, const char *ns, const char *mcis,
    int64_t wall_ns)
{
	const struct spent *s = find(b, ns, mcis);

	return s && s->day == wall_ns / DAY_NS ? s->bytes : 0;
}

uint64_t
mesh_budget_rounds(const struct mesh_budget *b, const char *ns,
    const char *mcis)
{
	const struct spent *s = find(b, ns, mcis);

	return s ? s->rounds : 0;
}
