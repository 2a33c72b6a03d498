/*
 * test_lifecycle.c - tokens, and the reconciler on a small world without
 * faults; the tables are in test_status.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "lifecycle/priv.h"

#include <string.h>

/* ---- a world without faults ---------------------------------------------- */

#define VMS_MAX 300
#define TODO_MAX 4096

struct world {
	int64_t now, wake;
	struct rng rng;
	struct lc *lc;
	const char *csp;
	struct lc_txn *txns[TODO_MAX];
	struct csp_req *reqs[TODO_MAX];
	struct lc_install installs[TODO_MAX];
	size_t ntxns, nreqs, ninstalls;
	size_t rows, creates, mutations, unknown;
	const char *native[VMS_MAX]; /* by slot id, NULL: none */
	enum csp_class create_class[VMS_MAX];
	enum csp_reason create_reason[VMS_MAX];
	enum csp_class verb_class;
	bool no_install;
	bool no_contact; /* nothing was answered yet */
};

static int64_t
w_mono(void *ctx)
{
	return ((struct world *)ctx)->now;
}

static uint64_t
w_rand(void *ctx)
{
	return rng_u64(&((struct world *)ctx)->rng);
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
	struct world *w = ctx;

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
	return ((struct world *)ctx)->csp;
}

static void
w_wake(void *ctx, int64_t at)
{
	((struct world *)ctx)->wake = at;
}

static void
w_commit(void *ctx, struct lc_txn *t)
{
	struct world *w = ctx;

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
	struct world *w = ctx;

	assert_true(w->nreqs < TODO_MAX);
	w->reqs[w->nreqs++] = q;
	w->creates += q->op == CSP_VM_CREATE;
	w->mutations += csp_op_mutates(q->op);
}

static void
w_install(void *ctx, const struct lc_install *req)
{
	struct world *w = ctx;

	assert_true(w->ninstalls < TODO_MAX);
	w->installs[w->ninstalls++] = *req;
}

static void
show(struct world *w, int64_t slot, struct csp_answer *a, struct csp_vm *v)
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
answer(struct world *w, const struct csp_req *q)
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
static void
spin(struct world *w, int64_t for_s)
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

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);
	const struct lc_env env = { w, w_mono, w_mono, w_rand, w_sha, w_caps,
		w_csp, w_wake, w_commit, w_call, w_install };
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

static int
teardown(void **state)
{
	struct world *w = *state;

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

static enum lc_answer
put(struct world *w, int64_t count, const char *spec, enum lc_policy policy,
    unsigned flags)
{
	static int n;
	struct lc_wish_group g = { "g", count, { "c1", "", "img", "" }, "{}" };
	struct lc_wish x = { "default", "m", "", "{}", true, policy, &g, 1,
		false };
	char id[LC_ACTION_LEN];
	struct lc_who who = { id, "test", "/m", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct str t = STR_INIT;
	struct lc_reply r;
	enum lc_answer a;

	str_addf(&t, "ac-%d", ++n);
	str_copy(id, sizeof id, str_cstr(&t));
	str_free(&t);
	str_copy(g.spec.spec, sizeof g.spec.spec, spec);
	if (!lc_apply(w->lc, &x, flags, &who, &r, &err))
		return LC_NO;
	a = r.answer;
	lc_reply_free(&r);
	return a;
}

static enum lc_answer
act(struct world *w, const char *vm, enum lc_act what)
{
	static int n;
	char id[LC_ACTION_LEN];
	struct lc_who who = { id, "test", "/m", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct str t = STR_INIT;
	struct lc_reply r;
	enum lc_answer a;

	str_addf(&t, "ac-9%d", ++n);
	str_copy(id, sizeof id, str_cstr(&t));
	str_free(&t);
	if (!lc_do(w->lc, lc_mcis_find(w->lc, "default", "m"), vm, what, 0,
		&who, &r, &err))
		return LC_NO;
	a = r.answer;
	lc_reply_free(&r);
	return a;
}

static const char *
status(struct world *w)
{
	static char out[LC_GROUP_LEN];
	struct lc_mcis *m = lc_mcis_find(w->lc, "default", "m");

	if (!m)
		return "";
	lc_group_deck(m->counts, out);
	return out;
}

static void
tokens_are_stable_and_distinct(void **state)
{
	struct world *w = *state;
	char a[LC_TOKEN_LEN], b[LC_TOKEN_LEN];

	lc_token(w->lc, 12, 1, a);
	lc_token(w->lc, 12, 1, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 52);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 52);
	lc_token(w->lc, 1, 21, b); /* not by gluing digits */
	assert_string_not_equal(a, b);
	lc_token(w->lc, 12, 2, b);
	assert_string_not_equal(a, b);
}

static void
the_same_file_again_changes_nothing(void **state)
{
	struct world *w = *state;
	size_t rows, mutations;

	assert_int_equal(put(w, 17, "s1", LC_CONTINUE, 0), LC_GO);
	spin(w, 60);
	assert_string_equal(status(w), "Running-(17/17)");
	assert_true(lc_at_rest(w->lc));
	assert_int_equal(w->creates, 17);
	rows = w->rows;
	mutations = w->mutations;
	assert_int_equal(put(w, 17, "s1", LC_CONTINUE, 0), LC_NOOP);
	spin(w, 60);
	assert_int_equal(w->rows, rows);
	assert_int_equal(w->mutations, mutations);
}

static void
less_and_other_need_a_word(void **state)
{
	struct world *w = *state;

	put(w, 5, "s1", LC_CONTINUE, 0);
	spin(w, 60);
	assert_int_equal(put(w, 3, "s1", LC_CONTINUE, 0), LC_NO);
	assert_int_equal(put(w, 5, "s2", LC_CONTINUE, 0), LC_NO);
	assert_int_equal(put(w, 3, "s1", LC_CONTINUE, LC_ALLOW_REMOVE), LC_GO);
	spin(w, 60);
	assert_string_equal(status(w), "Running-(3/3)");
	assert_null(lc_vm_find(lc_mcis_first(w->lc), "g-4"));
	assert_int_equal(put(w, 3, "s2", LC_CONTINUE, LC_ALLOW_REPLACE), LC_GO);
	spin(w, 300);
	assert_string_equal(status(w), "Running-(3/3)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.gen, 2);
	assert_int_equal(put(w, 6, "s2", LC_CONTINUE, 0), LC_GO);
	spin(w, 60);
	assert_string_equal(status(w), "Running-(6/6)");
}

static void
verbs_go_round_and_repeat_as_noop(void **state)
{
	struct world *w = *state;

	put(w, 10, "s1", LC_CONTINUE, 0);
	assert_int_equal(act(w, NULL, LC_A_SUSPEND), LC_NO);
	spin(w, 30);
	assert_int_equal(act(w, NULL, LC_A_RESUME), LC_NOOP);
	assert_int_equal(act(w, NULL, LC_A_SUSPEND), LC_GO);
	assert_int_equal(act(w, NULL, LC_A_SUSPEND), LC_JOIN);
	spin(w, 30);
	assert_string_equal(status(w), "Suspended-(10/10)");
	assert_int_equal(act(w, NULL, LC_A_SUSPEND), LC_NOOP);
	assert_int_equal(act(w, NULL, LC_A_REBOOT), LC_NO);
	assert_int_equal(act(w, "g-3", LC_A_RESUME), LC_GO);
	spin(w, 30);
	assert_string_equal(status(w), "Partial-Suspended-(9/10)");
	assert_int_equal(act(w, NULL, LC_A_RESUME), LC_GO);
	spin(w, 30);
	assert_string_equal(status(w), "Running-(10/10)");
	assert_int_equal(act(w, NULL, LC_A_REBOOT), LC_GO);
	spin(w, 30);
	assert_string_equal(status(w), "Running-(10/10)");
	assert_int_equal(act(w, NULL, LC_A_TERMINATE), LC_GO);
	spin(w, 60);
	assert_string_equal(status(w), "Terminated-(10/10)");
	assert_int_equal(act(w, NULL, LC_A_TERMINATE), LC_NOOP);
	assert_int_equal(act(w, NULL, LC_A_REFINE), LC_GO);
	spin(w, 30);
	assert_string_equal(status(w), "Empty");
	assert_true(lc_at_rest(w->lc));
}

static void
a_failed_part_goes_on_back_or_away(void **state)
{
	static const struct {
		enum lc_policy policy;
		const char *status;
	} t[] = { { LC_CONTINUE, "Failed-(3/18)" }, { LC_ROLLBACK, "Empty" },
		{ LC_REFINE, "Running-(15/15)" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *st = NULL;
		struct world *w;

		setup(&st);
		w = st;
		for (int k = 3; k <= 9; k += 3) {
			w->create_class[k] = CSP_DEFINITE;
			w->create_reason[k] = CSP_R_CAPACITY;
		}
		put(w, 18, "s1", t[i].policy, 0);
		spin(w, 300);
		assert_string_equal(status(w), t[i].status);
		assert_null(lc_mcis_first(w->lc)->action);
		assert_true(lc_at_rest(w->lc));
		teardown(&st);
	}
}

/* A verb never sticks: whatever the cloud answers, it ends by its deadline and
 * the next command is taken. */
static void
verbs_leave_their_state(void **state)
{
	static const enum csp_class ends[] = { CSP_NOT_FOUND, CSP_CONFLICT,
		CSP_THROTTLED, CSP_DEFINITE, CSP_AMBIGUOUS };
	static const enum lc_act acts[] = { LC_A_SUSPEND, LC_A_REBOOT };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends) * ARRAY_LEN(acts); i++) {
		enum lc_act a = acts[i % ARRAY_LEN(acts)];
		void *st = NULL;
		struct world *w;

		setup(&st);
		w = st;
		put(w, 2, "s1", LC_CONTINUE, 0);
		spin(w, 30);
		w->verb_class = ends[i / ARRAY_LEN(acts)];
		assert_int_equal(act(w, NULL, a), LC_GO);
		spin(w, 3 * 600 + 60);
		assert_string_equal(status(w), "Running-(2/2)");
		assert_null(lc_mcis_first(w->lc)->action);
		w->verb_class = CSP_OK;
		assert_int_equal(act(w, NULL, a), LC_GO);
		spin(w, 60);
		assert_string_equal(status(w),
		    a == LC_A_SUSPEND ? "Suspended-(2/2)" : "Running-(2/2)");
		teardown(&st);
	}
}

static void
an_agent_that_fails_is_a_failed_part_but_a_running_vm(void **state)
{
	struct world *w = *state;

	w->no_install = true;
	put(w, 2, "s1", LC_CONTINUE, 0);
	spin(w, 60);
	assert_string_equal(status(w), "Running-(2/2)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.install,
	    LC_I_FAILED);
	assert_null(lc_mcis_first(w->lc)->action);
	w->no_install = false;
	/* The same file again tries the installation, not the VM. */
	assert_int_equal(put(w, 2, "s1", LC_CONTINUE, 0), LC_GO);
	spin(w, 60);
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.install,
	    LC_I_READY);
	assert_int_equal(w->creates, 2);
}

static void
an_agent_that_was_taken_away_stays_away(void **state)
{
	struct world *w = *state;
	struct lc_slot *s;
	struct mw_err err = MW_ERR_INIT;

	put(w, 1, "s1", LC_CONTINUE, 0);
	spin(w, 60);
	s = lc_vm_find(lc_mcis_first(w->lc), "g-1");
	assert_int_equal(s->inst.install, LC_I_READY);
	lc_on_uninstall(w->lc, s->row.slot_id, s->inst.gen + 1);
	assert_int_equal(s->inst.install, LC_I_READY); /* not this one */
	lc_on_uninstall(w->lc, s->row.slot_id, s->inst.gen);
	assert_int_equal(put(w, 1, "s1", LC_CONTINUE, 0), LC_NOOP);
	spin(w, 60);
	assert_int_equal(s->inst.install, LC_I_NONE);
	assert_string_equal(s->inst.install_step, "removed");
	assert_true(lc_reinstall(w->lc, s, &err));
	spin(w, 60);
	assert_int_equal(s->inst.install, LC_I_READY);
	assert_int_equal(w->creates, 1);
}

static void
a_deleted_group_is_forgotten_and_its_ids_stay_unused(void **state)
{
	struct world *w = *state;
	int64_t id;

	put(w, 2, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	id = lc_vm_find(lc_mcis_first(w->lc), "g-2")->row.slot_id;
	assert_int_equal(act(w, NULL, LC_A_DELETE), LC_GO);
	spin(w, 60);
	assert_null(lc_mcis_first(w->lc));
	put(w, 1, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	assert_true(lc_vm_find(lc_mcis_first(w->lc), "g-1")->row.slot_id > id);
}

static void
a_vanished_vm_is_told_and_reconcile_replaces_it(void **state)
{
	struct world *w = *state;

	put(w, 3, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	w->native[2] = "terminated";
	spin(w, 60);
	assert_string_equal(status(w), "Partial-Running-(2/3)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-2")->status,
	    LC_UNDEFINED);
	assert_int_equal(act(w, NULL, LC_A_RECONCILE), LC_GO);
	spin(w, 600);
	assert_string_equal(status(w), "Running-(3/3)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-2")->inst.gen, 2);
}

static void
abort_of_a_create_takes_back_what_it_added(void **state)
{
	struct world *w = *state;
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;

	put(w, 2, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	put(w, 6, "s1", LC_CONTINUE, 0);
	assert_true(lc_abort(w->lc, lc_mcis_first(w->lc)->action->row.action_id,
	    &txn, &err));
	spin(w, 120);
	assert_string_equal(status(w), "Running-(2/2)");
	assert_null(lc_mcis_first(w->lc)->action);
}

/* The process ended between a generation and the next: the older one may still
 * be on its way out, for as long as the driver says, which it says only after
 * the start. */
static void
a_restart_waits_no_longer_than_the_driver_says(void **state)
{
	struct world *w = *state;
	const struct lc_env env = { w, w_mono, w_mono, w_rand, w_sha, w_caps,
		w_csp, w_wake, w_commit, w_call, w_install };
	const struct lc_mcis_row m = { .mcis_id = 1,
		.ns = "default",
		.name = "m",
		.description = "",
		.labels = "{}" };
	const struct lc_slot_row s = { .slot_id = 1,
		.mcis_id = 1,
		.group = "g",
		.index = 1,
		.desired = true,
		.spec = { "c1", "s1", "img", "" },
		.spec_sha256 = "",
		.labels = "{}",
		.gen = 1,
		.reason = "" };
	const struct lc_inst_row in = { .slot_id = 1,
		.gen = 1,
		.phase = LC_P_DEAD,
		.connection = "c1",
		.csp_id = "i-7",
		.native = "",
		.cls = LC_C_DELETING,
		.public_ip = "",
		.private_ip = "",
		.zone = "",
		.ssh_user = "",
		.host_key = "",
		.host_key_trust = "",
		.host_id = "",
		.install_step = "",
		.install_error = "",
		.last_error = "" };
	struct lc_conf conf;

	lc_conf_defaults(&conf);
	str_copy(conf.deployment, sizeof conf.deployment, "dep");
	lc_free(w->lc);
	w->no_contact = true;
	w->lc = lc_new(&env, &conf);
	lc_load_next(w->lc, 2, 2);
	lc_load_mcis(w->lc, &m);
	lc_load_slot(w->lc, &s);
	lc_load_inst(w->lc, &in);
	lc_load_region(w->lc, "c1");
	lc_start(w->lc);
	spin(w, 40); /* SETTLE is 35 s and half of it */
	assert_int_equal(w->creates, 0);
	spin(w, 40);
	assert_int_equal(w->creates, 1);
	assert_string_equal(status(w), "Running-(1/1)");
}

static const struct lc_who who_tests = { "ac-77", "test", "/m", NULL };

static bool
scale(struct world *w, const char *group, int64_t n, unsigned flags,
    struct lc_reply *r, struct mw_err *err)
{
	const struct lc_wish_group g = { .name = group, .count = n };

	return lc_scale(w->lc, lc_mcis_find(w->lc, "default", "m"), &g, 1,
	    flags, &who_tests, r, err);
}

static void
scale_makes_more_of_the_same_and_fewer_by_a_word(void **state)
{
	struct world *w = *state;
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	put(w, 3, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	assert_true(scale(w, "g", 5, 0, &r, &err));
	assert_int_equal(r.answer, LC_GO);
	lc_reply_free(&r);
	spin(w, 30);
	assert_string_equal(status(w), "Running-(5/5)");
	assert_string_equal(
	    lc_vm_find(lc_mcis_first(w->lc), "g-5")->row.spec.spec, "s1");
	assert_false(scale(w, "g", 2, 0, &r, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_true(scale(w, "g", 2, LC_ALLOW_REMOVE, &r, &err));
	lc_reply_free(&r);
	spin(w, 60);
	assert_string_equal(status(w), "Running-(2/2)");
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(scale(w, "x", 2, 0, &r, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_non_null(strstr(err.hint, "it has g"));
	assert_int_equal(w->creates, 5);
}

/* The same plan has the same name until a slot or a generation changes. */
static void
a_plan_is_named_by_what_it_would_do(void **state)
{
	struct world *w = *state;
	struct mw_err err = MW_ERR_INIT;
	char first[LC_SHA_LEN];
	struct lc_reply r;

	put(w, 2, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	assert_true(scale(w, "g", 4, LC_DRY_RUN, &r, &err));
	str_copy(first, sizeof first, r.revision);
	lc_reply_free(&r);
	assert_int_equal(act(w, NULL, LC_A_SUSPEND), LC_GO);
	spin(w, 30);
	assert_true(scale(w, "g", 4, LC_DRY_RUN, &r, &err));
	assert_string_equal(r.revision, first); /* states are no matter */
	lc_reply_free(&r);
	assert_true(scale(w, "g", 5, LC_DRY_RUN, &r, &err));
	assert_string_not_equal(r.revision, first);
	lc_reply_free(&r);
	w->native[2] = "terminated";
	spin(w, 60);
	assert_int_equal(act(w, NULL, LC_A_RECONCILE), LC_GO);
	spin(w, 300);
	assert_true(scale(w, "g", 4, LC_DRY_RUN, &r, &err));
	assert_string_not_equal(r.revision, first); /* generation 2 */
	lc_reply_free(&r);
}

static void
a_verb_on_a_group_leaves_the_others(void **state)
{
	struct world *w = *state;
	struct lc_wish_group g[2] = {
		{ "a", 2, { "c1", "s1", "img", "" }, "{}" },
		{ "b", 1, { "c1", "s1", "img", "" }, "{}" },
	};
	const struct lc_wish x = { "default", "m", "", "{}", true, LC_CONTINUE,
		g, 2, false };
	struct mw_err err = MW_ERR_INIT;
	struct lc_mcis *m;
	struct lc_reply r;

	assert_true(lc_apply(w->lc, &x, 0, &who_tests, &r, &err));
	lc_reply_free(&r);
	spin(w, 30);
	m = lc_mcis_first(w->lc);
	assert_true(
	    lc_do_group(w->lc, m, "a", LC_A_SUSPEND, 0, &who_tests, &r, &err));
	assert_int_equal(r.n, 2);
	lc_reply_free(&r);
	assert_null(m->action);
	spin(w, 30);
	assert_string_equal(status(w), "Partial-Suspended-(2/3)");
	assert_false(
	    lc_do_group(w->lc, m, "a", LC_A_REBOOT, 0, &who_tests, &r, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_non_null(strstr(err.msg, "2 Suspended"));
	assert_non_null(strstr(err.hint, "resume, terminate"));
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(
	    lc_do_group(w->lc, m, "x", LC_A_RESUME, 0, &who_tests, &r, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_null(lc_mcis_first(w->lc)->action);
}

/* It ends when the clouds have answered, not before. */
static void
reconcile_ends_after_it_has_looked(void **state)
{
	struct world *w = *state;
	struct lc_mcis *m;

	put(w, 3, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	m = lc_mcis_first(w->lc);
	w->native[2] = "stopped"; /* by others, nobody has seen it */
	assert_int_equal(act(w, NULL, LC_A_RECONCILE), LC_GO);
	assert_non_null(m->action);
	assert_int_equal(m->counts[LC_RUNNING], 3);
	spin(w, 1);
	assert_null(m->action);
	assert_int_equal(m->counts[LC_SUSPENDED], 1);
	assert_true(lc_at_rest(w->lc));
	/* Also of one VM. */
	w->native[2] = "running";
	assert_int_equal(act(w, "g-2", LC_A_RECONCILE), LC_GO);
	spin(w, 1);
	assert_int_equal(m->counts[LC_RUNNING], 3);
}

static void
an_unknown_word_keeps_the_state(void **state)
{
	struct world *w = *state;

	put(w, 2, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	w->native[1] = w->native[2] = "wobbling";
	assert_int_equal(act(w, NULL, LC_A_RECONCILE), LC_GO);
	spin(w, 10);
	assert_string_equal(status(w), "Running-(2/2)");
	assert_int_equal(w->unknown, 1);
	spin(w, 600);
	assert_int_equal(w->unknown, 1); /* told once */
}

static void
a_vanished_vm_is_replaced_where_the_file_says_so(void **state)
{
	struct world *w = *state;
	struct lc_wish_group g = { "g", 2, { "c1", "s1", "img", "" }, "{}" };
	const struct lc_wish x = { "default", "m", "", "{}", true, LC_CONTINUE,
		&g, 1, true };
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	assert_true(lc_apply(w->lc, &x, 0, &who_tests, &r, &err));
	lc_reply_free(&r);
	spin(w, 30);
	w->native[1] = "terminated";
	spin(w, 900);
	assert_string_equal(status(w), "Running-(2/2)");
	assert_int_equal(lc_vm_find(lc_mcis_first(w->lc), "g-1")->inst.gen, 2);
}

static void
a_refusal_names_what_runs_and_for_how_long(void **state)
{
	struct world *w = *state;
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	put(w, 3, "s1", LC_CONTINUE, 0);
	spin(w, 30);
	w->verb_class = CSP_AMBIGUOUS;
	assert_int_equal(act(w, NULL, LC_A_SUSPEND), LC_GO);
	assert_false(lc_do(w->lc, lc_mcis_first(w->lc), NULL, LC_A_REBOOT, 0,
	    &who_tests, &r, &err));
	assert_non_null(strstr(err.msg, "suspend of m is under way, 0 of 3"));
	assert_non_null(strstr(err.hint, "600 s at most"));
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(lc_do(w->lc, lc_mcis_first(w->lc), "g-1", LC_A_REBOOT, 0,
	    &who_tests, &r, &err));
	assert_non_null(strstr(err.msg, "g-1 is Suspending"));
	assert_non_null(strstr(err.hint, "wait for suspend"));
}

#define T(f) cmocka_unit_test(f)
#define W(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int
main(void)
{
	const struct CMUnitTest tests[] = {
		W(tokens_are_stable_and_distinct),
		W(the_same_file_again_changes_nothing),
		W(less_and_other_need_a_word),
		W(verbs_go_round_and_repeat_as_noop),
		T(a_failed_part_goes_on_back_or_away),
		T(verbs_leave_their_state),
		W(an_agent_that_fails_is_a_failed_part_but_a_running_vm),
		W(an_agent_that_was_taken_away_stays_away),
		W(a_deleted_group_is_forgotten_and_its_ids_stay_unused),
		W(a_vanished_vm_is_told_and_reconcile_replaces_it),
		W(abort_of_a_create_takes_back_what_it_added),
		W(scale_makes_more_of_the_same_and_fewer_by_a_word),
		W(a_plan_is_named_by_what_it_would_do),
		W(a_verb_on_a_group_leaves_the_others),
		W(reconcile_ends_after_it_has_looked),
		W(an_unknown_word_keeps_the_state),
		W(a_vanished_vm_is_replaced_where_the_file_says_so),
		W(a_refusal_names_what_runs_and_for_how_long),
		W(a_restart_waits_no_longer_than_the_driver_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
