/*
 * api_eval.c - evaluations over HTTP. The store's thread reads the results
 * and computes: no JSON of a result is touched.
 */
#include "coordinator/api/api.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/lane.h"
#include "common/pure/str.h"
#include "coordinator/store/db_eval.h"
#include "coordinator/measure/eval_json.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define DAY_S 86400
#define MAX_AGE_S (30 * DAY_S)
#define STALE_S (7 * DAY_S)

struct ask_job {
	struct store_job job;
	struct httpd_req *req;
	struct db_eval_filter filter;
	struct eval_ask ask;
	char profile[16];
	bool lemons;
	char *text;
};

static const struct {
	const char *name;
	unsigned bits;
} includes[] = {
	{ "contended", 1u << RESULT_CONTENDED },
	{ "stolen", 1u << RESULT_STOLEN },
	{ "throttled", 1u << RESULT_THROTTLED },
	{ "tooFew", 1u << RESULT_TOO_FEW },
	{ "all",
	    1u << RESULT_CONTENDED | 1u << RESULT_STOLEN |
		1u << RESULT_THROTTLED | 1u << RESULT_TOO_FEW },
};

/* "contended,stolen" to bits. */
static bool
read_include(const char *s, unsigned *bits, struct mw_err *err)
{
	while (s && *s) {
		size_t n = strcspn(s, ","), i;

		for (i = 0; i < ARRAY_LEN(includes); i++)
			if (strlen(includes[i].name) == n &&
			    strncmp(includes[i].name, s, n) == 0)
				break;
		if (i == ARRAY_LEN(includes)) {
			err_set(err, MW_INVALID, 0,
			    "?include= names what counts besides ok");
			return err_hint(err,
			    "contended, stolen, throttled, tooFew or all");
		}
		*bits |= includes[i].bits;
		s += n + (s[n] == ',');
	}
	return true;
}

static bool
read_text(const struct httpd_req *req, const char *name, char *dst, size_t size,
    struct mw_err *err)
{
	const char *s = httpd_query(req, name);

	if (s && strlen(s) >= size)
		return err_set(err, MW_INVALID, 0, "?%s= is too long", name);
	if (s)
		str_copy(dst, size, s);
	return true;
}

static bool
read_filter(const struct httpd_req *req, struct ask_job *j, struct mw_err *err)
{
	struct db_eval_filter *f = &j->filter;
	const char *kind = httpd_query(req, "kind");
	int64_t age_s, stale_s;
	enum kind k;

	if (!read_text(req, "csp", f->csp, sizeof f->csp, err) ||
	    !read_text(req, "region", f->region, sizeof f->region, err) ||
	    !read_text(req, "spec", f->spec, sizeof f->spec, err) ||
	    !read_text(req, "variant", f->variant, sizeof f->variant, err) ||
	    !read_text(req, "profile", j->profile, sizeof j->profile, err) ||
	    !read_include(httpd_query(req, "include"), &j->ask.include, err) ||
	    !api_query_int(req, "maxAgeS", MAX_AGE_S, 1, 3650 * DAY_S, &age_s,
		err) ||
	    !api_query_int(req, "staleS", STALE_S, 1, 3650 * DAY_S, &stale_s,
		err))
		return false;
	f->kind = -1;
	if (*j->profile && !lanes_default(j->profile)) {
		err_set(err, MW_INVALID, 0, "there is no profile %s",
		    j->profile);
		return err_hint(err, "quick, standard, deep or legacy");
	}
	if (kind) {
		if (!kind_parse(kind, &k) || k >= EVAL_KINDS)
			return err_set(err, MW_INVALID, 0,
			    "there is no kind of that name with values to "
			    "evaluate");
		f->kind = (int)k;
	}
	j->ask.now = clock_wall_ns();
	j->ask.max_age_ns = age_s * NS_PER_S;
	j->ask.stale_ns = stale_s * NS_PER_S;
	j->ask.profile = *j->profile ? j->profile : NULL;
	f->since = j->ask.now - j->ask.max_age_ns;
	return true;
}

static bool
ask_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask_job *j = container_of(job, struct ask_job, job);
	struct db_eval_rows rows = { .arena = NULL };
	struct eval *e;
	json_t *out;
	bool ok = db_eval_read(db, &j->filter, &rows, err);

	if (ok) {
		e = eval_new(rows.v, rows.n, &j->ask);
		out = eval_json(e, j->lemons);
		json_put_time(out, "evaluatedAt", j->ask.now);
		json_put_int(out, "maxAgeS", j->ask.max_age_ns / NS_PER_S);
		j->text = json_text(out, true);
		json_decref(out);
		eval_free(e);
	}
	db_eval_free(&rows);
	return ok;
}

static void
ask_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct ask_job *j = container_of(job, struct ask_job, job);

	if (ok)
		httpd_reply(j->req, 200, "application/json", j->text,
		    strlen(j->text));
	else
		httpd_reply_err(j->req, err);
	free(j->text);
	free(j);
}

static void
ask(struct httpd_req *req, struct coord *c, const char *ns, const char *mcis,
    bool lemons)
{
	struct ask_job *j = xcalloc(1, sizeof *j);
	struct mw_err err = MW_ERR_INIT;

	j->req = req;
	j->lemons = lemons;
	j->job = (struct store_job){ .run = ask_run, .done = ask_done };
	if (!read_filter(req, j, &err)) {
		httpd_reply_err(req, &err);
		free(j);
		return;
	}
	str_copy(j->filter.ns, sizeof j->filter.ns, ns);
	str_copy(j->filter.mcis, sizeof j->filter.mcis, mcis);
	store_submit(c->store, &j->job);
}

static void
get_all(struct httpd_req *req, void *ctx)
{
	const char *ns = httpd_query(req, "ns");
	const char *mcis = httpd_query(req, "mcis");
	struct mw_err err = MW_ERR_INIT;

	if (mcis && !ns)
		ns = "default";
	if ((ns && strlen(ns) > 63) || (mcis && strlen(mcis) > 63)) {
		err_set(&err, MW_INVALID, 0, "?ns= or ?mcis= is too long");
		httpd_reply_err(req, &err);
		return;
	}
	ask(req, ctx, ns ? ns : "", mcis ? mcis : "", false);
}

static void
get_mcis(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns"), *m = httpd_param(req, "mcis");
	struct mw_err err = MW_ERR_INIT;

	if (lc_mcis_find(c->lc, ns, m)) {
		ask(req, c, ns, m, true);
		return;
	}
	err_set(&err, MW_NOT_FOUND, 0, "no MCIS %s in %s", m, ns);
	err_hint(&err, "milkyway mcis list");
	httpd_reply_err(req, &err);
}

static const struct httpd_route routes[] = {
	{ "GET", "/v1/evaluations", get_all, ROLE_VIEWER },
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/evaluations", get_mcis, ROLE_VIEWER },
};

const struct api_routes api_eval_routes = { routes, ARRAY_LEN(routes) };
