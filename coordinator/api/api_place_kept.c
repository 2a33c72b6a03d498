/*
 * api_place_kept.c - the members of the newest answers stay in memory, so that
 * a group can be created from one at once.
 */
#include "coordinator/api/api_place_int.h"

#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/store/db_place.h"

#include <string.h>

#define KEEP_MEMBERS 200

static bool load(struct db *db, void *arg, struct mw_err *err);

struct places *
places_new(struct coord *c, struct mw_err *err)
{
	struct places *p = xcalloc(1, sizeof *p);

	p->c = c;
	p->cache = place_cache_new();
	if (!store_run_now(c->store, load, p, err)) {
		places_free(p);
		return NULL;
	}
	return p;
}

void
places_free(struct places *p)
{
	struct kept *k;

	if (!p)
		return;
	while ((k = p->kept) != NULL) {
		p->kept = k->next;
		free(k->members);
		free(k);
	}
	place_cache_free(p->cache);
	free(p);
}

bool
places_id(const char *name, int64_t *id, struct mw_err *err)
{
	if (name && str_starts(name, "pl-") &&
	    num_parse_i64(name + 3, strlen(name + 3), 1, INT64_MAX, id))
		return true;
	return err_set(err, MW_INVALID, 0, "not a placement: %s",
	    name ? name : "");
}

static bool
member_get(struct places_member *out, json_t *m, struct mw_err *err)
{
	struct json_at at;
	const char *group, *conn, *spec;

	if (!json_at_root(&at, m, err) ||
	    !json_get_str(&at, "group", true, 63, &group, err) ||
	    !json_get_str(&at, "connection", true, 127, &conn, err) ||
	    !json_get_str(&at, "spec", true, 127, &spec, err))
		return false;
	str_copy(out->group, sizeof out->group, group);
	str_copy(out->connection, sizeof out->connection, conn);
	str_copy(out->spec, sizeof out->spec, spec);
	return true;
}

bool
places_members(struct places *p, const char *name, int64_t rank,
    struct places_member **out, size_t *n, struct mw_err *err)
{
	struct kept *k = p->kept;
	json_t *all, *list;
	bool ok = true;
	int64_t id;

	if (!places_id(name, &id, err))
		return false;
	while (k && k->id != id)
		k = k->next;
	if (!k) {
		err_set(err, MW_NOT_FOUND, 0, "no placement %s", name);
		return err_hint(err, "milkyway placement lists them");
	}
	all = json_parse(k->members, strlen(k->members), SIZE_MAX, err);
	if (!all)
		return false;
	list = rank < 1 ? NULL : json_array_get(all, (size_t)rank - 1);
	if (!list) {
		ok = json_array_size(all)
		    ? err_set(err, MW_NOT_FOUND, 0, "%s ranks %zu groups", name,
			  json_array_size(all))
		    : err_set(err, MW_CONFLICT, 0,
			  "%s found no group that meets its limits", name);
		goto out;
	}
	*n = json_array_size(list);
	*out = xcalloc(*n + 1, sizeof **out);
	for (size_t i = 0; ok && i < *n; i++)
		ok = member_get(&(*out)[i], json_array_get(list, i), err);
	if (!ok)
		free(*out);
out:
	json_decref(all);
	return ok;
}

void
places_keep(struct places *p, int64_t id, const char *members)
{
	struct kept *k = xcalloc(1, sizeof *k), **end;
	size_t n = 0;

	k->id = id;
	k->members = xstrdup(members);
	k->next = p->kept;
	p->kept = k;
	for (end = &p->kept; *end && n < KEEP_MEMBERS; end = &(*end)->next)
		n++;
	if (*end) {
		free((*end)->members);
		free(*end);
		*end = NULL;
	}
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	sqlite3_stmt *st;

	if (!db_place_left(db, err))
		return false;
	st = db_stmt(db,
	    "SELECT id, members FROM (SELECT id, members FROM placement "
	    "ORDER BY id DESC LIMIT ?) ORDER BY id");

	db_bind(st, "i", (int64_t)KEEP_MEMBERS);
	while (db_row(db, st, err))
		places_keep(arg, sqlite3_column_int64(st, 0), db_text(st, 1));
	return err->code == MW_OK;
}
