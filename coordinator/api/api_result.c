/*
 * api_result.c - one result, and what the tool printed for it.
 */
#include "coordinator/api/api.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/store/db_bench.h"

#include <string.h>

struct result_job {
	struct store_job job;
	struct httpd_req *req;
	int64_t result; /* 0: by name */
	char name[RAW_NAME_LEN];
	bool raw, found;
	struct str out;
};

static void get_result(struct httpd_req *req, void *ctx);
static void get_result_raw(struct httpd_req *req, void *ctx);
static void get_raw(struct httpd_req *req, void *ctx);
static void ask(struct httpd_req *req, struct coord *c, bool raw);
static bool read_store(struct db *db, struct store_job *job,
    struct mw_err *err);
static void answer(struct store_job *job, bool ok, const struct mw_err *err);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/results/{result}", get_result, ROLE_VIEWER },
	{ "GET", "/v1/results/{result}/raw", get_result_raw, ROLE_VIEWER },
	{ "GET", "/v1/raw/{hash}", get_raw, ROLE_VIEWER },
};
const struct api_routes api_result_routes = { routes, ARRAY_LEN(routes) };

static void
get_result(struct httpd_req *req, void *ctx)
{
	ask(req, ctx, false);
}

static void
get_result_raw(struct httpd_req *req, void *ctx)
{
	ask(req, ctx, true);
}

static void
get_raw(struct httpd_req *req, void *ctx)
{
	ask(req, ctx, true);
}

static void
ask(struct httpd_req *req, struct coord *c, bool raw)
{
	const char *id = httpd_param(req, "result");
	const char *hash = httpd_param(req, "hash");
	struct result_job *j = xcalloc(1, sizeof *j);
	struct mw_err err = MW_ERR_INIT;
	bool ok = hash ? raw_name_valid(hash)
		       : str_starts(id, "r-") &&
		num_parse_i64(id + 2, strlen(id + 2), 1, INT64_MAX, &j->result);

	j->req = req;
	j->raw = raw;
	j->job.run = read_store;
	j->job.done = answer;
	if (hash)
		str_copy(j->name, sizeof j->name, hash);
	if (ok) {
		store_submit(c->store, &j->job);
		return;
	}
	err_set(&err, MW_INVALID, 0,
	    hash ? "a raw output is named sha256: and 64 hex digits"
		 : "a result is named r- and its number");
	err_hint(&err, "milkyway bench show NAME -o csv names results");
	httpd_reply_err(req, &err);
	free(j);
}

static bool
read_store(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct result_job *j = container_of(job, struct result_job, job);

	if (j->raw)
		return db_raw_get(db, j->name[0] ? j->name : NULL, j->result,
		    &j->out, &j->found, err);
	return db_result_get(db, j->result, &j->out, &j->found, err);
}

static void
answer(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct result_job *j = container_of(job, struct result_job, job);
	struct mw_err missing = MW_ERR_INIT;

	if (!ok) {
		httpd_reply_err(j->req, err);
	} else if (!j->found) {
		err_set(&missing, MW_NOT_FOUND, 0,
		    j->raw ? "there is no raw output of that name: it was "
			     "never sent, or its time is over"
			   : "there is no such result");
		httpd_reply_err(j->req, &missing);
	} else {
		httpd_reply(j->req, 200,
		    j->raw ? "text/plain; charset=utf-8" : "application/json",
		    str_cstr(&j->out), j->out.len);
	}
	str_free(&j->out);
	free(j);
}
