/*
 * bench_join.c - whether a run under way answers what is asked for: then a
 * second one would only measure the first.
 */
#include "coordinator/measure/bench_int.h"

#include "coordinator/coord.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

static bool has_vms(const struct run *r, const struct lc_mcis *m,
    const struct bench_ask *ask);

bool
bench_join(const struct bench *b, const struct bench_ask *ask, char run[24],
    char action[24])
{
	const struct lc_mcis *m = lc_mcis_find(b->c->lc, ask->ns, ask->mcis);
	unsigned want = bench_kinds_for(ask->profile, ask->kinds);

	for (const struct run *r = b->runs; m && r; r = r->next) {
		if (r->kind != RUN_BENCH || r->canceled || !r->nopen ||
		    strcmp(r->ns, ask->ns) != 0 ||
		    strcmp(r->mcis, ask->mcis) != 0 ||
		    strcmp(r->profile, ask->profile) != 0 ||
		    (r->kinds & want) != want ||
		    (ask->seed && ask->seed != r->seed) || !has_vms(r, m, ask))
			continue;
		str_copy(run, 24, r->name);
		str_copy(action, 24, r->action);
		return true;
	}
	return false;
}

static bool
wanted(const char *vm, const struct bench_ask *ask)
{
	for (size_t i = 0; i < ask->nvms; i++)
		if (strcmp(vm, ask->vms[i]) == 0)
			return true;
	return !ask->nvms;
}

/* In the generation that runs now, and not failed already. */
static bool
has_vms(const struct run *r, const struct lc_mcis *m,
    const struct bench_ask *ask)
{
	size_t found = 0;

	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		const struct bench_job *j =
		    run_job(r, s->row.slot_id, s->inst.gen);

		if (!wanted(s->vm_id, ask))
			continue;
		if (s->status != LC_RUNNING && !ask->nvms)
			continue;
		if (!j || j->state > JOB_DONE)
			return false;
		found++;
	}
	return found > 0;
}

/* Is taken for stored already; after a restart it is measured after all. */
void
bench_set_have(struct run *r, const struct bench_ask *ask)
{
	for (size_t i = 0; ask->have && i < ask->nvms; i++)
		for (size_t k = 0; k < r->njobs; k++)
			if (strcmp(r->jobs[k].vm, ask->vms[i]) == 0)
				r->jobs[k].got |= ask->have[i] & r->kinds;
}
