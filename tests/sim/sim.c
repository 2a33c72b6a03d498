/*
 * sim.c - the world: its events in the order of time, chances, the end of the
 * faults, and what a run has come to.
 */
#include "tests/sim/sim_int.h"

#include <stdarg.h>
#include <string.h>

const struct sim_fault_kind sim_faults[SIM_FAULTS] = {
	[SIM_F_LOST] = { "lost", "a request never arrives", 20 },
	[SIM_F_THROTTLE] = { "throttle", "a request is put off", 20 },
	[SIM_F_ANSWER_LOST] = { "answer-lost", "applied, answer lost", 10 },
	[SIM_F_OUTAGE] = { "outage", "no answers for up to 1,500 s", 1000 },
	[SIM_F_LATE] = { "late", "given up, applied up to 300 s later", 20 },
	[SIM_F_DEFINITE] = { "definite", "a create is refused", 25 },
	[SIM_F_QUOTA] = { "quota", "others take the quota for a while", 60 },
	[SIM_F_VERB_REFUSED] = { "verb-refused", "a verb is refused", 30 },
	[SIM_F_STALE] = { "stale", "one NOT_FOUND of a live VM", 40 },
	[SIM_F_PAGE_CUT] = { "page-cut", "a list fails at a page", 60 },
	[SIM_F_PAGE_TWICE] = { "page-twice", "a VM is listed twice", 60 },
	[SIM_F_PAGE_MISS] = { "page-miss", "one list misses a VM", 60 },
	[SIM_F_INVISIBLE] = { "invisible", "new VMs unlisted for <= 120 s", 1 },
	[SIM_F_HIDDEN] = { "hidden", "a VM unlisted for <= 580 s", 60 },
	[SIM_F_VM_ERROR] = { "vm-error", "a boot ends in ERROR", 30 },
	[SIM_F_VM_DIES] = { "vm-dies", "a VM ends within 5,000 s", 12 },
	[SIM_F_TERM_LOST] = { "term-lost", "terminate accepted, forgotten",
	    10 },
	[SIM_F_PORTAL] = { "portal", "stopped and started by hand", 30 },
	[SIM_F_SSH] = { "ssh", "an installation fails", 4 },
	[SIM_F_HELLO_LOST] = { "hello-lost", "an agent is never heard of", 10 },
	[SIM_F_CRASH] = { "crash", "the process dies at a point", 1 },
	[SIM_F_POWER] = { "power", "a death loses the page cache", 2 },
	[SIM_F_ENOSPC] = { "enospc", "writes fail in a start of six", 200 },
	[SIM_F_EIO] = { "eio", "reads and writes fail in one of six", 300 },
	[SIM_F_FSYNC] = { "fsync", "syncs fail in a start of six", 60 },
	[SIM_F_DOWNTIME] = { "downtime", "up to 55 h to the next start", 8 },
	[SIM_F_WALL] = { "wall", "the wall clock jumps ten years", 6 },
	[SIM_F_RESTORE] = { "restore", "an old database is restored", 16 },
};

enum sim_fault
sim_fault_of(const char *name)
{
	int f = 0;

	while (f < SIM_FAULTS && !str_eq(sim_faults[f].name, name))
		f++;
	return (enum sim_fault)f;
}

void
sim_opt_defaults(struct sim_opt *o)
{
	*o = (struct sim_opt){ .seed = 1 };
	for (size_t i = 0; i < SIM_CONNS; i++)
		o->cls[i] = SIM_CLASSES;
}

/* ---- chance --------------------------------------------------------------- */

static bool
forced(struct sim *w, enum sim_fault f)
{
	struct force *o = &w->force[f];

	if (o->n == 0 || (o->op != CSP_OP_COUNT && o->op != w->op))
		return false;
	return --o->n == 0;
}

bool
sim_chance(struct sim *w, enum sim_fault f)
{
	/* Drawn always, so that switching faults off keeps the stream. */
	uint64_t r = rng_below(&w->rng, sim_faults[f].one_in);

	if (forced(w, f))
		return true;
	return r == 0 && w->faults && !(w->opt.faults_off >> f & 1);
}

int64_t
sim_between_ms(struct sim *w, int64_t lo, int64_t hi)
{
	return (lo + (int64_t)rng_below(&w->rng, (uint64_t)(hi - lo + 1))) *
	    NS_PER_MS;
}

int64_t
sim_fault_ns(struct sim *w, enum sim_fault f, int64_t hi_ms)
{
	int64_t ns = sim_between_ms(w, 0, hi_ms), fixed = w->force[f].for_ns;

	w->force[f].for_ns = -1;
	return fixed >= 0 ? fixed : ns;
}

void
sim_force(struct sim *w, enum sim_fault f, enum csp_op op, int64_t n)
{
	w->force[f].n = n;
	w->force[f].op = op;
}

void
sim_force_for(struct sim *w, enum sim_fault f, int64_t ns)
{
	w->force[f].for_ns = ns;
}

/* ---- what is told --------------------------------------------------------- */

void
sim_violation(struct sim *w, const char *what, int64_t slot, const char *fmt,
    ...)
{
	struct sim_bad *b = &w->res.bad;
	char text[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sim_say(w, "VIOLATION %s slot=%lld %s", what, (long long)slot, text);
	if (b->what)
		return;
	b->what = what;
	b->at = w->now;
	snprintf(b->text, sizeof b->text, "slot=%lld %s t=%lld",
	    (long long)slot, text, (long long)(w->now / NS_PER_S));
}

void
sim_say(struct sim *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->opt.trace)
		return;
	printf("%10.3f %d%s ", (double)w->now / 1e9, w->epoch,
	    w->dead ? "x" : "");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void
sim_hash(struct sim *w, uint64_t v)
{
	w->res.hash = rng_mix(w->res.hash ^ v);
}

/* ---- event heap ----------------------------------------------------------- */

static bool
before(const struct ev *a, const struct ev *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
sim_push(struct sim *w, struct ev e)
{
	size_t i = w->nheap;

	e.order = ++w->order;
	VEC_GROW(w->heap, w->nheap, w->heap_cap);
	w->nheap++;
	while (i > 0 && before(&e, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = e;
}

static struct ev
pop(struct sim *w)
{
	struct ev top = w->heap[0], last = w->heap[--w->nheap];
	size_t i = 0;

	for (;;) {
		size_t k = 2 * i + 1;

		if (k >= w->nheap)
			break;
		if (k + 1 < w->nheap && before(&w->heap[k + 1], &w->heap[k]))
			k++;
		if (!before(&w->heap[k], &last))
			break;
		w->heap[i] = w->heap[k];
		i = k;
	}
	w->heap[i] = last;
	return top;
}

void
sim_at(struct sim *w, int64_t at, void (*fn)(struct sim *w, void *arg),
    void *arg)
{
	sim_push(w,
	    (struct ev){ .at = at < w->now ? w->now : at,
		.kind = SIM_E_AT,
		.epoch = -1,
		.fn = fn,
		.p = arg });
}

/* ---- life of a world ------------------------------------------------------ */

static void
choose_clouds(struct sim *w)
{
	static const size_t n[8] = { 1, 1, 1, 1, 1, 2, 2, 3 };
	const struct sim_opt *o = &w->opt;

	w->nconns = o->nconns ? o->nconns : n[rng_below(&w->rng, 8)];
	for (size_t i = 0; i < SIM_CONNS; i++) {
		struct cloud *c = &w->clouds[i];
		uint64_t r = rng_below(&w->rng, SIM_CLASSES);

		c->cls = o->cls[i] != SIM_CLASSES ? o->cls[i]
		    : i == 0 ? (enum sim_class)(o->seed % SIM_CLASSES)
			     : (enum sim_class)r;
		snprintf(c->name, sizeof c->name, "c-%zu", i + 1);
	}
	/* Two strangers on each: of nobody, and of another deployment. */
	for (size_t i = 0; i < w->nconns; i++) {
		cloud_born(w, i, 0, 0, "stranger")->untagged = true;
		cloud_born(w, i, 0, 0, "other");
	}
}

/* Many short runs and some long ones find more than equal ones. */
static int64_t
faults_end(struct sim *w)
{
	bool longer = rng_below(&w->rng, 4) == 0;

	return (longer ? sim_between_ms(w, 3000000, 6000000)
		       : sim_between_ms(w, 300000, 3000000));
}

struct sim *
sim_new(const struct sim_opt *opt)
{
	struct sim *w = xcalloc(1, sizeof *w);
	bool fresh;

	sim_store_init();
	w->opt = *opt;
	w->texts = arena_new();
	rng_seed(&w->rng, opt->seed);
	rng_seed(&w->rng_user, rng_mix(opt->seed + 1));
	rng_seed(&w->rng_core, rng_mix(opt->seed + 2));
	w->rows.next_mcis = w->rows.next_slot = 1;
	w->next_commit = 1;
	w->after_ns = -1;
	w->crash_at = -1;
	w->calm_at = faults_end(w);
	w->rest_by = w->calm_at + SIM_REST_NS;
	for (size_t i = 0; i < SIM_FAULTS; i++)
		w->force[i].for_ns = -1;
	choose_clouds(w);
	w->faults = !opt->plain;
	w->wall = INT64_C(1700000000) * NS_PER_S;
	fresh =
	    opt->plain ? opt->fresh : rng_below(&w->rng, 32) == 0 || opt->fresh;
	vfs_begin(w, fresh);
	if (!opt->plain)
		user_plan(w);
	sim_boot(w);
	sim_bury(w);
	return w;
}

void
sim_free(struct sim *w)
{
	if (!w)
		return;
	while (w->nheap > 0) {
		struct ev e = pop(w);

		sim_ev_free(&e);
	}
	lc_free(w->lc);
	w->dead = true;
	sim_store_free(w);
	rows_free(&w->rows);
	rows_free(&w->backup);
	arena_free(w->texts);
	free(w->heap);
	free(w->vms);
	free(w);
}

static void
deliver(struct sim *w, const struct ev *e)
{
	switch (e->kind) {
	case SIM_E_VM:
	case SIM_E_VM_DIES:
	case SIM_E_PORTAL: cloud_event(w, e); break;
	case SIM_E_APPLY: cloud_apply(w, e); break;
	case SIM_E_USER:
		if (w->faults)
			user_step(w);
		break;
	case SIM_E_AT: e->fn(w, e->p); break;
	default: sim_proc_event(w, e); break;
	}
	sim_bury(w);
}

static void
one_event(struct sim *w)
{
	struct ev e = pop(w);

	w->now = e.at;
	sim_hash(w, (uint64_t)e.at ^ (uint64_t)e.kind << 56);
	deliver(w, &e);
	/* what the world does while nobody runs is no work of ours */
	w->res.events += w->up;
	if (w->res.events > SIM_EVENTS_MAX && !w->opt.plain)
		sim_violation(w, "I10_TOO_MANY_EVENTS", 0, "%d",
		    SIM_EVENTS_MAX);
}

bool
sim_go(struct sim *w, int64_t until)
{
	while (w->nheap > 0 && !w->res.bad.what && w->heap[0].at <= until)
		one_event(w);
	if (!w->res.bad.what && w->now < until)
		w->now = until;
	return !w->res.bad.what;
}

/* Keeps the world going when nothing else is under way. */
static void
tick(struct sim *w, void *arg)
{
	check_bounds(w);
	sim_at(w, w->now + 60 * NS_PER_S, tick, arg);
}

/* The faults end: from here on everything must come to rest. */
void
sim_calm(struct sim *w)
{
	w->faults = false;
	w->crash_at = -1;
	w->p_full = w->p_eio = w->p_sync = 0;
	w->rest_by = w->now + SIM_REST_NS;
	for (size_t i = 0; i < w->nvms; i++) {
		struct vm *v = &w->vms[i];

		v->hidden = 0;
		/* The operator was told, and decides. */
		if (v->live && cloud_lost(w, v))
			cloud_vm_gone(w, v);
	}
	for (size_t i = 0; i < SIM_CONNS; i++)
		w->clouds[i].out_until = w->clouds[i].quota_until = 0;
	sim_say(w, "CALM");
	tick(w, NULL);
}

/* Asks for what gave up, now and then. */
static bool
at_rest(struct sim *w)
{
	static const int64_t tries[] = { 1, 300, 900, 1500, 3000, 4500 };
	int64_t since = w->now - (w->rest_by - SIM_REST_NS);
	struct mw_err err = MW_ERR_INIT;

	if (!w->up)
		return false;
	if (w->asked < ARRAY_LEN(tries) &&
	    since >= tries[w->asked] * NS_PER_S) {
		w->asked++;
		(void)sim_act(w, LC_A_RECONCILE, NULL, &err);
		return false;
	}
	return w->asked > 0 && w->queue.n == 0 && lc_at_rest(w->lc) &&
	    check_settled(w);
}

bool
sim_end(struct sim *w)
{
	bool rest = false;

	sim_calm(w);
	while (w->nheap > 0 && !w->res.bad.what && !rest &&
	    w->heap[0].at <= w->rest_by) {
		one_event(w);
		rest = !w->faults && at_rest(w);
	}
	if (w->res.bad.what)
		return false;
	if (!rest) {
		check_rest(w);
		sim_violation(w, "I10_NO_REST", 0, "gaveUp, busy or pending");
		return false;
	}
	check_rest(w);
	if (!w->res.bad.what && w->opt.seed % 8 == 0)
		check_quiet_hour(w);
	return !w->res.bad.what;
}

bool
sim_run(const struct sim_opt *opt, struct sim_result *out)
{
	struct sim *w = sim_new(opt);
	bool ok;

	/* A long downtime moves the end of the faults. */
	do
		ok = sim_go(w, w->calm_at);
	while (ok && w->now < w->calm_at);
	ok = ok && sim_end(w);
	sim_result(w, out);
	sim_free(w);
	return ok;
}

const struct sim_bad *
sim_bad(const struct sim *w)
{
	return &w->res.bad;
}

void
sim_result(const struct sim *w, struct sim_result *out)
{
	*out = w->res;
	out->now = w->now;
	out->starts = (uint64_t)w->epoch;
	out->steps = w->step;
	out->calls = 0;
	for (size_t i = 0; i < CSP_OP_COUNT; i++)
		out->calls += w->calls[i];
}

int64_t
sim_now(const struct sim *w)
{
	return w->now;
}

struct lc *
sim_lc(struct sim *w)
{
	return w->up ? w->lc : NULL;
}

bool
sim_up(const struct sim *w)
{
	return w->up;
}
