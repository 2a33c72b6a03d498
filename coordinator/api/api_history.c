/*
 * api_history.c - GET .../mcis/{mcis}/history: who did what to which VM, and
 * what the cloud made of it.
 */
#include "coordinator/api/api_mcis.h"

#include "common/pure/alloc.h"
#include "coordinator/store/db_history.h"

#define HISTORY_MAX 10000

struct history_job {
	struct store_job job;
	struct httpd_req *req; /* NULL: the client left */
	struct db_history f;
	char *ns, *mcis, *vm;
	json_t *items;
};

static void get(struct httpd_req *req, void *ctx);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/history", get, ROLE_VIEWER },
};
const struct api_routes api_history_routes = { routes, ARRAY_LEN(routes) };

static bool
run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct history_job *j = container_of(job, struct history_job, job);

	return db_history_list(db, &j->f, j->items, err);
}

/* Anything at all, and something about the VM if one is asked for. */
static bool
known(const struct history_job *j, struct mw_err *err)
{
	const json_t *e;
	size_t i;

	json_array_foreach(j->items, i, e)
	{
		if (!j->vm || json_is_string(json_object_get(e, "vmId")))
			return true;
	}
	if (j->f.after > 0)
		return true;
	return err_set(err, MW_NOT_FOUND, 0, "nothing is known of %s%s%.80s",
	    j->mcis, j->vm ? " " : "", j->vm ? j->vm : "");
}

static void
done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct history_job *j = container_of(job, struct history_job, job);
	struct mw_err none = MW_ERR_INIT;
	json_t *out;

	if (j->req) {
		httpd_on_gone(j->req, NULL, NULL);
		if (ok && !known(j, &none)) {
			httpd_reply_err(j->req, &none);
		} else if (ok) {
			out = json_object();
			json_put(out, "items", json_incref(j->items));
			httpd_reply_json(j->req, 200, out);
		} else {
			httpd_reply_err(j->req, err);
		}
	}
	json_decref(j->items);
	free(j->ns);
	free(j->mcis);
	free(j->vm);
	free(j);
}

static void
gone(void *arg)
{
	((struct history_job *)arg)->req = NULL;
}

/* A history outlives its VMs, and its MCIS. */
static void
get(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *ns, *vm = httpd_query(req, "vm");
	int64_t after, limit;
	struct history_job *j;

	if (!mcis_ns(c, req, &ns, &err) ||
	    !api_query_int(req, "after", 0, 0, INT64_MAX, &after, &err) ||
	    !api_query_int(req, "limit", 1000, 1, HISTORY_MAX, &limit, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	j = xcalloc(1, sizeof *j);
	j->req = req;
	j->ns = xstrdup(ns);
	j->mcis = xstrdup(httpd_param(req, "mcis"));
	j->vm = vm ? xstrdup(vm) : NULL;
	j->items = json_array();
	j->f = (struct db_history){ j->ns, j->mcis, j->vm, after, limit };
	j->job.run = run;
	j->job.done = done;
	httpd_on_gone(req, gone, j);
	store_submit(c->store, &j->job);
}
