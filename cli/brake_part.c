/*
 * brake_part.c - networks, groups and keys of a deployment, found by their tags
 * or names and ended after its VMs.
 *
 * Where a cloud keeps no tags for them their names tell: they are computed from
 * the deployment and the number of the MCIS, so all that can be are tried. A
 * part is gone when the cloud took its end and does not list it any more.
 */
#include "cli/brake.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/digest.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 16 /* calls at a time */
#define MCIS_MAX 65536 /* numbers that are tried */
#define NAME_LEN 24
#define ASK_MIN_NS NS_PER_S
#define ASK_MAX_NS (15 * NS_PER_S)
#define ABSENT_MIN 2

/* All names that parts of one deployment can have, sorted. */
struct brake_names {
	char *deployment;
	char (*v)[NAME_LEN];
	struct brake_names *next;
};

static const struct {
	enum csp_op remove;
	const char *name;
} kinds[] = {
	{ CSP_NET_DELETE, "network" },
	{ CSP_SG_DELETE, "security group" },
	{ CSP_KEY_DELETE, "SSH key" },
};

const char *
brake_part_kind(const struct brake_part *p)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].remove == p->remove)
			return kinds[i].name;
	return "part";
}

/* ---- whose is it? -------------------------------------------------------- */

static void
sha256(void *ctx, const void *p, size_t n, uint8_t out[32])
{
	(void)ctx;
	digest_sha256(p, n, out);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct brake_names *
names_of(struct brake *b, const char *deployment)
{
	struct brake_names *n = b->names;
	char name[LC_ID_LEN];

	while (n && !str_eq(n->deployment, deployment))
		n = n->next;
	if (n)
		return n;
	n = xcalloc(1, sizeof *n);
	n->deployment = xstrdup(deployment);
	n->v = xcalloc(MCIS_MAX, sizeof *n->v);
	for (int64_t i = 0; i < MCIS_MAX; i++) {
		lc_key_name(deployment, i + 1, sha256, NULL, name);
		str_copy(n->v[i], NAME_LEN, name);
	}
	qsort(n->v, MCIS_MAX, sizeof *n->v, by_text);
	n->next = b->names;
	b->names = n;
	return n;
}

static bool
is_of(struct brake *b, const char *key, const char *deployment)
{
	return deployment && strlen(key) < NAME_LEN &&
	    bsearch(key, names_of(b, deployment)->v, MCIS_MAX, NAME_LEN,
		by_text);
}

/* Of those that are asked for, that the file names, that VMs carry. */
static const char *
owner(struct brake *b, const struct csp_part *p)
{
	if (p->deployment)
		return p->deployment;
	if (is_of(b, p->key, b->only))
		return b->only;
	if (is_of(b, p->key, b->deployment))
		return b->deployment;
	for (size_t i = 0; !b->only && i < b->nvms; i++)
		if (is_of(b, p->key, b->vms[i]->deployment))
			return b->vms[i]->deployment;
	return "";
}

/* ---- looking ------------------------------------------------------------- */

static void
take_part(struct brake_conn *c, const struct csp_part *from)
{
	struct brake *b = c->b;
	const char *of = owner(b, from);
	struct brake_part *p = NULL;

	if (b->only && !str_eq(of, b->only))
		return;
	for (size_t i = 0; i < b->nparts && !p; i++)
		if (brake_same_place(b->parts[i]->conn, c) &&
		    b->parts[i]->remove == from->remove &&
		    str_eq(b->parts[i]->id, from->id))
			p = b->parts[i];
	if (!p) {
		p = xcalloc(1, sizeof *p);
		p->conn = c;
		p->remove = from->remove;
		p->id = xstrdup(from->id);
		p->key = xstrdup(from->key);
		p->deployment = xstrdup(of);
		VEC_GROW(b->parts, b->nparts, b->parts_cap);
		b->parts[b->nparts++] = p;
	}
	if (!brake_sees(p->conn))
		p->conn = c;
	p->seen = true;
	p->gone = false;
	p->absent = 0;
}

static void
on_parts(struct csp_answer *take_a, void *arg)
{
	struct brake_conn *c = arg;
	struct brake *b = c->b;
	struct mw_err why = MW_ERR_INIT;

	b->open--;
	if (take_a->cls != CSP_OK) {
		brake_answer_err(take_a, &why);
		err_set(&c->err, why.code, 0,
		    "its networks, groups and keys: %s", why.msg);
		c->part_fails++;
		csp_answer_free(take_a);
		return;
	}
	c->part_fails = 0;
	for (size_t i = 0; i < b->nparts; i++)
		if (b->parts[i]->conn == c)
			b->parts[i]->seen = false;
	for (size_t i = 0; i < take_a->nparts; i++)
		take_part(c, &take_a->parts[i]);
	for (size_t i = 0; i < b->nparts; i++) {
		struct brake_part *p = b->parts[i];

		if (p->conn == c && !p->seen)
			p->gone = ++p->absent >= ABSENT_MIN || p->accepted;
	}
	csp_answer_free(take_a);
}

static void
put_tag(struct csp_req *q, struct csp_tag *tags, const char *key,
    const char *value)
{
	tags[q->ntags].key = key;
	tags[q->ntags++].value = arena_strdup(q->arena, value);
	q->tags = tags;
}

void
brake_parts(struct brake *b, const char *only)
{
	bool more = true;

	for (size_t i = 0; more && i < b->nconns; i++) {
		struct brake_conn *c = b->conns[i];
		struct csp_req *q;

		/* one that did not list its VMs is asked for them first */
		if (c->expand || !c->dc || c->err.code != MW_OK)
			continue;
		q = csp_req_new(CSP_PART_LIST, c->id);
		if (only)
			put_tag(q,
			    arena_array(q->arena, 1, sizeof(struct csp_tag)),
			    "mw-deployment", only);
		b->open++;
		c->drv->submit(c->dc, q, on_parts, c);
		more = brake_drain(b, OPEN_MAX - 1);
	}
	brake_drain(b, 0);
}

/* ---- ending -------------------------------------------------------------- */

static void
on_removed(struct csp_answer *take_a, void *arg)
{
	struct brake_part *p = arg;
	struct mw_err err = MW_ERR_INIT;

	p->conn->b->open--;
	p->said[0] = '\0';
	p->accepted = take_a->cls == CSP_OK || take_a->cls == CSP_NOT_FOUND;
	if (!p->accepted) {
		brake_answer_err(take_a, &err);
		str_copy(p->said, sizeof p->said, err.msg);
	}
	csp_answer_free(take_a);
}

/* By VMs of its region, by a cloud that does not answer; a network by the group
 * that lives in it. */
static bool
blocked(const struct brake *b, const struct brake_part *p)
{
	if (p->conn->err.code != MW_OK)
		return true;
	for (size_t i = 0; i < b->nvms; i++)
		if (brake_same_place(b->vms[i]->conn, p->conn) &&
		    !b->vms[i]->gone)
			return true;
	for (size_t i = 0; p->remove == CSP_NET_DELETE && i < b->nparts; i++) {
		const struct brake_part *o = b->parts[i];

		if (brake_same_place(o->conn, p->conn) &&
		    o->remove == CSP_SG_DELETE && !o->gone && !o->accepted &&
		    str_eq(o->key, p->key))
			return true;
	}
	return false;
}

static void
remove_part(struct brake *b, struct brake_part *p)
{
	struct csp_req *q = csp_req_new(p->remove, p->conn->id);
	struct csp_tag *tags = arena_array(q->arena, 2, sizeof *tags);

	put_tag(q, tags, "mw-deployment", p->deployment);
	put_tag(q, tags, "mw-key", p->key);
	q->name = arena_strdup(q->arena, p->key);
	q->csp_id = arena_strdup(q->arena, p->id);
	q->key_name = p->remove == CSP_KEY_DELETE ? q->csp_id : q->name;
	b->open++;
	p->conn->drv->submit(p->conn->dc, q, on_removed, p);
}

static void
end_kind(struct brake *b, enum csp_op remove)
{
	bool more = true;

	for (size_t i = 0; more && i < b->nparts; i++) {
		struct brake_part *p = b->parts[i];
		int64_t now = clock_mono_ns(), wait = ASK_MIN_NS;

		if (p->remove != remove || p->gone || !b->only ||
		    !str_eq(p->deployment, b->only) || blocked(b, p) ||
		    (p->asked && now < p->ask_ns))
			continue;
		wait <<= p->asked < 5 ? p->asked : 5;
		p->ask_ns = now + (wait < ASK_MAX_NS ? wait : ASK_MAX_NS);
		p->asked++;
		remove_part(b, p);
		more = brake_drain(b, OPEN_MAX - 1);
	}
	brake_drain(b, 0);
}

void
brake_parts_end(struct brake *b)
{
	end_kind(b, CSP_KEY_DELETE);
	end_kind(b, CSP_SG_DELETE);
	end_kind(b, CSP_NET_DELETE);
}

void
brake_parts_free(struct brake *b)
{
	for (size_t i = 0; i < b->nparts; i++) {
		free(b->parts[i]->id);
		free(b->parts[i]->key);
		free(b->parts[i]->deployment);
		free(b->parts[i]);
	}
	free(b->parts);
	while (b->names) {
		struct brake_names *n = b->names;

		b->names = n->next;
		free(n->deployment);
		free(n->v);
		free(n);
	}
}
