/*
 * sim_agent.c - what env->install and the agents do: one SSH connection that
 * may be refused, answer late, know no key yet or be cut while it uploads; an
 * agent that says hello, after each boot and to each new process, or never.
 */
#include "tests/sim/sim_int.h"

#include <string.h>

#define HOST_KEY "ssh-ed25519 AAAAC3Nza"

/* How an attempt ends. */
enum how {
	H_OK,
	H_REFUSED,
	H_BANNER,
	H_AUTH,
	H_CUT,
	H_NO_SUDO,
	H_HOST_KEY,
	H_COUNT
};

static const struct {
	const char *step, *reason;
	int64_t ms; /* that it takes */
	bool definite;
} ends[H_COUNT] = {
	[H_OK] = { "start", "", 4000, false },
	[H_REFUSED] = { "waitSsh", "connection refused", 100, false },
	[H_BANNER] = { "waitSsh", "no banner within 10 s", 10000, false },
	[H_AUTH] = { "login", "no user can log in yet", 2000, false },
	[H_CUT] = { "upload", "connection reset", 3000, false },
	[H_NO_SUDO] = { "probe", "no sudo", 2500, true },
	[H_HOST_KEY] = { "hostKey", "another host key is pinned", 1000, true },
};

static struct vm *
vm_of_slot(struct sim *w, int64_t slot, int64_t gen)
{
	const struct lc_slot *s = lc_slot_find(w->lc, slot);

	if (!s || s->inst.gen != gen)
		return NULL;
	return cloud_vm(w, cloud_of(w, s->inst.connection), s->inst.csp_id);
}

static enum how
outcome(struct sim *w, const struct vm *v)
{
	bool fails = sim_chance(w, SIM_F_SSH);
	uint64_t r = rng_below(&w->rng, 20);

	if (!v || !v->live || v->cls != LC_C_RUN)
		return r < 10 ? H_REFUSED : H_BANNER;
	if (fails)
		return r == 0 ? H_NO_SUDO
		    : r == 1  ? H_HOST_KEY
		    : r < 7   ? H_BANNER
		    : r < 13  ? H_CUT
			      : H_REFUSED;
	return w->now < v->ssh_at ? H_AUTH : H_OK;
}

void
agent_install(struct sim *w, const struct lc_install *req)
{
	const struct vm *v =
	    cloud_vm(w, cloud_of(w, req->connection), req->csp_id);
	enum how how = outcome(w, v);
	int64_t t = w->now + sim_between_ms(w, 50, ends[how].ms);
	struct ev e = { .epoch = w->epoch, .a = (int64_t)req->id };

	if (t > req->deadline_ns)
		t = req->deadline_ns;
	sim_say(w, "install #%llu %s", (unsigned long long)req->id,
	    ends[how].step);
	if (how == H_OK || how == H_CUT) {
		e.kind = SIM_E_STEP;
		e.at = w->now + (t - w->now) / 2;
		sim_push(w, e);
	}
	e.kind = SIM_E_INSTALL;
	e.at = t;
	e.b = how;
	/* Whose: found again when it ends. */
	e.p = NULL;
	sim_push(w, e);
}

static struct lc_slot *
slot_of_install(struct sim *w, uint64_t id)
{
	for (struct lc_mcis *m = lc_mcis_first(w->lc); m; m = m->next) {
		for (struct lc_slot *s = m->slots; s; s = s->next) {
			if (s->installing && s->install_id == id)
				return s;
		}
	}
	return NULL;
}

static void
hello_at(struct sim *w, const struct vm *v, int64_t at)
{
	sim_push(w,
	    (struct ev){ .at = at,
		.kind = SIM_E_HELLO,
		.epoch = w->epoch,
		.a = v - w->vms,
		.b = v->boot });
}

static void
on_step(struct sim *w, uint64_t id)
{
	if (lc_on_host_key(w->lc, id, HOST_KEY, "firstUse"))
		lc_on_install_step(w->lc, id, "upload");
}

static void
on_end(struct sim *w, uint64_t id, enum how how)
{
	const struct lc_slot *s = slot_of_install(w, id);
	struct vm *v = s ? vm_of_slot(w, s->row.slot_id, s->inst.gen) : NULL;
	struct lc_install_result r = { .id = id };
	bool lost;

	if (how == H_OK && (!v || !v->live || v->cls != LC_C_RUN))
		how = H_CUT;
	r.ok = how == H_OK;
	r.definite = ends[how].definite;
	r.step = ends[how].step;
	r.reason = ends[how].reason;
	r.user = how == H_OK || how == H_CUT ? "debian" : NULL;
	r.host_key = how == H_HOST_KEY ? "ssh-ed25519 BBBB" : NULL;
	lost = sim_chance(w, SIM_F_HELLO_LOST);
	if (r.ok) {
		v->agent = !lost;
		if (v->agent)
			hello_at(w, v, w->now + sim_between_ms(w, 1, 3000));
	}
	lc_on_install(w->lc, &r);
}

static void
on_hello(struct sim *w, const struct ev *e)
{
	const struct vm *v = &w->vms[e->a];
	char boot[16];

	if (!v->live || v->cls != LC_C_RUN || !v->agent || v->boot != e->b)
		return;
	snprintf(boot, sizeof boot, "boot-%d", v->boot);
	lc_on_agent(w->lc, v->slot, v->gen, boot);
}

void
agent_event(struct sim *w, const struct ev *e)
{
	if (e->kind == SIM_E_STEP)
		on_step(w, (uint64_t)e->a);
	else if (e->kind == SIM_E_INSTALL)
		on_end(w, (uint64_t)e->a, (enum how)e->b);
	else
		on_hello(w, e);
}

void
agent_booted(struct sim *w, struct vm *v)
{
	v->boot++;
	if (v->agent && w->up)
		hello_at(w, v, w->now + sim_between_ms(w, 1000, 9000));
}

void
agent_back(struct sim *w)
{
	for (size_t i = 0; i < w->nvms; i++) {
		const struct vm *v = &w->vms[i];

		if (v->live && v->agent && v->cls == LC_C_RUN)
			hello_at(w, v, w->now + sim_between_ms(w, 100, 10000));
	}
}
