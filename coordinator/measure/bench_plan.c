/*
 * bench_plan.c - what a run asks of a VM and how long it may take; which VMs
 * share a machine. Called by bench.c and by whoever reads a request.
 */
#include "coordinator/measure/bench_int.h"

#include "common/pure/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Milliseconds that one VM may take. The agent stops at its own cap, which is
 * shorter; this ends an agent that does not. */
static const struct profile {
	const char *name;
	int64_t base_ms, per_lane_ms;
} profiles[] = {
	{ "quick", 60000, 60000 },
	{ "standard", 120000, 180000 },
	{ "deep", 600000, 900000 },
	{ "legacy", 120000, 120000 },
};

static const struct profile *
profile_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
		if (str_eq(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

unsigned
bench_kinds_for(const char *profile, unsigned kinds)
{
	return kinds ? lanes_for(profile, kinds) : lanes_default(profile);
}

bool
bench_check_kinds(const char *profile, unsigned kinds, struct mw_err *err)
{
	char name[LANE_NAME_MAX];

	if (!profile || !profile_find(profile)) {
		err_set(err, MW_INVALID, 0,
		    "profile is quick, standard, deep or legacy");
		return err_pointer(err, "/profile");
	}
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		if (!(kinds & LANE_BIT(i)))
			continue;
		lane_name(i, name);
		if (!kind_info(lane_info(i)->kind)->exclusive) {
			err_set(err, MW_INVALID, 0,
			    "%s is not a benchmark; use .../rtt or .../matrix",
			    name);
			return err_pointer(err, "/kinds");
		}
		if (!lanes_for(profile, LANE_BIT(i))) {
			err_set(err, MW_INVALID, 0,
			    "profile %s does not measure %s", profile, name);
			return err_pointer(err, "/kinds");
		}
	}
	return true;
}

bool
bench_read_kinds(const struct json_at *at, unsigned *kinds, struct mw_err *err)
{
	json_t *list;

	*kinds = 0;
	if (!json_get_array(at, "kinds", false, 1, LANE_COUNT, &list, err))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		unsigned lane;

		if (!s || !lane_parse(s, &lane)) {
			err_set(err, MW_INVALID, 0,
			    "there is no kind of that name");
			err_hint(err,
			    "kinds and variants: milkyway bench kinds");
			return err_pointer(err, "%s/kinds/%zu", at->pointer, i);
		}
		*kinds |= LANE_BIT(lane);
	}
	return true;
}

int64_t
bench_deadline_ms(const struct run *r, unsigned got)
{
	const struct profile *p = profile_find(r->profile);
	int64_t n = 0;

	if (r->kind == RUN_RTT)
		return 30000 +
		    r->count * 2100 * (int64_t)json_array_size(r->targets);
	for (unsigned i = 0; i < LANE_COUNT; i++)
		n += (r->kinds & ~got & LANE_BIT(i)) != 0;
	return p->base_ms + n * p->per_lane_ms;
}

json_t *
kinds_json(unsigned kinds)
{
	json_t *a = json_array();
	char name[LANE_NAME_MAX];

	for (unsigned i = 0; i < LANE_COUNT; i++) {
		if (!(kinds & LANE_BIT(i)))
			continue;
		lane_name(i, name);
		json_array_append_new(a, json_string(name));
	}
	return a;
}

struct host *
bench_host(struct bench *b, const char *id, int64_t slots)
{
	struct host *h;

	for (size_t i = 0; i < b->nhosts; i++)
		if (strcmp(b->hosts[i]->id, id) == 0) {
			b->hosts[i]->refs++;
			return b->hosts[i];
		}
	h = xcalloc(1, sizeof *h);
	str_copy(h->id, sizeof h->id, id);
	h->slots = slots > 0 ? slots : 1;
	h->refs = 1;
	VEC_GROW(b->hosts, b->nhosts, b->hosts_cap);
	b->hosts[b->nhosts++] = h;
	return h;
}

void
bench_host_unref(struct bench *b, struct host *h)
{
	if (--h->refs)
		return;
	for (size_t i = 0; i < b->nhosts; i++)
		if (b->hosts[i] == h)
			b->hosts[i] = b->hosts[--b->nhosts];
	free(h);
}
