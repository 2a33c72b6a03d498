/*
 * test_bench.c - which VM benchmarks when: hosts, order, deadlines, silence,
 * restarts. The agents, the mesh and the lifecycle are fakes below; the store
 * is real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/link/agents.h"
#include "coordinator/measure/bench_int.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/store/db_bench.h"
#include "coordinator/coord.h"
#include "coordinator/events.h"
#include "coordinator/link/link.h"
#include "coordinator/measure/mesh.h"
#include "lifecycle/lifecycle.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define VMS 6

static struct coord coord;
static char dir[64];
static struct lc_mcis mcis;
static struct lc_slot slots[VMS];
static char vm_ids[VMS][24];
static bool up[VMS]; /* has a link */
static size_t sent[VMS], canceled[VMS];
static char last_kinds[VMS][128];
static bool round_runs;
static _Atomic int64_t skip_ns; /* the clock is so far ahead */
static enum action_state ended;
static char outcome[16];
static unsigned acks;

/* Fakes ------------------------------------------------------------------- */

struct lc_mcis *
lc_mcis_find(const struct lc *lc, const char *ns, const char *name)
{
	(void)lc;
	return str_eq(ns, "default") && str_eq(name, "m") ? &mcis : NULL;
}

struct lc_slot *
lc_slot_find(const struct lc *lc, int64_t slot_id)
{
	(void)lc;
	return slot_id >= 1 && slot_id <= VMS ? &slots[slot_id - 1] : NULL;
}

struct lc_slot *
lc_vm_find(const struct lc_mcis *m, const char *vm_id)
{
	struct lc_slot *s = m->slots;

	while (s && strcmp(s->vm_id, vm_id) != 0)
		s = s->next;
	return s;
}

bool
link_send(struct link *l, int64_t slot, int64_t gen, json_t *take_msg)
{
	size_t i = (size_t)slot - 1;
	bool job =
	    str_eq(json_string_value(json_object_get(take_msg, "type")), "job");
	char *kinds;

	(void)l;
	(void)gen;
	if (up[i]) {
		*(job ? &sent[i] : &canceled[i]) += 1;
		kinds = json_dumps(json_object_get(take_msg, "kinds"),
		    JSON_COMPACT);
		if (job)
			str_copy(last_kinds[i], sizeof last_kinds[i],
			    kinds ? kinds : "");
		free(kinds);
	}
	json_decref(take_msg);
	return up[i];
}

bool
mesh_busy(const struct mesh *m, const char *ns, const char *name)
{
	(void)m;
	(void)ns;
	(void)name;
	return round_runs;
}

void
mesh_kick(struct mesh *m)
{
	(void)m;
}

const struct agent *
agents_get(const struct agents *a, int64_t slot, int64_t gen)
{
	static const struct agent known;

	(void)a;
	(void)gen;
	return up[slot - 1] ? &known : NULL;
}

int64_t
agents_ttl_ms(const struct agents *a)
{
	(void)a;
	return 1000;
}

const struct conn_row *
conns_get(const struct conns *cs, const char *id)
{
	(void)cs;
	(void)id;
	return NULL;
}

const struct spec_row *
conns_spec(const struct conns *cs, const char *connection, const char *name)
{
	(void)cs;
	(void)connection;
	(void)name;
	return NULL;
}

uint64_t
events_emit(struct events *e, const struct event *ev)
{
	(void)e;
	(void)ev;
	return 0;
}

void
actions_new(struct actions *a, const char *kind, const char *target,
    int64_t total, char id[ACTION_ID_LEN])
{
	(void)a;
	(void)kind;
	(void)target;
	(void)total;
	ended = ACTION_RUNNING;
	str_copy(id, ACTION_ID_LEN, "ac-1");
}

bool
actions_claim(struct actions *a, const char *id)
{
	(void)a;
	return str_eq(id, "ac-1");
}

void
actions_step(struct actions *a, const char *id, const char *target,
    const char *step, enum action_state state, const char *message)
{
	(void)a;
	(void)id;
	(void)target;
	(void)step;
	(void)state;
	(void)message;
}

void
actions_progress(struct actions *a, const char *id, int64_t done, int64_t total)
{
	(void)a;
	(void)id;
	assert_true(done <= total);
}

void
actions_end(struct actions *a, const char *id, enum action_state state,
    const char *how, const struct mw_err *err)
{
	(void)a;
	(void)id;
	(void)err;
	ended = state;
	str_copy(outcome, sizeof outcome, how);
}

void
actions_on_cancel(struct actions *a, const char *kind,
    bool (*cancel)(void *arg, const char *id, struct mw_err *err), void *arg)
{
	(void)a;
	(void)kind;
	(void)cancel;
	(void)arg;
}

/* The stage --------------------------------------------------------------- */

static int64_t
mono(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec + skip_ns;
}

static int64_t
wall(void)
{
	return 1700000000 * NS_PER_S + mono();
}

static void
open_all(void)
{
	struct mw_err err = MW_ERR_INIT;
	char path[128];

	coord.loop = loop_new();
	snprintf(path, sizeof path, "%s/db", dir);
	coord.store = store_open(coord.loop, path, &err);
	assert_non_null(coord.store);
	coord.bench = bench_new(&coord, &err);
	assert_non_null(coord.bench);
	bench_resume(coord.bench);
}

static void
close_all(void)
{
	store_close(coord.store);
	bench_free(coord.bench);
	loop_free(coord.loop);
}

/* Two hosts: VMs 1..4 share one with two slots, 5 and 6 are alone. */
static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mw-bench.XXXXXX");
	assert_non_null(mkdtemp(dir));
	memset(sent, 0, sizeof sent);
	memset(canceled, 0, sizeof canceled);
	round_runs = false;
	skip_ns = 0;
	acks = 0;
	mcis = (struct lc_mcis){ .slots = slots, .nslots = VMS };
	str_copy(mcis.row.ns, sizeof mcis.row.ns, "default");
	str_copy(mcis.row.name, sizeof mcis.row.name, "m");
	for (size_t i = 0; i < VMS; i++) {
		struct lc_slot *s = &slots[i];

		*s = (struct lc_slot){ .mcis = &mcis,
			.status = LC_RUNNING,
			.next = i + 1 < VMS ? s + 1 : NULL };
		s->row.slot_id = (int64_t)i + 1;
		s->row.group = s->row.reason = "";
		s->row.spec = (struct lc_spec_row){ "", "", "", "" };
		s->inst.connection = s->inst.csp_id = s->inst.native = "";
		s->inst.public_ip = s->inst.private_ip = s->inst.zone = "";
		s->inst.host_id = s->inst.install_step = "";
		s->inst.install_error = s->inst.last_error = "";
		s->status_reason = s->boot_id = "";
		s->inst.gen = 1;
		snprintf(vm_ids[i], sizeof vm_ids[i], "v-%zu", i + 1);
		s->vm_id = vm_ids[i];
		if (i < 4) {
			s->inst.host_id = "h";
			s->inst.host_slots = 2;
			s->inst.host_need = 1;
		}
		up[i] = true;
	}
	clock_fake(mono, wall);
	open_all();
	return 0;
}

static int
teardown(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	close_all();
	clock_fake(NULL, NULL);
	assert_true(file_remove_tree(dir, &err));
	return 0;
}

static size_t
sum(const size_t *v)
{
	size_t n = 0;

	for (size_t i = 0; i < VMS; i++)
		n += v[i];
	return n;
}

/* Turns the loop until cond() or 20 s. */
static void
wait_for(bool (*cond)(void))
{
	int64_t end = clock_mono_ns() - skip_ns + 20 * NS_PER_S;

	while (!cond() && clock_mono_ns() - skip_ns < end)
		event_base_loop(loop_base(coord.loop), EVLOOP_ONCE);
	assert_true(cond());
}

/* Lets everything happen that is due now. */
static void
settle(void)
{
	for (int i = 0; i < 50; i++)
		event_base_loop(loop_base(coord.loop), EVLOOP_NONBLOCK);
}

static void
start(unsigned kinds, char run[24])
{
	struct bench_ask ask = { .ns = "default",
		.mcis = "m",
		.kinds = kinds,
		.profile = "quick" };
	struct mw_err err = MW_ERR_INIT;
	char action[24];

	if (!bench_start(coord.bench, &ask, run, action, &err))
		fail_msg("%s", err.msg);
	settle();
}

static void
on_ack(void *arg, bool ok)
{
	(void)arg;
	acks += ok;
}

static void
give(int64_t slot, const char *run, enum kind kind, int64_t seq)
{
	struct result r = { .kind = kind,
		.has_value = true,
		.value = 10,
		.validity = RESULT_OK };

	str_copy(r.run_id, sizeof r.run_id, run);
	bench_on_result(coord.bench, slot, 1, "ab", seq, &r, on_ack, NULL);
}

static void
say(int64_t slot, const char *run, const char *state)
{
	char job[48];

	snprintf(job, sizeof job, "%s.%lld", run, (long long)slot);
	bench_on_job_state(coord.bench, slot, 1, job, state, NULL, NULL, NULL);
}

static bool
is_over(void)
{
	return ended != ACTION_RUNNING;
}

static bool
all_acked(void)
{
	return acks >= 1;
}

static bool
two_acked(void)
{
	return acks >= 2;
}

static void
a_host_gives_no_more_than_its_slots(void **state)
{
	char run[24];

	(void)state;
	start(1u << KIND_CPUS, run);
	assert_int_equal(sum(sent), 4); /* two of h, and the two alone */
	assert_int_equal(sent[2] + sent[3], 0);
	give(1, run, KIND_CPUS, 1);
	say(1, run, "done");
	wait_for(all_acked);
	settle();
	assert_int_equal(sent[2], 1);
	assert_int_equal(sent[3], 0);
}

static void
two_runs_never_share_a_machine(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	char one[24], two[24];

	(void)state;
	start(1u << KIND_CPUS, one);
	start(1u << KIND_CPUS, two);
	assert_int_equal(sum(sent), 4);
	say(1, one, "failed");
	settle();
	assert_int_equal(sent[2], 1); /* of the first run: it came first */
	assert_int_equal(sent[0], 1);
	assert_true(bench_cancel(coord.bench, one, &err));
	settle();
	assert_int_equal(ended, ACTION_CANCELED);
	assert_int_equal(sum(sent), 5 + 4);
}

static void
a_run_ends_when_its_results_are_stored(void **state)
{
	char run[24];

	(void)state;
	for (size_t i = 1; i < VMS; i++)
		slots[i].status = LC_SUSPENDED;
	start(1u << KIND_CPUS | 1u << KIND_MEMR, run);
	say(1, run, "running");
	give(1, run, KIND_CPUS, 1);
	say(1, run, "done");
	settle();
	assert_false(is_over());
	give(1, run, KIND_MEMR, 2);
	wait_for(is_over);
	assert_int_equal(ended, ACTION_DONE);
	assert_string_equal(outcome, "ok");
}

static void
late_lost_and_absent_agents_fail_alone(void **state)
{
	char run[24];

	(void)state;
	up[5] = false; /* v-6 never comes */
	start(1u << KIND_CPUS, run);
	give(5, run, KIND_CPUS, 1);
	say(5, run, "done");
	bench_on_agent(coord.bench, 1, 1, false); /* v-1 is lost */
	wait_for(all_acked);
	skip_ns += 13 * NS_PER_S; /* 12 beats of 1 s, and one more */
	settle();
	/* v-3 takes the place of v-1 */
	for (int i = 0; i < 200 && !sent[2]; i++)
		event_base_loop(loop_base(coord.loop), EVLOOP_ONCE);
	assert_int_equal(sent[2], 1);
	skip_ns += 3600 * NS_PER_S; /* v-2, v-3: over their deadline */
	for (int i = 0; i < 200 && !sent[3]; i++)
		event_base_loop(loop_base(coord.loop), EVLOOP_ONCE);
	skip_ns += 3600 * NS_PER_S; /* v-4 */
	wait_for(is_over);
	assert_int_equal(ended, ACTION_DONE);
	assert_string_equal(outcome, "partial");
}

static void
a_lost_link_that_comes_back_gets_its_job_again(void **state)
{
	char run[24];

	(void)state;
	for (size_t i = 1; i < VMS; i++)
		slots[i].status = LC_SUSPENDED;
	start(1u << KIND_CPUS | 1u << KIND_MEMR, run);
	give(1, run, KIND_CPUS, 1);
	wait_for(all_acked);
	bench_on_agent(coord.bench, 1, 1, false);
	bench_on_agent(coord.bench, 1, 1, true);
	skip_ns += 3 * NS_PER_S;
	for (int i = 0; i < 200 && sent[0] < 2; i++)
		event_base_loop(loop_base(coord.loop), EVLOOP_ONCE);
	assert_int_equal(sent[0], 2);
	assert_string_equal(last_kinds[0], "[\"memR\"]");
}

static void
a_restart_goes_on_with_what_is_missing(void **state)
{
	char run[24];

	(void)state;
	for (size_t i = 1; i < VMS; i++)
		slots[i].status = LC_SUSPENDED;
	start(1u << KIND_CPUS | 1u << KIND_MEMR, run);
	give(1, run, KIND_CPUS, 1);
	close_all();
	assert_int_equal(acks, 1);
	open_all();
	settle();
	assert_int_equal(sent[0], 2);
	assert_string_equal(last_kinds[0], "[\"memR\"]");
	give(1, run, KIND_CPUS, 1); /* the spool sends it once more */
	give(1, run, KIND_MEMR, 2);
	say(1, run, "done");
	wait_for(is_over);
	assert_string_equal(outcome, "ok");
}

/* Variants of a kind are results of their own, before and after a restart. */
static void
variants_are_counted_apart(void **state)
{
	struct result r = { .kind = KIND_FIOR,
		.has_value = true,
		.value = 10,
		.validity = RESULT_OK };
	char run[24];

	(void)state;
	for (size_t i = 1; i < VMS; i++)
		slots[i].status = LC_SUSPENDED;
	start(LANE_BIT(KIND_FIOR) | LANE_BIT(LANE_FIOR_SEQ), run);
	assert_string_equal(last_kinds[0], "[\"fioR\",\"fioR.seq\"]");
	str_copy(r.run_id, sizeof r.run_id, run);
	str_copy(r.variant, sizeof r.variant, "seq");
	bench_on_result(coord.bench, 1, 1, "ab", 1, &r, on_ack, NULL);
	close_all();
	assert_int_equal(acks, 1);
	open_all();
	settle();
	assert_string_equal(last_kinds[0], "[\"fioR\"]");
	give(1, run, KIND_FIOR, 2);
	say(1, run, "done");
	wait_for(is_over);
	assert_string_equal(outcome, "ok");
}

static bool
read_back(struct db *db, void *arg, struct mw_err *err)
{
	struct str *out = arg;
	struct db_result_filter f = { .ns = "default",
		.mcis = "m",
		.kind = -1,
		.latest = true,
		.limit = 10 };

	return db_result_list(db, &f, out, err);
}

/* What is taken apart for the store is one object again when it is read. */
static void
the_environment_comes_back(void **state)
{
	struct result r = { .kind = KIND_FIOR,
		.has_value = true,
		.value = 10,
		.validity = RESULT_OK,
		.has_env = true };
	struct mw_err err = MW_ERR_INIT;
	struct str out = STR_INIT;
	const char *s;
	json_t *j, *env;
	char run[24];

	(void)state;
	start(LANE_BIT(KIND_FIOR), run);
	str_copy(r.run_id, sizeof r.run_id, run);
	str_copy(r.env.kernel, sizeof r.env.kernel, "6.1");
	str_copy(r.env.boot_id, sizeof r.env.boot_id, "b1");
	bench_on_result(coord.bench, 1, 1, "ab", 1, &r, on_ack, NULL);
	str_copy(r.env.boot_id, sizeof r.env.boot_id, "b2");
	bench_on_result(coord.bench, 2, 1, "ab", 1, &r, on_ack, NULL);
	wait_for(two_acked);
	assert_true(store_run_now(coord.store, read_back, &out, &err));
	s = str_cstr(&out);
	for (int i = 0; i < 2; i++) {
		size_t used = 0;
		json_error_t at;

		j = json_loads(s, JSON_DISABLE_EOF_CHECK, &at);
		assert_non_null(j);
		used = (size_t)at.position;
		env = json_object_get(j, "env");
		assert_string_equal(json_string_value(
					json_object_get(env, "kernel")),
		    "6.1");
		assert_string_equal(json_string_value(
					json_object_get(env, "bootId")),
		    i == 0 ? "b1" : "b2");
		assert_int_equal(strlen(json_string_value(
				     json_object_get(j, "envHash"))),
		    71);
		json_decref(j);
		s += used + 1;
	}
	str_free(&out);
}

static void
rounds_and_runs_wait_for_each_other(void **state)
{
	char run[24];

	(void)state;
	round_runs = true;
	start(1u << KIND_CPUS, run);
	assert_int_equal(sum(sent), 0);
	assert_false(bench_busy(coord.bench, "default", "m"));
	round_runs = false;
	bench_pump(coord.bench);
	settle();
	assert_int_equal(sum(sent), 4);
	assert_true(bench_busy(coord.bench, "default", "m"));
	assert_false(bench_busy(coord.bench, "default", "other"));
}

static void
cancel_tells_the_agents_that_work(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	char run[24];

	(void)state;
	start(1u << KIND_CPUS, run);
	assert_true(bench_cancel(coord.bench, run, &err));
	settle();
	assert_int_equal(ended, ACTION_CANCELED);
	assert_int_equal(sum(canceled), 4);
	assert_int_equal(sum(sent), 4);
	assert_false(bench_cancel(coord.bench, run, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
}

static void
without_an_agent_a_vm_fails_at_once(void **state)
{
	char run[24];

	(void)state;
	for (size_t i = 2; i < VMS; i++)
		slots[i].status = LC_SUSPENDED;
	up[0] = up[1] = false;
	slots[0].inst.install = LC_I_NONE; /* it was taken off */
	slots[0].inst.install_step = "removed";
	slots[1].inst.install = LC_I_FAILED;
	start(1u << KIND_CPUS, run);
	wait_for(is_over); /* without any waiting for agents to come */
	assert_int_equal(ended, ACTION_FAILED);
	assert_int_equal(sum(sent), 0);
	assert_true(skip_ns == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(a_host_gives_no_more_than_its_slots),
		T(two_runs_never_share_a_machine),
		T(a_run_ends_when_its_results_are_stored),
		T(late_lost_and_absent_agents_fail_alone),
		T(a_lost_link_that_comes_back_gets_its_job_again),
		T(a_restart_goes_on_with_what_is_missing),
		T(variants_are_counted_apart),
		T(the_environment_comes_back),
		T(rounds_and_runs_wait_for_each_other),
		T(cancel_tells_the_agents_that_work),
		T(without_an_agent_a_vm_fails_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
