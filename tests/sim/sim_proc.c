/*
 * sim_proc.c - the process: struct lc_env, its starts and its deaths.
 *
 * A death sets w->dead. From then on nothing that the process does has an
 * effect: no write, no call, no answer. When its code has returned,
 * sim_bury() frees it and plans the next start.
 */
#include "tests/sim/sim_int.h"

#include <string.h>

#define GROUP_NS (2 * NS_PER_MS)
#define TEN_YEARS_NS (INT64_C(315360000) * NS_PER_S)

const char *const sim_csps[SIM_CLASSES] = { "aws", "azure", "openstack",
	"gcp" };

/* ---- env ------------------------------------------------------------------ */

static int64_t
env_mono(void *ctx)
{
	return ((struct sim *)ctx)->now;
}

static int64_t
env_wall(void *ctx)
{
	return ((struct sim *)ctx)->now + ((struct sim *)ctx)->wall;
}

static uint64_t
env_rand(void *ctx)
{
	return rng_u64(&((struct sim *)ctx)->rng_core);
}

/* Any mix does: the core asks only for distinct and repeatable. */
static void
env_sha(void *ctx, const void *p, size_t n, uint8_t out[32])
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
env_caps(void *ctx, const char *connection, struct csp_caps *out)
{
	static const unsigned flags[SIM_CLASSES] = { CSP_CAP_IDEM_TOKEN,
		CSP_CAP_UNIQUE_NAME, 0, CSP_CAP_IDEM_TOKEN };
	const struct sim *w = ctx;

	*out = (struct csp_caps){
		.flags = flags[w->clouds[cloud_of(w, connection)].cls] |
		    CSP_CAP_TAG_ATOMIC | CSP_CAP_LIST_BY_TAG | CSP_CAP_CREATE,
		.late_apply_max_s = SIM_LATE_S,
		.list_visible_max_s = SIM_VISIBLE_S,
		.token_ttl_s = SIM_TOKEN_S,
	};
	return true;
}

static const char *
env_csp_of(void *ctx, const char *connection)
{
	const struct sim *w = ctx;

	return sim_csps[w->clouds[cloud_of(w, connection)].cls];
}

static void
env_wake(void *ctx, int64_t at)
{
	struct sim *w = ctx;

	w->wake_at = at;
	sim_push(w,
	    (struct ev){ .at = at > w->now ? at : w->now,
		.kind = SIM_E_WAKE,
		.epoch = w->epoch,
		.a = at });
}

static void
env_commit(void *ctx, struct lc_txn *t)
{
	struct sim *w = ctx;

	if (!sim_point(w)) {
		sim_txn_free(t);
		return;
	}
	sim_store_submit(w, t);
	if (w->group_due)
		return;
	w->group_due = true;
	sim_push(w,
	    (struct ev){ .at = w->now + GROUP_NS,
		.kind = SIM_E_GROUP,
		.epoch = w->epoch });
}

static void
env_csp(void *ctx, struct csp_req *q)
{
	struct sim *w = ctx;

	if (!sim_point(w)) {
		csp_req_free(q);
		return;
	}
	w->calls[q->op]++;
	cloud_send(w, q);
	(void)sim_point(w); /* it is out, and nobody waits for the answer */
}

static void
env_install(void *ctx, const struct lc_install *req)
{
	struct sim *w = ctx;

	if (sim_point(w))
		agent_install(w, req);
}

/* ---- life and death ------------------------------------------------------- */

bool
sim_point(struct sim *w)
{
	w->res.points++;
	if (!w->dead && ++w->points == w->crash_at) {
		w->dead = true;
		sim_say(w, "DIES at point %lld", (long long)w->points);
	}
	return !w->dead;
}

/* What may go wrong in this start. Draws the same whatever is on. */
static void
choose_faults(struct sim *w)
{
	static const uint64_t in[4] = { 1, 60, 400, 3000 };
	static const int pages[4] = { 1000, 300, 60, 10 };
	uint64_t m = rng_below(&w->rng, 4), off = w->opt.faults_off;
	int64_t at = 1 + (int64_t)rng_below(&w->rng, in[m]);
	uint64_t full = rng_below(&w->rng, 6), eio = rng_below(&w->rng, 6);
	uint64_t sync = rng_below(&w->rng, 6);

	vfs_set_wal_pages(pages[rng_below(&w->rng, 4)]);
	w->crash_at = -1;
	w->p_full = w->p_eio = w->p_sync = 0;
	if (!w->faults)
		return;
	if (m > 0 && !(off >> SIM_F_CRASH & 1))
		w->crash_at = at;
	if (full == 0 && !(off >> SIM_F_ENOSPC & 1))
		w->p_full = sim_faults[SIM_F_ENOSPC].one_in;
	if (eio == 0 && !(off >> SIM_F_EIO & 1))
		w->p_eio = sim_faults[SIM_F_EIO].one_in;
	if (off >> SIM_F_FSYNC & 1)
		return;
	if (w->opt.fsync_in)
		w->p_sync = sync < 3 ? w->opt.fsync_in : 0;
	else if (sync == 0)
		w->p_sync = sim_faults[SIM_F_FSYNC].one_in;
}

static void
conf_init(const struct sim *w, struct lc_conf *conf)
{
	lc_conf_defaults(conf);
	str_copy(conf->deployment, sizeof conf->deployment, "dep");
	conf->replace_vanished = w->opt.plain
	    ? w->opt.replace_vanished
	    : w->opt.seed / SIM_CLASSES % 2 != 0;
}

void
sim_boot(struct sim *w)
{
	const struct lc_env env = { w, env_mono, env_wall, env_rand, env_sha,
		env_caps, env_csp_of, env_wake, env_commit, env_csp,
		env_install };
	struct lc_conf conf;

	w->epoch++;
	w->up = true;
	w->dead = w->stopping = w->group_due = false;
	w->power = false;
	w->after_ns = -1;
	w->points = 0;
	choose_faults(w);
	if (!w->faults) {
		w->rest_by = w->now + SIM_REST_NS;
		w->asked = 0;
	}
	conf_init(w, &conf);
	sim_say(w, "START");
	w->lc = lc_new(&env, &conf);
	if (!sim_store_open(w)) {
		sim_say(w, "the store does not open");
		w->dead = true;
		if (++w->unopened == SIM_OPENS_MAX)
			sim_violation(w, "I4_NEVER_OPENS", 0, "%d starts",
			    SIM_OPENS_MAX);
		return;
	}
	w->unopened = 0;
	rows_compare(w);
	lc_start(w->lc);
	verbs_go_on(w);
	agent_back(w);
}

static int64_t
downtime(struct sim *w)
{
	int64_t ns = sim_between_ms(w, 100, 120000);
	bool longer = sim_chance(w, SIM_F_DOWNTIME);
	int64_t hours = sim_fault_ns(w, SIM_F_DOWNTIME, 200000000);

	if (longer)
		ns = hours;
	return ns;
}

void
sim_bury(struct sim *w)
{
	bool jump = false, power = false;
	int64_t by = 0, after = 1 * NS_PER_S;

	if (!w->dead || !w->up)
		return;
	if (w->faults) {
		power = sim_chance(w, SIM_F_POWER);
		jump = sim_chance(w, SIM_F_WALL);
		by = rng_below(&w->rng, 2) ? TEN_YEARS_NS : -TEN_YEARS_NS;
		after = downtime(w);
	}
	if (w->after_ns != -1)
		after = w->after_ns;
	power = (power || w->power) && !w->stopping;
	sim_store_down(w);
	lc_free(w->lc);
	w->lc = NULL;
	w->up = w->dead = false;
	w->crash_at = -1;
	w->res.deaths += !w->stopping;
	if (jump)
		sim_wall_jump(w, by);
	if (power) {
		w->res.power_losses++;
		vfs_power_loss(w);
	}
	sim_say(w, "DOWN%s", power ? ", power lost" : "");
	if (w->after_ns == -2)
		return;
	sim_push(w,
	    (struct ev){ .at = w->now + after,
		.kind = SIM_E_START,
		.epoch = -1 });
	/* It comes back while there is trouble. */
	if (w->faults && w->now + after > w->calm_at - 1500 * NS_PER_S)
		w->calm_at = w->now + after + 1500 * NS_PER_S;
}

void
sim_kill(struct sim *w, bool power, int64_t after_ns)
{
	if (!w->up)
		return;
	w->dead = true;
	w->power = power;
	w->after_ns = after_ns < 0 ? -2 : after_ns;
	sim_say(w, "KILLED");
	sim_bury(w);
}

void
sim_kill_at(struct sim *w, int64_t n, bool power, int64_t after_ns)
{
	if (!w->up)
		return;
	w->crash_at = w->points + n;
	w->power = power;
	w->after_ns = after_ns < 0 ? -2 : after_ns;
}

void
sim_start(struct sim *w)
{
	sim_bury(w);
	if (w->up)
		return;
	sim_boot(w);
	sim_bury(w);
}

void
sim_wall_jump(struct sim *w, int64_t by_ns)
{
	int64_t to = w->wall + by_ns;

	/* Not before 1970, not past what fits. */
	if (to > 0 && to < 20 * TEN_YEARS_NS)
		w->wall = to;
}

/* ---- events --------------------------------------------------------------- */

static void
on_answer(struct sim *w, const struct ev *e, bool mine)
{
	struct csp_answer *a = e->p;

	if (mine) {
		lc_on_csp(w->lc, a);
		verbs_answered(w, a);
	}
	csp_answer_free(a);
}

void
sim_proc_event(struct sim *w, const struct ev *e)
{
	bool mine = w->up && e->epoch == w->epoch && !w->dead;

	if (mine && e->kind != SIM_E_GROUP)
		mine = sim_point(w);
	switch (e->kind) {
	case SIM_E_WAKE:
		if (mine && e->a == w->wake_at)
			lc_on_timer(w->lc);
		break;
	case SIM_E_GROUP:
		if (mine)
			sim_store_group(w);
		break;
	case SIM_E_COMMIT:
		if (mine)
			lc_on_commit(w->lc, e->p);
		else
			sim_txn_free(e->p);
		break;
	case SIM_E_ANSWER: on_answer(w, e, mine); break;
	case SIM_E_STEP:
	case SIM_E_INSTALL:
	case SIM_E_HELLO:
		if (mine)
			agent_event(w, e);
		break;
	case SIM_E_START:
		if (!w->up)
			sim_boot(w);
		break;
	default: break;
	}
}

void
sim_ev_free(const struct ev *e)
{
	if (e->kind == SIM_E_COMMIT)
		sim_txn_free(e->p);
	if (e->kind == SIM_E_APPLY)
		csp_req_free(e->p);
	if (e->kind == SIM_E_ANSWER)
		csp_answer_free(e->p);
}
