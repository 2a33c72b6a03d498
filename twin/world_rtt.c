/*
 * world_rtt.c - from directed, partly contradicting cells to the one number
 * per pair that the emulated network uses. Promises: the result is symmetric;
 * an unknown pair stays unknown; cells that contradict each other are an error
 * unless the world gives a rule.
 */
#include "twin/world_rtt.h"

#include "common/pure/alloc.h"
#include "common/pure/geo.h"
#include "common/pure/num.h"

#include <math.h>
#include <string.h>

#define RTT_MAX_MS 60000.0
#define TRANSPOSE_MAX 1000

enum asymmetry {
	ASYM_NONE, /* a contradiction is an error; else the mean */
	ASYM_MEAN,
	ASYM_MAX
};

struct cells { /* directed, milliseconds; negative: unknown */
	size_t n;
	double *ms;
};

static double *
cell(const struct cells *c, size_t from, size_t to)
{
	return &c->ms[from * c->n + to];
}

static bool
parse_cell(const struct json_at *root, size_t i, size_t j, const json_t *v,
    double *ms, struct mw_err *err)
{
	double d = json_number_value(v);

	(void)root;
	*ms = -1;
	if (json_is_null(v))
		return true;
	if (!json_is_number(v) || !(d >= 0) || d > RTT_MAX_MS) {
		err_set(err, MW_INVALID, 0,
		    "a round-trip time is null or 0 to %g ms", RTT_MAX_MS);
		return err_pointer(err, "/rttMs/%zu/%zu", i, j);
	}
	*ms = d;
	return true;
}

static bool
parse_cells(const struct json_at *root, json_t *rows, struct cells *c,
    struct mw_err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		const json_t *row = json_array_get(rows, i);

		if (!json_is_array(row) || json_array_size(row) != c->n) {
			err_set(err, MW_INVALID, 0,
			    "a row has one cell per site: %zu", c->n);
			return err_pointer(err, "/rttMs/%zu", i);
		}
		for (size_t j = 0; j < c->n; j++) {
			if (!parse_cell(root, i, j, json_array_get(row, j),
				cell(c, i, j), err))
				return false;
		}
	}
	return true;
}

/* The cells from -> to are taken from to -> from. */
static bool
parse_transpose(const struct world *w, const struct json_at *root,
    struct cells *c, struct mw_err *err)
{
	static const char *const known[] = { "from", "to", NULL };
	json_t *rules;
	size_t n;

	if (!json_get_array(root, "useTranspose", false, 0, TRANSPOSE_MAX,
		&rules, err))
		return false;
	n = rules ? json_array_size(rules) : 0;
	for (size_t k = 0; k < n; k++) {
		struct json_at at;
		const char *from, *to;

		if (!json_at_index(&at, root, "useTranspose", k, err) ||
		    !json_no_others(&at, known, err) ||
		    !json_get_str(&at, "from", true, 128, &from, err) ||
		    !json_get_str(&at, "to", true, 128, &to, err))
			return false;
		for (size_t i = 0; i < c->n; i++) {
			if (!world_pattern_match(from, w->sites[i].name))
				continue;
			for (size_t j = 0; j < c->n; j++) {
				if (j != i &&
				    world_pattern_match(to, w->sites[j].name))
					*cell(c, i, j) = *cell(c, j, i);
			}
		}
	}
	return true;
}

static bool
parse_asymmetry(const struct json_at *root, enum asymmetry *out,
    struct mw_err *err)
{
	const char *s;

	*out = ASYM_NONE;
	if (!json_get_str(root, "asymmetry", false, 16, &s, err))
		return false;
	if (!s)
		return true;
	if (strcmp(s, "mean") == 0) {
		*out = ASYM_MEAN;
	} else if (strcmp(s, "max") == 0) {
		*out = ASYM_MAX;
	} else {
		err_set(err, MW_INVALID, 0, "asymmetry is mean or max");
		return err_pointer(err, "/asymmetry");
	}
	return true;
}

static bool
to_us(double ms, int32_t *out)
{
	int64_t us;

	if (!num_ms_to_us(ms, true, &us) || us > INT32_MAX)
		return false;
	*out = (int32_t)us;
	return true;
}

/* One value of two directions. */
static bool
fold_pair(const struct world *w, const struct cells *c, enum asymmetry rule,
    size_t i, size_t j, int32_t *out, struct mw_err *err)
{
	double a = *cell(c, i, j), b = *cell(c, j, i);
	double hi = fmax(a, b), lo = fmin(a, b);

	*out = -1;
	if (hi < 0)
		return true;
	if (lo < 0)
		lo = hi;
	if (rule == ASYM_NONE && hi - lo > 3 && hi - lo > 0.1 * hi) {
		err_set(err, MW_INVALID, 0,
		    "%s and %s: %g ms one way, %g ms the other",
		    w->sites[i].name, w->sites[j].name, a, b);
		err_hint(err,
		    "give asymmetry mean or max, or a pair of "
		    "useTranspose");
		return err_pointer(err, "/rttMs/%zu/%zu", i, j);
	}
	return to_us(rule == ASYM_MAX ? hi : (hi + lo) / 2, out);
}

static bool
fold(struct world *w, const struct cells *c, enum asymmetry rule,
    double intra_ms, struct mw_err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		double own = *cell(c, i, i);

		/* two VMs of one site */
		if (!to_us(own < 0 ? intra_ms : own, &w->rtt_us[i * c->n + i]))
			return err_set(err, MW_INVALID, 0, "bad diagonal");
		for (size_t j = i + 1; j < c->n; j++) {
			int32_t us;

			if (!fold_pair(w, c, rule, i, j, &us, err))
				return false;
			w->rtt_us[i * c->n + j] = us;
			w->rtt_us[j * c->n + i] = us;
		}
	}
	return true;
}

static bool
from_cells(struct world *w, const struct json_at *root, json_t *rows,
    double intra_ms, struct mw_err *err)
{
	struct cells c = { .n = w->nsites };
	enum asymmetry rule;
	bool ok;

	c.ms = xcalloc(c.n * c.n, sizeof *c.ms);
	ok = parse_asymmetry(root, &rule, err) &&
	    parse_cells(root, rows, &c, err) &&
	    parse_transpose(w, root, &c, err) &&
	    fold(w, &c, rule, intra_ms, err);
	free(c.ms);
	return ok;
}

static struct geo_site
geo_of(const struct world *w, size_t i)
{
	const struct world_site *s = &w->sites[i];
	const struct world_cloud *c = &w->clouds[s->cloud];
	const struct world_region *r = &c->regions[s->region];

	return (struct geo_site){
		.name = s->name,
		.region = arena_printf(w->arena, "%s/%s", c->id, r->id),
		.lat = r->lat,
		.lon = r->lon,
	};
}

static bool
from_model(struct world *w, const struct json_at *model, struct mw_err *err)
{
	static const char *const known[] = { "kind", "seed", NULL };
	struct geo_site *g;
	const char *kind;
	int64_t seed;

	if (!json_no_others(model, known, err) ||
	    !json_get_str(model, "kind", true, 16, &kind, err) ||
	    !json_get_int(model, "seed", true, (int64_t)w->seed, 0, INT64_MAX,
		&seed, err))
		return false;
	if (strcmp(kind, "distance") != 0) {
		err_set(err, MW_INVALID, 0, "the only model is distance");
		return err_pointer(err, "/rttModel/kind");
	}
	g = xcalloc(w->nsites, sizeof *g);
	for (size_t i = 0; i < w->nsites; i++)
		g[i] = geo_of(w, i);
	for (size_t i = 0; i < w->nsites; i++) {
		for (size_t j = i; j < w->nsites; j++) {
			int32_t us =
			    (int32_t)geo_rtt_us((uint64_t)seed, &g[i], &g[j]);

			w->rtt_us[i * w->nsites + j] = us;
			w->rtt_us[j * w->nsites + i] = us;
		}
	}
	free(g);
	return true;
}

bool
world_rtt_parse(struct world *w, const struct json_at *root, struct mw_err *err)
{
	struct json_at model;
	double intra_ms;
	json_t *rows;

	w->rtt_us =
	    arena_array(w->arena, w->nsites * w->nsites, sizeof *w->rtt_us);
	if (!json_get_num(root, "intraSiteRttMs", true, 0.3, 0, RTT_MAX_MS,
		&intra_ms, err) ||
	    !json_get_array(root, "rttMs", false, w->nsites, w->nsites, &rows,
		err) ||
	    !json_at_key(&model, root, "rttModel", false, err))
		return false;
	if ((rows != NULL) == (model.obj != NULL)) {
		err_set(err, MW_INVALID, 0,
		    "a world has either rttMs or rttModel");
		return err_pointer(err, "/rttMs");
	}
	if (rows)
		return from_cells(w, root, rows, intra_ms, err);
	return from_model(w, &model, err);
}
