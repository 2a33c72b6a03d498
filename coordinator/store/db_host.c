/*
 * db_host.c - see db_host.h. A row's key is slot << 32 | minutes (or hours)
 * since 1970, so that the time of one VM is one range; its blob is
 * host_pack() of common/pure/hostrec.h, some 40 bytes.
 */
#include "coordinator/store/db_host.h"

#include "common/log.h"

#include <assert.h>

#define AT_MASK INT64_C(0xffffffff)

static int64_t
key(int64_t slot, int64_t at)
{
	assert(slot >= 0 && slot < INT64_C(0x7fffffff));
	return slot << 32 | (at & AT_MASK);
}

static bool
row(sqlite3_stmt *st, struct host_rec *r)
{
	const uint8_t *p = sqlite3_column_blob(st, 1);
	size_t n = (size_t)sqlite3_column_bytes(st, 1);
	int64_t id = sqlite3_column_int64(st, 0);

	r->at = id & AT_MASK;
	if (p && host_unpack(p, n, r))
		return true;
	log_warn("host", NULL, "a record is damaged\tid=%lld action=skip",
	    (long long)id);
	return false;
}

bool
db_host_put(struct db *db, int64_t slot, const struct host_rec *r,
    struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "INSERT OR IGNORE INTO host_min(id, v) VALUES(?, ?)");
	uint8_t blob[HOST_BLOB_MAX];
	size_t n = host_pack(r, blob);

	db_bind(st, "ib", key(slot, r->at), (const void *)blob, n);
	return db_exec(db, st, err);
}

struct minutes {
	struct host_rec r[HOST_FOLD_MAX];
	size_t n;
};

static void
collect(void *arg, const struct host_rec *r)
{
	struct minutes *m = arg;

	if (m->n < HOST_FOLD_MAX)
		m->r[m->n++] = *r;
}

bool
db_host_fold(struct db *db, int64_t slot, int64_t hour, struct mw_err *err)
{
	struct minutes m = { .n = 0 };
	struct host_rec sum = { .at = hour };
	uint8_t blob[HOST_BLOB_MAX];
	sqlite3_stmt *st;
	size_t n;

	if (!db_host_each(db, false, slot, hour * 60, hour * 60 + 59, collect,
		&m, err))
		return false;
	if (m.n == 0)
		return true;
	host_fold(m.r, m.n, &sum);
	n = host_pack(&sum, blob);
	st =
	    db_stmt(db, "INSERT OR REPLACE INTO host_hour(id, v) VALUES(?, ?)");
	db_bind(st, "ib", key(slot, hour), (const void *)blob, n);
	return db_exec(db, st, err);
}

bool
db_host_each(struct db *db, bool hours, int64_t slot, int64_t from, int64_t to,
    void (*each)(void *arg, const struct host_rec *r), void *arg,
    struct mw_err *err)
{
	sqlite3_stmt *st = hours
	    ? db_stmt(db,
		  "SELECT id, v FROM host_hour WHERE id BETWEEN ? AND ? "
		  "ORDER BY id")
	    : db_stmt(db,
		  "SELECT id, v FROM host_min WHERE id BETWEEN ? AND ? "
		  "ORDER BY id");
	struct host_rec r;

	db_bind(st, "ii", key(slot, from), key(slot, to));
	while (db_row(db, st, err))
		if (row(st, &r))
			each(arg, &r);
	return err->code == MW_OK;
}

bool
db_host_newest(struct db *db, int64_t slot, struct host_rec *r, bool *found,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, v FROM host_min WHERE id BETWEEN ? AND ? "
	    "ORDER BY id DESC LIMIT 1");

	*found = false;
	db_bind(st, "ii", key(slot, 0), key(slot, AT_MASK));
	if (db_row(db, st, err))
		*found = row(st, r);
	return err->code == MW_OK;
}

/* Nobody folds behind the newest hour but for minutes that came late. */
bool
db_host_unfolded(struct db *db, int64_t slot, int64_t *hours, size_t max,
    size_t *n, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT coalesce(max(id), ?1) FROM host_hour "
	    "WHERE id BETWEEN ?1 AND ?2");
	int64_t last = 0;

	*n = 0;
	db_bind(st, "ii", key(slot, 0), key(slot, AT_MASK));
	if (db_row(db, st, err))
		last = sqlite3_column_int64(st, 0) & AT_MASK;
	if (err->code != MW_OK)
		return false;
	st = db_stmt(db,
	    "SELECT DISTINCT (id & 4294967295) / 60 FROM host_min "
	    "WHERE id BETWEEN ? AND ? ORDER BY 1 LIMIT ?");
	db_bind(st, "iii", key(slot, (last + 1) * 60), key(slot, AT_MASK),
	    (int64_t)max);
	while (*n < max && db_row(db, st, err))
		hours[(*n)++] = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}
