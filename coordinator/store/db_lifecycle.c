/*
 * db_lifecycle.c - rows of namespaces, MCIS, slots, generations and actions.
 * Enums that people read in the database are stored by name; a name that is
 * not known any more is an error, never a guess.
 */
#include "coordinator/store/db_lifecycle.h"
#include "coordinator/store/db_prereq.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <string.h>

typedef bool (*put_fn)(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err);

static bool
put_ns(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "INSERT OR IGNORE INTO ns VALUES(?)");

	(void)steps;
	db_bind(st, "s", r->u.ns);
	return db_exec(db, st, err);
}

static bool
delete_ns(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "DELETE FROM ns WHERE name = ?");

	(void)steps;
	db_bind(st, "s", r->u.ns);
	return db_exec(db, st, err);
}

static bool
put_mcis(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	const struct lc_mcis_row *m = &r->u.mcis;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO mcis(id, ns, name, description, labels, "
	    "require_agent, policy, forget, key_id, created, vanish) "
	    "VALUES(?,?,?,?,?,?,?,?,?,?,?)");

	(void)steps;
	db_bind(st, "issssisisis", m->mcis_id, m->ns, m->name, m->description,
	    m->labels, (int64_t)m->require_agent, lc_policy_name(m->policy),
	    (int64_t)m->forget, m->key_id, m->created_at,
	    m->replace_vanished ? "replace" : "report");
	return db_exec(db, st, err);
}

static bool
delete_mcis(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "DELETE FROM mcis WHERE id = ?");

	(void)steps;
	if (!db_prereq_end(db, r->u.mcis.mcis_id, err))
		return false;
	db_bind(st, "i", r->u.mcis.mcis_id);
	return db_exec(db, st, err);
}

static bool
put_slot(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	const struct lc_slot_row *s = &r->u.slot;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO slot(id, mcis, grp, idx, desired, dropping, "
	    "added, conn, spec, image, zone, sha256, labels, gen, fails, "
	    "gave_up, replacing, reason, action, member) "
	    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");

	(void)steps;
	db_bind(st, "iisiiiissssssiiiissi", s->slot_id, s->mcis_id, s->group,
	    s->index, (int64_t)s->desired, (int64_t)s->drop, (int64_t)s->added,
	    s->spec.connection, s->spec.spec, s->spec.image, s->spec.zone,
	    s->spec_sha256, s->labels, s->gen, s->fails, (int64_t)s->gave_up,
	    (int64_t)s->replace, s->reason, s->action_id, (int64_t)s->member);
	return db_exec(db, st, err);
}

static bool
delete_slot(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "DELETE FROM slot WHERE id = ?");

	(void)steps;
	db_bind(st, "i", r->u.slot.slot_id);
	return db_exec(db, st, err);
}

static bool
put_inst(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	const struct lc_inst_row *in = &r->u.inst;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO inst(slot, gen, phase, conn, token, csp_id, "
	    "attempted, unresolved, verb, verb_sent, ever_ran, native, class, "
	    "public_ip, private_ip, zone, ssh_user, ssh_port, host_key, "
	    "host_key_trust, host_id, host_slots, host_need, install, "
	    "install_step, install_error, last_error, status, status_at) "
	    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");

	(void)steps;
	db_bind(st, "iiisssiisiisissssisssiisssssi", in->slot_id, in->gen,
	    (int64_t)in->phase, in->connection, in->token, in->csp_id,
	    (int64_t)in->attempted, (int64_t)in->unresolved,
	    lc_verb_name(in->verb), (int64_t)in->verb_sent,
	    (int64_t)in->ever_ran, in->native, (int64_t)in->cls, in->public_ip,
	    in->private_ip, in->zone, in->ssh_user, in->ssh_port, in->host_key,
	    in->host_key_trust, in->host_id, in->host_slots, in->host_need,
	    lc_install_state_name(in->install), in->install_step,
	    in->install_error, in->last_error, lc_status_name(in->status),
	    in->status_at);
	return db_exec(db, st, err);
}

static bool
put_action(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	static const char *const states[] = { "running", "done", "failed",
		"canceled" };
	const struct lc_action_row *a = &r->u.action;
	bool over = a->state != LC_R_RUNNING;
	const char *outcome = a->failed == 0 && !a->undo ? "ok"
	    : a->done > 0 && a->state == LC_R_DONE       ? "partial"
							 : "failed";
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO action(n, kind, target, actor, state, "
	    "outcome, done, failed, total, error_code, error, hint, steps, "
	    "started, ended, act, mcis, slot, policy, undo, canceled) "
	    "VALUES(?,?,?,?,?,?,?,?,?,?,?,NULL,?,?,?,?,?,?,?,?,?)");
	int64_t n = 0;

	if (!num_parse_i64(a->action_id + 3, strlen(a->action_id + 3), 1,
		INT64_MAX, &n))
		return err_set(err, MW_INTERNAL, 0, "bad action id %s",
		    a->action_id);
	db_bind(st, "isssssiiisssiisiisii", n, lc_act_name(a->act), a->target,
	    a->actor, states[a->state], over ? outcome : NULL, a->done,
	    a->failed, a->total, a->error[0] ? "REMOTE" : NULL,
	    a->error[0] ? a->error : NULL, steps, a->started_at, a->ended_at,
	    lc_act_name(a->act), a->mcis_id, a->slot_id,
	    lc_policy_name(a->policy), (int64_t)a->undo, (int64_t)a->canceled);
	return db_exec(db, st, err);
}

static bool
put_region(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "INSERT OR IGNORE INTO region_used VALUES(?)");

	(void)steps;
	db_bind(st, "s", r->u.connection);
	return db_exec(db, st, err);
}

static bool
put_meta(struct db *db, const char *key, int64_t v, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO meta(key, value) "
	    "VALUES(?, CAST(? AS TEXT))");

	db_bind(st, "si", key, v);
	return db_exec(db, st, err);
}

static bool
put_next(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	(void)steps;
	return put_meta(db, "lc_next_mcis", r->u.next.mcis_id, err) &&
	    put_meta(db, "lc_next_slot", r->u.next.slot_id, err);
}

static bool
put_orphan(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	const struct lc_orphan *o = &r->u.orphan;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO orphan(conn, csp_id, slot, gen, decision, "
	    "seen, first_seen, native, vm, actor) "
	    "VALUES(?,?,?,?,?,?,?,?,?,?)");

	(void)steps;
	db_bind(st, "ssiisiisss", o->connection, o->csp_id, o->slot_id, o->gen,
	    o->decision, o->seen_at, o->first_seen_at,
	    o->native ? o->native : "", o->vm ? o->vm : "", o->actor);
	return db_exec(db, st, err);
}

static bool
delete_orphan(struct db *db, const struct lc_row *r, const char *steps,
    struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "DELETE FROM orphan WHERE conn = ? AND csp_id = ?");

	(void)steps;
	db_bind(st, "ss", r->u.orphan.connection, r->u.orphan.csp_id);
	return db_exec(db, st, err);
}

bool
db_lifecycle_put(struct db *db, const struct lc_row *row, const char *steps,
    struct mw_err *err)
{
	static const put_fn fns[] = {
		[LC_ROW_NS_PUT] = put_ns,
		[LC_ROW_NS_DELETE] = delete_ns,
		[LC_ROW_MCIS_PUT] = put_mcis,
		[LC_ROW_MCIS_DELETE] = delete_mcis,
		[LC_ROW_SLOT_PUT] = put_slot,
		[LC_ROW_SLOT_DELETE] = delete_slot,
		[LC_ROW_INST_PUT] = put_inst,
		[LC_ROW_ACTION_PUT] = put_action,
		[LC_ROW_REGION_PUT] = put_region,
		[LC_ROW_NEXT_PUT] = put_next,
		[LC_ROW_EVENT] = NULL,
		[LC_ROW_ORPHAN_PUT] = put_orphan,
		[LC_ROW_ORPHAN_DELETE] = delete_orphan,
	};

	return !fns[row->kind] || fns[row->kind](db, row, steps, err);
}

/* ---- loading ------------------------------------------------------------- */

static bool
bad_row(struct mw_err *err, const char *table, int64_t id)
{
	return err_set(err, MW_INTERNAL, 0, "row %lld of table %s is broken",
	    (long long)id, table);
}

static void
text(char *dst, size_t size, sqlite3_stmt *st, int col)
{
	str_copy(dst, size, db_text(st, col));
}

static bool
verb_parse(const char *name, enum lc_verb *out)
{
	for (int v = 0; v < LC_V_COUNT; v++) {
		if (str_eq(lc_verb_name((enum lc_verb)v), name)) {
			*out = (enum lc_verb)v;
			return true;
		}
	}
	return false;
}

static bool
status_parse(const char *name, enum lc_status *out)
{
	for (int v = 0; v < LC_STATUS_COUNT; v++) {
		if (str_eq(lc_status_name((enum lc_status)v), name)) {
			*out = (enum lc_status)v;
			return true;
		}
	}
	return false;
}

static bool
install_parse(const char *name, enum lc_install_state *out)
{
	for (int v = 0; v <= LC_I_FAILED; v++) {
		if (str_eq(lc_install_state_name((enum lc_install_state)v),
			name)) {
			*out = (enum lc_install_state)v;
			return true;
		}
	}
	return false;
}

static bool
load_small(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "SELECT name FROM ns ORDER BY name");
	int64_t next_mcis = 1, next_slot = 1;

	while (db_row(db, st, err))
		lc_load_ns(lc, db_text(st, 0));
	if (err->code != MW_OK)
		return false;
	st = db_stmt(db, "SELECT conn FROM region_used ORDER BY conn");
	while (db_row(db, st, err))
		lc_load_region(lc, db_text(st, 0));
	if (err->code != MW_OK)
		return false;
	st = db_stmt(db,
	    "SELECT key, CAST(value AS INT) FROM meta WHERE key LIKE 'lc_next_%'");
	while (db_row(db, st, err)) {
		if (str_eq(db_text(st, 0), "lc_next_mcis"))
			next_mcis = sqlite3_column_int64(st, 1);
		if (str_eq(db_text(st, 0), "lc_next_slot"))
			next_slot = sqlite3_column_int64(st, 1);
	}
	lc_load_next(lc, next_mcis, next_slot);
	return err->code == MW_OK;
}

static bool
load_orphans(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT conn, csp_id, slot, gen, decision, seen, first_seen, "
	    "native, vm, actor FROM orphan ORDER BY conn, csp_id");

	while (db_row(db, st, err)) {
		struct lc_orphan o = {
			.slot_id = sqlite3_column_int64(st, 2),
			.gen = sqlite3_column_int64(st, 3),
			.seen_at = sqlite3_column_int64(st, 5),
			.first_seen_at = sqlite3_column_int64(st, 6),
			.native = db_text(st, 7),
			.vm = db_text(st, 8),
		};

		text(o.connection, sizeof o.connection, st, 0);
		text(o.csp_id, sizeof o.csp_id, st, 1);
		text(o.decision, sizeof o.decision, st, 4);
		text(o.actor, sizeof o.actor, st, 9);
		lc_load_orphan(lc, &o);
	}
	return err->code == MW_OK;
}

/* What restore.c wrote; a database that was never restored has none of it. */
static bool
load_epoch(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT key, CAST(value AS INT) FROM meta "
	    "WHERE key IN ('db_epoch', 'epoch_slot')");
	int64_t epoch = 0, slot = 0;

	while (db_row(db, st, err)) {
		if (str_eq(db_text(st, 0), "db_epoch"))
			epoch = sqlite3_column_int64(st, 1);
		else
			slot = sqlite3_column_int64(st, 1);
	}
	if (err->code != MW_OK || epoch == 0)
		return err->code == MW_OK;
	lc_load_epoch(lc, epoch, slot);
	st = db_stmt(db,
	    "SELECT slot, max(gen) FROM inst WHERE gen <= ?1 * ?2 "
	    "GROUP BY slot, gen / ?2 ORDER BY slot, gen");
	db_bind(st, "ii", epoch, (int64_t)LC_EPOCH_GENS);
	while (db_row(db, st, err))
		lc_load_known(lc, sqlite3_column_int64(st, 0),
		    sqlite3_column_int64(st, 1));
	return err->code == MW_OK;
}

static bool
load_mcis(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, ns, name, description, labels, require_agent, policy, "
	    "forget, key_id, created, vanish FROM mcis ORDER BY id");

	while (db_row(db, st, err)) {
		struct lc_mcis_row m = {
			.mcis_id = sqlite3_column_int64(st, 0),
			.description = db_text(st, 3),
			.labels = db_text(st, 4),
			.require_agent = sqlite3_column_int(st, 5) != 0,
			.forget = sqlite3_column_int(st, 7) != 0,
			.created_at = sqlite3_column_int64(st, 9),
			.replace_vanished = str_eq(db_text(st, 10), "replace"),
		};

		text(m.ns, sizeof m.ns, st, 1);
		text(m.name, sizeof m.name, st, 2);
		text(m.key_id, sizeof m.key_id, st, 8);
		if (!lc_policy_parse(db_text(st, 6), &m.policy))
			return bad_row(err, "mcis", m.mcis_id);
		lc_load_mcis(lc, &m);
	}
	return err->code == MW_OK;
}

static bool
load_slots(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, mcis, grp, idx, desired, dropping, added, conn, spec, "
	    "image, zone, sha256, labels, gen, fails, gave_up, replacing, "
	    "reason, action, member FROM slot "
	    "WHERE mcis IN (SELECT id FROM mcis) ORDER BY id");

	while (db_row(db, st, err)) {
		struct lc_slot_row s = {
			.slot_id = sqlite3_column_int64(st, 0),
			.mcis_id = sqlite3_column_int64(st, 1),
			.index = sqlite3_column_int64(st, 3),
			.desired = sqlite3_column_int(st, 4) != 0,
			.drop = sqlite3_column_int(st, 5) != 0,
			.added = sqlite3_column_int(st, 6) != 0,
			.labels = db_text(st, 12),
			.gen = sqlite3_column_int64(st, 13),
			.fails = sqlite3_column_int64(st, 14),
			.gave_up = sqlite3_column_int(st, 15) != 0,
			.replace = sqlite3_column_int(st, 16) != 0,
		};
		int64_t member = sqlite3_column_int64(st, 19);

		s.group = db_text(st, 2);
		s.spec.connection = db_text(st, 7);
		s.spec.spec = db_text(st, 8);
		s.spec.image = db_text(st, 9);
		s.spec.zone = db_text(st, 10);
		s.spec_sha256 = db_text(st, 11);
		s.reason = db_text(st, 17);
		text(s.action_id, sizeof s.action_id, st, 18);
		if (member < LC_M_NONE || member > LC_M_FAILED)
			return bad_row(err, "slot", s.slot_id);
		s.member = (enum lc_member)member;
		lc_load_slot(lc, &s);
	}
	return err->code == MW_OK;
}

static void
inst_texts(struct lc_inst_row *in, sqlite3_stmt *st)
{
	in->connection = db_text(st, 3);
	text(in->token, sizeof in->token, st, 4);
	in->csp_id = db_text(st, 5);
	in->native = db_text(st, 11);
	in->public_ip = db_text(st, 13);
	in->private_ip = db_text(st, 14);
	in->zone = db_text(st, 15);
	in->ssh_user = db_text(st, 16);
	in->host_key = db_text(st, 18);
	in->host_key_trust = db_text(st, 19);
	in->host_id = db_text(st, 20);
	in->install_step = db_text(st, 24);
	in->install_error = db_text(st, 25);
	in->last_error = db_text(st, 26);
}

static bool
load_insts(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT i.slot, i.gen, phase, i.conn, token, csp_id, attempted, "
	    "unresolved, verb, verb_sent, ever_ran, native, class, public_ip, "
	    "private_ip, i.zone, ssh_user, ssh_port, host_key, host_key_trust, "
	    "host_id, host_slots, host_need, install, install_step, "
	    "install_error, last_error, status, status_at "
	    "FROM inst i JOIN slot s ON s.id = i.slot AND s.gen = i.gen "
	    "ORDER BY i.slot");

	while (db_row(db, st, err)) {
		struct lc_inst_row in = {
			.slot_id = sqlite3_column_int64(st, 0),
			.gen = sqlite3_column_int64(st, 1),
			.attempted = sqlite3_column_int(st, 6) != 0,
			.unresolved = sqlite3_column_int(st, 7) != 0,
			.verb_sent = sqlite3_column_int(st, 9) != 0,
			.ever_ran = sqlite3_column_int(st, 10) != 0,
			.ssh_port = sqlite3_column_int64(st, 17),
			.host_slots = sqlite3_column_int64(st, 21),
			.host_need = sqlite3_column_int64(st, 22),
			.status_at = sqlite3_column_int64(st, 28),
		};
		int64_t phase = sqlite3_column_int64(st, 2);
		int64_t cls = sqlite3_column_int64(st, 12);

		inst_texts(&in, st);
		if (phase < 0 || phase >= LC_P_COUNT || cls < 0 ||
		    cls >= LC_C_COUNT ||
		    !verb_parse(db_text(st, 8), &in.verb) ||
		    !install_parse(db_text(st, 23), &in.install) ||
		    !status_parse(db_text(st, 27), &in.status))
			return bad_row(err, "inst", in.slot_id);
		in.phase = (enum lc_phase)phase;
		in.cls = (enum lc_class)cls;
		lc_load_inst(lc, &in);
	}
	return err->code == MW_OK;
}

static bool
load_actions(struct db *db, struct lc *lc, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT n, act, mcis, slot, target, actor, policy, undo, canceled, "
	    "done, failed, total, error, started FROM action "
	    "WHERE act IS NOT NULL AND state = 'running' ORDER BY n");

	while (db_row(db, st, err)) {
		struct lc_action_row a = {
			.mcis_id = sqlite3_column_int64(st, 2),
			.slot_id = sqlite3_column_int64(st, 3),
			.undo = sqlite3_column_int(st, 7) != 0,
			.canceled = sqlite3_column_int(st, 8) != 0,
			.done = sqlite3_column_int64(st, 9),
			.failed = sqlite3_column_int64(st, 10),
			.total = sqlite3_column_int64(st, 11),
			.started_at = sqlite3_column_int64(st, 13),
		};
		struct str id = STR_INIT;

		str_addf(&id, "ac-%s", db_text(st, 0));
		str_copy(a.action_id, sizeof a.action_id, str_cstr(&id));
		str_free(&id);
		a.target = db_text(st, 4);
		a.actor = db_text(st, 5);
		a.error = db_text(st, 12);
		if (!lc_act_parse(db_text(st, 1), &a.act) ||
		    !lc_policy_parse(db_text(st, 6), &a.policy))
			return bad_row(err, "action",
			    sqlite3_column_int64(st, 0));
		lc_load_action(lc, &a);
	}
	return err->code == MW_OK;
}

bool
db_lifecycle_load(struct db *db, struct lc *lc, struct mw_err *err)
{
	return load_small(db, lc, err) && load_epoch(db, lc, err) &&
	    load_orphans(db, lc, err) && load_mcis(db, lc, err) &&
	    load_slots(db, lc, err) && load_insts(db, lc, err) &&
	    load_actions(db, lc, err);
}
