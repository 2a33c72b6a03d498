/*
 * prop_lifecycle.c - the reconciler against a cloud, a network and a process
 * that misbehave, in virtual time, from one seed.
 *
 * The cloud is of class T (tokens), N (unique names) or L (neither); requests
 * are lost, answered twice as late as told, applied up to 300 s after the
 * caller gave up; new VMs cannot be listed at once, live ones hide, some die;
 * terminates are accepted and forgotten; the process dies at the n-th thing it
 * asks of the world and starts again from the rows that were committed.
 *
 * Oracle: never two live VMs of one slot; every VM has a committed row at its
 * birth; no stranger and no wanted VM is terminated; a VM that is not Terminated
 * can always be terminated; after the faults stop
 * everything comes to rest, and then exactly the wanted VMs live.
 *
 * MW_SEED=n runs one seed with a trace; MW_SEEDS=n runs that many.
 */
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "lifecycle/lifecycle.h"

#include <stdio.h>
#include <string.h>

#define FAULTS_END (6000 * NS_PER_S)
#define REST_BY (FAULTS_END + 12000 * NS_PER_S)
#define EVENTS_MAX 60000
#define LATE_S 300
#define VISIBLE_S 120
#define HIDDEN_S 580
#define CONN "c-1"

enum cloud_class {
	CLASS_T, /* tokens; the dead stay listed */
	CLASS_N, /* unique names */
	CLASS_L, /* neither */
	CLASS_G /* tokens; no word for deleting */
};

enum ev_kind {
	EV_WAKE,
	EV_COMMIT,
	EV_APPLY, /* a request reaches the cloud */
	EV_ANSWER,
	EV_VM, /* a VM moves to its next state */
	EV_VM_DIES,
	EV_INSTALL,
	EV_HELLO,
	EV_START,
	EV_USER
};

struct ev {
	int64_t at;
	uint64_t order;
	enum ev_kind kind;
	int epoch; /* of the process, -1: the world's */
	int64_t a, b;
	void *p;
	bool silent; /* the answer is lost */
	bool ok;
};

struct vm {
	char id[24], token[64], name[64];
	int64_t slot, gen; /* 0: a stranger's */
	enum lc_class cls, next;
	int64_t born, visible, hidden, moves_at;
	bool live, listed;
};

struct world {
	struct rng rng;
	uint64_t seed;
	enum cloud_class kind;
	bool trace, faults, dead, quiet;
	int epoch;
	int64_t now, wall, points, crash_at, wake_at;
	uint64_t order, nevents;
	struct ev *heap;
	size_t nheap, heap_cap;
	struct vm vms[512];
	size_t nvms;
	/* committed rows; their texts */
	struct arena *texts;
	char ns[4][LC_ID_LEN];
	size_t nns;
	struct lc_mcis_row mcis[8];
	size_t nmcis;
	struct lc_slot_row slots[256];
	size_t nslots;
	struct lc_inst_row *insts;
	size_t ninsts, insts_cap;
	struct lc_action_row *actions;
	size_t nactions, actions_cap;
	bool region;
	int64_t next_mcis, next_slot;
	struct lc *lc;
	int64_t next_action;
	size_t asked; /* for a reconcile after the faults ended */
	const char *bad;
	char bad_text[160];
};

static const char *const csps[] = { "aws", "azure", "openstack", "gcp" };

static bool
chance(struct world *w, uint64_t one_in)
{
	/* Drawn always, so that switching faults off keeps the stream. */
	uint64_t r = rng_below(&w->rng, one_in);

	return r == 0 && w->faults;
}

static int64_t
between_ms(struct world *w, int64_t lo, int64_t hi)
{
	return (lo + (int64_t)rng_below(&w->rng, (uint64_t)(hi - lo + 1))) *
	    NS_PER_MS;
}

static void
violation(struct world *w, const char *what, int64_t slot, const char *id)
{
	if (w->bad)
		return;
	w->bad = what;
	snprintf(w->bad_text, sizeof w->bad_text, "slot=%lld vm=%.64s t=%lld",
	    (long long)slot, id, (long long)(w->now / NS_PER_S));
}

static void
say(struct world *w, const char *what, int64_t a, int64_t b, const char *s)
{
	if (w->trace)
		printf("%10.3f %d%s %s %lld %lld %s\n", (double)w->now / 1e9,
		    w->epoch, w->dead ? "x" : "", what, (long long)a,
		    (long long)b, s ? s : "");
}

/* ---- event heap ---------------------------------------------------------- */

static bool
before(const struct ev *a, const struct ev *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
push(struct world *w, struct ev e)
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
pop(struct world *w)
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

/* ---- committed rows ------------------------------------------------------ */

static struct lc_slot_row *
slot_row(struct world *w, int64_t id)
{
	for (size_t i = 0; i < w->nslots; i++) {
		if (w->slots[i].slot_id == id)
			return &w->slots[i];
	}
	return NULL;
}

static struct lc_inst_row *
inst_row(struct world *w, int64_t slot, int64_t gen)
{
	for (size_t i = 0; i < w->ninsts; i++) {
		if (w->insts[i].slot_id == slot && w->insts[i].gen == gen)
			return &w->insts[i];
	}
	return NULL;
}

static void
put_action(struct world *w, const struct lc_action_row *row)
{
	size_t i = 0;

	while (
	    i < w->nactions && !str_eq(w->actions[i].action_id, row->action_id))
		i++;
	if (i == w->nactions) {
		VEC_GROW(w->actions, w->nactions, w->actions_cap);
		w->nactions++;
	}
	lc_action_row_copy(w->texts, &w->actions[i], row);
}

static void
put_row(struct world *w, const struct lc_row *r)
{
	struct lc_inst_row *in;
	struct lc_slot_row *s;
	size_t i = 0;

	switch (r->kind) {
	case LC_ROW_NS_PUT:
		str_copy(w->ns[w->nns++], LC_ID_LEN, r->u.ns);
		break;
	case LC_ROW_MCIS_PUT:
		while (i < w->nmcis && w->mcis[i].mcis_id != r->u.mcis.mcis_id)
			i++;
		if (i == w->nmcis)
			w->nmcis++;
		w->mcis[i] = r->u.mcis;
		w->mcis[i].description = "";
		w->mcis[i].labels = "{}";
		break;
	case LC_ROW_MCIS_DELETE:
		while (w->mcis[i].mcis_id != r->u.mcis.mcis_id)
			i++;
		w->mcis[i] = w->mcis[--w->nmcis];
		break;
	case LC_ROW_SLOT_PUT:
		s = slot_row(w, r->u.slot.slot_id);
		if (!s)
			s = &w->slots[w->nslots++];
		lc_slot_row_copy(w->texts, s, &r->u.slot);
		s->labels = "{}";
		break;
	case LC_ROW_SLOT_DELETE:
		s = slot_row(w, r->u.slot.slot_id);
		if (!s)
			break;
		memmove(s, s + 1,
		    (size_t)(&w->slots[--w->nslots] - s) * sizeof *s);
		break;
	case LC_ROW_INST_PUT:
		in = inst_row(w, r->u.inst.slot_id, r->u.inst.gen);
		if (!in) {
			VEC_GROW(w->insts, w->ninsts, w->insts_cap);
			in = &w->insts[w->ninsts++];
		}
		lc_inst_row_copy(w->texts, in, &r->u.inst);
		break;
	case LC_ROW_ACTION_PUT: put_action(w, &r->u.action); break;
	case LC_ROW_REGION_PUT: w->region = true; break;
	case LC_ROW_NEXT_PUT:
		w->next_mcis = r->u.next.mcis_id;
		w->next_slot = r->u.next.slot_id;
		break;
	default: break;
	}
}

static void
free_txn(struct lc_txn *t)
{
	arena_free(t->arena);
	free(t->rows);
	free(t->slots);
	free(t);
}

/* ---- the cloud ----------------------------------------------------------- */

static const char *
native_of(const struct world *w, enum lc_class c)
{
	static const char *const words[4][LC_C_COUNT] = {
		{ [LC_C_BOOT] = "pending",
		    [LC_C_RUN] = "running",
		    [LC_C_STOPPING] = "stopping",
		    [LC_C_STOPPED] = "stopped",
		    [LC_C_REBOOT] = "running",
		    [LC_C_DELETING] = "shutting-down",
		    [LC_C_GONE] = "terminated",
		    [LC_C_ERROR] = "terminated" },
		{ [LC_C_BOOT] = "PowerState/starting",
		    [LC_C_RUN] = "PowerState/running",
		    [LC_C_STOPPING] = "PowerState/deallocating",
		    [LC_C_STOPPED] = "PowerState/deallocated",
		    [LC_C_REBOOT] = "PowerState/starting",
		    [LC_C_DELETING] = "ProvisioningState/deleting",
		    [LC_C_ERROR] = "ProvisioningState/failed" },
		{ [LC_C_BOOT] = "BUILD/spawning",
		    [LC_C_RUN] = "ACTIVE",
		    [LC_C_STOPPING] = "ACTIVE/powering-off",
		    [LC_C_STOPPED] = "SHUTOFF",
		    [LC_C_REBOOT] = "REBOOT/rebooting",
		    [LC_C_DELETING] = "ACTIVE/deleting",
		    [LC_C_ERROR] = "ERROR" },
		{ [LC_C_BOOT] = "STAGING",
		    [LC_C_RUN] = "RUNNING",
		    [LC_C_STOPPING] = "STOPPING",
		    [LC_C_STOPPED] = "TERMINATED",
		    [LC_C_REBOOT] = "RUNNING",
		    [LC_C_DELETING] = "STOPPING",
		    [LC_C_ERROR] = "TERMINATED" },
	};

	return words[w->kind][c];
}

static size_t
live_of(const struct world *w, int64_t slot)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nvms; i++)
		n += w->vms[i].live && w->vms[i].slot == slot;
	return n;
}

static void
vm_goes(struct world *w, struct vm *v, enum lc_class now, enum lc_class then,
    int64_t after)
{
	v->cls = now;
	v->next = then;
	v->moves_at = w->now + after;
	push(w,
	    (struct ev){ .at = v->moves_at,
		.kind = EV_VM,
		.epoch = -1,
		.a = v - w->vms });
}

static void
vm_gone(struct world *w, struct vm *v)
{
	v->live = false;
	v->cls = LC_C_GONE;
	say(w, "gone", v->slot, v->gen, v->id);
}

static struct vm *
vm_born(struct world *w, int64_t slot, int64_t gen, const char *token)
{
	struct vm *v = &w->vms[w->nvms++];
	enum lc_class then;

	if (w->nvms == ARRAY_LEN(w->vms)) {
		violation(w, "TOO_MANY", slot, "");
		w->nvms--;
	}
	memset(v, 0, sizeof *v);
	/* Ids that do not sort by age. */
	snprintf(v->id, sizeof v->id, "i-%08llx",
	    (unsigned long long)(rng_mix(w->nvms + w->seed) & 0xffffffff));
	v->slot = slot;
	v->gen = gen;
	str_copy(v->token, sizeof v->token, token);
	v->live = true;
	v->born = w->now;
	v->visible =
	    w->now + (w->faults ? between_ms(w, 0, VISIBLE_S * 1000) : 0);
	then = chance(w, 30) ? LC_C_ERROR : LC_C_RUN;
	vm_goes(w, v, LC_C_BOOT, then, between_ms(w, 1000, 60000));
	if (chance(w, 12))
		push(w,
		    (struct ev){ .at = w->now + between_ms(w, 0, 5000000),
			.kind = EV_VM_DIES,
			.epoch = -1,
			.a = v - w->vms });
	if (!slot)
		return v;
	say(w, "born", slot, gen, v->id);
	if (live_of(w, slot) > 1)
		violation(w, "DUPLICATE", slot, v->id);
	if (!inst_row(w, slot, gen))
		violation(w, "NO_INTENT", slot, v->id);
	return v;
}

static void
on_vm(struct world *w, const struct ev *e)
{
	struct vm *v = &w->vms[e->a];

	if (!v->live || v->moves_at != e->at)
		return;
	v->cls = v->next;
	if (v->cls == LC_C_GONE || (v->cls == LC_C_ERROR && w->kind == CLASS_T))
		vm_gone(w, v);
}

static struct vm *
vm_of(struct world *w, const char *id)
{
	for (size_t i = 0; id && i < w->nvms; i++) {
		if (str_eq(w->vms[i].id, id))
			return &w->vms[i];
	}
	return NULL;
}

static bool
shown(const struct world *w, const struct vm *v)
{
	if (v->visible > w->now || v->hidden > w->now)
		return false;
	return v->live || w->kind == CLASS_T;
}

static struct csp_tag *
tags_of(struct arena *a, int64_t slot, int64_t gen)
{
	struct csp_tag *t = arena_array(a, 3, sizeof *t);

	t[0] = (struct csp_tag){ "mw-deployment", slot ? "dep" : "other" };
	t[1] = (struct csp_tag){ "mw-slot",
		arena_printf(a, "%lld", (long long)(slot ? slot : 1)) };
	t[2] = (struct csp_tag){ "mw-gen",
		arena_printf(a, "%lld", (long long)(gen ? gen : 1)) };
	return t;
}

static void
show(const struct world *w, const struct vm *v, struct csp_answer *a,
    struct csp_vm *out)
{
	out->csp_id = arena_strdup(a->arena, v->id);
	out->native = native_of(w, v->cls);
	out->public_ip = v->cls == LC_C_BOOT ? NULL : "10.0.0.1";
	out->tags = tags_of(a->arena, v->slot, v->gen);
	out->ntags = 3;
}

static void
do_create(struct world *w, const struct csp_req *q, struct csp_answer *a)
{
	int64_t slot = atoll(csp_tag_get(q->tags, q->ntags, "mw-slot"));
	int64_t gen = atoll(csp_tag_get(q->tags, q->ntags, "mw-gen"));
	struct vm *hit = NULL;
	struct csp_vm *out = arena_alloc(a->arena, sizeof *out);

	for (size_t i = 0; i < w->nvms && w->kind != CLASS_L; i++) {
		struct vm *v = &w->vms[i];

		if (str_eq(v->token, q->token) &&
		    (w->kind != CLASS_N || v->live))
			hit = v;
	}
	if (hit && w->kind == CLASS_N) {
		a->cls = CSP_CONFLICT;
		a->reason = CSP_R_EXISTS;
		return;
	}
	if (!hit && chance(w, 25)) {
		a->cls = CSP_DEFINITE;
		a->reason = chance(w, 4) ? CSP_R_CAPACITY : CSP_R_SERVER;
		return;
	}
	if (!hit)
		hit = vm_born(w, slot, gen, q->token);
	a->cls = CSP_OK;
	a->csp_id = arena_strdup(a->arena, hit->id);
	show(w, hit, a, out);
	a->vms = out;
	a->nvms = 1;
}

static void
do_terminate(struct world *w, struct vm *v, struct csp_answer *a)
{
	struct lc_slot_row *s = slot_row(w, v->slot);
	struct lc_inst_row *in = inst_row(w, v->slot, v->gen);

	if (!v->slot)
		violation(w, "KILLED_STRANGER", 0, v->id);
	if (v->live && s && in && s->desired && !s->replace &&
	    s->gen == v->gen && in->phase == LC_P_RUNNING &&
	    str_eq(in->csp_id, v->id))
		violation(w, "KILLED_WANTED", v->slot, v->id);
	a->cls = CSP_OK;
	if (v->live && v->cls != LC_C_DELETING && !chance(w, 10))
		vm_goes(w, v, LC_C_DELETING, LC_C_GONE,
		    between_ms(w, 100, 60000));
}

static void
do_verb(struct world *w, const struct csp_req *q, struct csp_answer *a)
{
	struct vm *v = vm_of(w, q->csp_id);
	int64_t t = between_ms(w, 100, 30000);

	if (!v || !shown(w, v) || (!v->live && w->kind != CLASS_T)) {
		a->cls = CSP_NOT_FOUND;
		return;
	}
	if (q->op == CSP_VM_TERMINATE) {
		do_terminate(w, v, a);
		return;
	}
	a->cls = CSP_CONFLICT;
	a->reason = CSP_R_BUSY;
	if (!v->live || chance(w, 30)) {
		a->cls = CSP_DEFINITE;
		a->reason = CSP_R_INVALID;
	} else if (q->op == CSP_VM_SUSPEND &&
	    (v->cls == LC_C_RUN || v->cls == LC_C_STOPPED)) {
		a->cls = CSP_OK;
		if (v->cls == LC_C_RUN)
			vm_goes(w, v, LC_C_STOPPING, LC_C_STOPPED, t);
	} else if (q->op == CSP_VM_RESUME &&
	    (v->cls == LC_C_RUN || v->cls == LC_C_STOPPED)) {
		a->cls = CSP_OK;
		if (v->cls == LC_C_STOPPED)
			vm_goes(w, v, LC_C_BOOT, LC_C_RUN, t);
	} else if (q->op == CSP_VM_REBOOT && v->cls == LC_C_RUN) {
		a->cls = CSP_OK;
		vm_goes(w, v, LC_C_REBOOT, LC_C_RUN, t);
	}
}

static void
do_read(struct world *w, const struct csp_req *q, struct csp_answer *a)
{
	const char *want = csp_tag_get(q->tags, q->ntags, "mw-slot");
	struct csp_vm *out = arena_array(a->arena, w->nvms + 1, sizeof *out);

	a->cls = CSP_OK;
	a->vms = out;
	for (size_t i = 0; i < w->nvms; i++) {
		struct vm *v = &w->vms[i];

		if (v->live && !want && chance(w, 60) && v->listed &&
		    v->hidden + HIDDEN_S * NS_PER_S < w->now)
			v->hidden = w->now + between_ms(w, 0, HIDDEN_S * 1000);
		if (want)
			v->hidden = 0;
		if (!shown(w, v))
			continue;
		v->listed = true;
		/* A careless driver: strangers come along. */
		if (want && v->slot && atoll(want) != v->slot)
			continue;
		show(w, v, a, &out[a->nvms++]);
	}
}

static struct csp_answer *
apply(struct world *w, const struct csp_req *q)
{
	struct csp_answer *a = csp_answer_new(q);

	if (q->op == CSP_VM_LIST)
		do_read(w, q, a);
	else if (q->op == CSP_VM_CREATE)
		do_create(w, q, a);
	else
		do_verb(w, q, a);
	a->sent = true;
	say(w, csp_op_name(q->op), (int64_t)q->id, (int64_t)a->nvms,
	    q->csp_id ? q->csp_id : csp_class_name(a->cls));
	for (size_t i = 0; w->trace && i < a->nvms; i++)
		say(w, "  vm", 0, 0, a->vms[i].native);
	return a;
}

/* ---- env ----------------------------------------------------------------- */

static int64_t
env_mono(void *ctx)
{
	return ((struct world *)ctx)->now;
}

static int64_t
env_wall(void *ctx)
{
	return ((struct world *)ctx)->now + ((struct world *)ctx)->wall;
}

static uint64_t
env_rand(void *ctx)
{
	return rng_u64(&((struct world *)ctx)->rng);
}

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
	static const unsigned flags[] = { CSP_CAP_IDEM_TOKEN,
		CSP_CAP_UNIQUE_NAME, 0, CSP_CAP_IDEM_TOKEN };
	const struct world *w = ctx;

	(void)connection;
	*out = (struct csp_caps){
		.flags = flags[w->kind] | CSP_CAP_TAG_ATOMIC |
		    CSP_CAP_LIST_BY_TAG | CSP_CAP_CREATE,
		.late_apply_max_s = LATE_S,
		.list_visible_max_s = VISIBLE_S,
		.token_ttl_s = 86400,
	};
	return true;
}

static const char *
env_csp_of(void *ctx, const char *connection)
{
	(void)connection;
	return csps[((struct world *)ctx)->kind];
}

/* A place where the process may die. False: it is dead already. */
static bool
point(struct world *w)
{
	if (!w->dead && ++w->points == w->crash_at) {
		w->dead = true;
		say(w, "DIES", 0, 0, NULL);
		push(w,
		    (struct ev){ .at = w->now +
			    between_ms(w, 100,
				rng_below(&w->rng, 8) == 0 ? 3600000 : 5000),
			.kind = EV_START,
			.epoch = -1 });
	}
	return !w->dead;
}

static void
env_wake(void *ctx, int64_t at)
{
	struct world *w = ctx;

	w->wake_at = at;
	push(w,
	    (struct ev){ .at = at > w->now ? at : w->now,
		.kind = EV_WAKE,
		.epoch = w->epoch,
		.a = at });
}

static void
env_commit(void *ctx, struct lc_txn *t)
{
	struct world *w = ctx;

	if (!point(w)) {
		free_txn(t);
		return;
	}
	push(w,
	    (struct ev){ .at = w->now + 2 * NS_PER_MS,
		.kind = EV_COMMIT,
		.epoch = w->epoch,
		.p = t });
}

static void
env_csp(void *ctx, struct csp_req *q)
{
	struct world *w = ctx;
	int64_t at = w->now + between_ms(w, 5, 400);
	struct ev e = { .kind = EV_APPLY, .epoch = w->epoch, .p = q };
	struct csp_answer *a;

	if (!point(w)) {
		csp_req_free(q);
		return;
	}
	e.at = at;
	if (chance(w, 20)) { /* lost on the way, or refused for now */
		a = csp_answer_new(q);
		a->cls = chance(w, 2) ? CSP_THROTTLED : CSP_AMBIGUOUS;
		a->sent = true;
		csp_req_free(q);
		e = (struct ev){ .at = at,
			.kind = EV_ANSWER,
			.epoch = w->epoch,
			.p = a };
		push(w, e);
		return;
	}
	if (chance(w, 20)) { /* the caller gives up, the request does not */
		a = csp_answer_new(q);
		push(w,
		    (struct ev){ .at = at,
			.kind = EV_ANSWER,
			.epoch = w->epoch,
			.p = a });
		e.at = w->now + between_ms(w, 0, LATE_S * 1000);
		e.silent = true;
	}
	push(w, e);
}

static void
env_install(void *ctx, const struct lc_install *req)
{
	struct world *w = ctx;

	if (!point(w))
		return;
	push(w,
	    (struct ev){ .at = w->now + between_ms(w, 100, 4000),
		.kind = EV_INSTALL,
		.epoch = w->epoch,
		.a = (int64_t)req->id,
		.b = req->slot_id });
}

/* ---- what happens -------------------------------------------------------- */

static void
start(struct world *w)
{
	const struct lc_env env = { w, env_mono, env_wall, env_rand, env_sha,
		env_caps, env_csp_of, env_wake, env_commit, env_csp,
		env_install };
	struct lc_conf conf;

	lc_free(w->lc);
	w->epoch++;
	w->dead = false;
	w->points = 0;
	w->crash_at = -1;
	w->wall = (int64_t)rng_below(&w->rng, 1000000000) * NS_PER_S;
	if (w->faults && rng_below(&w->rng, 4) != 0) {
		static const uint64_t in[] = { 60, 400, 3000 };

		w->crash_at =
		    1 + (int64_t)rng_below(&w->rng, in[rng_below(&w->rng, 3)]);
	}
	lc_conf_defaults(&conf);
	str_copy(conf.deployment, sizeof conf.deployment, "dep");
	conf.replace_vanished = w->seed / 4 % 2;
	say(w, "START", (int64_t)w->nslots, (int64_t)w->ninsts, NULL);
	w->lc = lc_new(&env, &conf);
	lc_load_next(w->lc, w->next_mcis, w->next_slot);
	for (size_t i = 0; i < w->nns; i++)
		lc_load_ns(w->lc, w->ns[i]);
	for (size_t i = 0; i < w->nmcis; i++)
		lc_load_mcis(w->lc, &w->mcis[i]);
	for (size_t i = 0; i < w->nslots; i++)
		lc_load_slot(w->lc, &w->slots[i]);
	for (size_t i = 0; i < w->ninsts; i++)
		lc_load_inst(w->lc, &w->insts[i]);
	for (size_t i = 0; i < w->nactions; i++)
		lc_load_action(w->lc, &w->actions[i]);
	if (w->region)
		lc_load_region(w->lc, CONN);
	lc_start(w->lc);
}

static void
wish(struct world *w, int64_t count, const char *spec, enum lc_policy policy)
{
	struct lc_wish_group g = { "g", count, { CONN, "", "img", "" }, "{}" };
	struct lc_wish x = { "default", "m", "", "{}", true, policy, &g, 1 };
	struct lc_who who = { .actor = "sim", .target = "/m" };
	char id[LC_ACTION_LEN];
	struct lc_reply r;
	struct mw_err err = MW_ERR_INIT;

	str_copy(g.spec.spec, sizeof g.spec.spec, spec);
	snprintf(id, sizeof id, "ac-%lld", (long long)++w->next_action);
	who.action_id = id;
	say(w, "wish", count, policy, spec);
	if (lc_apply(w->lc, &x, LC_ALLOW_REMOVE | LC_ALLOW_REPLACE, &who, &r,
		&err))
		lc_reply_free(&r);
	else
		say(w, "refused", 0, 0, err.msg);
}

static void
act(struct world *w, enum lc_act a, bool one)
{
	struct lc_mcis *m = lc_mcis_find(w->lc, "default", "m");
	struct lc_who who = { .actor = "sim", .target = "/m" };
	char id[LC_ACTION_LEN], vm[LC_VM_ID_LEN];
	struct lc_reply r;
	struct mw_err err = MW_ERR_INIT;

	snprintf(id, sizeof id, "ac-%lld", (long long)++w->next_action);
	snprintf(vm, sizeof vm, "g-%d", 1 + (int)rng_below(&w->rng, 5));
	who.action_id = id;
	if (!m)
		return;
	say(w, "act", a, one, one ? vm : "");
	if (lc_do(w->lc, m, one ? vm : NULL, a, 0, &who, &r, &err))
		lc_reply_free(&r);
	else
		say(w, "refused", 0, 0, err.msg);
}

/* Whatever happened: each VM that is not Terminated can be terminated. */
static void
check_legal(struct world *w)
{
	struct lc_mcis *m = lc_mcis_first(w->lc);
	struct lc_who who = { .actor = "sim",
		.target = "/m",
		.action_id = "ac-0" };
	struct mw_err err = MW_ERR_INIT;
	struct lc_reply r;

	for (struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		if (lc_do(w->lc, m, s->vm_id, LC_A_TERMINATE, LC_DRY_RUN, &who,
			&r, &err) &&
		    (r.answer != LC_NOOP || s->status == LC_TERMINATED))
			lc_reply_free(&r);
		else
			violation(w, "STUCK", s->row.slot_id,
			    lc_status_name(s->status));
	}
}

static void
user(struct world *w)
{
	uint64_t r = rng_below(&w->rng, 12), n = rng_below(&w->rng, 6);
	enum lc_act a = (enum lc_act)(1 + rng_below(&w->rng, LC_A_COUNT - 1));
	uint64_t txn;
	struct mw_err err = MW_ERR_INIT;

	push(w,
	    (struct ev){ .at = w->now + between_ms(w, 1000, 900000),
		.kind = EV_USER,
		.epoch = -1 });
	if (w->dead || !w->lc)
		return;
	check_legal(w);
	if (r < 4) {
		wish(w, (int64_t)n, rng_below(&w->rng, 5) ? "s1" : "s2",
		    (enum lc_policy)(r % 3));
	} else if (r < 11) {
		act(w, a, r > 7);
	} else if (lc_mcis_first(w->lc) && lc_mcis_first(w->lc)->action) {
		say(w, "abort", 0, 0, NULL);
		if (!lc_abort(w->lc,
			lc_mcis_first(w->lc)->action->row.action_id, &txn,
			&err))
			violation(w, "ABORT", 0, err.msg);
	}
}

static void
on_apply(struct world *w, const struct ev *e)
{
	struct csp_req *q = e->p;
	struct csp_answer *a = apply(w, q);

	csp_req_free(q);
	if (e->silent) {
		csp_answer_free(a);
		return;
	}
	if (chance(w, 10)) { /* applied, but the answer is lost */
		a->cls = CSP_AMBIGUOUS;
		a->reason = CSP_R_TIMEOUT;
		a->csp_id = NULL;
		a->nvms = 0;
	}
	push(w,
	    (struct ev){ .at = w->now + between_ms(w, 5, 400),
		.kind = EV_ANSWER,
		.epoch = e->epoch,
		.p = a });
}

static void
on_install(struct world *w, const struct ev *e)
{
	struct lc_install_result r = { .id = (uint64_t)e->a,
		.step = "login",
		.reason = "no",
		.user = "debian" };
	struct lc_slot *s = lc_slot_find(w->lc, e->b);

	r.ok = !chance(w, 5);
	r.definite = !r.ok && chance(w, 5);
	if (r.ok && s && !chance(w, 10))
		push(w,
		    (struct ev){ .at = w->now + between_ms(w, 1, 3000),
			.kind = EV_HELLO,
			.epoch = w->epoch,
			.a = e->b,
			.b = s->inst.gen });
	lc_on_install(w->lc, &r);
}

static void
deliver(struct world *w, const struct ev *e)
{
	bool mine = e->epoch == w->epoch && !w->dead && point(w);
	struct lc_txn *t = e->p;

	switch (e->kind) {
	case EV_WAKE:
		if (mine && e->a == w->wake_at)
			lc_on_timer(w->lc);
		break;
	case EV_COMMIT:
		/* Died before or after the disk had it. */
		if (e->epoch == w->epoch && (mine || w->points % 2)) {
			for (size_t i = 0; i < t->n; i++)
				put_row(w, &t->rows[i]);
		}
		if (mine)
			lc_on_commit(w->lc, t);
		else
			free_txn(t);
		break;
	case EV_APPLY: on_apply(w, e); break;
	case EV_ANSWER:
		if (mine)
			lc_on_csp(w->lc, e->p);
		csp_answer_free(e->p);
		break;
	case EV_VM: on_vm(w, e); break;
	case EV_VM_DIES:
		if (w->faults && w->vms[e->a].live)
			vm_gone(w, &w->vms[e->a]);
		break;
	case EV_INSTALL:
		if (mine)
			on_install(w, e);
		break;
	case EV_HELLO:
		if (mine)
			lc_on_agent(w->lc, e->a, e->b, "boot");
		break;
	case EV_START: start(w); break;
	case EV_USER:
		if (w->faults)
			user(w);
		break;
	}
}

/* Exactly the wanted VMs live. */
static void
check_rest(struct world *w)
{
	size_t wanted = 0;

	for (size_t i = 0; i < w->nslots; i++) {
		const struct lc_slot_row *s = &w->slots[i];
		const struct lc_inst_row *in = inst_row(w, s->slot_id, s->gen);
		const struct vm *v = in ? vm_of(w, in->csp_id) : NULL;

		wanted += s->desired;
		if (s->desired && (!v || !v->live))
			violation(w, "MISSING", s->slot_id, "");
		if (!s->desired && live_of(w, s->slot_id))
			violation(w, "RESURRECTED", s->slot_id, "");
	}
	for (size_t i = 0; i < w->nvms; i++) {
		const struct vm *v = &w->vms[i];

		if (!v->live || !v->slot)
			continue;
		wanted--;
		if (!slot_row(w, v->slot))
			violation(w, "FORGOTTEN", v->slot, v->id);
	}
	if (wanted != 0)
		violation(w, "COUNT", (int64_t)wanted, "");
}

/* The faults end: from here on everything must come to rest. */
static void
calm(struct world *w)
{
	w->faults = false;
	w->crash_at = -1;
	for (size_t i = 0; i < w->nvms; i++) {
		w->vms[i].hidden = 0;
	}
	say(w, "CALM", 0, 0, NULL);
	if (w->dead || !w->lc)
		start(w);
}

static bool
settle(struct world *w)
{
	static const int64_t tries[] = { 1, 1500, 3000, 4500 };

	if (w->asked < ARRAY_LEN(tries) &&
	    w->now >= FAULTS_END + tries[w->asked] * NS_PER_S) {
		w->asked++;
		act(w, LC_A_RECONCILE, false);
	}
	return w->asked == ARRAY_LEN(tries) && lc_at_rest(w->lc);
}

static bool
run(uint64_t seed, bool trace, uint64_t *hash)
{
	struct world *w = xcalloc(1, sizeof *w);
	bool rest = false, ok;

	rng_seed(&w->rng, seed);
	w->seed = seed;
	w->kind = (enum cloud_class)(seed % 4);
	w->trace = trace;
	w->faults = true;
	w->next_mcis = w->next_slot = 1;
	w->texts = arena_new();
	w->now = (int64_t)rng_below(&w->rng, 1000) * NS_PER_S;
	vm_born(w, 0, 0, "stranger");
	start(w);
	wish(w, 1 + (int64_t)rng_below(&w->rng, 5), "s1", LC_CONTINUE);
	push(w,
	    (struct ev){ .at = w->now + NS_PER_S,
		.kind = EV_USER,
		.epoch = -1 });
	while (w->nheap > 0 && !w->bad && !rest) {
		struct ev e = pop(w);

		w->now = e.at;
		if (w->faults && w->now >= FAULTS_END)
			calm(w);
		deliver(w, &e);
		*hash = rng_mix(*hash ^ (uint64_t)e.at ^ e.kind);
		if (!w->faults && !w->dead)
			rest = settle(w);
		if (++w->nevents > EVENTS_MAX || w->now > REST_BY)
			violation(w, "NO_REST", 0, "");
	}
	if (!w->bad)
		check_rest(w);
	ok = !w->bad;
	for (size_t i = 0; i < w->nslots && trace; i++) {
		const struct lc_slot *x =
		    lc_slot_find(w->lc, w->slots[i].slot_id);

		if (x)
			printf("%s id=%lld gen=%lld want=%d drop=%d %s %s "
			       "%s verb=%s gaveUp=%d replace=%d member=%d "
			       "busy=%d absent=%u install=%d\n",
			    x->vm_id, (long long)x->row.slot_id,
			    (long long)x->row.gen, x->row.desired, x->row.drop,
			    lc_status_name(x->status),
			    lc_class_name(x->inst.cls), x->inst.csp_id,
			    lc_verb_name(x->inst.verb), x->row.gave_up,
			    x->row.replace, x->row.member, x->busy, x->absent,
			    x->inst.install);
	}
	for (size_t i = 0; i < w->nactions && trace; i++)
		printf("%s act=%d slot=%lld state=%d undo=%d %lld+%lld/%lld\n",
		    w->actions[i].action_id, w->actions[i].act,
		    (long long)w->actions[i].slot_id, w->actions[i].state,
		    w->actions[i].undo, (long long)w->actions[i].done,
		    (long long)w->actions[i].failed,
		    (long long)w->actions[i].total);
	if (!ok)
		printf("seed %llu: %s %s\n", (unsigned long long)seed, w->bad,
		    w->bad_text);
	while (w->nheap > 0) {
		struct ev e = pop(w);

		if (e.kind == EV_COMMIT)
			free_txn(e.p);
		if (e.kind == EV_APPLY)
			csp_req_free(e.p);
		if (e.kind == EV_ANSWER)
			csp_answer_free(e.p);
	}
	lc_free(w->lc);
	free(w->heap);
	free(w->insts);
	arena_free(w->texts);
	free(w->actions);
	free(w);
	return ok;
}

int
main(void)
{
	const char *one = getenv("MW_SEED"), *many = getenv("MW_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : 2000;
	uint64_t hash = 0, first_hash = 0, again = 0;
	size_t bad = 0;

	printf("seeds %llu..%llu\n", (unsigned long long)first,
	    (unsigned long long)(first + n - 1));
	bad += !run(first, one != NULL, &first_hash);
	bad += !run(first, false, &again);
	if (first_hash != again) {
		printf("seed %llu: two runs differ\n",
		    (unsigned long long)first);
		bad++;
	}
	for (uint64_t i = 1; i < n && bad < 10; i++)
		bad += !run(first + i, false, &hash);
	printf("hash %016llx, %zu violations\n", (unsigned long long)hash, bad);
	return bad > 0;
}
