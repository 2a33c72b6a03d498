/*
 * sim_cloud.c - calls: a request leaves, is lost, put off, given up, applied,
 * and its answer comes back or does not. What each operation does in a cloud
 * of each class.
 */
#include "tests/sim/sim_int.h"

#include "common/pure/num.h"

#include <string.h>

/* ---- reading -------------------------------------------------------------- */

static void
show(const struct sim *w, const struct vm *v, struct csp_answer *a,
    struct csp_vm *out)
{
	struct csp_tag *t = arena_array(a->arena, 3, sizeof *t);

	out->csp_id = arena_strdup(a->arena, v->id);
	out->native = cloud_native(w, v);
	out->public_ip = v->cls == LC_C_BOOT ? NULL : "10.0.0.1";
	if (v->untagged)
		return;
	t[0] = (struct csp_tag){ "mw-deployment", v->slot ? "dep" : "other" };
	t[1] =
	    (struct csp_tag){ "mw-slot", arena_strdup(a->arena, v->slot_tag) };
	t[2] = (struct csp_tag){ "mw-gen", arena_strdup(a->arena, v->gen_tag) };
	out->tags = t;
	out->ntags = 3;
}

static int64_t
tag_number(const struct csp_req *q, const char *key)
{
	const char *s = csp_tag_get(q->tags, q->ntags, key);
	int64_t n = 0;

	return s && num_parse_i64(s, strlen(s), 1, INT64_MAX, &n) ? n : 0;
}

/* A VM that is known drops out of the lists for a while. */
static void
maybe_hide(struct sim *w, struct vm *v)
{
	bool hit = sim_chance(w, SIM_F_HIDDEN);

	if (hit && v->live && v->listed &&
	    v->hidden + SIM_HIDDEN_S * NS_PER_S < w->now)
		v->hidden =
		    w->now + sim_fault_ns(w, SIM_F_HIDDEN, SIM_HIDDEN_S * 1000);
}

/*
 * A list comes in pages, and the driver joins them: one that fails makes all
 * of it fail, and what moves between them is seen twice or not at all. Lists
 * of one slot (R4, R7) are served from another index than the long ones.
 */
static void
do_list(struct sim *w, const struct csp_req *q, struct csp_answer *a,
    size_t conn)
{
	int64_t want = tag_number(q, "mw-slot");
	struct csp_vm *out =
	    arena_array(a->arena, 2 * w->nvms + 1, sizeof *out);

	a->cls = CSP_OK;
	a->vms = out;
	for (size_t i = 0; i < w->nvms; i++) {
		struct vm *v = &w->vms[i];
		bool miss;

		if (v->conn != conn)
			continue;
		if (want && want == v->slot)
			v->hidden = 0; /* and shown, so its absence is over */
		else if (!want && v->live)
			maybe_hide(w, v);
		if (!cloud_shown(w, v))
			continue;
		v->listed = true;
		/* A careless driver: strangers come along. */
		if (want && v->slot && want != v->slot)
			continue;
		miss = sim_chance(w, SIM_F_PAGE_MISS);
		if (miss && !want)
			continue;
		show(w, v, a, &out[a->nvms++]);
		if (sim_chance(w, SIM_F_PAGE_TWICE))
			show(w, v, a, &out[a->nvms++]);
	}
	for (size_t i = SIM_PAGE; i < a->nvms; i += SIM_PAGE) {
		if (!sim_chance(w, SIM_F_PAGE_CUT))
			continue;
		a->cls = CSP_AMBIGUOUS;
		a->nvms = 0;
	}
}

/* ---- creating ------------------------------------------------------------- */

static struct vm *
known(struct sim *w, const struct cloud *c, size_t conn, const char *token)
{
	struct vm *hit = NULL;

	for (size_t i = 0; i < w->nvms && c->cls != SIM_L; i++) {
		struct vm *v = &w->vms[i];

		if (v->conn != conn || !str_eq(v->token, token))
			continue;
		if (c->cls == SIM_N ? v->live
				    : w->now - v->born < SIM_TOKEN_S * NS_PER_S)
			hit = v;
	}
	return hit;
}

static bool
refused(struct sim *w, struct cloud *c, struct csp_answer *a)
{
	bool definite = sim_chance(w, SIM_F_DEFINITE);
	bool quota = sim_chance(w, SIM_F_QUOTA);
	bool hard = rng_below(&w->rng, 4) == 0;

	a->cls = CSP_DEFINITE;
	if (quota)
		c->quota_until = w->now + sim_fault_ns(w, SIM_F_QUOTA, 300000);
	if (c->quota_until > w->now) {
		a->reason = CSP_R_QUOTA;
		return true;
	}
	a->reason = hard ? CSP_R_CAPACITY : CSP_R_SERVER;
	return definite;
}

static void
do_create(struct sim *w, const struct csp_req *q, struct csp_answer *a,
    size_t conn)
{
	struct cloud *c = &w->clouds[conn];
	struct vm *hit = known(w, c, conn, q->token);
	struct csp_vm *out;

	if (hit && c->cls == SIM_N) {
		a->cls = CSP_CONFLICT;
		a->reason = CSP_R_EXISTS;
		return;
	}
	if (!hit && refused(w, c, a))
		return;
	if (!hit)
		hit = cloud_born(w, conn, tag_number(q, "mw-slot"),
		    tag_number(q, "mw-gen"), q->token);
	out = arena_array(a->arena, 1, sizeof *out);
	a->cls = CSP_OK;
	a->reason = CSP_R_NONE;
	a->csp_id = arena_strdup(a->arena, hit->id);
	show(w, hit, a, out);
	a->vms = out;
	a->nvms = 1;
}

/* ---- verbs ---------------------------------------------------------------- */

static void
do_terminate(struct sim *w, struct vm *v, struct csp_answer *a)
{
	bool lost = sim_chance(w, SIM_F_TERM_LOST);
	int64_t t = sim_between_ms(w, 100, 60000);

	check_terminate(w, v);
	a->cls = CSP_OK;
	if (v->live && v->cls != LC_C_DELETING && !lost)
		cloud_vm_goes(w, v, LC_C_DELETING, LC_C_GONE, t);
}

static void
do_power(struct sim *w, enum csp_op op, struct vm *v, struct csp_answer *a)
{
	int64_t t = sim_between_ms(w, 100, 30000);
	bool no = sim_chance(w, SIM_F_VERB_REFUSED);

	a->cls = CSP_CONFLICT;
	a->reason = CSP_R_BUSY;
	a->csp_id = arena_strdup(a->arena, v->id); /* for the oracle */
	if (!v->live || no) {
		a->cls = CSP_DEFINITE;
		a->reason = CSP_R_INVALID;
		return;
	}
	if (v->cls != LC_C_RUN &&
	    (v->cls != LC_C_STOPPED || op == CSP_VM_REBOOT))
		return;
	a->cls = CSP_OK;
	a->reason = CSP_R_NONE;
	if (op == CSP_VM_SUSPEND && v->cls == LC_C_RUN)
		cloud_vm_goes(w, v, LC_C_STOPPING, LC_C_STOPPED, t);
	else if (op == CSP_VM_RESUME && v->cls == LC_C_STOPPED)
		cloud_vm_goes(w, v, LC_C_BOOT, LC_C_RUN, t);
	else if (op == CSP_VM_REBOOT) {
		verbs_rebooted(w, v);
		cloud_vm_goes(w, v, LC_C_REBOOT, LC_C_RUN, t);
	}
}

static void
do_verb(struct sim *w, const struct csp_req *q, struct csp_answer *a,
    size_t conn)
{
	struct vm *v = cloud_vm(w, conn, q->csp_id);
	bool stale = sim_chance(w, SIM_F_STALE);

	if (!v || !cloud_shown(w, v) || stale) {
		a->cls = CSP_NOT_FOUND;
		return;
	}
	if (q->op == CSP_VM_TERMINATE)
		do_terminate(w, v, a);
	else
		do_power(w, q->op, v, a);
}

/* ---- the way there and back ----------------------------------------------- */

void
cloud_apply(struct sim *w, const struct ev *e)
{
	struct csp_req *q = e->p;
	struct csp_answer *a = csp_answer_new(q);
	size_t conn = cloud_of(w, q->connection);

	w->op = q->op;
	w->asked_by = e->epoch;
	a->sent = true;
	if (q->op == CSP_VM_LIST)
		do_list(w, q, a, conn);
	else if (q->op == CSP_VM_CREATE)
		do_create(w, q, a, conn);
	else
		do_verb(w, q, a, conn);
	sim_say(w, "%s #%llu %s %s %s n=%zu%s", csp_op_name(q->op),
	    (unsigned long long)q->id, q->connection,
	    q->csp_id ? q->csp_id : "", csp_class_name(a->cls), a->nvms,
	    e->silent ? " (nobody hears it)" : "");
	for (size_t i = 0; w->opt.trace && i < a->nvms; i++)
		sim_say(w, "  %s %s", a->vms[i].csp_id,
		    a->vms[i].native ? a->vms[i].native : "?");
	sim_hash(w, (uint64_t)q->op * 31 + (uint64_t)a->cls * 7 + a->nvms);
	if (!e->silent && sim_chance(w, SIM_F_ANSWER_LOST)) {
		a->cls = CSP_AMBIGUOUS;
		a->reason = CSP_R_TIMEOUT;
		a->csp_id = NULL;
		a->nvms = 0;
	}
	csp_req_free(q);
	if (e->silent) {
		csp_answer_free(a);
		return;
	}
	sim_push(w,
	    (struct ev){ .at = w->now + sim_between_ms(w, 5, 400),
		.kind = SIM_E_ANSWER,
		.epoch = e->epoch,
		.p = a });
}

static void
answer_only(struct sim *w, const struct csp_req *q, enum csp_class cls,
    int64_t at)
{
	struct csp_answer *a = csp_answer_new(q);

	a->cls = cls;
	a->sent = true;
	sim_say(w, "%s #%llu: %s", csp_op_name(q->op),
	    (unsigned long long)q->id, csp_class_name(cls));
	sim_push(w,
	    (struct ev){ .at = at,
		.kind = SIM_E_ANSWER,
		.epoch = w->epoch,
		.p = a });
}

void
cloud_send(struct sim *w, struct csp_req *q)
{
	struct cloud *c = &w->clouds[cloud_of(w, q->connection)];
	struct ev e = { .kind = SIM_E_APPLY, .epoch = w->epoch, .p = q };
	int64_t at = w->now + sim_between_ms(w, 5, 400);
	int64_t most = w->opt.beyond ? SIM_BEYOND_S : SIM_LATE_S;
	bool lost, throttled, late;

	w->op = q->op;
	if (sim_chance(w, SIM_F_OUTAGE)) {
		c->out_from = w->now;
		c->out_until = w->now + sim_fault_ns(w, SIM_F_OUTAGE, 1500000);
	}
	lost = sim_chance(w, SIM_F_LOST) ||
	    (w->now >= c->out_from && w->now < c->out_until);
	throttled = sim_chance(w, SIM_F_THROTTLE);
	late = sim_chance(w, SIM_F_LATE);
	lost = lost && !late; /* in an outage some get through */
	if (lost || throttled) {
		answer_only(w, q, lost ? CSP_AMBIGUOUS : CSP_THROTTLED, at);
		csp_req_free(q);
		return;
	}
	e.at = at;
	if (late) { /* the caller gives up, the request does not */
		answer_only(w, q, CSP_AMBIGUOUS, at);
		e.at = w->now + sim_fault_ns(w, SIM_F_LATE, most * 1000);
		e.silent = true;
	}
	sim_push(w, e);
}
