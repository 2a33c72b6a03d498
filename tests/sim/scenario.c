/*
 * scenario.c - plays the steps of a scenario in the simulator and looks
 * whether what it expects has come true.
 */
#include "tests/sim/scenario.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* "within": how often it is looked at, in the first seconds and then */
#define LOOK_SOON_NS NS_PER_MS
#define LOOK_NS (100 * NS_PER_MS)
#define SOON_NS (10 * NS_PER_S)

struct play {
	struct sim *sim;
	const struct scn_step *s;
	uint64_t calls[CSP_OP_COUNT], told[LC_EV_COUNT]; /* at the mark */
	char saw[160]; /* what is, where another thing is expected */
};

static bool saw(struct play *p, bool ok, const char *fmt, ...) mw_printf(3, 4);

static bool
saw(struct play *p, bool ok, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->saw, sizeof p->saw, fmt, ap);
	va_end(ap);
	return ok;
}

static struct lc_mcis *
mcis(struct play *p)
{
	struct lc *lc = sim_lc(p->sim);

	return lc ? lc_mcis_find(lc, "default", "m") : NULL;
}

static struct lc_slot *
slot(struct play *p)
{
	struct lc_mcis *m = mcis(p);

	return m ? lc_vm_find(m, p->s->vm) : NULL;
}

/* The newest machine of the slot, live ones first; false: none ever. */
static bool
machine(struct play *p, size_t *at)
{
	const struct lc_slot_row *row = sim_slot_row(p->sim, p->s->vm);
	bool found = false, live = false;
	struct sim_vm v;

	for (size_t i = 0; row && sim_vm_at(p->sim, i, &v); i++) {
		if (v.slot != row->slot_id || (live && !v.live))
			continue;
		*at = i;
		found = true;
		live = v.live;
	}
	return found;
}

/* ---- what happens ---------------------------------------------------------- */

static bool
asked(struct play *p, bool ok, const struct mw_err *said)
{
	if (ok == !p->s->refused)
		return true;
	return saw(p, false, ok ? "it was accepted" : "it was refused: %s",
	    said->msg);
}

static bool
do_wish(struct play *p)
{
	const struct scn_step *s = p->s;
	struct sim_wish w = { .n = s->nn,
		.spec = s->word[0] ? s->word : NULL,
		.policy = s->policy,
		.flags = s->flags };
	struct mw_err err = MW_ERR_INIT;

	memcpy(w.count, s->n, sizeof w.count);
	if (!sim_up(p->sim))
		return saw(p, false, "the process is down");
	return asked(p, sim_wish(p->sim, &w, &err), &err);
}

static bool
do_act(struct play *p)
{
	struct mw_err err = MW_ERR_INIT;

	if (!sim_up(p->sim))
		return saw(p, false, "the process is down");
	return asked(p,
	    sim_act(p->sim, p->s->act, p->s->vm[0] ? p->s->vm : NULL, &err),
	    &err);
}

static bool
do_abort(struct play *p)
{
	struct mw_err err = MW_ERR_INIT;

	if (!sim_up(p->sim))
		return saw(p, false, "the process is down");
	return asked(p, sim_abort(p->sim, &err), &err);
}

static bool
do_fault(struct play *p)
{
	if (p->s->ns >= 0)
		sim_force_for(p->sim, p->s->fault, p->s->ns);
	sim_force(p->sim, p->s->fault, p->s->op, p->s->n[0]);
	return true;
}

static void
nothing(struct sim *w, void *arg)
{
	(void)w;
	(void)arg;
}

static bool
do_kill(struct play *p)
{
	if (!sim_up(p->sim))
		return saw(p, false, "the process is down");
	if (p->s->n[0] > 0)
		sim_kill_at(p->sim, p->s->n[0], p->s->power, p->s->ns);
	else
		sim_kill(p->sim, p->s->power, p->s->ns);
	/* An event of the world buries the dead process. */
	sim_at(p->sim, sim_now(p->sim), nothing, NULL);
	return sim_go(p->sim, sim_now(p->sim)) || saw(p, false, "it broke");
}

static bool
do_start(struct play *p)
{
	if (sim_up(p->sim))
		return saw(p, false, "the process is up");
	sim_start(p->sim);
	return true;
}

static bool
do_clock(struct play *p)
{
	sim_wall_jump(p->sim, p->s->ns);
	return true;
}

static bool
do_portal(struct play *p)
{
	size_t i;

	if (!machine(p, &i))
		return saw(p, false, "the cloud never had it");
	sim_vm_set(p->sim, i, p->s->cls);
	return true;
}

static bool
do_hide(struct play *p)
{
	size_t i;

	if (!machine(p, &i))
		return saw(p, false, "the cloud never had it");
	sim_vm_hide(p->sim, i, p->s->ns);
	return true;
}

static bool
do_outage(struct play *p)
{
	int64_t now = sim_now(p->sim);

	sim_outage(p->sim, (size_t)p->s->n[0] - 1, now, now + p->s->ns);
	return true;
}

static bool
do_backup(struct play *p)
{
	sim_backup(p->sim);
	return true;
}

static bool
do_restore(struct play *p)
{
	if (sim_up(p->sim))
		return saw(p, false, "the process is up");
	sim_restore(p->sim);
	return true;
}

static bool
do_mark(struct play *p)
{
	for (int i = 0; i < CSP_OP_COUNT; i++)
		p->calls[i] = sim_calls(p->sim, (enum csp_op)i);
	for (int i = 0; i < LC_EV_COUNT; i++)
		p->told[i] = sim_told(p->sim, (enum lc_event_kind)i);
	return true;
}

/* ---- what must be so ------------------------------------------------------- */

static bool
number_is(struct play *p, int64_t n)
{
	int64_t want = p->s->n[0];
	bool ok = p->s->cmp == SCN_LE ? n <= want
	    : p->s->cmp == SCN_GE     ? n >= want
				      : n == want;

	return saw(p, ok, "%lld", (long long)n);
}

static bool
is_vm(struct play *p)
{
	const struct lc_slot *s = slot(p);

	if (!s)
		return saw(p, p->s->none && sim_up(p->sim), "%s",
		    sim_up(p->sim) ? "none" : "unknown: the process is down");
	return saw(p, !p->s->none && s->status == p->s->status, "%s %s",
	    lc_status_name(s->status), s->status_reason);
}

static bool
is_why(struct play *p)
{
	const struct lc_slot *s = slot(p);

	if (!s)
		return saw(p, false, "none");
	return saw(p, strstr(s->status_reason, p->s->word), "\"%s\"",
	    s->status_reason);
}

static bool
is_phase(struct play *p)
{
	static const char *const names[LC_P_COUNT] = { "none", "creating",
		"running", "terminating", "dead" };
	const struct lc_slot *s = slot(p);

	if (!s)
		return saw(p, false, "none");
	return saw(p, s->inst.phase == p->s->phase, "%s", names[s->inst.phase]);
}

static bool
is_gen(struct play *p)
{
	const struct lc_slot *s = slot(p);

	return s ? number_is(p, s->row.gen) : saw(p, false, "none");
}

static bool
is_group(struct play *p)
{
	struct lc_mcis *m = mcis(p);
	char now[LC_GROUP_LEN];

	if (!m)
		return saw(p, p->s->none && sim_up(p->sim), "none");
	lc_group_deck(m->counts, now);
	return saw(p, str_eq(now, p->s->word), "%s", now);
}

static bool
is_live(struct play *p)
{
	struct sim_vm v;
	int64_t n = 0;

	if (p->s->vm[0])
		return number_is(p, (int64_t)sim_live(p->sim, p->s->vm));
	for (size_t i = 0; sim_vm_at(p->sim, i, &v); i++)
		n += v.live && v.slot != 0;
	return number_is(p, n);
}

static bool
is_calls(struct play *p)
{
	enum csp_op op = p->s->op;

	return number_is(p, (int64_t)(sim_calls(p->sim, op) - p->calls[op]));
}

static bool
is_told(struct play *p)
{
	enum lc_event_kind k = p->s->event;

	return number_is(p, (int64_t)(sim_told(p->sim, k) - p->told[k]));
}

static bool
is_orphans(struct play *p)
{
	const char *decision;
	struct sim_vm v;
	int64_t n = 0;

	for (size_t i = 0; sim_vm_at(p->sim, i, &v); i++) {
		decision = sim_orphan(p->sim, v.id);
		n += decision && str_eq(decision, p->s->word);
	}
	return number_is(p, n);
}

static bool
is_action(struct play *p)
{
	struct lc_mcis *m = mcis(p);
	bool none = !m || !m->action;

	return saw(p, none == p->s->none, "%s",
	    none ? "none" : lc_act_name(m->action->row.act));
}

static bool
is_process(struct play *p)
{
	return saw(p, sim_up(p->sim) == !p->s->none, "%s",
	    sim_up(p->sim) ? "up" : "down");
}

static bool (*const dos[SCN_DOS])(struct play *p) = {
	[SCN_WISH] = do_wish,
	[SCN_ACT] = do_act,
	[SCN_ABORT] = do_abort,
	[SCN_FAULT] = do_fault,
	[SCN_KILL] = do_kill,
	[SCN_START] = do_start,
	[SCN_CLOCK] = do_clock,
	[SCN_PORTAL] = do_portal,
	[SCN_HIDE] = do_hide,
	[SCN_OUTAGE] = do_outage,
	[SCN_BACKUP] = do_backup,
	[SCN_RESTORE] = do_restore,
	[SCN_MARK] = do_mark,
	[SCN_VM] = is_vm,
	[SCN_WHY] = is_why,
	[SCN_PHASE] = is_phase,
	[SCN_GEN] = is_gen,
	[SCN_GROUP] = is_group,
	[SCN_LIVE] = is_live,
	[SCN_CALLS] = is_calls,
	[SCN_TOLD] = is_told,
	[SCN_ORPHANS] = is_orphans,
	[SCN_ACTION] = is_action,
	[SCN_PROCESS] = is_process,
};

/* ---- playing --------------------------------------------------------------- */

/* Comes to the step's time; false: an invariant broke on the way. *ok: what
 * the step does or expects. */
static bool
step(struct play *p, bool *ok)
{
	const struct scn_step *s = p->s;
	int64_t now = sim_now(p->sim), begun = now, until = now;

	if (s->when == SCN_AT || s->when == SCN_BY)
		until = s->t;
	else if (s->when == SCN_AFTER || s->when == SCN_WITHIN)
		until = now + s->t;
	if (s->when != SCN_BY && s->when != SCN_WITHIN) {
		if (until > now && !sim_go(p->sim, until))
			return false;
		*ok = dos[s->what](p);
		return true;
	}
	for (;;) {
		*ok = dos[s->what](p);
		now = sim_now(p->sim);
		if (*ok || now >= until)
			return true;
		now += now - begun < SOON_NS ? LOOK_SOON_NS : LOOK_NS;
		if (!sim_go(p->sim, now < until ? now : until))
			return false;
	}
}

static bool
broken(const struct play *p, const char *file, int line, struct mw_err *err)
{
	const struct sim_bad *b = sim_bad(p->sim);

	return err_set(err, MW_INTERNAL, 0, "%s:%d: %s %s", file, line, b->what,
	    b->text);
}

bool
scn_play(const char *file, const struct scenario *s, bool trace,
    struct mw_err *err)
{
	struct sim_opt opt = s->opt;
	struct play p = { .sim = NULL };
	bool ok = true;
	int line = 0;

	opt.trace = trace;
	p.sim = sim_new(&opt);
	for (size_t i = 0; ok && i < s->n; i++) {
		p.s = &s->steps[i];
		line = p.s->line;
		if (!step(&p, &ok))
			ok = broken(&p, file, line, err);
		else if (!ok)
			err_set(err, MW_INTERNAL, 0,
			    "%s:%d: at %.1f s it is otherwise: %s", file, line,
			    (double)sim_now(p.sim) / 1e9, p.saw);
	}
	if (ok && !sim_up(p.sim))
		sim_start(p.sim);
	if (ok && !sim_end(p.sim))
		ok = broken(&p, file, line, err);
	sim_free(p.sim);
	return ok;
}

bool
scn_run_file(const char *file, bool trace, struct mw_err *err)
{
	struct scenario *s = xcalloc(1, sizeof *s);
	char *text = xcalloc(1, SCN_BYTES_MAX + 2);
	FILE *f = fopen(file, "re");
	size_t n = 0;
	bool ok = f != NULL;

	if (!ok)
		err_set(err, MW_NOT_FOUND, errno, "cannot open %s", file);
	else
		n = fread(text, 1, SCN_BYTES_MAX + 1, f);
	if (f)
		fclose(f);
	ok = ok && scn_parse(file, text, n, s, err) &&
	    scn_play(file, s, trace, err);
	free(text);
	free(s);
	return ok;
}
