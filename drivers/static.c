/*
 * static.c - hosts that exist already, from a file. Create claims a free host
 * of the wanted spec and zone, terminate releases it, a host "runs" when its
 * SSH server greets. Suspend, resume and reboot are not supported.
 *
 * Both files are read anew at every call, so edits count at once and the
 * connections of one hosts file agree. They are small; only claim and release
 * write.
 */
#include "drivers/driver.h"

#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/drivers.h"
#include "drivers/static_hosts.h"
#include "drivers/static_probe.h"

#include <string.h>
#include <sys/stat.h>

#define KEY_FILE_MAX ((size_t)64 * 1024)

struct drv_conn {
	struct drv_env env;
	char *path, *csp, *region; /* csp and region may be NULL: all */
	bool closed;
	size_t ncalls;
};

struct static_call {
	struct drv_conn *conn;
	struct csp_req *req;
	struct csp_answer *answer;
	drv_done_fn done;
	void *arg;
	struct static_world world; /* filled if the op needs it */
	size_t probing;
	struct csp_vm *vms;
};

struct static_probe_arg {
	struct static_call *call;
	size_t vm;
};

static void call_end_later(struct static_call *c);

static void
no(struct static_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message)
{
	c->answer->cls = cls;
	c->answer->reason = reason;
	c->answer->message = arena_strdup(c->answer->arena, message);
}

static void
yes(struct static_call *c)
{
	c->answer->cls = CSP_OK;
	c->answer->reason = CSP_R_NONE;
}

static bool
ours(const struct drv_conn *conn, const struct static_host *h)
{
	return (!conn->csp || str_eq(conn->csp, h->csp)) &&
	    (!conn->region || str_eq(conn->region, h->region));
}

/* Catalogue --------------------------------------------------------------- */

static void
op_verify(struct static_call *c)
{
	for (size_t i = 0; i < c->world.nhosts; i++) {
		if (ours(c->conn, &c->world.hosts[i])) {
			yes(c);
			return;
		}
	}
	no(c, CSP_DEFINITE, CSP_R_INVALID,
	    "the hosts file has no host of this cloud and region");
}

static void
op_regions(struct static_call *c)
{
	struct csp_answer *a = c->answer;
	struct csp_region *rows =
	    arena_array(a->arena, c->world.nhosts + 1, sizeof *rows);

	for (size_t i = 0; i < c->world.nhosts; i++) {
		const struct static_host *h = &c->world.hosts[i];
		size_t k = 0;

		while (k < a->nregions &&
		    !(str_eq(rows[k].id, h->region) &&
			str_eq(rows[k].csp, h->csp)))
			k++;
		if (k < a->nregions || !ours(c->conn, h))
			continue;
		rows[k].id = arena_strdup(a->arena, h->region);
		rows[k].csp = arena_strdup(a->arena, h->csp);
		rows[k].display = rows[k].id;
		a->nregions++;
	}
	a->regions = rows;
	yes(c);
}

static void
op_specs(struct static_call *c)
{
	struct csp_answer *a = c->answer;
	struct csp_spec *rows =
	    arena_array(a->arena, c->world.nhosts + 1, sizeof *rows);

	for (size_t i = 0; i < c->world.nhosts; i++) {
		const struct static_host *h = &c->world.hosts[i];
		size_t k = 0;

		while (k < a->nspecs && !str_eq(rows[k].name, h->spec))
			k++;
		if (k < a->nspecs || !ours(c->conn, h))
			continue;
		rows[k].name = arena_strdup(a->arena, h->spec);
		rows[k].vcpu = h->vcpu;
		rows[k].memory_mib = h->memory_mib;
		rows[k].cost_per_hour_micros = h->cost_per_hour_micros;
		rows[k].currency = "USD";
		if (h->cost_per_hour_micros < 0)
			rows[k].cost_reason = "notInHostsFile";
		a->nspecs++;
	}
	a->specs = rows;
	yes(c);
}

/* What runs on a host is what is there. */
static void
op_images(struct static_call *c)
{
	struct csp_image *row = arena_alloc(c->answer->arena, sizeof *row);

	row->id = row->name = "any";
	c->answer->images = row;
	c->answer->nimages = 1;
	yes(c);
}

static void
op_nothing(struct static_call *c)
{
	c->answer->csp_id = "static";
	yes(c);
}

static void
op_unsupported(struct static_call *c)
{
	no(c, CSP_DEFINITE, CSP_R_UNSUPPORTED,
	    "hosts from a file are not switched on and off");
}

/* Claims ------------------------------------------------------------------ */

static const struct static_claim *
claim_of_host(const struct static_world *w, const char *host)
{
	for (size_t i = 0; i < w->nclaims; i++) {
		if (str_eq(w->claims[i].host, host))
			return &w->claims[i];
	}
	return NULL;
}

static bool
fits(const struct static_call *c, const struct static_host *h)
{
	const struct csp_req *q = c->req;

	return ours(c->conn, h) && str_eq(h->spec, q->spec) &&
	    (!q->zone || !q->zone[0] || str_eq(q->zone, h->zone));
}

/* The same token again: the same host, if it still fits. */
static bool
known_token(struct static_call *c)
{
	for (size_t i = 0; i < c->world.nclaims; i++) {
		const struct static_claim *cl = &c->world.claims[i];
		const struct static_host *h =
		    static_host_find(&c->world, cl->host);

		if (!str_eq(cl->token, c->req->token))
			continue;
		if (h && !fits(c, h)) {
			no(c, CSP_AMBIGUOUS, CSP_R_TOKEN_MISMATCH,
			    "this token holds a host of another kind");
			return true;
		}
		c->answer->csp_id = static_csp_id(c->answer->arena, cl);
		yes(c);
		return true;
	}
	return false;
}

static void
op_create(struct static_call *c)
{
	struct static_world *w = &c->world;
	struct static_claim *cl = &w->claims[w->nclaims];
	struct mw_err err = MW_ERR_INIT;

	if (!c->req->token || !c->req->spec) {
		no(c, CSP_DEFINITE, CSP_R_INVALID, "no token or no spec");
		return;
	}
	if (known_token(c))
		return;
	for (size_t i = 0; i < w->nhosts; i++) {
		if (!fits(c, &w->hosts[i]) ||
		    claim_of_host(w, w->hosts[i].name))
			continue;
		*cl = (struct static_claim){
			.host = w->hosts[i].name,
			.token = c->req->token,
			.name = c->req->name,
			.tags = c->req->tags,
			.ntags = c->req->ntags,
		};
		w->nclaims++;
		if (!static_save(c->conn->path, w, &err)) {
			no(c, CSP_AMBIGUOUS, CSP_R_SERVER, err.msg);
			return;
		}
		c->answer->csp_id = static_csp_id(c->answer->arena, cl);
		yes(c);
		return;
	}
	no(c, CSP_DEFINITE, CSP_R_CAPACITY,
	    "no free host of this spec in the hosts file");
}

static void
op_terminate(struct static_call *c)
{
	struct static_world *w = &c->world;
	struct static_claim *cl = static_claim_find(w, c->req->csp_id);
	struct mw_err err = MW_ERR_INIT;

	if (!cl) {
		no(c, CSP_NOT_FOUND, CSP_R_NONE, "no such claim");
		return;
	}
	*cl = w->claims[--w->nclaims];
	if (static_save(c->conn->path, w, &err))
		yes(c);
	else
		no(c, CSP_AMBIGUOUS, CSP_R_SERVER, err.msg);
}

/* Looking ----------------------------------------------------------------- */

static const char *
copy(struct static_call *c, const char *s)
{
	return arena_strdup(c->answer->arena, s);
}

static void
fill_vm(struct static_call *c, const struct static_claim *cl,
    const struct static_host *h, struct csp_vm *vm)
{
	struct arena *arena = c->answer->arena;
	struct csp_tag *tags = arena_array(arena, cl->ntags + 1, sizeof *tags);

	for (size_t i = 0; i < cl->ntags; i++) {
		tags[i].key = copy(c, cl->tags[i].key);
		tags[i].value = copy(c, cl->tags[i].value);
	}
	vm->csp_id = static_csp_id(arena, cl);
	vm->native = h ? "unreachable" : "unlisted";
	vm->token = copy(c, cl->token);
	vm->name = copy(c, cl->name);
	vm->tags = tags;
	vm->ntags = cl->ntags;
	if (!h)
		return;
	vm->public_ip = copy(c, h->address);
	vm->zone = copy(c, h->zone);
	vm->ssh_user = copy(c, h->user);
	vm->ssh_port = h->port;
	vm->host_key = copy(c, h->host_key);
}

static void
on_probe(void *p, bool banner)
{
	struct static_probe_arg *pa = p;
	struct static_call *c = pa->call;

	if (banner)
		c->vms[pa->vm].native = "running";
	free(pa);
	if (--c->probing == 0)
		call_end_later(c);
}

static void
look(struct static_call *c, const struct static_claim *cl)
{
	const struct static_host *h = static_host_find(&c->world, cl->host);
	size_t i = c->answer->nvms++;
	struct static_probe_arg *pa;

	fill_vm(c, cl, h, &c->vms[i]);
	if (!h)
		return;
	pa = xmalloc(sizeof *pa);
	*pa = (struct static_probe_arg){ c, i };
	c->probing++;
	static_probe(c->conn->env.loop, h->address, h->port, on_probe, pa);
}

static void
op_get(struct static_call *c)
{
	const struct static_claim *cl =
	    static_claim_find(&c->world, c->req->csp_id);

	if (!cl) {
		no(c, CSP_NOT_FOUND, CSP_R_NONE, "no such claim");
		return;
	}
	c->answer->vms = c->vms = arena_alloc(c->answer->arena, sizeof *c->vms);
	c->answer->csp_id = copy(c, c->req->csp_id);
	yes(c);
	look(c, cl);
}

static bool
wanted(const struct static_call *c, const struct static_claim *cl)
{
	const struct static_host *h = static_host_find(&c->world, cl->host);
	const struct csp_req *q = c->req;

	if ((h && !ours(c->conn, h)) ||
	    (q->token && !str_eq(q->token, cl->token)))
		return false;
	for (size_t i = 0; i < q->ntags; i++) {
		if (!str_eq(csp_tag_get(cl->tags, cl->ntags, q->tags[i].key),
			q->tags[i].value))
			return false;
	}
	return true;
}

static void
op_list(struct static_call *c)
{
	c->answer->vms = c->vms =
	    arena_array(c->answer->arena, c->world.nclaims + 1, sizeof *c->vms);
	yes(c);
	for (size_t i = 0; i < c->world.nclaims; i++) {
		if (wanted(c, &c->world.claims[i]))
			look(c, &c->world.claims[i]);
	}
}

static void (*const ops[CSP_OP_COUNT])(struct static_call *c) = {
	[CSP_VERIFY] = op_verify,
	[CSP_REGIONS] = op_regions,
	[CSP_SPECS] = op_specs,
	[CSP_IMAGES] = op_images,
	[CSP_NET_ENSURE] = op_nothing,
	[CSP_SG_ENSURE] = op_nothing,
	[CSP_KEY_ENSURE] = op_nothing,
	[CSP_VM_CREATE] = op_create,
	[CSP_VM_GET] = op_get,
	[CSP_VM_LIST] = op_list,
	[CSP_VM_SUSPEND] = op_unsupported,
	[CSP_VM_RESUME] = op_unsupported,
	[CSP_VM_REBOOT] = op_unsupported,
	[CSP_VM_TERMINATE] = op_terminate,
	[CSP_CONSOLE] = op_unsupported,
	[CSP_NET_DELETE] = op_nothing,
	[CSP_SG_DELETE] = op_nothing,
	[CSP_KEY_DELETE] = op_nothing,
	[CSP_PART_LIST] = op_nothing,
};

/* Calls ------------------------------------------------------------------- */

static void
conn_unref(struct drv_conn *conn)
{
	if (!conn->closed || conn->ncalls > 0)
		return;
	free(conn->path);
	free(conn->csp);
	free(conn->region);
	free(conn);
}

static void
call_end(void *p)
{
	struct static_call *c = p;
	struct drv_conn *conn = c->conn;

	c->done(c->answer, c->arg);
	static_world_free(&c->world);
	csp_req_free(c->req);
	free(c);
	conn->ncalls--;
	conn_unref(conn);
}

static void
call_end_later(struct static_call *c)
{
	loop_reap(c->conn->env.loop, call_end, c);
}

static void
static_submit(struct drv_conn *conn, struct csp_req *take_req, drv_done_fn done,
    void *arg)
{
	struct static_call *c = xcalloc(1, sizeof *c);
	struct mw_err err = MW_ERR_INIT;

	c->conn = conn;
	c->req = take_req;
	c->answer = csp_answer_new(take_req);
	c->done = done;
	c->arg = arg;
	conn->ncalls++;
	if (!static_load(conn->path, &c->world, &err))
		no(c, CSP_DEFINITE, CSP_R_UNSENT, err.msg);
	else
		ops[take_req->op](c);
	if (c->probing == 0)
		call_end_later(c);
}

static bool
static_open(const struct drv_env *env, const struct drv_conf *conf,
    struct drv_conn **out, struct mw_err *err)
{
	struct drv_conn *conn;

	if (!conf->endpoint || conf->endpoint[0] != '/') {
		err_set(err, MW_INVALID, 0,
		    "the endpoint of static hosts is the path of their file");
		return err_pointer(err, "/endpoint");
	}
	conn = xcalloc(1, sizeof *conn);
	conn->env = *env;
	conn->path = xstrdup(conf->endpoint);
	conn->csp = xstrdup(conf->csp);
	conn->region = xstrdup(conf->region);
	*out = conn;
	return true;
}

static void
static_close(struct drv_conn *conn)
{
	conn->closed = true;
	conn_unref(conn);
}

/* A path that is not absolute starts at the hosts file. */
static char *
key_path(const struct drv_conn *conn, const char *name)
{
	const char *slash = strrchr(conn->path, '/');

	if (name[0] == '/')
		return xstrdup(name);
	return xasprintf("%.*s/%s", (int)(slash - conn->path), conn->path,
	    name);
}

static bool
read_key(const char *path, struct str *key, struct mw_err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & 077) != 0) {
		err_set(err, MW_DENIED, 0, "%s: others may use this key", path);
		return err_hint(err, "chmod 600 %s", path);
	}
	return file_read(path, KEY_FILE_MAX, key, err);
}

static bool
static_login_key(const struct drv_conn *conn, const char *csp_id,
    struct str *key, struct mw_err *err)
{
	const struct static_host *h;
	const struct static_claim *cl;
	struct static_world w;
	bool ok = true;
	char *path;

	if (!static_load(conn->path, &w, err))
		return false;
	cl = static_claim_find(&w, csp_id);
	h = cl ? static_host_find(&w, cl->host) : NULL;
	if (h && h->key_file) {
		path = key_path(conn, h->key_file);
		ok = read_key(path, key, err);
		free(path);
	}
	static_world_free(&w);
	return ok;
}

static struct csp_caps
static_caps(const struct drv_conn *conn)
{
	(void)conn;
	/* files do not lag: an answer is final when it is given */
	return (struct csp_caps){
		.flags = CSP_CAP_IDEM_TOKEN | CSP_CAP_TAG_ATOMIC |
		    CSP_CAP_LIST_BY_TAG | CSP_CAP_LIST_BY_TOKEN |
		    CSP_CAP_CREATE,
		.create_deadline_s = 600,
	};
}

const struct driver driver_static = {
	.name = "static",
	.open = static_open,
	.close = static_close,
	.caps = static_caps,
	.submit = static_submit,
	.login_key = static_login_key,
};
