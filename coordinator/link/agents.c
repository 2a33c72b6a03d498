/*
 * agents.c - see agents.h. Owns the records (sorted by slot, generation) and
 * the scan that finds the silent and those whose generation is over.
 */
#include "coordinator/link/agents.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "common/proto.h"
#include "coordinator/measure/bench.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_agents.h"
#include "coordinator/env_real.h"
#include "coordinator/events.h"
#include "coordinator/link/link.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define SCAN_NS NS_PER_S
#define MISSED_BEATS 3
#define GRACE_BEATS 5 /* after a start, until an agent counts as silent */

struct agents {
	struct coord *c;
	struct agent **v; /* by slot, gen */
	size_t n, cap;
	struct loop_timer *scan;
};

struct put_job {
	struct store_job job;
	int64_t slot, gen, seen;
	char *ns, *mcis, *vm, *hello; /* hello NULL: delete */
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static void load_one(void *arg, const struct db_agent *row);
static size_t lower_bound(const struct agents *a, int64_t slot, int64_t gen);
static struct agent *find(const struct agents *a, int64_t slot, int64_t gen);
static struct agent *add(struct agents *a, int64_t slot, int64_t gen,
    const char *ns, const char *mcis, const char *vm);
static void agent_free(struct agent *ag);
static bool read_hello(struct agent *ag, json_t *msg, struct mw_err *err);
static bool read_host(struct agent *ag, const struct json_at *at,
    struct mw_err *err);
static bool read_names(const struct json_at *at, struct agent *ag,
    struct mw_err *err);
static void move(struct agents *a, struct agent *ag, enum agent_state to);
static void save(struct agents *a, const struct agent *ag, json_t *hello);
static bool put_run(struct db *db, struct store_job *job, struct mw_err *err);
static void put_done(struct store_job *job, bool ok, const struct mw_err *err);
static void on_scan(void *arg);
static bool alive(const struct agents *a, const struct agent *ag);
static void drop_at(struct agents *a, size_t i);

static const char *const state_names[] = { "never", "up", "silent" };

struct agents *
agents_new(struct coord *c, struct mw_err *err)
{
	struct agents *a = xcalloc(1, sizeof *a);

	a->c = c;
	if (!store_run_now(c->store, load, a, err)) {
		agents_free(a);
		return NULL;
	}
	a->scan = loop_timer_new(c->loop, on_scan, a);
	loop_timer_set(a->scan, SCAN_NS);
	return a;
}

void
agents_free(struct agents *a)
{
	if (!a)
		return;
	loop_timer_free(a->scan);
	for (size_t i = 0; i < a->n; i++)
		agent_free(a->v[i]);
	free(a->v);
	free(a);
}

const struct agent *
agents_get(const struct agents *a, int64_t slot, int64_t gen)
{
	return find(a, slot, gen);
}

enum agent_state
agents_state(const struct agents *a, int64_t slot, int64_t gen)
{
	const struct agent *ag = find(a, slot, gen);

	return ag ? ag->state : AGENT_NEVER;
}

const char *
agent_state_name(enum agent_state s)
{
	return state_names[s];
}

size_t
agents_count(const struct agents *a)
{
	return a->n;
}

const struct agent *
agents_at(const struct agents *a, size_t i)
{
	return a->v[i];
}

int64_t
agents_ttl_ms(const struct agents *a)
{
	return a->c->conf.agent_ttl_ms;
}

void
agents_forget(struct agents *a, int64_t slot, int64_t gen)
{
	size_t i = lower_bound(a, slot, gen);

	if (find(a, slot, gen))
		drop_at(a, i);
}

bool
agents_on_hello(struct agents *a, int64_t slot, int64_t gen, json_t *msg,
    struct mw_err *err)
{
	const struct lc_slot *s = lc_slot_find(a->c->lc, slot);
	struct agent *ag, fresh = { .slot = slot, .gen = gen };

	if (!s)
		return err_set(err, MW_DENIED, 0, "no such VM");
	/* Into a copy first: a bad hello changes nothing. */
	if (!read_hello(&fresh, msg, err))
		return false;
	ag = find(a, slot, gen);
	if (!ag)
		ag = add(a, slot, gen, s->mcis->row.ns, s->mcis->row.name,
		    s->vm_id);
	fresh.ns = ag->ns;
	fresh.mcis = ag->mcis;
	fresh.vm = ag->vm;
	fresh.state = ag->state;
	*ag = fresh;
	ag->last_seen_mono_ns = clock_mono_ns();
	ag->last_seen_wall_ns = clock_wall_ns();
	save(a, ag, msg);
	move(a, ag, AGENT_UP);
	env_real_agent_up(a->c->env, slot, gen, ag->boot_id);
	/* A crashed VM says hello before its old link is found dead: what was
	 * sent over that link may be lost. */
	bench_on_agent(a->c->bench, slot, gen, false);
	bench_on_agent(a->c->bench, slot, gen, true);
	return true;
}

bool
agents_on_beat(struct agents *a, int64_t slot, int64_t gen, json_t *msg,
    struct mw_err *err)
{
	struct agent *ag = find(a, slot, gen);
	struct json_at at, m;
	double load1, cpu, steal;
	int64_t spooled;
	bool busy;

	if (!ag)
		return err_set(err, MW_PROTO, 0, "beat before hello");
	if (!json_at_root(&at, msg, err) ||
	    !json_at_key(&m, &at, "metrics", true, err) ||
	    !json_get_num(&m, "load1", true, 0, 0, 1e6, &load1, err) ||
	    !json_get_num(&m, "cpuPct", true, 0, 0, 1e6, &cpu, err) ||
	    !json_get_num(&m, "stealPct", true, 0, 0, 1e6, &steal, err) ||
	    !json_get_bool(&m, "busy", true, false, &busy, err) ||
	    !json_get_int(&at, "spooled", true, 0, 0, INT64_MAX, &spooled, err))
		return false;
	ag->load1 = load1;
	ag->cpu_pct = cpu;
	ag->steal_pct = steal;
	ag->busy = busy;
	ag->spooled = spooled;
	ag->last_seen_mono_ns = clock_mono_ns();
	ag->last_seen_wall_ns = clock_wall_ns();
	if (ag->state == AGENT_SILENT)
		bench_on_agent(a->c->bench, slot, gen, true);
	move(a, ag, AGENT_UP);
	return true;
}

/* A lost link is not silence yet: the agent dials again. */
void
agents_on_down(struct agents *a, int64_t slot, int64_t gen)
{
	bench_on_agent(a->c->bench, slot, gen, false);
}

json_t *
agents_json(const struct agent *ag)
{
	json_t *j = json_object(), *missing = json_array();

	if (!ag) {
		json_put_str(j, "state", state_names[AGENT_NEVER]);
		json_put_str(j, "version", NULL);
		json_put_time(j, "lastSeenAt", 0);
		json_put(j, "missingTools", missing);
		json_put(j, "spooled", NULL);
		return j;
	}
	for (const char *p = ag->missing; *p;) {
		size_t n = strcspn(p, ",");

		json_array_append_new(missing, json_stringn(p, n));
		p += n + (p[n] == ',');
	}
	json_put_str(j, "state", state_names[ag->state]);
	json_put_str(j, "version", ag->version);
	json_put_time(j, "lastSeenAt", ag->last_seen_wall_ns);
	json_put(j, "missingTools", missing);
	json_put_int(j, "spooled", ag->spooled);
	json_put_str(j, "arch", ag->arch);
	json_put_str(j, "cpuModel", ag->cpu_model);
	json_put_int(j, "vcpus", ag->vcpus);
	json_put_num(j, "clockSkewMs", (double)(ag->clock_skew_ns / NS_PER_MS));
	return j;
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_agent_each(db, load_one, arg, err);
}

static void
load_one(void *arg, const struct db_agent *row)
{
	struct agents *a = arg;
	struct mw_err err = MW_ERR_INIT;
	json_t *hello =
	    json_parse(row->hello, strlen(row->hello), JSON_BODY_MAX, &err);
	struct agent *ag =
	    add(a, row->slot, row->gen, row->ns, row->mcis, row->vm);

	if (!hello || !read_hello(ag, hello, &err))
		log_warn("agents", row->vm, "stored hello is not readable: %s",
		    err.msg);
	json_decref(hello);
	ag->clock_skew_ns = 0;
	/* It had no chance to speak to us while we were away. */
	ag->state = AGENT_UP;
	ag->last_seen_wall_ns = row->last_seen;
	ag->last_seen_mono_ns = clock_mono_ns() +
	    (GRACE_BEATS - MISSED_BEATS) * agents_ttl_ms(a) * NS_PER_MS;
}

/* First index that is not before (slot, gen). */
static size_t
lower_bound(const struct agents *a, int64_t slot, int64_t gen)
{
	size_t lo = 0, hi = a->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct agent *m = a->v[mid];

		if (m->slot < slot || (m->slot == slot && m->gen < gen))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct agent *
find(const struct agents *a, int64_t slot, int64_t gen)
{
	size_t i = lower_bound(a, slot, gen);

	return i < a->n && a->v[i]->slot == slot && a->v[i]->gen == gen
	    ? a->v[i]
	    : NULL;
}

static struct agent *
add(struct agents *a, int64_t slot, int64_t gen, const char *ns,
    const char *mcis, const char *vm)
{
	size_t i = lower_bound(a, slot, gen);
	struct agent *ag = xcalloc(1, sizeof *ag);

	ag->slot = slot;
	ag->gen = gen;
	ag->ns = xstrdup(ns);
	ag->mcis = xstrdup(mcis);
	ag->vm = xstrdup(vm);
	VEC_GROW(a->v, a->n, a->cap);
	memmove(&a->v[i + 1], &a->v[i], (a->n - i) * sizeof *a->v);
	a->v[i] = ag;
	a->n++;
	return ag;
}

static void
agent_free(struct agent *ag)
{
	free(ag->ns);
	free(ag->mcis);
	free(ag->vm);
	free(ag);
}

static bool
read_hello(struct agent *ag, json_t *msg, struct mw_err *err)
{
	struct json_at at;
	const char *emulated, *wall;
	int64_t proto, wall_ns;

	if (!json_at_root(&at, msg, err) ||
	    !json_get_int(&at, "proto", false, 0, 0, 1000, &proto, err))
		return false;
	if (proto != PROTO_VERSION)
		return err_set(err, MW_UNSUPPORTED, 0,
		    "protocol %d is not spoken here", (int)proto);
	if (!read_host(ag, &at, err) || !read_names(&at, ag, err) ||
	    !json_get_str(&at, "emulated", false, 15, &emulated, err) ||
	    !json_get_str(&at, "wallAt", true, 40, &wall, err) ||
	    !json_get_int(&at, "spooled", true, 0, 0, INT64_MAX, &ag->spooled,
		err))
		return false;
	if (!when_parse(wall, &wall_ns))
		return err_set(err, MW_PROTO, 0, "wallAt is not a time");
	str_copy(ag->emulated, sizeof ag->emulated, emulated ? emulated : "");
	ag->clock_skew_ns = wall_ns - clock_wall_ns();
	return true;
}

static bool
read_host(struct agent *ag, const struct json_at *at, struct mw_err *err)
{
	const struct {
		const char *key;
		char *out;
		size_t size;
	} texts[] = {
		{ "agentVersion", ag->version, sizeof ag->version },
		{ "bootId", ag->boot_id, sizeof ag->boot_id },
		{ "hostname", ag->hostname, sizeof ag->hostname },
		{ "arch", ag->arch, sizeof ag->arch },
		{ "kernel", ag->kernel, sizeof ag->kernel },
		{ "cpuModel", ag->cpu_model, sizeof ag->cpu_model },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *s;

		if (!json_get_str(at, texts[i].key, i < 2, 256, &s, err))
			return false;
		str_copy(texts[i].out, texts[i].size, s ? s : "");
	}
	return json_get_int(at, "vcpus", false, 0, 1, 4096, &ag->vcpus, err) &&
	    json_get_num(at, "cpuQuota", true, 0, 0, 4096, &ag->cpu_quota,
		err) &&
	    json_get_int(at, "memoryMiB", true, 0, 0, INT64_C(1) << 40,
		&ag->memory_mib, err) &&
	    json_get_int(at, "echoPort", true, PROTO_ECHO_PORT, 1, 65535,
		&ag->echo_port, err);
}

static bool
read_names(const struct json_at *at, struct agent *ag, struct mw_err *err)
{
	json_t *kinds, *missing, *e;
	struct str s = STR_INIT;
	size_t i;

	if (!json_get_array(at, "kinds", false, 0, 64, &kinds, err) ||
	    !json_get_array(at, "missingTools", false, 0, 64, &missing, err))
		return false;
	ag->kinds = 0;
	json_array_foreach(kinds, i, e)
	{
		enum kind k;

		/* A newer agent may know more kinds than we do. */
		if (json_is_string(e) && kind_parse(json_string_value(e), &k))
			ag->kinds |= 1u << k;
	}
	json_array_foreach(missing, i, e)
	{
		if (!json_is_string(e) || strchr(json_string_value(e), ','))
			continue;
		if (s.len)
			str_addc(&s, ',');
		str_add(&s, json_string_value(e));
	}
	str_copy(ag->missing, sizeof ag->missing, str_cstr(&s));
	str_free(&s);
	return true;
}

static void
move(struct agents *a, struct agent *ag, enum agent_state to)
{
	struct event ev = {
		.type = to == AGENT_UP ? "agent.up" : "agent.silent",
		.ns = ag->ns,
		.mcis = ag->mcis,
		.vm = ag->vm,
		.from = state_names[ag->state],
		.to = state_names[to],
	};

	if (ag->state == to)
		return;
	ag->state = to;
	log_info("agents", ag->vm, "agent is %s", state_names[to]);
	events_emit(a->c->events, &ev);
	/* A dead machine does not close its link. */
	if (a->c->bench && to == AGENT_SILENT)
		bench_on_agent(a->c->bench, ag->slot, ag->gen, false);
}

static void
save(struct agents *a, const struct agent *ag, json_t *hello)
{
	struct put_job *j = xcalloc(1, sizeof *j);

	j->slot = ag->slot;
	j->gen = ag->gen;
	j->seen = ag->last_seen_wall_ns;
	j->ns = xstrdup(ag->ns);
	j->mcis = xstrdup(ag->mcis);
	j->vm = xstrdup(ag->vm);
	j->hello = json_text(hello, false);
	j->job.run = put_run;
	j->job.done = put_done;
	store_submit(a->c->store, &j->job);
}

static bool
put_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct put_job *j = container_of(job, struct put_job, job);
	struct db_agent row = { j->slot, j->gen, j->ns, j->mcis, j->vm,
		j->hello, j->seen };

	if (!j->hello)
		return db_agent_delete(db, j->slot, j->gen, err);
	return db_agent_put(db, &row, err);
}

static void
put_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct put_job *j = container_of(job, struct put_job, job);

	if (!ok)
		log_error("agents", j->vm, "cannot store: %s", err->msg);
	free(j->ns);
	free(j->mcis);
	free(j->vm);
	free(j->hello);
	free(j);
}

static void
on_scan(void *arg)
{
	struct agents *a = arg;
	int64_t limit =
	    clock_mono_ns() - MISSED_BEATS * agents_ttl_ms(a) * NS_PER_MS;

	for (size_t i = a->n; i-- > 0;) {
		struct agent *ag = a->v[i];

		if (!alive(a, ag))
			drop_at(a, i);
		else if (ag->last_seen_mono_ns < limit)
			move(a, ag, AGENT_SILENT);
	}
	loop_timer_set(a->scan, SCAN_NS);
}

static bool
alive(const struct agents *a, const struct agent *ag)
{
	const struct lc_slot *s = lc_slot_find(a->c->lc, ag->slot);

	return s && s->inst.gen == ag->gen && s->inst.phase != LC_P_DEAD;
}

static void
drop_at(struct agents *a, size_t i)
{
	struct agent *ag = a->v[i];
	struct put_job *j = xcalloc(1, sizeof *j);

	a->n--;
	memmove(&a->v[i], &a->v[i + 1], (a->n - i) * sizeof *a->v);
	if (a->c->link)
		link_drop(a->c->link, ag->slot, ag->gen, "GONE",
		    "this VM does not exist any more");
	if (a->c->bench)
		bench_on_agent(a->c->bench, ag->slot, ag->gen, false);
	j->slot = ag->slot;
	j->gen = ag->gen;
	j->job.run = put_run;
	j->job.done = put_done;
	store_submit(a->c->store, &j->job);
	agent_free(ag);
}
