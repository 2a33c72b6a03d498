/*
 * api_conn.c - connections over HTTP; what they offer is api_catalog.c.
 */
#include "coordinator/api/api.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/cloud/conns_cred.h"
#include "coordinator/cloud/conns_import.h"
#include "coordinator/cloud/conns_trial.h"
#include "coordinator/cloud/conns_use.h"
#include "coordinator/env_real.h"
#include "drivers/prices.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define IMPORTS_MAX 8 /* under way at a time */
#define REGIONS_MAX 1000

struct place {
	char *id, *csp, *region, *display;
	double lat, lon;
	bool has_location;
};

/* The work of one action: connections to import, all of one endpoint. */
struct intake {
	struct coord *c;
	char action[24];
	char *driver, *endpoint, *credential, *ca_file, *prices, *ssh_from;
	struct str secret; /* until it is sealed; or empty */
	char *name; /* of the secret */
	bool trial; /* it would replace one that worked */
	bool renewed; /* it is to be sealed, or was */
	bool listed; /* the endpoint named the regions: they exist */
	struct place *v;
	size_t n, cap, next, done, failed;
	struct mw_err first; /* failure */
};

struct part {
	struct intake *in;
	size_t i;
};

struct delete_job {
	struct store_job job;
	struct coord *c;
	struct httpd_req *req;
	char id[ID_MAX + 1];
	char *credential;
};

static void get_conns(struct httpd_req *req, void *ctx);
static void put_conn(struct httpd_req *req, void *ctx);
static void delete_conn(struct httpd_req *req, void *ctx);
static bool delete_run(struct db *db, struct store_job *job,
    struct mw_err *err);
static void delete_done(struct store_job *job, bool ok,
    const struct mw_err *err);
static void post_discover(struct httpd_req *req, void *ctx);
static bool read_endpoint(struct intake *in, const struct json_at *at,
    struct mw_err *err);
static bool read_secret(struct intake *in, const struct json_at *at,
    struct mw_err *err);
static bool read_file_of(const struct json_at *at, const char *key, char **out,
    struct mw_err *err);
static bool read_prices(struct intake *in, const struct json_at *at,
    struct mw_err *err);
static bool read_ssh_from(struct intake *in, const struct json_at *at,
    struct mw_err *err);
static bool intake_secret(struct intake *in, const char *name,
    struct mw_err *err);
static bool intake_check(struct intake *in, struct mw_err *err);
static void intake_begin(struct intake *in);
static void tried(void *arg, const struct mw_err *err);
static bool read_conn(struct httpd_req *req, struct intake *in,
    struct mw_err *err);
static void intake_free(struct intake *in);
static void intake_add(struct intake *in, const char *id, const char *csp,
    const char *region);
static void intake_start(struct intake *in, struct httpd_req *req);
static void intake_go(struct intake *in);
static void import_one(struct intake *in, size_t i);
static void part_done(void *arg, const struct mw_err *err);
static void intake_end(struct intake *in);
static void on_region(void *arg, const struct csp_region *region);
static void on_regions(void *arg, const struct mw_err *err);
static void region_id(const char *csp, const char *region,
    char out[ID_MAX + 1]);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/connections", get_conns, ROLE_VIEWER },
	{ "POST", "/v1/connections/discover", post_discover, ROLE_ADMIN },
	{ "PUT", "/v1/connections/{id}", put_conn, ROLE_ADMIN },
	{ "DELETE", "/v1/connections/{id}", delete_conn, ROLE_ADMIN },
};
const struct api_routes api_conn_routes = { routes, ARRAY_LEN(routes) };

static void
get_conns(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	json_t *out, *items;
	int64_t limit;

	if (!api_query_int(req, "limit", 1000, 1, 10000, &limit, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	out = json_object();
	items = json_array();
	for (size_t i = 0; i < conns_count(c->conns) && i < (size_t)limit; i++)
		json_array_append_new(items,
		    api_conn_json(conns_at(c->conns, i)));
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static void
put_conn(struct httpd_req *req, void *ctx)
{
	struct mw_err err = MW_ERR_INIT;
	struct intake *in = xcalloc(1, sizeof *in);

	in->c = ctx;
	if (!read_conn(req, in, &err) || !intake_check(in, &err) ||
	    !intake_secret(in, httpd_param(req, "id"), &err)) {
		intake_free(in);
		httpd_reply_err(req, &err);
		return;
	}
	intake_start(in, req);
	intake_begin(in);
}

static void
delete_conn(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *id = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;
	struct delete_job *j;

	if (!conns_get(c->conns, id)) {
		err_set(&err, MW_NOT_FOUND, 0, "no connection %s", id);
		httpd_reply_err(req, &err);
		return;
	}
	if (!conns_idle(c->conns, id, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	j = xcalloc(1, sizeof *j);
	j->c = c;
	j->req = req;
	str_copy(j->id, sizeof j->id, id);
	j->credential = xstrdup(conns_get(c->conns, id)->credential);
	j->job.run = delete_run;
	j->job.done = delete_done;
	store_submit(c->store, &j->job);
	conns_remove(c->conns, id);
}

static bool
delete_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct delete_job *j = container_of(job, struct delete_job, job);

	return db_conn_delete(db, j->id, err);
}

static void
delete_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct delete_job *j = container_of(job, struct delete_job, job);

	if (ok) {
		if (j->c->conns)
			conns_unseal(j->c->conns, j->credential);
		httpd_reply(j->req, 204, NULL, NULL, 0);
	} else {
		httpd_reply_err(j->req, err);
	}
	free(j->credential);
	free(j);
}

static void
post_discover(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "driver", "endpoint", "credential",
		"secret", "prices", "caFile", "sshFrom", "name", NULL };
	const char *name = NULL;
	struct mw_err err = MW_ERR_INIT;
	struct intake *in = xcalloc(1, sizeof *in);
	struct json_at at;
	json_t *body;

	in->c = ctx;
	in->listed = true;
	if (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
	    !json_no_others(&at, known, &err) ||
	    !read_endpoint(in, &at, &err) ||
	    !json_get_id(&at, "name", in->secret.len > 0, &name, &err) ||
	    !intake_check(in, &err) || !intake_secret(in, name, &err)) {
		intake_free(in);
		httpd_reply_err(req, &err);
		return;
	}
	intake_start(in, req);
	intake_begin(in);
}

/* NULL: the cloud told none. */
static json_t *
zones_json(const char *zones)
{
	json_t *v = zones ? json_array() : NULL;

	for (const char *p = zones; p && *p;) {
		size_t n = strcspn(p, " ");

		json_array_append_new(v, json_stringn(p, n));
		p += n + (p[n] == ' ');
	}
	return v;
}

json_t *
api_conn_json(const struct conn_row *r)
{
	json_t *j = json_object();

	json_put_str(j, "id", r->id);
	json_put_str(j, "driver", r->driver);
	json_put_str(j, "csp", r->csp);
	json_put_str(j, "region", r->region);
	json_put_str(j, "display", r->display);
	json_put_num(j, "lat", r->has_location ? r->lat : NAN);
	json_put_num(j, "lon", r->has_location ? r->lon : NAN);
	json_put_str(j, "endpoint", r->endpoint);
	json_put_str(j, "prices", r->prices);
	json_put_str(j, "caFile", r->ca_file);
	json_put_str(j, "sshFrom", r->ssh_from);
	json_put(j, "zones", zones_json(r->zones));
	json_put_bool(j, "verified", r->verified);
	json_put_str(j, "verifiedReason", r->verified_reason);
	return j;
}

static bool
read_endpoint(struct intake *in, const struct json_at *at, struct mw_err *err)
{
	const char *driver, *endpoint, *credential;

	if (!json_get_str(at, "driver", true, 32, &driver, err) ||
	    !json_get_str(at, "endpoint", false, 1024, &endpoint, err) ||
	    !json_get_str(at, "credential", false, 1024, &credential, err))
		return false;
	if (!driver_find(driver)) {
		driver_none(driver, err);
		err->code = MW_INVALID;
		return err_pointer(err, "/driver");
	}
	/* A secret itself would lie in the database and in every backup. */
	if (!conns_ref_check(in->c->conns, credential, err))
		return err_pointer(err, "/credential");
	in->driver = xstrdup(driver);
	in->endpoint = xstrdup(endpoint);
	in->credential = xstrdup(credential);
	return read_secret(in, at, err) && read_prices(in, at, err) &&
	    read_file_of(at, "caFile", &in->ca_file, err) &&
	    read_ssh_from(in, at, err);
}

static bool
read_secret(struct intake *in, const struct json_at *at, struct mw_err *err)
{
	json_t *secret = json_object_get(at->obj, "secret");

	if (!secret)
		return true;
	if (in->credential) {
		err_set(err, MW_INVALID, 0,
		    "credential and secret exclude each other");
		return err_pointer(err, "/secret");
	}
	if (!conns_secret_check(secret, err))
		return false;
	conns_secret_text(secret, &in->secret);
	return true;
}

/* A file that cannot be read would be found out much later. */
static bool
read_file_of(const struct json_at *at, const char *key, char **out,
    struct mw_err *err)
{
	const char *path;

	if (!json_get_str(at, key, false, 1024, &path, err))
		return false;
	if (path && (path[0] != '/' || access(path, R_OK) < 0)) {
		err_set(err, MW_INVALID, 0,
		    "%s is a whole path of a file that the coordinator may "
		    "read",
		    key);
		return err_pointer(err, "/%s", key);
	}
	*out = xstrdup(path);
	return true;
}

static bool
read_prices(struct intake *in, const struct json_at *at, struct mw_err *err)
{
	size_t n;

	return read_file_of(at, "prices", &in->prices, err) &&
	    (!in->prices || prices_check(in->prices, &n, err) ||
		err_pointer(err, "/prices"));
}

static bool
read_ssh_from(struct intake *in, const struct json_at *at, struct mw_err *err)
{
	const char *from;

	if (!json_get_str(at, "sshFrom", false, 64, &from, err))
		return false;
	if (!ssh_from_check(from, err))
		return err_pointer(err, "/sshFrom");
	in->ssh_from = xstrdup(from);
	return true;
}

/* A secret that replaces none that worked is sealed at once: people see what
 * is wrong with it, and may mend its cloud. */
static bool
intake_secret(struct intake *in, const char *name, struct mw_err *err)
{
	if (!in->secret.len)
		return true;
	in->trial = conns_trial_needed(in->c->conns, name);
	if (!in->trial && !conns_seal(in->c->conns, name, &in->secret, err))
		return false;
	in->name = xstrdup(name);
	in->renewed = true;
	in->credential = xasprintf("sealed:%s", name);
	return true;
}

/* The secret is sealed: regions, then connections. */
static void
intake_known(struct intake *in)
{
	if (in->listed)
		conns_regions(in->c->conns, in->driver, in->endpoint,
		    in->credential, in->ca_file, on_region, on_regions, in);
	else
		intake_go(in);
}

/* As asked for: its first connection, or all of its endpoint. */
static struct conn_row
intake_row(const struct intake *in)
{
	const struct place *p = in->n ? &in->v[0] : NULL;

	return (struct conn_row){
		.id = p ? p->id : in->name,
		.driver = in->driver,
		.csp = p ? p->csp : NULL,
		.region = p ? p->region : NULL,
		.endpoint = in->endpoint,
		.credential = in->credential,
		.ca_file = in->ca_file,
	};
}

/* Before anything is kept or asked for. */
static bool
intake_check(struct intake *in, struct mw_err *err)
{
	struct conn_row row = intake_row(in);
	bool prove;

	if (in->secret.len) /* where it will be */
		row.credential = (char *)(uintptr_t) "sealed:new";
	if (!row.id)
		row.id = (char *)(uintptr_t) "discover";
	return conns_opens(in->c->conns, &row, err) &&
	    (!in->n || conns_may_become(in->c->conns, &row, &prove, err));
}

static void
intake_begin(struct intake *in)
{
	struct conn_row row = intake_row(in);

	if (in->trial)
		conns_trial(in->c->conns, &row, in->name, &in->secret, tried,
		    in);
	else
		intake_known(in);
	conns_secret_wipe(&in->secret);
}

static void
tried(void *arg, const struct mw_err *err)
{
	struct intake *in = arg;

	if (err->code == MW_OK && in->c->conns) {
		intake_known(in);
		return;
	}
	in->first = *err;
	in->failed = in->done = in->n;
	for (size_t i = 0; i < in->n; i++)
		actions_step(in->c->actions, in->action, in->v[i].id, "secret",
		    ACTION_FAILED, err->msg);
	intake_end(in);
}

static bool
read_conn(struct httpd_req *req, struct intake *in, struct mw_err *err)
{
	static const char *const known[] = { "driver", "csp", "region",
		"endpoint", "credential", "secret", "prices", "caFile",
		"sshFrom", NULL };
	const char *id = httpd_param(req, "id"), *csp, *region;
	struct json_at at;
	json_t *body;

	if (!id_valid(id))
		return err_set(err, MW_INVALID, 0,
		    "a connection's id is [a-z]([-a-z0-9]{0,61}[a-z0-9])?");
	if (!httpd_json(req, &body, err) || !json_at_root(&at, body, err) ||
	    !json_no_others(&at, known, err) || !read_endpoint(in, &at, err) ||
	    !json_get_id(&at, "csp", true, &csp, err) ||
	    !json_get_str(&at, "region", true, 64, &region, err))
		return false;
	if (!id_word_valid(region, 64)) {
		err_set(err, MW_INVALID, 0, "region is not a word");
		return err_pointer(err, "/region");
	}
	intake_add(in, id, csp, region);
	return true;
}

static void
intake_free(struct intake *in)
{
	for (size_t i = 0; i < in->n; i++) {
		free(in->v[i].id);
		free(in->v[i].csp);
		free(in->v[i].region);
		free(in->v[i].display);
	}
	free(in->v);
	free(in->driver);
	free(in->endpoint);
	free(in->credential);
	free(in->prices);
	free(in->ca_file);
	free(in->ssh_from);
	free(in->name);
	conns_secret_wipe(&in->secret);
	free(in);
}

static void
intake_add(struct intake *in, const char *id, const char *csp,
    const char *region)
{
	VEC_GROW(in->v, in->n, in->cap);
	in->v[in->n++] = (struct place){ .id = xstrdup(id),
		.csp = xstrdup(csp),
		.region = xstrdup(region) };
}

static void
intake_start(struct intake *in, struct httpd_req *req)
{
	actions_new(in->c->actions, "connect", httpd_path(req), (int64_t)in->n,
	    in->action);
	actions_reply(in->c->actions, req, in->action);
}

static void
intake_go(struct intake *in)
{
	if (!in->c->conns) /* the coordinator ends */
		in->n = in->next;
	if (in->done == in->n) {
		intake_end(in);
		return;
	}
	while (in->next < in->n && in->next - in->done < IMPORTS_MAX)
		import_one(in, in->next++);
}

static void
import_one(struct intake *in, size_t i)
{
	struct place *p = &in->v[i];
	struct conn_row row = {
		.id = p->id,
		.driver = in->driver,
		.csp = p->csp,
		.region = p->region,
		.endpoint = in->endpoint,
		.credential = in->credential,
		.prices = in->prices,
		.ca_file = in->ca_file,
		.ssh_from = in->ssh_from,
	};
	struct csp_region known = {
		.id = p->region,
		.csp = p->csp,
		.display = p->display,
		.lat = p->lat,
		.lon = p->lon,
		.has_location = p->has_location,
	};
	struct part *part = xcalloc(1, sizeof *part);

	part->in = in;
	part->i = i;
	conns_import(in->c->conns, &row, in->listed ? &known : NULL,
	    in->renewed, part_done, part);
}

/* How much of the file fits the cloud. */
static char *
priced(const struct intake *in, const char *id)
{
	const struct conn *cn = conns_find(in->c->conns, id);
	size_t n = 0, all = cn ? cn->nspecs : 0;

	for (size_t i = 0; i < all; i++)
		n += cn->specs[i].cost_per_hour_micros >= 0;
	return xasprintf("%zu of %zu machine types have a price from %s", n,
	    all, in->prices);
}

static void
part_done(void *arg, const struct mw_err *err)
{
	struct part *part = arg;
	struct intake *in = part->in;
	const char *id = in->v[part->i].id;
	bool ok = err->code == MW_OK;
	char *said;

	in->done++;
	if (!ok && !in->failed++)
		in->first = *err;
	if (ok)
		env_real_connection(in->c->env, id);
	said = ok && in->prices ? priced(in, id) : NULL;
	actions_step(in->c->actions, in->action, id, "import",
	    ok ? ACTION_DONE : ACTION_FAILED, ok ? said : err->msg);
	free(said);
	actions_progress(in->c->actions, in->action, (int64_t)in->done,
	    (int64_t)in->n);
	free(part);
	intake_go(in);
}

static void
intake_end(struct intake *in)
{
	bool ok = in->first.code == MW_OK;
	bool some = in->failed < in->n;
	char *sealed = in->n == 1 ? xasprintf("sealed:%s", in->v[0].id) : NULL;

	/* the row may name another credential now */
	if (in->c->conns)
		conns_unseal(in->c->conns, sealed);
	if (in->c->conns && in->renewed)
		conns_unseal(in->c->conns, in->credential);
	free(sealed);

	actions_end(in->c->actions, in->action,
	    some || ok ? ACTION_DONE : ACTION_FAILED,
	    ok         ? "ok"
		: some ? "partial"
		       : "failed",
	    ok ? NULL : &in->first);
	intake_free(in);
}

static void
on_region(void *arg, const struct csp_region *r)
{
	struct intake *in = arg;
	char id[ID_MAX + 1];
	struct place *p;

	region_id(r->csp, r->id, id);
	if (in->n >= REGIONS_MAX || !id_valid(id)) {
		log_warn("conns", NULL, "a region is left out");
		return;
	}
	intake_add(in, id, r->csp, r->id);
	p = &in->v[in->n - 1];
	p->display = xstrdup(r->display);
	p->lat = r->lat;
	p->lon = r->lon;
	p->has_location = r->has_location;
}

static void
on_regions(void *arg, const struct mw_err *err)
{
	struct intake *in = arg;

	in->first = *err;
	actions_progress(in->c->actions, in->action, 0, (int64_t)in->n);
	intake_go(in);
}

/* "aws" and "us-east-1" to "aws-us-east-1", within the grammar of ids. */
static void
region_id(const char *csp, const char *region, char out[ID_MAX + 1])
{
	size_t n = 0;

	for (const char *parts[] = { csp, "-", region }, **p = parts;
	     p < parts + ARRAY_LEN(parts); p++)
		for (const char *s = *p; *s && n < ID_MAX; s++)
			out[n++] = isalnum((unsigned char)*s)
			    ? (char)tolower((unsigned char)*s)
			    : '-';
	out[n] = 0;
}
