/*
 * place_scores.c - evaluations as the scores of placement.
 */
#include "coordinator/place/place_scores.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/store/db_eval.h"

#include <math.h>
#include <string.h>

#define DAY_NS (86400 * NS_PER_S)
#define MAX_AGE_DAYS 30
#define STALE_DAYS 7
#define MILLI_MAX 9e15

static int
score_cmp(const void *a, const void *b)
{
	const struct place_score *x = a, *y = b;
	int d = strcmp(x->spec_id, y->spec_id);

	return d ? d : x->metric - y->metric;
}

const char *
place_metric_name(int metric)
{
	return metric == PLACE_METRIC_CORES
	    ? "cores"
	    : kind_info((enum kind)metric)->name;
}

static void
add(struct place_scores *s, const struct eval_in *of, int metric, double v,
    bool flagged, const struct eval_cell *c)
{
	struct place_score *e;

	if (!(v >= 0 && v * 1000 < MILLI_MAX))
		return;
	VEC_GROW(s->v, s->n, s->cap);
	e = &s->v[s->n++];
	*e = (struct place_score){ .metric = metric,
		.milli = (int64_t)(v * 1000 + 0.5),
		.value = v,
		.flagged = flagged,
		.nvms = c->nvms,
		.newest = c->newest };
	snprintf(e->spec_id, sizeof e->spec_id, "%s+%s+%s", of->csp, of->region,
	    of->spec);
}

/* False: it says nothing that placement may build on. */
static bool
usable(const struct eval_cell *c, double *v, bool *flagged)
{
	return eval_best(c, v, flagged) &&
	    (!*flagged || c->flagged_validity == RESULT_TOO_FEW);
}

static void
add_spec(struct place_scores *s, const struct eval_spec *spec)
{
	const struct eval_cell *one = spec->cells[KIND_CPUS];
	const struct eval_cell *all = spec->cells[KIND_CPUM];
	bool f1, f2;
	double v;

	for (int k = 0; k < EVAL_KINDS; k++)
		if (usable(spec->cells[k], &v, &f1))
			add(s, spec->of, k, v, f1, spec->cells[k]);
	if (isfinite(spec->cores) && usable(one, &v, &f1) &&
	    usable(all, &v, &f2))
		add(s, spec->of, PLACE_METRIC_CORES, spec->cores, f1 || f2,
		    one->nvms < all->nvms ? one : all);
}

bool
place_scores_read(struct db *db, int64_t now, struct place_scores *out,
    struct mw_err *err)
{
	struct eval_ask ask = { .now = now,
		.max_age_ns = MAX_AGE_DAYS * DAY_NS,
		.stale_ns = STALE_DAYS * DAY_NS };
	struct db_eval_filter f = { .kind = -1,
		.variant = "std",
		.since = now - ask.max_age_ns };
	struct db_eval_rows rows = { .arena = NULL };
	bool ok = db_eval_read(db, &f, &rows, err);

	if (ok) {
		struct eval *e = eval_new(rows.v, rows.n, &ask);

		for (size_t i = 0; i < e->nspecs; i++)
			add_spec(out, &e->specs[i]);
		eval_free(e);
	}
	db_eval_free(&rows);
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, score_cmp);
	return ok;
}

const struct place_score *
place_scores_find(const struct place_scores *s, const char *spec_id, int metric)
{
	struct place_score key = { .metric = metric };

	str_copy(key.spec_id, sizeof key.spec_id, spec_id);
	return s->n ? bsearch(&key, s->v, s->n, sizeof key, score_cmp) : NULL;
}

void
place_scores_free(struct place_scores *s)
{
	free(s->v);
	memset(s, 0, sizeof *s);
}

static json_t *
spec_json(const struct place_scores *s, const char *spec_id)
{
	json_t *j = json_object(), *metrics = json_object();

	json_put_str(j, "specId", spec_id);
	for (int k = 0; k < PLACE_METRICS; k++) {
		const struct place_score *e = place_scores_find(s, spec_id, k);
		json_t *m;

		if (!e)
			continue;
		m = json_object();
		json_put_num(m, "value", e->value);
		json_put_bool(m, "flagged", e->flagged);
		json_put_int(m, "nVms", (int64_t)e->nvms);
		json_put_time(m, "newestAt", e->newest);
		json_put(metrics, place_metric_name(k), m);
	}
	json_put(j, "metrics", metrics);
	return j;
}

json_t *
place_scores_json(const struct place_scores *s, const json_t *answer)
{
	json_t *list = json_array(), *seen = json_object(), *r, *m;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "ranking"), i, r)
	{
		json_array_foreach(json_object_get(r, "members"), k, m)
		{
			const char *id =
			    json_string_value(json_object_get(m, "specId"));

			if (!id || json_object_get(seen, id))
				continue;
			json_put_bool(seen, id, true);
			json_array_append_new(list, spec_json(s, id));
		}
	}
	json_decref(seen);
	return list;
}
