/*
 * db_bench.c - SQL of runs and results.
 */
#include "coordinator/store/db_bench.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/when.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool
db_run_next(struct db *db, int64_t *id, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT coalesce(max(id), 0) + 1 "
	    "FROM run");

	*id = 1;
	if (db_row(db, st, err))
		*id = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

bool
db_run_put(struct db *db, const struct db_run *r, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO run(id, kind, ns, mcis, action, profile, params, "
	    "state, t0) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, "isssssssi", r->id, r->kind, r->ns, r->mcis, r->action,
	    r->profile, r->params, r->state, r->t0);
	return db_exec(db, st, err);
}

bool
db_run_end(struct db *db, int64_t id, const char *state, const char *reason,
    int64_t t1, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE run SET state = ?, reason = ?, t1 = ? WHERE id = ?");

	db_bind(st, "ssii", state, reason, t1, id);
	return db_exec(db, st, err);
}

bool
db_run_vm_put(struct db *db, const struct db_run_vm *v, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO run_vm(run, slot, gen, vm, state, step, "
	    "error) VALUES(?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, "iiissss", v->run, v->slot, v->gen, v->vm, v->state,
	    v->step, v->error);
	return db_exec(db, st, err);
}

/* The environment and what the tool printed: once each. */
static bool
put_env(struct db *db, const struct db_result *r, struct mw_err *err)
{
	const struct bench_env *e = r->env;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR IGNORE INTO env(hash, json) "
	    "VALUES(?, ?)");
	struct mw_err why = MW_ERR_INIT;

	db_bind(st, "ss", e->hash, e->json);
	if (!db_exec(db, st, err))
		return false;
	if (!e->raw_hash[0])
		return true;
	if (!raw_check(e->raw, e->raw_len, e->raw_hash, &why)) {
		log_warn("bench", r->vm, "%s	action=\"drop it\"", why.msg);
		return true;
	}
	st = db_stmt(db,
	    "INSERT OR IGNORE INTO raw(hash, at, body) VALUES(?, ?, ?)");
	db_bind(st, "sib", e->raw_hash, r->at, e->raw, e->raw_len);
	return db_exec(db, st, err);
}

bool
db_result_put(struct db *db, const struct db_result *r, bool *stored,
    bool *wanted, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT 1 FROM run_vm WHERE run = ? AND slot = ? AND gen = ?");

	db_bind(st, "iii", r->run, r->slot, r->gen);
	*stored = false;
	*wanted = db_row(db, st, err);
	if (!*wanted)
		return err->code == MW_OK;
	if (r->env && !put_env(db, r, err))
		return false;
	st = db_stmt(db,
	    "INSERT OR IGNORE INTO result(run, ns, mcis, vm, slot, gen, boot, "
	    "seq, part, kind, variant, spec, conn, at, validity, json, profile, "
	    "n_valid, replay, ci_lo, ci_hi, mad_cv, value, env) "
	    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
	    "?, ?, ?, ?, (SELECT id FROM env WHERE hash = ?))");
	/* sqlite stores a NAN as NULL */
	db_bind(st, "isssiisiiisssiissiidddds", r->run, r->ns, r->mcis, r->vm,
	    r->slot, r->gen, r->boot, r->seq, r->part, (int64_t)r->kind,
	    r->variant, r->spec, r->conn, r->at, (int64_t)r->validity, r->json,
	    r->sum.profile, r->sum.n_valid, (int64_t)r->sum.replay,
	    r->sum.ci_lo, r->sum.ci_hi, r->sum.mad_cv,
	    r->has_value ? r->value : (double)NAN,
	    r->env ? r->env->hash : NULL);
	if (!db_exec(db, st, err))
		return false;
	*stored = db_changes(db) > 0;
	return true;
}

/* The number of a result is known only after its text was stored. */
static void
add_result(struct str *items, int64_t id, const char *json, const char *env)
{
	size_t n = strlen(json + 1);

	if (items->len)
		str_addc(items, ',');
	str_addf(items, "{\"resultId\":\"r-%lld\",", (long long)id);
	/* Both end in "}}", both are objects with a member: put the shared part
	 * into the env of the result. */
	if (strlen(env) > 2 && n > 2 && strcmp(json + n - 1, "}}") == 0) {
		str_addn(items, json + 1, n - 2);
		str_addf(items, ",%s}", env + 1);
	} else {
		str_addn(items, json + 1, n);
	}
}

bool
db_result_list(struct db *db, const struct db_result_filter *f,
    struct str *items, struct mw_err *err)
{
#define RESULT                                       \
	"SELECT r.id, r.json, e.json FROM result r " \
	"LEFT JOIN env e ON e.id = r.env "
	sqlite3_stmt *st;

	if (f->run)
		st = db_stmt(db,
		    RESULT
		    "WHERE r.ns = ?1 AND r.mcis = ?2 AND r.run = ?3 "
		    "AND (?4 < 0 OR r.kind = ?4) ORDER BY r.id LIMIT ?5");
	else if (f->latest)
		st = db_stmt(db,
		    RESULT
		    "WHERE r.id IN (SELECT max(id) FROM result "
		    "WHERE ns = ?1 AND mcis = ?2 AND "
		    "(?4 < 0 OR kind = ?4) AND at <= ?6 GROUP BY vm, kind, variant, "
		    "json_extract(json, '$.target')) AND ?3 = 0 "
		    "ORDER BY r.id LIMIT ?5");
	else
		st = db_stmt(db,
		    RESULT
		    "WHERE r.id IN (SELECT id FROM result "
		    "WHERE ns = ?1 AND mcis = ?2 AND (?4 < 0 OR kind = ?4) "
		    "AND ?3 = 0 AND at <= ?6 ORDER BY id DESC LIMIT ?5) "
		    "ORDER BY r.id");
	db_bind(st, f->run ? "ssiii" : "ssiiii", f->ns, f->mcis, f->run,
	    (int64_t)f->kind, f->limit, f->at ? f->at : INT64_MAX);
	while (db_row(db, st, err))
		add_result(items, sqlite3_column_int64(st, 0), db_text(st, 1),
		    db_text(st, 2));
	return err->code == MW_OK;
}

bool
db_result_first(struct db *db, const char *ns, const char *mcis, int64_t *at,
    struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT min(at) FROM result WHERE ns = ? AND mcis = ?");

	*at = 0;
	db_bind(st, "ss", ns, mcis);
	if (db_row(db, st, err))
		*at = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

bool
db_result_get(struct db *db, int64_t id, struct str *json, bool *found,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, RESULT "WHERE r.id = ?");

	db_bind(st, "i", id);
	*found = db_row(db, st, err);
	if (*found)
		add_result(json, id, db_text(st, 1), db_text(st, 2));
	return err->code == MW_OK;
#undef RESULT
}

bool
db_raw_get(struct db *db, const char *name, int64_t result, struct str *text,
    bool *found, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT body FROM raw WHERE hash = coalesce(?1, (SELECT "
	    "json_extract(json, '$.rawRef') FROM result WHERE id = ?2))");

	db_bind(st, "si", name, result);
	*found = db_row(db, st, err);
	return err->code == MW_OK &&
	    (!*found ||
		raw_inflate(sqlite3_column_blob(st, 0),
		    (size_t)sqlite3_column_bytes(st, 0), text, err));
}

static json_t *
vms_json(struct db *db, int64_t run, struct mw_err *err)
{
	json_t *vms = json_array();
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT vm, state, step, error FROM run_vm WHERE run = ? "
	    "ORDER BY vm");

	db_bind(st, "i", run);
	while (db_row(db, st, err)) {
		json_t *v = json_object();

		json_put_str(v, "vmId", db_text(st, 0));
		json_put_str(v, "state", db_text(st, 1));
		json_put_str(v, "step",
		    *db_text(st, 2) ? db_text(st, 2) : NULL);
		json_put_str(v, "error",
		    *db_text(st, 3) ? db_text(st, 3) : NULL);
		json_array_append_new(vms, v);
	}
	return vms;
}

static void
run_row_json(struct db *db, sqlite3_stmt *st, struct str *items,
    struct mw_err *err)
{
	json_t *j = json_object(), *params, *kinds;
	char name[24];
	char *text;

	snprintf(name, sizeof name, "b-%lld",
	    (long long)sqlite3_column_int64(st, 0));
	params = json_loads(db_text(st, 4), 0, NULL);
	kinds = json_object_get(params, "kinds");
	json_put_str(j, "runId", name);
	json_put_str(j, "kind", db_text(st, 1));
	json_put_str(j, "actionId", db_text(st, 2));
	json_put_str(j, "profile", *db_text(st, 3) ? db_text(st, 3) : NULL);
	json_put(j, "kinds", kinds ? json_incref(kinds) : json_array());
	json_put(j, "seed", json_incref(json_object_get(params, "seed")));
	json_put_str(j, "state", db_text(st, 5));
	json_put_str(j, "reason", *db_text(st, 6) ? db_text(st, 6) : NULL);
	json_put_time(j, "startedAt", sqlite3_column_int64(st, 7));
	json_put_time(j, "endedAt", sqlite3_column_int64(st, 8));
	json_put(j, "vms", vms_json(db, sqlite3_column_int64(st, 0), err));
	text = json_text(j, false);
	if (items->len)
		str_addc(items, ',');
	str_add(items, text);
	free(text);
	json_decref(params);
	json_decref(j);
}

bool
db_run_list(struct db *db, const char *ns, const char *mcis, int64_t id,
    int64_t limit, struct str *items, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, kind, action, profile, params, state, reason, t0, t1 "
	    "FROM run WHERE ns = ?1 AND mcis = ?2 AND (?3 = 0 OR id = ?3) "
	    "AND state <> 'running' ORDER BY id DESC LIMIT ?4");

	db_bind(st, "ssii", ns, mcis, id, limit);
	while (db_row(db, st, err))
		run_row_json(db, st, items, err);
	return err->code == MW_OK;
}

static unsigned
kinds_stored(struct db *db, int64_t run, int64_t slot, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT DISTINCT kind, variant FROM result WHERE run = ? AND "
	    "slot = ?");
	unsigned got = 0, lane;

	db_bind(st, "ii", run, slot);
	while (db_row(db, st, err))
		if (lane_find((enum kind)sqlite3_column_int(st, 0),
			db_text(st, 1), &lane))
			got |= LANE_BIT(lane);
	return got;
}

bool
db_run_each_open(struct db *db, void (*run)(void *arg, const struct db_run *r),
    void (*vm)(void *arg, const struct db_run_vm *v, unsigned got), void *arg,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, kind, ns, mcis, action, profile, params, t0 FROM run "
	    "WHERE state = 'running' ORDER BY id");

	while (db_row(db, st, err)) {
		struct db_run r = {
			.id = sqlite3_column_int64(st, 0),
			.kind = db_text(st, 1),
			.ns = db_text(st, 2),
			.mcis = db_text(st, 3),
			.action = db_text(st, 4),
			.profile = db_text(st, 5),
			.params = db_text(st, 6),
			.t0 = sqlite3_column_int64(st, 7),
		};
		sqlite3_stmt *v = db_stmt(db,
		    "SELECT slot, gen, vm, state, step, error FROM run_vm "
		    "WHERE run = ? ORDER BY vm");

		run(arg, &r);
		db_bind(v, "i", r.id);
		while (db_row(db, v, err)) {
			struct db_run_vm row = {
				.run = r.id,
				.slot = sqlite3_column_int64(v, 0),
				.gen = sqlite3_column_int64(v, 1),
				.vm = db_text(v, 2),
				.state = db_text(v, 3),
				.step = db_text(v, 4),
				.error = db_text(v, 5),
			};

			vm(arg, &row, kinds_stored(db, r.id, row.slot, err));
		}
	}
	return err->code == MW_OK;
}
