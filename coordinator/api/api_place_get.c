/*
 * api_place_get.c - stored placements over HTTP.
 */
#include "coordinator/api/api_place.h"

#include "common/pure/alloc.h"
#include "coordinator/api/api.h"
#include "coordinator/store/db_place.h"

#define LIST_MAX 200

struct look {
	struct httpd_req *req;
	int64_t id; /* 0: all */
	struct str text, members;
	struct store_job store;
};

static bool
look_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct look *l = container_of(job, struct look, store);

	if (l->id)
		return db_place_get(db, l->id, &l->text, &l->members, err);
	return db_place_list(db, LIST_MAX, &l->text, err);
}

static void
look_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct look *l = container_of(job, struct look, store);
	struct mw_err bad = MW_ERR_INIT;
	struct str body = STR_INIT;
	json_t *j;
	char name[32];

	if (!ok) {
		httpd_reply_err(l->req, err);
	} else if (!l->id) {
		str_addf(&body, "{\"items\":[%s]}", str_cstr(&l->text));
		httpd_reply(l->req, 200, "application/json", body.p, body.len);
	} else if ((j = json_parse(l->text.p, l->text.len, SIZE_MAX, &bad))) {
		snprintf(name, sizeof name, "pl-%lld", (long long)l->id);
		json_put_str(j, "placementId", name);
		httpd_reply_json(l->req, 200, j);
	} else {
		httpd_reply_err(l->req, &bad);
	}
	str_free(&body);
	str_free(&l->text);
	str_free(&l->members);
	free(l);
}

static void
look(struct httpd_req *req, struct coord *c, int64_t id)
{
	struct look *l = xcalloc(1, sizeof *l);

	l->req = req;
	l->id = id;
	l->store = (struct store_job){ .run = look_run, .done = look_done };
	store_submit(c->store, &l->store);
}

void
api_place_list(struct httpd_req *req, void *ctx)
{
	look(req, ctx, 0);
}

void
api_place_one(struct httpd_req *req, void *ctx)
{
	struct mw_err err = MW_ERR_INIT;
	int64_t id;

	if (places_id(httpd_param(req, "id"), &id, &err))
		look(req, ctx, id);
	else
		httpd_reply_err(req, &err);
}
