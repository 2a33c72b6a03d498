/*
 * test_orphan.c - rule R8: VMs that no row explains, before and after a
 * restore; what is decided about them; generations of a new epoch.
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

#define REQS 512
#define VMS 8
#define EPOCH 7

/* A cloud that executes at once, and a store that commits at once. */
struct world {
	struct lc *lc;
	int64_t now;
	struct csp_req *reqs[REQS];
	struct lc_txn *txns[REQS];
	size_t nreqs, ntxns, creates, ends;
	struct {
		char id[32];
		int64_t slot, gen;
		bool there;
	} vms[VMS];
	size_t nvms;
	size_t puts, deletes;
	char last[16]; /* decision of the last event */
};

static int64_t
w_now(void *ctx)
{
	return ((struct world *)ctx)->now;
}

static uint64_t
w_rand(void *ctx)
{
	(void)ctx;
	return 4;
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
	(void)ctx;
	(void)connection;
	*out = (struct csp_caps){
		.flags = CSP_CAP_IDEM_TOKEN | CSP_CAP_LIST_BY_TAG,
		.late_apply_max_s = 30,
		.list_visible_max_s = 5,
	};
	return true;
}

static const char *
w_csp(void *ctx, const char *connection)
{
	(void)ctx;
	(void)connection;
	return "aws";
}

static void
w_wake(void *ctx, int64_t at)
{
	(void)ctx;
	(void)at;
}

static void
w_commit(void *ctx, struct lc_txn *t)
{
	struct world *w = ctx;

	assert_true(w->ntxns < REQS);
	w->txns[w->ntxns++] = t;
	for (size_t i = 0; i < t->n; i++) {
		const struct lc_row *r = &t->rows[i];

		w->puts += r->kind == LC_ROW_ORPHAN_PUT;
		w->deletes += r->kind == LC_ROW_ORPHAN_DELETE;
		if (r->kind == LC_ROW_EVENT && r->u.event.kind == LC_EV_ORPHAN)
			str_copy(w->last, sizeof w->last, r->u.event.to);
	}
}

static void
w_call(void *ctx, struct csp_req *q)
{
	struct world *w = ctx;

	assert_true(w->nreqs < REQS);
	w->reqs[w->nreqs++] = q;
}

static void
w_install(void *ctx, const struct lc_install *req)
{
	(void)ctx;
	(void)req;
}

static size_t
vm_add(struct world *w, int64_t slot, int64_t gen)
{
	struct str s = STR_INIT;

	assert_true(w->nvms < VMS);
	str_addf(&s, "i-%lld-%lld", (long long)slot, (long long)gen);
	str_copy(w->vms[w->nvms].id, sizeof w->vms[0].id, str_cstr(&s));
	str_free(&s);
	w->vms[w->nvms].slot = slot;
	w->vms[w->nvms].gen = gen;
	w->vms[w->nvms].there = true;
	return w->nvms++;
}

static void
show(struct csp_answer *a, const struct world *w, size_t i, struct csp_vm *v)
{
	struct csp_tag *t = arena_array(a->arena, 6, sizeof *t);

	t[0] = (struct csp_tag){ "mw-deployment", "dep" };
	t[1] = (struct csp_tag){ "mw-slot",
		arena_printf(a->arena, "%lld", (long long)w->vms[i].slot) };
	t[2] = (struct csp_tag){ "mw-gen",
		arena_printf(a->arena, "%lld", (long long)w->vms[i].gen) };
	t[3] = (struct csp_tag){ "mw-ns", "default" };
	t[4] = (struct csp_tag){ "mw-mcis", "g" };
	t[5] = (struct csp_tag){ "mw-vm", "a-1" };
	v->csp_id = w->vms[i].id;
	v->native = "running";
	v->public_ip = "10.0.0.1";
	v->tags = t;
	v->ntags = 6;
}

static const char *
tag(const struct csp_req *q, const char *key)
{
	return csp_tag_get(q->tags, q->ntags, key);
}

static void
list(struct world *w, const struct csp_req *q, struct csp_answer *a)
{
	struct csp_vm *v = arena_array(a->arena, VMS, sizeof *v);

	for (size_t i = 0; i < w->nvms; i++) {
		const char *slot = tag(q, "mw-slot"), *gen = tag(q, "mw-gen");

		if (!w->vms[i].there ||
		    (slot && strtoll(slot, NULL, 10) != w->vms[i].slot) ||
		    (gen && strtoll(gen, NULL, 10) != w->vms[i].gen))
			continue;
		show(a, w, i, &v[a->nvms++]);
	}
	a->vms = v;
}

static void
answer(struct world *w, struct csp_req *q)
{
	struct csp_answer *a = csp_answer_new(q);
	size_t i;

	a->cls = CSP_OK;
	if (q->op == CSP_VM_CREATE) {
		w->creates++;
		assert_string_equal(tag(q, "mw-mcis"), "g");
		i = vm_add(w, strtoll(tag(q, "mw-slot"), NULL, 10),
		    strtoll(tag(q, "mw-gen"), NULL, 10));
		a->csp_id = w->vms[i].id;
	} else if (q->op == CSP_VM_LIST) {
		list(w, q, a);
	} else if (q->op == CSP_VM_TERMINATE) {
		w->ends++;
		for (i = 0; i < w->nvms; i++)
			if (str_eq(w->vms[i].id, q->csp_id))
				w->vms[i].there = false;
	}
	lc_on_csp(w->lc, a);
	csp_answer_free(a);
	csp_req_free(q);
}

/* Seconds go by. */
static void
run(struct world *w, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		w->now += NS_PER_S;
		lc_on_timer(w->lc);
		while (w->ntxns || w->nreqs) {
			if (w->ntxns) {
				struct lc_txn *t = w->txns[0];

				memmove(w->txns, w->txns + 1,
				    --w->ntxns * sizeof t);
				lc_on_commit(w->lc, t);
			} else {
				struct csp_req *q = w->reqs[0];

				memmove(w->reqs, w->reqs + 1,
				    --w->nreqs * sizeof q);
				answer(w, q);
			}
		}
	}
}

static void
open_world(struct world *w)
{
	const struct lc_env env = {
		.ctx = w,
		.mono_ns = w_now,
		.wall_ns = w_now,
		.rand64 = w_rand,
		.sha256 = w_sha,
		.caps = w_caps,
		.csp_of = w_csp,
		.wake = w_wake,
		.commit = w_commit,
		.csp = w_call,
		.install = w_install,
	};
	struct lc_conf conf;

	lc_conf_defaults(&conf);
	conf.install = false;
	conf.sweep_s = 60;
	str_copy(conf.deployment, sizeof conf.deployment, "dep");
	w->now = 1000 * NS_PER_S;
	w->lc = lc_new(&env, &conf);
	lc_load_next(w->lc, 2, 11);
	lc_load_region(w->lc, "aws-1");
}

/* MCIS g with one slot, 10, as a row; its newest generation in that phase. */
static void
load_slot(struct world *w, int64_t gen, enum lc_phase phase)
{
	const struct lc_mcis_row m = { .mcis_id = 1,
		.ns = "default",
		.name = "g",
		.description = "",
		.labels = "{}",
		.key_id = "k" };
	const struct lc_slot_row s = { .slot_id = 10,
		.mcis_id = 1,
		.group = "a",
		.index = 1,
		.desired = true,
		.spec = { "aws-1", "small", "debian", "" },
		.spec_sha256 = "",
		.labels = "{}",
		.gen = gen,
		.reason = "" };
	struct lc_inst_row in = { .slot_id = 10,
		.gen = gen,
		.phase = phase,
		.connection = "aws-1",
		.csp_id = "i-10-1",
		.native = "running",
		.cls = phase == LC_P_DEAD ? LC_C_GONE : LC_C_RUN,
		.attempted = true,
		.public_ip = "",
		.private_ip = "",
		.zone = "",
		.ssh_user = "",
		.host_key = "",
		.host_key_trust = "",
		.host_id = "",
		.install_step = "",
		.install_error = "",
		.last_error = "",
		.status = LC_RUNNING };

	lc_load_mcis(w->lc, &m);
	lc_load_slot(w->lc, &s);
	if (gen)
		lc_load_inst(w->lc, &in);
}

static void
close_world(struct world *w)
{
	for (size_t i = 0; i < w->nreqs; i++)
		csp_req_free(w->reqs[i]);
	lc_free(w->lc);
}

static struct lc_orphan
only_orphan(const struct world *w)
{
	struct lc_orphan o;

	assert_int_equal(lc_orphan_count(w->lc), 1);
	lc_orphan_at(w->lc, 0, &o);
	return o;
}

static void
a_newer_vm_is_quarantined_until_it_is_gone(void **state)
{
	struct world w = { 0 };
	struct lc_orphan o;

	(void)state;
	open_world(&w);
	vm_add(&w, 77, 3);
	lc_start(w.lc);
	run(&w, 200);
	o = only_orphan(&w);
	assert_string_equal(o.decision, "quarantine");
	assert_string_equal(o.csp_id, "i-77-3");
	assert_string_equal(o.vm, "default/g/a-1");
	assert_string_equal(o.native, "running");
	assert_true(o.seen_at > o.first_seen_at);
	assert_int_equal(w.puts, 1); /* told once */
	assert_int_equal(w.ends, 0);
	w.vms[0].there = false;
	run(&w, 100);
	assert_int_equal(lc_orphan_count(w.lc), 1); /* missed is not gone */
	run(&w, 900);
	assert_int_equal(lc_orphan_count(w.lc), 0);
	assert_int_equal(w.deletes, 1);
	assert_string_equal(w.last, "gone");
	close_world(&w);
}

static void
a_generation_of_ours_that_is_over_is_ended(void **state)
{
	struct world w = { 0 };

	(void)state;
	open_world(&w);
	vm_add(&w, 5, 2); /* its slot was dropped long ago */
	lc_start(w.lc);
	run(&w, 70);
	assert_int_equal(w.ends, 1);
	assert_string_equal(only_orphan(&w).decision, "terminate");
	close_world(&w);
}

static void
after_a_restore_only_what_was_opened_is_known(void **state)
{
	struct world w = { 0 };

	(void)state;
	open_world(&w);
	lc_load_epoch(w.lc, EPOCH, 11);
	lc_load_known(w.lc, 5, 2);
	lc_load_known(w.lc, 5, 3 * LC_EPOCH_GENS + 4);
	lc_load_known(w.lc, 6, 9);
	vm_add(&w, 5, 2); /* ours: ended */
	vm_add(&w, 5, 3); /* newer than the copy */
	vm_add(&w, 5, 3 * LC_EPOCH_GENS + 5); /* the same */
	vm_add(&w, 4, 1); /* a slot without a generation */
	vm_add(&w, 5, 8 * LC_EPOCH_GENS + 1); /* of a later restore */
	lc_start(w.lc);
	run(&w, 3); /* a restored copy looks at once */
	assert_int_equal(w.ends, 1);
	assert_false(w.vms[0].there);
	assert_int_equal(lc_orphan_count(w.lc), 5);
	close_world(&w);
}

/* The copy knows generation 1, which is gone; generation 2 runs. */
static void
open_lost_time(struct world *w, enum lc_phase phase)
{
	open_world(w);
	lc_load_epoch(w->lc, EPOCH, 11);
	lc_load_known(w->lc, 10, 1);
	load_slot(w, 1, phase);
	vm_add(w, 10, 2);
	lc_start(w->lc);
}

static void
a_restored_slot_waits_for_the_decision(void **state)
{
	struct world w = { 0 };
	struct mw_err err = MW_ERR_INIT;
	const struct lc_slot *s;
	uint64_t txn;

	(void)state;
	open_lost_time(&w, LC_P_DEAD);
	run(&w, 2000);
	assert_int_equal(w.creates, 0);
	assert_int_equal(w.ends, 0);
	assert_string_equal(only_orphan(&w).decision, "quarantine");
	assert_true(
	    lc_decide(w.lc, NULL, "i-10-2", "ignore", "me", &txn, &err));
	assert_true(txn > 0);
	run(&w, 100);
	assert_int_equal(w.creates, 1);
	assert_int_equal(w.ends, 0);
	s = lc_slot_find(w.lc, 10);
	assert_int_equal(s->inst.gen, (int64_t)EPOCH * LC_EPOCH_GENS + 1);
	assert_int_equal(s->status, LC_RUNNING);
	assert_string_equal(only_orphan(&w).decision, "ignore");
	assert_string_equal(only_orphan(&w).actor, "me");
	close_world(&w);
}

static void
a_slot_without_generation_looks_first(void **state)
{
	struct world w = { 0 };
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;

	(void)state;
	open_world(&w);
	lc_load_epoch(w.lc, EPOCH, 11);
	load_slot(&w, 0, LC_P_NONE);
	vm_add(&w, 10, 1);
	lc_start(w.lc);
	run(&w, 500);
	assert_int_equal(w.creates, 0);
	assert_true(
	    lc_decide(w.lc, "aws-1", "i-10-1", "terminate", "me", &txn, &err));
	run(&w, 100);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.creates, 1);
	close_world(&w);
}

static void
a_slot_that_lacks_its_vm_adopts_it(void **state)
{
	struct world w = { 0 };
	struct mw_err err = MW_ERR_INIT;
	const struct lc_slot *s;
	uint64_t txn;

	(void)state;
	open_lost_time(&w, LC_P_DEAD);
	run(&w, 100);
	assert_true(lc_decide(w.lc, NULL, "i-10-2", "adopt", "me", &txn, &err));
	run(&w, 100);
	s = lc_slot_find(w.lc, 10);
	assert_string_equal(s->inst.csp_id, "i-10-2");
	assert_int_equal(s->inst.gen, 2);
	assert_int_equal(s->status, LC_RUNNING);
	assert_int_equal(lc_orphan_count(w.lc), 0);
	assert_int_equal(w.creates, 0);
	assert_int_equal(w.ends, 0);
	run(&w, 500); /* the sweep takes it for ours */
	assert_int_equal(lc_orphan_count(w.lc), 0);
	assert_true(w.vms[0].there);
	close_world(&w);
}

/* The row says Running; the VM it names is missed for long, then the slot may
 * take the other one. */
static void
a_vanished_vm_is_replaced_by_the_adopted_one(void **state)
{
	struct world w = { 0 };
	struct mw_err err = MW_ERR_INIT;
	const struct lc_slot *s;
	uint64_t txn;

	(void)state;
	open_lost_time(&w, LC_P_RUNNING);
	run(&w, 20);
	assert_false(
	    lc_decide(w.lc, NULL, "i-10-2", "adopt", "me", &txn, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_true(err.hint[0]);
	run(&w, 1500);
	s = lc_slot_find(w.lc, 10);
	assert_int_equal(s->status, LC_UNDEFINED);
	assert_true(lc_decide(w.lc, NULL, "i-10-2", "adopt", "me", &txn, &err));
	run(&w, 3000);
	assert_string_equal(s->inst.csp_id, "i-10-2");
	assert_int_equal(s->status, LC_RUNNING);
	assert_int_equal(w.creates, 0);
	assert_true(w.vms[0].there);
	close_world(&w);
}

static void
wrong_decisions_change_nothing(void **state)
{
	struct world w = { 0 };
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;

	(void)state;
	open_world(&w);
	vm_add(&w, 77, 3);
	lc_start(w.lc);
	run(&w, 70);
	assert_false(lc_decide(w.lc, NULL, "i-77-3", "sell", "me", &txn, &err));
	assert_int_equal(err.code, MW_INVALID);
	assert_false(
	    lc_decide(w.lc, NULL, "i-77-3", "quarantine", "me", &txn, &err));
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(lc_decide(w.lc, NULL, "i-1", "ignore", "me", &txn, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_false(
	    lc_decide(w.lc, "aws-2", "i-77-3", "ignore", "me", &txn, &err));
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(
	    lc_decide(w.lc, NULL, "i-77-3", "adopt", "me", &txn, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_string_equal(only_orphan(&w).decision, "quarantine");
	assert_int_equal(w.puts, 1);
	close_world(&w);
}

/* A group of the lost time is put again: its VM may live, and is billed. */
static void
a_name_that_waits_for_a_decision_is_not_made_again(void **state)
{
	struct world w = { 0 };
	struct mw_err err = MW_ERR_INIT;
	const struct lc_wish_group g = { .name = "a",
		.count = 1,
		.labels = "{}",
		.spec = { "aws-1", "small", "debian", "" } };
	const struct lc_wish wish = { .ns = "default",
		.name = "g",
		.description = "",
		.labels = "{}",
		.groups = &g,
		.ngroups = 1 };
	const struct lc_who who = { .action_id = "ac-1",
		.actor = "me",
		.target = "/g" };
	struct lc_reply out;
	uint64_t txn;

	(void)state;
	open_world(&w);
	lc_load_ns(w.lc, "default");
	vm_add(&w, 77, 3);
	lc_start(w.lc);
	run(&w, 70);
	assert_false(lc_apply(w.lc, &wish, 0, &who, &out, &err));
	assert_int_equal(err.code, MW_CONFLICT);
	assert_non_null(strstr(err.hint, "orphans terminate i-77-3"));
	assert_null(lc_mcis_find(w.lc, "default", "g"));
	assert_true(
	    lc_decide(w.lc, NULL, "i-77-3", "ignore", "me", &txn, &err));
	assert_true(lc_apply(w.lc, &wish, 0, &who, &out, &err));
	lc_reply_free(&out);
	run(&w, 70);
	assert_int_equal(w.creates, 1);
	close_world(&w);
}

static void
a_decision_outlives_the_process(void **state)
{
	struct world w = { 0 };
	const struct lc_orphan o = { .connection = "aws-1",
		.csp_id = "i-77-3",
		.slot_id = 77,
		.gen = 3,
		.decision = "ignore",
		.actor = "me",
		.first_seen_at = 1,
		.seen_at = 2,
		.native = "running" };

	(void)state;
	open_world(&w);
	lc_load_orphan(w.lc, &o);
	vm_add(&w, 77, 3);
	lc_start(w.lc);
	run(&w, 200);
	assert_int_equal(w.puts, 0); /* not told again */
	assert_int_equal(w.ends, 0);
	assert_string_equal(only_orphan(&w).decision, "ignore");
	close_world(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_newer_vm_is_quarantined_until_it_is_gone),
		cmocka_unit_test(a_generation_of_ours_that_is_over_is_ended),
		cmocka_unit_test(after_a_restore_only_what_was_opened_is_known),
		cmocka_unit_test(a_restored_slot_waits_for_the_decision),
		cmocka_unit_test(a_slot_without_generation_looks_first),
		cmocka_unit_test(a_slot_that_lacks_its_vm_adopts_it),
		cmocka_unit_test(a_vanished_vm_is_replaced_by_the_adopted_one),
		cmocka_unit_test(wrong_decisions_change_nothing),
		cmocka_unit_test(
		    a_name_that_waits_for_a_decision_is_not_made_again),
		cmocka_unit_test(a_decision_outlives_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
