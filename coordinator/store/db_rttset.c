/*
 * db_rttset.c - SQL of the sets of members.
 */
#include "coordinator/store/db_rttset.h"

#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

/* Above every slot of the lifecycle: where the VM of a row is not known. */
#define NO_SLOT INT64_C(0x7f000000)
#define TEXT_MAX (1 << 20)

int64_t
rtt_set_slot(const struct matrix_who *who, size_t i)
{
	return who[i].slot > 0 ? who[i].slot : NO_SLOT + (int64_t)i;
}

static char *
set_text(size_t n, char *const *vm, const struct matrix_who *who)
{
	json_t *all = json_array();
	char *text;

	for (size_t i = 0; i < n; i++) {
		json_t *m = json_object();

		json_put_str(m, "vm", vm[i]);
		json_put_int(m, "slot", rtt_set_slot(who, i));
		json_put_int(m, "gen", who[i].gen);
		if (who[i].site)
			json_put_str(m, "site", who[i].site);
		json_array_append_new(all, m);
	}
	text = json_text(all, false);
	json_decref(all);
	return text;
}

bool
rtt_set_put(struct db *db, size_t n, char *const *vm,
    const struct matrix_who *who, int64_t *id, struct mw_err *err)
{
	char *text = set_text(n, vm, who);
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT id FROM rtt_set WHERE members = ?");
	bool ok;

	db_bind(st, "s", text);
	ok = db_row(db, st, err);
	if (ok) {
		*id = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
	} else if (err->code == MW_OK) {
		st = db_stmt(db, "INSERT INTO rtt_set(members) VALUES(?)");
		db_bind(st, "s", text);
		ok = db_exec(db, st, err);
		*id = db_last_id(db);
	}
	free(text);
	return ok;
}

static bool
set_fill(struct rtt_set *s, const json_t *members)
{
	json_t *m;
	size_t i;

	json_array_foreach(members, i, m)
	{
		const char *vm = json_string_value(json_object_get(m, "vm"));
		const char *site =
		    json_string_value(json_object_get(m, "site"));

		s->who[i].slot = json_integer_value(json_object_get(m, "slot"));
		s->who[i].gen = json_integer_value(json_object_get(m, "gen"));
		if (!vm || s->who[i].slot < 1 || s->who[i].slot > INT32_MAX)
			return false;
		s->vm[i] = xstrdup(vm);
		s->who[i].site = site ? xstrdup(site) : NULL;
	}
	return true;
}

struct rtt_set *
rtt_set_get(struct db *db, int64_t id, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT members FROM rtt_set WHERE id = ?");
	struct rtt_set *s = NULL;
	const char *text;
	json_t *members = NULL;
	size_t n;

	db_bind(st, "i", id);
	if (!db_row(db, st, err)) {
		err_set(err, MW_INTERNAL, 0, "no set %lld of members",
		    (long long)id);
		return NULL;
	}
	text = db_text(st, 0);
	members = json_parse(text, strlen(text), TEXT_MAX, err);
	sqlite3_reset(st);
	if (!members)
		return NULL;
	n = json_array_size(members);
	s = xcalloc(1, sizeof *s);
	s->id = id;
	s->n = n;
	s->vm = xcalloc(n + 1, sizeof *s->vm);
	s->who = xcalloc(n + 1, sizeof *s->who);
	if (n > RTT_SET_MAX || !set_fill(s, members)) {
		err_set(err, MW_INTERNAL, 0, "set %lld of members is damaged",
		    (long long)id);
		rtt_set_free(s);
		s = NULL;
	}
	json_decref(members);
	return s;
}

void
rtt_set_free(struct rtt_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->vm[i]);
		free(s->who[i].site);
	}
	free(s->vm);
	free(s->who);
	free(s);
}

size_t
rtt_set_find(const struct rtt_set *s, int64_t slot, int64_t gen)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->who[i].slot == slot && (!gen || s->who[i].gen == gen))
			return i;
	return SIZE_MAX;
}

size_t
rtt_set_named(const struct rtt_set *s, const char *vm)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->vm[i], vm))
			return i;
	return SIZE_MAX;
}

struct matrix *
rtt_set_matrix(const struct rtt_set *s)
{
	struct matrix *m = matrix_new(s->n);

	for (size_t i = 0; i < s->n; i++) {
		m->names[i] = xstrdup(s->vm[i]);
		m->who[i] = s->who[i];
		m->who[i].site =
		    s->who[i].site ? xstrdup(s->who[i].site) : NULL;
	}
	return m;
}
