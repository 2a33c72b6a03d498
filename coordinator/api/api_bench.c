/*
 * api_bench.c - benchmark runs, results and RTT jobs over HTTP.
 */
#include "coordinator/api/api.h"

#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/matrix.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/actions.h"
#include "coordinator/api/api_jit.h"
#include "coordinator/store/db_bench.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define VMS_MAX 1000
#define AGE_MAX_S (366 * 86400)

/* A question to the store, answered as JSON. */
struct ask_job {
	struct store_job job;
	struct httpd_req *req;
	enum {
		ASK_RUNS,
		ASK_RUN,
		ASK_RESULTS
	} what;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	int64_t limit, run;
	int kind;
	bool latest;
	int64_t at, first; /* results by then; first of all, if there is none */
	json_t *live; /* runs that are not over: only we know their state */
	struct str runs, results;
};

static void post_bench(struct httpd_req *req, void *ctx);
static void get_runs(struct httpd_req *req, void *ctx);
static void get_run(struct httpd_req *req, void *ctx);
static void delete_run(struct httpd_req *req, void *ctx);
static void get_results(struct httpd_req *req, void *ctx);
static void post_rtt(struct httpd_req *req, void *ctx);
static void reply_run(struct coord *c, struct httpd_req *req,
    const char *action, const char *run);
static bool read_ask(struct httpd_req *req, struct bench_ask *ask,
    const char **vms, int64_t *age_s, struct mw_err *err);
static bool read_targets(struct httpd_req *req, json_t **targets,
    int64_t *count, struct mw_err *err);
static bool read_target(json_t *in, size_t i, json_t *out, struct mw_err *err);
static struct ask_job *ask_new(struct httpd_req *req, struct coord *c,
    struct mw_err *err);
static bool run_number(const char *name, int64_t *id);
static bool ask_run(struct db *db, struct store_job *job, struct mw_err *err);
static void ask_done(struct store_job *job, bool ok, const struct mw_err *err);
static bool answer(struct ask_job *j, struct str *out);

#define M "/v1/ns/{ns}/mcis/{mcis}"
static const struct httpd_route routes[] = {
	{ "POST", M "/benchmarks", post_bench, ROLE_BENCH },
	{ "GET", M "/benchmarks", get_runs, ROLE_VIEWER },
	{ "GET", M "/benchmarks/{run}", get_run, ROLE_VIEWER },
	{ "DELETE", M "/benchmarks/{run}", delete_run, ROLE_BENCH },
	{ "GET", M "/results", get_results, ROLE_VIEWER },
	{ "POST", M "/rtt", post_rtt, ROLE_OPERATOR },
};
const struct api_routes api_bench_routes = { routes, ARRAY_LEN(routes) };

static void
post_bench(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *vms[VMS_MAX];
	struct bench_ask ask = { .ns = httpd_param(req, "ns"),
		.mcis = httpd_param(req, "mcis") };
	char run[24], action[24];
	int64_t age_s, wait_s;
	bool wait;

	if (!read_ask(req, &ask, vms, &age_s, &err) ||
	    !api_query_bool(req, "wait", &wait, &err) ||
	    !api_query_int(req, "waitS", wait ? JIT_WAIT_MAX_S : 0, 0,
		JIT_WAIT_MAX_S, &wait_s, &err))
		httpd_reply_err(req, &err);
	else if (age_s || wait_s)
		jit_answer(c, req, &ask, age_s, wait_s);
	else if (!bench_start(c->bench, &ask, run, action, &err))
		httpd_reply_err(req, &err);
	else
		reply_run(c, req, action, run);
}

static void
post_rtt(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	json_t *targets = NULL;
	char run[24], action[24];
	int64_t count;

	if (!read_targets(req, &targets, &count, &err) ||
	    !bench_start_rtt(c->bench, httpd_param(req, "ns"),
		httpd_param(req, "mcis"), targets, count, run, action, &err))
		httpd_reply_err(req, &err);
	else
		reply_run(c, req, action, run);
	json_decref(targets);
}

static void
reply_run(struct coord *c, struct httpd_req *req, const char *action,
    const char *run)
{
	json_t *extra = json_object();

	json_put_str(extra, "runId", run);
	actions_reply_with(c->actions, req, action, extra);
}

static void
get_runs(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct ask_job *j = ask_new(req, c, &err);

	if (!j)
		return;
	for (const struct run *r = c->bench->runs; r; r = r->next)
		if (strcmp(r->ns, j->ns) == 0 && strcmp(r->mcis, j->mcis) == 0)
			json_array_insert_new(j->live, 0, run_json(r));
	j->what = ASK_RUNS;
	store_submit(c->store, &j->job);
}

static void
get_run(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *name = httpd_param(req, "run");
	struct ask_job *j = ask_new(req, c, &err);
	const struct run *r = bench_find(c->bench, name);

	if (!j)
		return;
	if (!run_number(name, &j->run))
		j->run = INT64_MAX; /* no run has it: not found */
	if (r && strcmp(r->ns, j->ns) == 0 && strcmp(r->mcis, j->mcis) == 0)
		json_array_append_new(j->live, run_json(r));
	j->what = ASK_RUN;
	j->limit = 100000;
	store_submit(c->store, &j->job);
}

static void
delete_run(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const struct run *r = bench_find(c->bench, httpd_param(req, "run"));
	char action[24] = "";

	if (r && strcmp(r->ns, httpd_param(req, "ns")) == 0 &&
	    strcmp(r->mcis, httpd_param(req, "mcis")) == 0)
		str_copy(action, sizeof action, r->action);
	else
		r = NULL;
	if (!r)
		err_set(&err, MW_NOT_FOUND, 0, "no such run is under way");
	if (!r || !bench_cancel(c->bench, r->name, &err))
		httpd_reply_err(req, &err);
	else
		actions_reply(c->actions, req, action);
}

static void
get_results(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *kind = httpd_query(req, "kind");
	struct ask_job *j = ask_new(req, c, &err);
	enum kind k;

	if (!j)
		return;
	if (kind && !kind_parse(kind, &k)) {
		err_set(&err, MW_INVALID, 0, "there is no kind of that name");
	} else if (api_query_bool(req, "latest", &j->latest, &err) &&
	    api_query_time(req, "at", 0, &j->at, &err)) {
		j->kind = kind ? (int)k : -1;
		j->what = ASK_RESULTS;
		store_submit(c->store, &j->job);
		return;
	}
	httpd_reply_err(req, &err);
	json_decref(j->live);
	free(j);
}

/* The database kinds on another engine are other variants: dbR.pgsql. */
static bool
use_engine(struct bench_ask *ask, const char *engine, struct mw_err *err)
{
	unsigned set = bench_kinds_for(ask->profile, ask->kinds);

	if ((set & (LANES_DB_MYSQL | LANES_DB_PGSQL | LANES_DB_LITE)) == 0) {
		err_set(err, MW_INVALID, 0,
		    "dbEngine is of dbR and dbW, and neither is measured");
		err_hint(err, "leave it out, or add these kinds");
		return err_pointer(err, "/dbEngine");
	}
	if (lanes_on_engine(set, engine, &ask->kinds))
		return true;
	err_set(err, MW_INVALID, 0,
	    "dbEngine is mariadb, pgsql or lite; profile legacy has mariadb");
	return err_pointer(err, "/dbEngine");
}

static bool
read_ask(struct httpd_req *req, struct bench_ask *ask, const char **vms,
    int64_t *age_s, struct mw_err *err)
{
	static const char *const known[] = { "kinds", "profile", "vms", "seed",
		"dbEngine", "maxAgeS", NULL };
	struct json_at at;
	const char *engine;
	json_t *body, *list;

	if (!httpd_json(req, &body, err) || !json_at_root(&at, body, err) ||
	    !json_no_others(&at, known, err) ||
	    !json_get_str(&at, "profile", false, 15, &ask->profile, err) ||
	    !json_get_int(&at, "seed", true, 0, 0, INT32_MAX, &ask->seed,
		err) ||
	    !bench_read_kinds(&at, &ask->kinds, err) ||
	    !json_get_str(&at, "dbEngine", false, 15, &engine, err) ||
	    !json_get_int(&at, "maxAgeS", true, 0, 1, AGE_MAX_S, age_s, err) ||
	    !json_get_array(&at, "vms", false, 1, VMS_MAX, &list, err))
		return false;
	if (!ask->profile)
		ask->profile = "quick";
	if (engine && !use_engine(ask, engine, err))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		vms[i] = json_string_value(json_array_get(list, i));
		if (!vms[i]) {
			err_set(err, MW_INVALID, 0, "a VM is named by a text");
			return err_pointer(err, "/vms/%zu", i);
		}
	}
	ask->vms = vms;
	ask->nvms = json_array_size(list);
	return true;
}

/* Methods of an rtt (agent/probe/reach.h), or NULL: all, one by one. */
static bool
read_methods(const struct json_at *at, json_t **out, struct mw_err *err)
{
	static const enum matrix_method known[] = { MATRIX_ICMP,
		MATRIX_ICMP_RAW, MATRIX_TCP_INFO };

	if (!json_get_array(at, "methods", false, 1, 3, out, err))
		return false;
	for (size_t i = 0; *out && i < json_array_size(*out); i++) {
		const char *s = json_string_value(json_array_get(*out, i));
		bool found = false;

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			found |= s && str_eq(s, matrix_method_name(known[k]));
		if (!found) {
			err_set(err, MW_INVALID, 0, "unknown method");
			err_hint(err, "icmp, icmpRaw or tcpInfo");
			return err_pointer(err, "/methods/%zu", i);
		}
	}
	return true;
}

static bool
read_targets(struct httpd_req *req, json_t **targets, int64_t *count,
    struct mw_err *err)
{
	static const char *const known[] = { "targets", "count", "tcpPort",
		"methods", NULL };
	struct json_at at;
	json_t *body, *list, *methods, *t;
	int64_t port;
	size_t i;

	if (!httpd_json(req, &body, err) || !json_at_root(&at, body, err) ||
	    !json_no_others(&at, known, err) ||
	    !json_get_int(&at, "count", true, 5, 1, 100, count, err) ||
	    !json_get_int(&at, "tcpPort", true, 22, 0, 65535, &port, err) ||
	    !read_methods(&at, &methods, err) ||
	    !json_get_array(&at, "targets", true, 1, BENCH_TARGETS_MAX, &list,
		err))
		return false;
	*targets = json_array();
	for (i = 0; i < json_array_size(list); i++)
		if (!read_target(json_array_get(list, i), i, *targets, err))
			return false;
	json_array_foreach(*targets, i, t)
	{
		json_put_int(t, "tcpPort", port);
		if (methods)
			json_put(t, "methods", json_incref(methods));
	}
	return true;
}

static bool
read_target(json_t *in, size_t i, json_t *out, struct mw_err *err)
{
	const char *s = json_string_value(in);
	uint32_t addr;
	json_t *t;

	if (!s || !id_ipv4_parse(s, &addr)) {
		err_set(err, MW_INVALID, 0,
		    "a target is a numeric IPv4 address");
		return err_pointer(err, "/targets/%zu", i);
	}
	if (id_ipv4_refused(addr)) {
		err_set(err, MW_INVALID, 0,
		    "this kind of address is never probed");
		return err_pointer(err, "/targets/%zu", i);
	}
	t = json_object();
	json_put_str(t, "target", s);
	json_put_str(t, "ip", s);
	json_array_append_new(out, t);
	return true;
}

/* NULL: the request is answered already. */
static struct ask_job *
ask_new(struct httpd_req *req, struct coord *c, struct mw_err *err)
{
	struct ask_job *j = xcalloc(1, sizeof *j);

	j->req = req;
	str_copy(j->ns, sizeof j->ns, httpd_param(req, "ns"));
	str_copy(j->mcis, sizeof j->mcis, httpd_param(req, "mcis"));
	j->kind = -1;
	j->job.run = ask_run;
	j->job.done = ask_done;
	if (!lc_mcis_find(c->lc, httpd_param(req, "ns"),
		httpd_param(req, "mcis"))) {
		err_set(err, MW_NOT_FOUND, 0, "no MCIS %s in %s", j->mcis,
		    j->ns);
		err_hint(err, "milkyway mcis list");
	} else if (api_query_int(req, "limit", 1000, 1, 100000, &j->limit,
		       err)) {
		j->live = json_array();
		return j;
	}
	httpd_reply_err(req, err);
	free(j);
	return NULL;
}

static bool
run_number(const char *name, int64_t *id)
{
	return str_starts(name, "b-") &&
	    num_parse_i64(name + 2, strlen(name + 2), 1, INT64_MAX - 1, id);
}

static bool
ask_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct ask_job *j = container_of(job, struct ask_job, job);
	struct db_result_filter f = { .ns = j->ns,
		.mcis = j->mcis,
		.run = j->run,
		.kind = j->kind,
		.latest = j->latest,
		.at = j->at,
		.limit = j->limit };

	if (j->what != ASK_RESULTS &&
	    !db_run_list(db, j->ns, j->mcis, j->run, j->limit, &j->runs, err))
		return false;
	if (j->what == ASK_RUNS)
		return true;
	return db_result_list(db, &f, &j->results, err) &&
	    (!j->at || j->results.len ||
		db_result_first(db, j->ns, j->mcis, &j->first, err));
}

static void
ask_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct ask_job *j = container_of(job, struct ask_job, job);
	struct mw_err missing = MW_ERR_INIT;
	struct str out = STR_INIT;

	if (!ok) {
		httpd_reply_err(j->req, err);
	} else if (j->at && j->first > j->at) {
		char first[WHEN_LEN];

		when_format(j->first, first);
		err_set(&missing, MW_NOT_FOUND, 0,
		    "%s had no results then; the first is of %s", j->mcis,
		    first);
		httpd_reply_err(j->req, &missing);
	} else if (answer(j, &out)) {
		httpd_reply(j->req, 200, "application/json", out.p, out.len);
	} else {
		err_set(&missing, MW_NOT_FOUND, 0, "no such run");
		httpd_reply_err(j->req, &missing);
	}
	str_free(&out);
	str_free(&j->runs);
	str_free(&j->results);
	json_decref(j->live);
	free(j);
}

/* Live runs before stored ones; the results of one run inside it. */
static bool
answer(struct ask_job *j, struct str *out)
{
	const char *stored = str_cstr(&j->runs),
		   *results = str_cstr(&j->results);
	struct str live = STR_INIT;
	json_t *r;
	size_t i;
	bool found;

	json_array_foreach(j->live, i, r)
	{
		char *text = json_text(r, false);

		str_addf(&live, "%s%s", i ? "," : "", text);
		free(text);
	}
	found = live.len || *stored;
	if (j->what == ASK_RESULTS) {
		str_addf(out, "{\"items\":[%s]}\n", results);
	} else if (j->what == ASK_RUNS) {
		str_addf(out, "{\"items\":[%s%s%s]}\n", str_cstr(&live),
		    live.len && *stored ? "," : "", stored);
	} else if (found) {
		/* One object: put the results before its last brace. */
		str_add(out, live.len ? live.p : stored);
		out->len--;
		out->p[out->len] = 0;
		str_addf(out, ",\"results\":[%s]}\n", results);
	}
	str_free(&live);
	return found || j->what != ASK_RUN;
}
