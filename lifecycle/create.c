/*
 * create.c - the protocol of one generation, from the intent to a cloud id.
 *
 * Rules R1 (intent first), R2 (derived token), R3 (tags inside the call), R4
 * (an unresolved create is listed before anything is made again), R6 (a name
 * in the way is listed and adopted), R9 (DEFINITE ends a generation only if no
 * attempt of it is unresolved).
 */
#include "lifecycle/priv.h"

#include "common/pure/num.h"

#include <string.h>

#define RECHECK_NS (30 * NS_PER_S)

static bool settled(struct lc *lc, struct lc_slot *s);
static void send_create(struct lc *lc, struct lc_slot *s);
static void send_list(struct lc *lc, struct lc_slot *s);
static void again(struct lc *lc, struct lc_slot *s);
static void close_gen(struct lc *lc, struct lc_slot *s);

static void
base32(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = (bits << 8 | p[i]) & 0xffff;
		have += 8;
		while (have >= 5) {
			*out++ = digits[bits >> (have - 5) & 31];
			have -= 5;
		}
	}
	if (have > 0)
		*out++ = digits[bits << (5 - have) & 31];
	*out = '\0';
}

static void
token_of(const char *deployment, lc_sha256_fn sha256, void *ctx, int64_t id,
    int64_t gen, char out[LC_TOKEN_LEN])
{
	struct str t = STR_INIT;
	uint8_t digest[32];

	str_addf(&t, "%s|%lld|%lld", deployment, (long long)id, (long long)gen);
	sha256(ctx, t.p, t.len, digest);
	base32(digest, sizeof digest, out);
	str_free(&t);
}

/* R2: the same for every attempt of this generation, on every machine. */
void
lc_token(const struct lc *lc, int64_t slot_id, int64_t gen,
    char out[LC_TOKEN_LEN])
{
	token_of(lc->conf.deployment, lc->env.sha256, lc->env.ctx, slot_id, gen,
	    out);
}

void
lc_key_name(const char *deployment, int64_t mcis_id, lc_sha256_fn sha256,
    void *ctx, char out[LC_ID_LEN])
{
	char token[LC_TOKEN_LEN];
	struct str t = STR_INIT;

	token_of(deployment, sha256, ctx, mcis_id, 0, token);
	str_addf(&t, "mw-%.20s", token);
	str_copy(out, LC_ID_LEN, str_cstr(&t));
	str_free(&t);
}

/* Over what makes a VM another VM, with an end mark behind each field. */
void
lc_spec_sha256(const struct lc *lc, const struct lc_spec *spec, char out[65])
{
	const char *const fields[] = { spec->connection, spec->spec,
		spec->image, spec->zone };
	struct str t = STR_INIT, hex = STR_INIT;
	uint8_t digest[32];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		str_addn(&t, fields[i], strlen(fields[i]) + 1);
	lc->env.sha256(lc->env.ctx, t.p, t.len, digest);
	str_add_hex(&hex, digest, sizeof digest);
	str_copy(out, 65, str_cstr(&hex));
	str_free(&t);
	str_free(&hex);
}

/* R1: the row of the generation goes to disk; the call follows it. */
void
lc_open(struct lc *lc, struct lc_slot *s)
{
	lc_open_gen(lc, s, lc_next_gen(lc, s), s->row.spec.connection);
}

void
lc_open_gen(struct lc *lc, struct lc_slot *s, int64_t gen,
    const char *connection)
{
	struct lc_inst_row *in = &s->inst;

	lc_inst_row_release(lc, in);
	*in = (struct lc_inst_row){
		.slot_id = s->row.slot_id,
		.gen = gen,
		.phase = in->phase,
		.attempted = true,
		.cls = LC_C_BOOT,
		.status = s->status,
		.status_at = lc->env.wall_ns(lc->env.ctx),
		.connection = connection,
		.zone = s->row.spec.zone,
	};
	lc_inst_row_own(lc, in);
	lc_token(lc, s->row.slot_id, gen, in->token);
	s->row.gen = gen;
	lc_text(lc, &s->row.reason, 1, "");
	lc_text(lc, &s->boot_id, 1, "");
	s->agent_up = s->reboot_confirmed = false;
	s->install_ns = s->install_retry_ns = 0;
	s->install_tries = 0;
	s->last_try_ns = -1;
	s->closing = s->list_now = s->stale = s->clear = false;
	s->stop_until_ns = 0;
	s->seen_ns = lc_now(lc);
	lc_attach(lc, s);
	if (!s->conn->known && !mutant(MUT_REGION_FORGOTTEN)) {
		s->conn->known = true;
		str_copy(lc_row(lc, LC_ROW_REGION_PUT)->u.connection,
		    LC_WORD_LEN, s->conn->name);
	}
	lc_dirty(lc, s, DIRTY_SLOT | DIRTY_INST);
	lc_event(lc, LC_EV_INTENT, NULL, s, NULL);
	lc_move(lc, s, MOVE_OPEN);
	lc_verb_begin(lc, s, LC_V_CREATE);
}

void
lc_step_creating(struct lc *lc, struct lc_slot *s)
{
	struct csp_caps caps;
	bool fast, resolve = !lc_wanted(s) || s->row.gave_up || s->closing;

	if (resolve && !s->inst.unresolved && !s->list_now) {
		close_gen(lc, s);
		return;
	}
	if (mutant(MUT_NO_SETTLE_ON_DELETE) && !s->row.desired) {
		close_gen(lc, s);
		return;
	}
	if (s->retry_ns > lc_now(lc)) {
		lc_wake(lc, s, s->retry_ns);
		return;
	}
	if (!resolve && !s->inst.unresolved && !s->list_now) {
		send_create(lc, s);
		return;
	}
	if (s->list_now) {
		send_list(lc, s);
		return;
	}
	/* In the same process a token or a name makes a prompt retry safe. */
	fast = !resolve && (s->last_try_ns >= 0 || mutant(MUT_TOKEN_FOREVER)) &&
	    lc->env.caps(lc->env.ctx, s->inst.connection, &caps) &&
	    (caps.flags & (CSP_CAP_IDEM_TOKEN | CSP_CAP_UNIQUE_NAME)) &&
	    (caps.token_ttl_s == 0 || mutant(MUT_TOKEN_FOREVER) ||
		lc_now(lc) - s->last_try_ns < caps.token_ttl_s * NS_PER_S);
	if (fast || (mutant(MUT_NO_LIST) && !resolve))
		send_create(lc, s);
	else if (settled(lc, s))
		send_list(lc, s);
}

/* R4: counted on this process's own clock, never from a stored time. */
static bool
settled(struct lc *lc, struct lc_slot *s)
{
	int64_t at = s->unresolved_ns + lc_settle_ns(lc, s->inst.connection);
	int64_t now = lc_now(lc);

	if (mutant(MUT_WALL_SETTLE))
		at = now + at - s->unresolved_ns + s->inst.status_at -
		    lc->env.wall_ns(lc->env.ctx);
	if (now >= at)
		return true;
	/* The bounds of a driver are known only after its first contact. */
	lc_wake(lc, s, at - now < RECHECK_NS ? at : now + RECHECK_NS);
	return false;
}

/* For people who look at the cloud without us; nothing here reads them. */
static void
say_whose(const struct lc_slot *s, struct csp_req *q)
{
	const struct csp_tag more[] = {
		{ "mw-ns", arena_strdup(q->arena, s->mcis->row.ns) },
		{ "mw-mcis", arena_strdup(q->arena, s->mcis->row.name) },
		{ "mw-vm", arena_strdup(q->arena, s->vm_id) },
	};

	if (mutant(MUT_NO_TAGS))
		return;
	memcpy((struct csp_tag *)(uintptr_t)(q->tags + q->ntags), more,
	    sizeof more);
	q->ntags += ARRAY_LEN(more);
}

static void
send_create(struct lc *lc, struct lc_slot *s)
{
	struct csp_caps caps;
	struct csp_req *q;

	if (!lc->env.caps(lc->env.ctx, s->inst.connection, &caps)) {
		again(lc, s); /* the connection is not there (yet) */
		return;
	}
	if (!lc_room(lc, s))
		return;
	q = lc_req(lc, CSP_VM_CREATE, s, s->inst.connection);
	q->token = arena_strdup(q->arena, s->inst.token);
	if (mutant(MUT_RANDOM_TOKEN))
		q->token = arena_printf(q->arena, "%llx",
		    (unsigned long long)lc->env.rand64(lc->env.ctx));
	if (mutant(MUT_NO_TAGS))
		q->ntags = 0;
	q->name = arena_printf(q->arena, "mw%s", q->token);
	q->spec = arena_strdup(q->arena, s->row.spec.spec);
	q->image = arena_strdup(q->arena, s->row.spec.image);
	if (s->row.spec.zone[0])
		q->zone = arena_strdup(q->arena, s->row.spec.zone);
	else if (s->row.fails > 0 && caps.flags & CSP_CAP_ZONES)
		q->zone =
		    arena_printf(q->arena, "#%lld", (long long)s->row.fails);
	q->key_name = arena_strdup(q->arena, s->mcis->row.key_id);
	say_whose(s, q);
	s->last_try_ns = lc_now(lc);
	lc_call(lc, CALL_CREATE, s, NULL, q);
}

static void
send_list(struct lc *lc, struct lc_slot *s)
{
	lc_call(lc, CALL_LIST, s, NULL,
	    lc_req(lc, CSP_VM_LIST, s, s->inst.connection));
}

static void
again(struct lc *lc, struct lc_slot *s)
{
	s->retry_ns = lc_now(lc) + lc_backoff_ns(lc, s->tries++);
	lc_wake(lc, s, s->retry_ns);
}

/* Proved: this generation never made a VM, or none is left. */
static void
close_gen(struct lc *lc, struct lc_slot *s)
{
	unsigned fails = (unsigned)s->row.fails;

	s->inst.unresolved = false;
	lc_move(lc, s, MOVE_CLOSE);
	if (fails > 0)
		s->retry_ns = lc_now(lc) + lc_backoff_ns(lc, fails);
}

static void
ambiguous(struct lc *lc, struct lc_slot *s)
{
	if (!mutant(MUT_FIRST_TRY_SETTLES) || !s->inst.unresolved)
		s->unresolved_ns = lc_now(lc);
	s->inst.unresolved = true;
	lc_dirty(lc, s, DIRTY_INST);
	lc_poll_soon(lc, s->conn); /* it may be listed soon */
	again(lc, s);
}

static void
made(struct lc *lc, struct lc_slot *s, const struct csp_answer *a)
{
	const char *id = a->csp_id;

	if (!id && a->nvms > 0)
		id = a->vms[0].csp_id;
	if (!id || !*id || strlen(id) >= LC_WORD_LEN) {
		ambiguous(lc, s);
		return;
	}
	if (a->nvms > 0 && !mutant(MUT_DEAD_TOKEN) &&
	    lc_class_of(lc->env.csp_of(lc->env.ctx, s->inst.connection),
		a->vms[0].native) == LC_C_GONE) {
		close_gen(lc, s); /* the token names a VM that is dead */
		return;
	}
	lc_text(lc, &s->inst.csp_id, LC_WORD_LEN, id);
	s->inst.unresolved = false;
	s->answered_ns = lc_now(lc);
	lc_move(lc, s, MOVE_MADE);
	if (a->nvms > 0)
		lc_observe(lc, s, &a->vms[0], s->answered_ns);
	lc_poll_soon(lc, s->conn);
}

void
lc_on_create(struct lc *lc, struct lc_slot *s, const struct csp_answer *a)
{
	char text[LC_TEXT_LEN];

	if (a->cls == CSP_OK) {
		made(lc, s, a);
		return;
	}
	lc_answer_text(a, text);
	lc_event(lc, LC_EV_ANSWER, NULL, s, text);
	lc_text(lc, &s->inst.last_error, LC_TEXT_LEN, text);
	if (a->cls == CSP_AMBIGUOUS && !mutant(MUT_AMBIGUOUS_FAILS)) {
		ambiguous(lc, s);
	} else if (a->cls == CSP_THROTTLED) {
		lc_throttled(lc, s, a->retry_after_ms);
	} else if (a->reason == CSP_R_TOKEN_CLOSED) {
		close_gen(lc, s);
	} else if (!mutant(MUT_CONFLICT_FAILS) &&
	    (a->reason == CSP_R_TOKEN_MISMATCH ||
		(a->cls == CSP_CONFLICT && a->reason != CSP_R_BUSY))) {
		ambiguous(lc, s); /* R6 */
		s->list_now = true;
	} else if (a->reason == CSP_R_UNSENT ||
	    (a->cls == CSP_CONFLICT && a->reason == CSP_R_BUSY)) {
		again(lc, s);
	} else {
		lc_failed(lc, s, a, text);
		/* R9: an earlier attempt of this generation may still land. */
		s->closing = true;
		lc_dirty(lc, s, DIRTY_INST);
		if (!s->inst.unresolved || mutant(MUT_DEFINITE_CLOSES) ||
		    (mutant(MUT_CONFLICT_FAILS) && a->cls == CSP_CONFLICT))
			close_gen(lc, s);
	}
}

bool
lc_tags(const struct lc *lc, const struct csp_vm *vm, int64_t *slot_id,
    int64_t *gen)
{
	const char *d = csp_tag_get(vm->tags, vm->ntags, "mw-deployment");
	const char *t = csp_tag_get(vm->tags, vm->ntags, "mw-slot");
	const char *g = csp_tag_get(vm->tags, vm->ntags, "mw-gen");

	return d && t && g &&
	    (str_eq(d, lc->conf.deployment) || mutant(MUT_ANY_DEPLOYMENT)) &&
	    num_parse_i64(t, strlen(t), 1, INT64_MAX, slot_id) &&
	    num_parse_i64(g, strlen(g), 1, INT64_MAX, gen);
}

static bool
alive(struct lc *lc, const struct lc_slot *s, const struct csp_vm *vm)
{
	const char *csp = lc->env.csp_of(lc->env.ctx, s->inst.connection);
	int64_t slot_id, gen;

	return lc_tags(lc, vm, &slot_id, &gen) && slot_id == s->row.slot_id &&
	    gen == s->inst.gen && lc_class_of(csp, vm->native) != LC_C_GONE;
}

/* Nothing of this generation exists, and nothing will. */
static void
never_made(struct lc *lc, struct lc_slot *s)
{
	bool conflict = s->list_now;

	s->list_now = false;
	s->inst.unresolved = false;
	lc_dirty(lc, s, DIRTY_INST);
	if (conflict && lc_wanted(s) && !s->closing && !s->row.gave_up) {
		lc_failed(lc, s, NULL, "the name is taken by a stranger");
		s->closing = true;
	}
	if (!lc_wanted(s) || s->closing || s->row.gave_up) {
		close_gen(lc, s);
		return;
	}
	s->last_try_ns = -1; /* the same generation, once more */
	again(lc, s);
}

void
lc_on_list(struct lc *lc, struct lc_slot *s, const struct csp_answer *a)
{
	const struct csp_vm *best = NULL;

	if (a->cls != CSP_OK) {
		again(lc, s);
		return;
	}
	for (size_t i = 0; i < a->nvms; i++) {
		if (alive(lc, s, &a->vms[i]) &&
		    (!best || strcmp(a->vms[i].csp_id, best->csp_id) < 0))
			best = &a->vms[i];
	}
	if (!best) {
		if (settled(lc, s))
			never_made(lc, s);
		else
			again(lc, s);
		return;
	}
	for (size_t i = 0; i < a->nvms; i++) {
		/* Pages that move may show the same one twice. */
		if (alive(lc, s, &a->vms[i]) &&
		    !str_eq(a->vms[i].csp_id, best->csp_id))
			lc_orphan(lc, s->conn, &a->vms[i], s->row.slot_id,
			    s->inst.gen);
	}
	lc_adopt(lc, s, best);
}

/* Where its last generation was, or its first will be. */
static const char *
clear_where(const struct lc_slot *s)
{
	return s->inst.gen ? s->inst.connection : s->row.spec.connection;
}

/* R7: a late request of the generation that ended may have made another VM,
 * where names may be used again. It is ended before the next one begins. */
void
lc_ask_clear(struct lc *lc, struct lc_slot *s)
{
	struct csp_req *q = lc_req(lc, CSP_VM_LIST, s, clear_where(s));

	q->ntags = 2; /* deployment and slot: all generations */
	lc_call(lc, CALL_CLEAR, s, NULL, q);
}

void
lc_on_clear(struct lc *lc, struct lc_slot *s, const struct csp_answer *a)
{
	const char *csp = lc->env.csp_of(lc->env.ctx, clear_where(s));
	struct lc_conn *c = lc_conn_get(lc, clear_where(s));
	int64_t slot_id, gen;

	if (a->cls != CSP_OK) {
		again(lc, s);
		return;
	}
	s->clear = true;
	for (size_t i = 0; i < a->nvms; i++) {
		const struct csp_vm *vm = &a->vms[i];

		if (!vm->csp_id || !lc_tags(lc, vm, &slot_id, &gen) ||
		    slot_id != s->row.slot_id ||
		    lc_class_of(csp, vm->native) == LC_C_GONE)
			continue;
		if (lc_orphan(lc, c, vm, slot_id, gen))
			s->clear = false;
	}
	if (!s->clear)
		again(lc, s);
}

void
lc_adopt(struct lc *lc, struct lc_slot *s, const struct csp_vm *vm)
{
	lc_text(lc, &s->inst.csp_id, LC_WORD_LEN, vm->csp_id);
	s->inst.unresolved = false;
	s->closing = s->list_now = false;
	lc_event(lc, LC_EV_ADOPT, NULL, s, vm->csp_id);
	lc_move(lc, s, MOVE_MADE);
	lc_observe(lc, s, vm, lc_now(lc));
	lc_poll_soon(lc, s->conn);
}
