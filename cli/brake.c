/*
 * brake.c - see brake.h. Owns the drivers' connections and what was seen; of
 * networks, groups and keys it is brake_part.c.
 *
 * A VM is taken for gone when the cloud says so, or when it is missed after a
 * terminate that was accepted: twice if it was seen deleting, else five times
 * over the time that the cloud's lists may lag (the rules R5 and R10 of the
 * lifecycle). Accepted alone proves nothing: it is asked for again and again.
 */
#include "cli/brake.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "drivers/http.h"
#include "drivers/seal.h"

#include <libgen.h>
#include <string.h>

#define FILE_MAX ((size_t)8 << 20)
#define CONNS_MAX 10000
#define OPEN_MAX 16 /* calls at a time */
#define TICK_NS (100 * NS_PER_MS)
#define ABSENT_MIN 5
#define FAILS_MAX 3 /* lists in a row; then a cloud cannot be asked */
#define ASK_MIN_NS (5 * NS_PER_S)
#define ASK_MAX_NS (60 * NS_PER_S)

static void
on_tick(void *arg)
{
	struct brake *b = arg;

	loop_timer_set(b->tick, TICK_NS);
}

bool
brake_drain(struct brake *b, size_t n)
{
	while (b->open > n && !cli_interrupted())
		event_base_loop(loop_base(b->loop), EVLOOP_ONCE);
	return !cli_interrupted();
}

bool
brake_nap(struct brake *b, int64_t ns)
{
	int64_t until = clock_mono_ns() + ns;

	while (clock_mono_ns() < until && !cli_interrupted())
		event_base_loop(loop_base(b->loop), EVLOOP_ONCE);
	return !cli_interrupted();
}

/* ---- connections --------------------------------------------------------- */

static bool
same(const struct brake_conn *a, const struct brake_conn *x)
{
	return str_eq(a->driver, x->driver) && str_eq(a->csp, x->csp) &&
	    str_eq(a->region, x->region) && str_eq(a->endpoint, x->endpoint) &&
	    str_eq(a->credential, x->credential) &&
	    str_eq(a->ca_file, x->ca_file);
}

/* "" and NULL, with and without slash. */
static bool
same_endpoint(const char *a, const char *x)
{
	size_t n = a ? strlen(a) : 0, m = x ? strlen(x) : 0;

	while (n > 1 && a[n - 1] == '/')
		n--;
	while (m > 1 && x[m - 1] == '/')
		m--;
	return n == m && (n == 0 || memcmp(a, x, n) == 0);
}

bool
brake_same_place(const struct brake_conn *a, const struct brake_conn *x)
{
	return a == x ||
	    (str_eq(a->driver, x->driver) && str_eq(a->csp, x->csp) &&
		str_eq(a->region, x->region) &&
		same_endpoint(a->endpoint, x->endpoint));
}

static void
conn_free(struct brake_conn *c)
{
	if (c->dc)
		c->drv->close(c->dc);
	free(c->id);
	free(c->driver);
	free(c->csp);
	free(c->region);
	free(c->endpoint);
	free(c->credential);
	free(c->ca_file);
	free(c);
}

/* Takes c; one that is there already is dropped: no VM counts twice. */
static void
conn_add(struct brake *b, struct brake_conn *c)
{
	struct drv_conf conf = {
		.id = c->id,
		.driver = c->driver,
		.csp = c->csp,
		.region = c->region,
		.endpoint = c->endpoint,
		.credential = c->credential,
		.ca_file = c->ca_file,
	};

	for (size_t i = 0; i < b->nconns; i++) {
		if (same(b->conns[i], c)) {
			conn_free(c);
			return;
		}
	}
	c->b = b;
	c->expand = !c->region;
	c->drv = driver_find(c->driver);
	if (!c->drv)
		driver_none(c->driver, &c->err);
	else if (!c->drv->open(&b->env, &conf, &c->dc, &c->err))
		c->dc = NULL;
	VEC_GROW(b->conns, b->nconns, b->conns_cap);
	b->conns[b->nconns++] = c;
}

static bool
read_conn(struct brake *b, const struct json_at *at, size_t i,
    struct mw_err *err)
{
	/* As the API shows and takes them; what is only shown is ignored. */
	static const char *const known[] = { "id", "driver", "csp", "region",
		"endpoint", "credential", "display", "lat", "lon", "verified",
		"verifiedReason", "prices", "caFile", "sshFrom", NULL };
	const char *id, *driver, *csp, *region, *endpoint, *credential, *ca;
	struct brake_conn *c;

	if (!json_no_others(at, known, err) ||
	    !json_get_str(at, "id", false, 255, &id, err) ||
	    !json_get_str(at, "driver", true, 32, &driver, err) ||
	    !json_get_str(at, "csp", false, 64, &csp, err) ||
	    !json_get_str(at, "region", false, 64, &region, err) ||
	    !json_get_str(at, "endpoint", false, 1024, &endpoint, err) ||
	    !json_get_str(at, "credential", false, 1024, &credential, err) ||
	    !json_get_str(at, "caFile", false, 1024, &ca, err))
		return false;
	if (csp && !region) {
		err_set(err, MW_INVALID, 0, "a cloud without region");
		return err_pointer(err, "%s/region", at->pointer);
	}
	c = xcalloc(1, sizeof *c);
	c->id = id ? xstrdup(id) : xasprintf("%s-%zu", driver, i + 1);
	c->driver = xstrdup(driver);
	c->csp = xstrdup(csp);
	c->region = xstrdup(region);
	c->endpoint = xstrdup(endpoint);
	c->credential = xstrdup(credential);
	c->ca_file = xstrdup(ca);
	conn_add(b, c);
	return true;
}

static bool
read_file(struct brake *b, const char *path, struct mw_err *err)
{
	json_t *j = json_load_path(path, FILE_MAX, err), *list = NULL;
	static const char *const keys[] = { "connections", "items",
		"deployment", NULL };
	struct json_at root, at;
	const char *key, *deployment;
	bool ok = false;

	if (!j || !json_at_root(&root, j, err) ||
	    !json_no_others(&root, keys, err) ||
	    !json_get_str(&root, "deployment", false, 64, &deployment, err))
		goto out;
	b->deployment = xstrdup(deployment);
	key = json_object_get(j, "items") ? "items" : "connections";
	if (!json_get_array(&root, key, true, 1, CONNS_MAX, &list, err))
		goto out;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_at_index(&at, &root, key, i, err) ||
		    !read_conn(b, &at, i, err))
			goto out;
	ok = true;
out:
	json_decref(j);
	if (!ok) {
		if (j)
			err_wrap(err, "%s", path);
		err_hint(err,
		    "{\"connections\":[{\"driver\":\"twin\",\"endpoint\":"
		    "\"/var/lib/milkyway/twin.sock\"}]}; docs/backup.md");
	}
	return ok;
}

struct brake *
brake_open(const char *path, struct mw_err *err)
{
	struct brake *b = xcalloc(1, sizeof *b);
	char *dir;

	b->loop = loop_new();
	b->http = http_new(b->loop, err);
	b->tick = loop_timer_new(b->loop, on_tick, b);
	loop_timer_set(b->tick, TICK_NS);
	b->env.loop = b->loop;
	b->env.http = b->http;
	dir = xstrdup(path);
	b->seal = seal_new(dirname(dir));
	b->env.vault = seal_vault(b->seal);
	free(dir);
	if (b->http && read_file(b, path, err))
		return b;
	brake_free(b);
	return NULL;
}

void
brake_free(struct brake *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->nconns; i++) {
		if (b->conns[i]->dc)
			b->conns[i]->drv->close(b->conns[i]->dc);
		b->conns[i]->dc = NULL;
	}
	/* What was closed answers on later turns. */
	for (int i = 0; i < 64; i++)
		event_base_loop(loop_base(b->loop), EVLOOP_NONBLOCK);
	if (b->http)
		http_free(b->http);
	for (size_t i = 0; i < b->nvms; i++) {
		struct brake_vm *v = b->vms[i];

		free(v->id);
		free(v->native);
		free(v->deployment);
		free(v->name);
		json_decref(v->tags);
		free(v);
	}
	brake_parts_free(b);
	for (size_t i = 0; i < b->nconns; i++)
		conn_free(b->conns[i]);
	free(b->conns);
	free(b->vms);
	loop_timer_free(b->tick);
	loop_free(b->loop);
	seal_free(b->seal);
	free(b->deployment);
	free(b);
}

bool
brake_stuck(const struct brake *b)
{
	bool any = false;

	for (size_t i = 0; i < b->nconns; i++) {
		const struct brake_conn *c = b->conns[i];

		if (c->err.code == MW_OK)
			continue;
		if (c->dc && c->fails < FAILS_MAX && c->part_fails < FAILS_MAX)
			return false;
		any = true;
	}
	return any;
}

size_t
brake_blind(const struct brake *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->nconns; i++)
		n += b->conns[i]->err.code != MW_OK;
	return n;
}

/* ---- looking ------------------------------------------------------------- */

void
brake_answer_err(const struct csp_answer *a, struct mw_err *err)
{
	struct str s = STR_INIT;
	const char *text = a->message ? a->message : "";

	str_add_escaped(&s, text, strlen(text), 200);
	err_set(err, a->reason == CSP_R_UNSENT ? MW_UNREACHABLE : MW_REMOTE, 0,
	    "%s%s%s", csp_class_name(a->cls), s.len ? ": " : "", str_cstr(&s));
	str_free(&s);
}

static void
put_name(struct brake_vm *v, const struct csp_vm *vm)
{
	static const char *const keys[] = { "mw-ns", "mw-mcis", "mw-vm" };
	struct str t = STR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *s = csp_tag_get(vm->tags, vm->ntags, keys[i]);

		if (s)
			str_addf(&t, "%s%s", t.len ? "/" : "", s);
	}
	v->name = str_take(&t);
	if (!v->name)
		v->name = xstrdup("");
}

static struct brake_vm *
vm_get(struct brake_conn *c, const struct csp_vm *vm, const char *deployment)
{
	struct brake *b = c->b;
	struct brake_vm *v;

	for (size_t i = 0; i < b->nvms; i++) {
		v = b->vms[i];
		if (!str_eq(v->id, vm->csp_id) || !brake_same_place(v->conn, c))
			continue;
		if (!brake_sees(v->conn))
			v->conn = c;
		return v;
	}
	v = xcalloc(1, sizeof *v);
	v->conn = c;
	v->id = xstrdup(vm->csp_id);
	v->deployment = xstrdup(deployment);
	v->created_at = vm->created_at;
	v->tags = json_object();
	for (size_t i = 0; i < vm->ntags; i++)
		json_put_str(v->tags, vm->tags[i].key, vm->tags[i].value);
	put_name(v, vm);
	VEC_GROW(b->vms, b->nvms, b->vms_cap);
	b->vms[b->nvms++] = v;
	return v;
}

/* Whatever the cloud's filter let through: only what carries the tag. */
static void
take_vm(struct brake_conn *c, const struct csp_vm *vm)
{
	const char *d = csp_tag_get(vm->tags, vm->ntags, "mw-deployment");
	/* Hosts from a file have words of their own. */
	const char *words = str_eq(c->driver, "static") ? "static" : c->csp;
	struct brake_vm *v;

	if (!d || !vm->csp_id || (c->b->only && !str_eq(d, c->b->only)))
		return;
	v = vm_get(c, vm, d);
	v->seen = true;
	v->cls = lc_class_of(words, vm->native);
	free(v->native);
	v->native = xstrdup(vm->native ? vm->native : "");
	v->absent = 0;
	v->deleting |= v->cls == LC_C_DELETING;
	v->gone = v->cls == LC_C_GONE;
}

bool
brake_sees(const struct brake_conn *c)
{
	return c->dc && c->err.code == MW_OK;
}

static void
missed(const struct brake_conn *c, struct brake_vm *v)
{
	struct csp_caps caps = c->drv->caps(c->dc);
	int64_t now = clock_mono_ns();

	if (v->seen || v->gone || !v->accepted)
		return;
	if (v->absent++ == 0)
		v->absent_ns = now;
	v->gone = (v->deleting && v->absent >= 2) ||
	    (v->absent >= ABSENT_MIN &&
		now - v->absent_ns >= caps.list_visible_max_s * NS_PER_S);
}

static void
on_list(struct csp_answer *take_a, void *arg)
{
	struct brake_conn *c = arg;
	struct brake *b = c->b;

	b->open--;
	if (take_a->cls == CSP_OK) {
		c->err = (struct mw_err)MW_ERR_INIT;
		c->fails = 0;
		c->listed = true;
		for (size_t i = 0; i < b->nvms; i++)
			if (b->vms[i]->conn == c)
				b->vms[i]->seen = false;
		for (size_t i = 0; i < take_a->nvms; i++)
			take_vm(c, &take_a->vms[i]);
		for (size_t i = 0; i < b->nvms; i++)
			if (b->vms[i]->conn == c)
				missed(c, b->vms[i]);
	} else {
		brake_answer_err(take_a, &c->err);
		c->fails++;
	}
	csp_answer_free(take_a);
}

static void
on_regions(struct csp_answer *take_a, void *arg)
{
	struct brake_conn *c = arg, *x;

	c->b->open--;
	if (take_a->cls != CSP_OK) {
		brake_answer_err(take_a, &c->err);
		c->fails++;
	} else {
		c->err = (struct mw_err)MW_ERR_INIT;
	}
	c->listed = take_a->cls == CSP_OK;
	for (size_t i = 0; c->listed && i < take_a->nregions; i++) {
		const struct csp_region *r = &take_a->regions[i];

		x = xcalloc(1, sizeof *x);
		x->id = xasprintf("%s-%s", r->csp ? r->csp : c->driver, r->id);
		x->driver = xstrdup(c->driver);
		x->csp = xstrdup(r->csp);
		x->region = xstrdup(r->id);
		x->endpoint = xstrdup(c->endpoint);
		x->credential = xstrdup(c->credential);
		x->ca_file = xstrdup(c->ca_file);
		conn_add(c->b, x);
	}
	csp_answer_free(take_a);
}

static void
ask(struct brake_conn *c, const char *only)
{
	struct csp_req *q =
	    csp_req_new(c->expand ? CSP_REGIONS : CSP_VM_LIST, c->id);
	struct csp_tag *tag = arena_array(q->arena, 1, sizeof *tag);

	if (only && !c->expand) {
		tag->key = "mw-deployment";
		tag->value = arena_strdup(q->arena, only);
		q->tags = tag;
		q->ntags = 1;
	}
	c->b->open++;
	c->drv->submit(c->dc, q, c->expand ? on_regions : on_list, c);
}

void
brake_list(struct brake *b, const char *only)
{
	bool more = true;

	b->only = only;
	/* Endpoints first: they add connections. */
	for (size_t i = 0; more && i < b->nconns; i++) {
		struct brake_conn *c = b->conns[i];

		if (!c->expand || !c->dc || c->listed)
			continue;
		ask(c, only);
		more = brake_drain(b, OPEN_MAX - 1);
	}
	more = more && brake_drain(b, 0);
	for (size_t i = 0; more && i < b->nconns; i++) {
		struct brake_conn *c = b->conns[i];

		if (c->expand || !c->dc)
			continue;
		ask(c, only);
		more = brake_drain(b, OPEN_MAX - 1);
	}
	brake_drain(b, 0);
}

/* ---- ending -------------------------------------------------------------- */

static void
on_end(struct csp_answer *take_a, void *arg)
{
	struct brake_vm *v = arg;
	struct mw_err err = MW_ERR_INIT;

	v->conn->b->open--;
	v->said[0] = 0;
	if (take_a->cls == CSP_OK || take_a->cls == CSP_NOT_FOUND) {
		v->accepted = true;
	} else {
		brake_answer_err(take_a, &err);
		str_copy(v->said, sizeof v->said, err.msg);
	}
	csp_answer_free(take_a);
}

void
brake_end(struct brake *b)
{
	bool more = true;

	for (size_t i = 0; more && i < b->nvms; i++) {
		struct brake_vm *v = b->vms[i];
		int64_t now = clock_mono_ns(), wait = ASK_MIN_NS;
		struct csp_req *q;

		if (v->gone || (v->asked && now < v->ask_ns))
			continue;
		wait <<= v->asked < 4 ? v->asked : 4;
		v->ask_ns = now + (wait < ASK_MAX_NS ? wait : ASK_MAX_NS);
		v->asked++;
		q = csp_req_new(CSP_VM_TERMINATE, v->conn->id);
		q->csp_id = arena_strdup(q->arena, v->id);
		b->open++;
		v->conn->drv->submit(v->conn->dc, q, on_end, v);
		more = brake_drain(b, OPEN_MAX - 1);
	}
	brake_drain(b, 0);
}
