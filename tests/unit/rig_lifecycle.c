/*
 * rig_lifecycle.c - a small world without faults around the lifecycle: time
 * passes in rig_spin() only, which serves what the lifecycle asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rig_lifecycle.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <stdio.h>
#include <string.h>

static int64_t
w_mono(void *ctx)
{
	return ((struct rig *)ctx)->now;
}

static uint64_t
w_rand(void *ctx)
{
	return rng_u64(&((struct rig *)ctx)->rng);
}

static void
w_sha(void *ctx, const void *p, size_t n, uint8_t out[32])
{
	uint64_t h = n;

	(void)ctx;
	for (size_t i = 0; i < n; i++)
		h = rng_mix(h * 31 + ((const uint8_t *)p)[i]);
	for (int i = 0; i < 4; i++) {
		h = rng_mix(h);
		memcpy(out + 8 * i, &h, 8);
	}
}

static bool
w_caps(void *ctx, const char *connection, struct csp_caps *out)
{
	struct rig *w = ctx;

	(void)connection;
	*out = (struct csp_caps){
		.flags = CSP_CAP_IDEM_TOKEN | CSP_CAP_LIST_BY_TAG,
		.late_apply_max_s = w->no_contact ? 300 : 30,
		.list_visible_max_s = w->no_contact ? 120 : 5,
	};
	return true;
}

static const char *
w_csp(void *ctx, const char *connection)
{
	(void)connection;
	return ((struct rig *)ctx)->csp;
}

static void
w_wake(void *ctx, int64_t at)
{
	((struct rig *)ctx)->wake = at;
}

static void
w_commit(void *ctx, struct lc_txn *t)
{
	struct rig *w = ctx;

	assert_true(w->ntxns < TODO_MAX);
	w->txns[w->ntxns++] = t;
	for (size_t i = 0; i < t->n; i++) {
		w->rows += t->rows[i].kind != LC_ROW_EVENT;
		w->unknown += t->rows[i].kind == LC_ROW_EVENT &&
		    t->rows[i].u.event.kind == LC_EV_UNKNOWN;
	}
}

static void
w_call(void *ctx, struct csp_req *q)
{
	struct rig *w = ctx;

	assert_true(w->nreqs < TODO_MAX);
	w->reqs[w->nreqs++] = q;
	w->creates += q->op == CSP_VM_CREATE;
	w->mutations += csp_op_mutates(q->op);
}

static void
w_install(void *ctx, const struct lc_install *req)
{
	struct rig *w = ctx;

	assert_true(w->ninstalls < TODO_MAX);
	w->installs[w->ninstalls++] = *req;
}

static void
show(struct rig *w, int64_t slot, struct csp_answer *a, struct csp_vm *v)
{
	struct lc_slot *s = lc_slot_find(w->lc, slot);
	struct csp_tag *t = arena_array(a->arena, 3, sizeof *t);

	t[0] = (struct csp_tag){ "mw-deployment", "dep" };
	t[1] = (struct csp_tag){ "mw-slot",
		arena_printf(a->arena, "%lld", (long long)slot) };
	t[2] = (struct csp_tag){ "mw-gen",
		arena_printf(a->arena, "%lld",
		    (long long)(s ? s->inst.gen : 1)) };
	v->csp_id = arena_printf(a->arena, "i-%lld", (long long)slot);
	v->native = w->native[slot];
	v->public_ip = "10.0.0.1";
	v->tags = t;
	v->ntags = 3;
}

static void
answer(struct rig *w, const struct csp_req *q)
{
	struct csp_answer *a = csp_answer_new(q);
	struct csp_vm *vms = arena_array(a->arena, VMS_MAX, sizeof *vms);
	const char *tag = csp_tag_get(q->tags, q->ntags, "mw-slot");
	int64_t slot = tag ? strtoll(tag, NULL, 10) : 0;

	w->no_contact = false;
	a->cls = CSP_OK;
	a->vms = vms;
	if (q->op == CSP_VM_LIST) {
		for (int64_t i = 1; i < VMS_MAX; i++) {
			if (w->native[i])
				show(w, i, a, &vms[a->nvms++]);
		}
	} else if (q->op == CSP_VM_CREATE && w->create_class[slot] != CSP_OK) {
		a->cls = w->create_class[slot];
		a->reason = w->create_reason[slot];
	} else if (q->op == CSP_VM_CREATE) {
		w->native[slot] = "running";
		show(w, slot, a, &vms[a->nvms++]);
		a->csp_id = vms[0].csp_id;
	} else if (w->verb_class != CSP_OK) {
		a->cls = w->verb_class;
	} else if (q->op == CSP_VM_TERMINATE) {
		w->native[slot] = "terminated";
	} else if (q->op == CSP_VM_SUSPEND) {
		w->native[slot] = "stopped";
	} else {
		w->native[slot] = "running";
	}
	lc_on_csp(w->lc, a);
	csp_answer_free(a);
}

/* Serves everything that is asked until the given time has passed. */
void
rig_spin(struct rig *w, int64_t for_s)
{
	int64_t end = w->now + for_s * NS_PER_S;

	for (;;) {
		if (w->ntxns > 0) {
			struct lc_txn *t = w->txns[0];

			memmove(w->txns, w->txns + 1,
			    --w->ntxns * sizeof *w->txns);
			lc_on_commit(w->lc, t);
		} else if (w->nreqs > 0) {
			struct csp_req *q = w->reqs[0];

			memmove(w->reqs, w->reqs + 1,
			    --w->nreqs * sizeof *w->reqs);
			answer(w, q);
			csp_req_free(q);
		} else if (w->ninstalls > 0) {
			struct lc_install in = w->installs[--w->ninstalls];
			struct lc_install_result r = { .id = in.id,
				.ok = !w->no_install,
				.definite = true,
				.step = "login",
				.reason = "no",
				.user = "debian" };

			lc_on_install(w->lc, &r);
			if (r.ok)
				lc_on_agent(w->lc, in.slot_id, in.gen, "b1");
		} else if (w->wake && w->wake <= end) {
			w->now = w->wake > w->now ? w->wake : w->now;
			w->wake = 0;
			lc_on_timer(w->lc);
		} else {
			break;
		}
	}
	w->now = end;
}

struct lc_env
rig_env(struct rig *w)
{
	return (struct lc_env){ w, w_mono, w_mono, w_rand, w_sha, w_caps, w_csp,
		w_wake, w_commit, w_call, w_install };
}

int
rig_setup(void **state)
{
	struct rig *w = xcalloc(1, sizeof *w);
	const struct lc_env env = rig_env(w);
	struct lc_conf conf;

	w->now = NS_PER_S;
	w->csp = "aws";
	rng_seed(&w->rng, 1);
	lc_conf_defaults(&conf);
	str_copy(conf.deployment, sizeof conf.deployment, "dep");
	w->lc = lc_new(&env, &conf);
	lc_start(w->lc);
	*state = w;
	return 0;
}

int
rig_teardown(void **state)
{
	struct rig *w = *state;

	for (size_t i = 0; i < w->nreqs; i++)
		csp_req_free(w->reqs[i]);
	while (w->ntxns > 0) {
		struct lc_txn *t = w->txns[--w->ntxns];

		arena_free(t->arena);
		free(t->rows);
		free(t->slots);
		free(t);
	}
	lc_free(w->lc);
	free(w);
	return 0;
}

enum lc_answer
rig_put(struct rig *w, int64_t count, const char *spec, enum lc_policy policy,
    unsigned flags)
{
	static int n;
	struct lc_wish_group g = { "g", count, { "c1", "", "img", "" }, "{}" };
	struct lc_wish x = { "default", "m", "", "{}", true, policy, &g, 1,
		false };
	char id[LC_ACTION_LEN];
	struct lc_who who = { id, "test", "/m", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;
	enum lc_answer a;

	snprintf(id, sizeof id, "ac-%d", ++n);
	str_copy(g.spec.spec, sizeof g.spec.spec, spec);
	if (!lc_apply(w->lc, &x, flags, &who, &r, &err))
		return LC_NO;
	a = r.answer;
	lc_reply_free(&r);
	return a;
}

enum lc_answer
rig_act(struct rig *w, const char *vm, enum lc_act what)
{
	static int n;
	char id[LC_ACTION_LEN];
	struct lc_who who = { id, "test", "/m", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;
	enum lc_answer a;

	snprintf(id, sizeof id, "ac-9%d", ++n);
	if (!lc_do(w->lc, lc_mcis_find(w->lc, "default", "m"), vm, what, 0,
		&who, &r, &err))
		return LC_NO;
	a = r.answer;
	lc_reply_free(&r);
	return a;
}

const char *
rig_status(struct rig *w)
{
	static char out[LC_GROUP_LEN];
	struct lc_mcis *m = lc_mcis_find(w->lc, "default", "m");

	if (!m)
		return "";
	lc_group_deck(m->counts, out);
	return out;
}
