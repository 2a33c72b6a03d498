/*
 * db_eval.c - SQL of the evaluation. The inner query is answered by the index
 * result_eval alone, in its order; only what is left over is joined.
 */
#include "coordinator/store/db_eval.h"

#include "common/pure/alloc.h"
#include "common/pure/arena.h"
#include "common/pure/str.h"

#include <math.h>
#include <string.h>

/* Texts that repeat in row after row are kept once. */
struct texts {
	const char *last[9];
};

static const char newest_sql[] =
    /* max(id) makes the other columns those of the newest row. */
    "SELECT g.kind, g.spec, g.slot, g.variant, g.profile, g.replay, "
    "g.validity, g.id, g.at, g.value, g.ci_lo, g.ci_hi, g.mad_cv, g.ns, "
    "g.mcis, g.vm, g.n, coalesce(c.csp, ''), coalesce(c.region, g.conn), "
    "p.vcpu, p.cost, p.currency, p.cost_reason, e.hash, s.gen = g.gen "
    "FROM (SELECT kind, conn, spec, slot, variant, profile, env, replay, "
    "validity, max(id) AS id, at, gen, value, ci_lo, ci_hi, mad_cv, ns, "
    "mcis, vm, count(*) AS n FROM result INDEXED BY result_eval "
    "WHERE kind BETWEEN ?1 AND ?2 AND at >= ?3 "
    "AND (?4 = '' OR spec = ?4) AND (?5 = '' OR variant = ?5) "
    "AND ((?6 = '' AND ?7 = '') OR conn IN (SELECT id FROM conn "
    "WHERE (?6 = '' OR csp = ?6) AND (?7 = '' OR region = ?7))) "
    "AND (?9 = '' OR (conn, spec) IN (SELECT conn, spec FROM result "
    "WHERE ns = ?8 AND mcis = ?9)) "
    "GROUP BY kind, conn, spec, slot, variant, profile, env, replay, "
    "validity) g "
    "LEFT JOIN conn c ON c.id = g.conn "
    "LEFT JOIN spec p ON p.conn = g.conn AND p.name = g.spec "
    "LEFT JOIN env e ON e.id = g.env "
    "LEFT JOIN slot s ON s.id = g.slot AND s.desired = 1";

static const char *
text(struct db_eval_rows *r, struct texts *t, size_t which, sqlite3_stmt *st,
    int col)
{
	const char *s = db_text(st, col);

	if (!t->last[which] || strcmp(t->last[which], s) != 0)
		t->last[which] = arena_strdup(r->arena, s);
	return t->last[which];
}

static double
real(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL
	    ? NAN
	    : sqlite3_column_double(st, col);
}

static const char *
or_null(const char *s)
{
	return *s ? s : NULL;
}

static void
read_row(sqlite3_stmt *st, struct db_eval_rows *r, struct texts *t,
    const struct db_eval_filter *f)
{
	struct eval_in *i;

	VEC_GROW(r->v, r->n, r->cap);
	i = &r->v[r->n++];
	*i = (struct eval_in){
		.kind = (enum kind)sqlite3_column_int(st, 0),
		.spec = text(r, t, 0, st, 1),
		.slot = sqlite3_column_int64(st, 2),
		.variant = text(r, t, 1, st, 3),
		.profile = text(r, t, 2, st, 4),
		.replay = sqlite3_column_int(st, 5) != 0,
		.validity = (enum result_validity)sqlite3_column_int(st, 6),
		.id = sqlite3_column_int64(st, 7),
		.at = sqlite3_column_int64(st, 8),
		.value = real(st, 9),
		.ci_lo = real(st, 10),
		.ci_hi = real(st, 11),
		.mad_cv = real(st, 12),
		.ns = text(r, t, 3, st, 13),
		.mcis = text(r, t, 4, st, 14),
		.vm = text(r, t, 5, st, 15),
		.count = sqlite3_column_int64(st, 16),
		.csp = text(r, t, 6, st, 17),
		.region = text(r, t, 7, st, 18),
		.vcpu = sqlite3_column_int64(st, 19),
		.cost_micros = sqlite3_column_type(st, 20) == SQLITE_NULL
		    ? -1
		    : sqlite3_column_int64(st, 20),
		.currency = or_null(arena_strdup(r->arena, db_text(st, 21))),
		.cost_reason = or_null(arena_strdup(r->arena, db_text(st, 22))),
		.env = text(r, t, 8, st, 23),
		.live = sqlite3_column_int(st, 24) != 0,
	};
	i->has_value = !isnan(i->value);
	i->mine = (!*f->ns || str_eq(i->ns, f->ns)) &&
	    (!*f->mcis || str_eq(i->mcis, f->mcis));
}

bool
db_eval_read(struct db *db, const struct db_eval_filter *f,
    struct db_eval_rows *out, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, newest_sql);
	struct texts t = { { NULL } };
	int64_t lo = f->kind < 0 ? 0 : f->kind;
	int64_t hi = f->kind < 0 ? EVAL_KINDS - 1 : f->kind;

	out->arena = arena_new();
	db_bind(st, "iiissssss", lo, hi, f->since, f->spec, f->variant, f->csp,
	    f->region, f->ns, f->mcis);
	while (db_row(db, st, err)) {
		if (out->n == DB_EVAL_MAX) {
			err_set(err, MW_LIMIT, 0,
			    "more than %d results to evaluate", DB_EVAL_MAX);
			return err_hint(err,
			    "ask for one spec, region, kind or MCIS");
		}
		read_row(st, out, &t, f);
	}
	return err->code == MW_OK;
}

void
db_eval_free(struct db_eval_rows *r)
{
	arena_free(r->arena);
	free(r->v);
	memset(r, 0, sizeof *r);
}
