/*
 * place_cache.c - see place_cache.h. Owns references of snapshots and of the
 * matrices that they were made from.
 */
#include "coordinator/place/place_cache.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/measure/snap.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define KEEP 4
#define TTL_NS NS_PER_S
#define TTL_FACTOR 50

struct entry {
	char *key; /* names; NULL: free */
	uint64_t state; /* of the VMs and the catalogue */
	struct matrix **pools; /* one per MCIS; an element may be NULL */
	size_t npools;
	int64_t until_ns, used;
	struct place_snapshot *snap;
};

struct place_cache {
	struct entry v[KEEP];
	int64_t uses;
};

struct place_cache *
place_cache_new(void)
{
	return xcalloc(1, sizeof(struct place_cache));
}

static void
forget(struct entry *e)
{
	for (size_t i = 0; i < e->npools; i++)
		matrix_unref(e->pools[i]);
	free(e->pools);
	free(e->key);
	place_snapshot_free(e->snap);
	memset(e, 0, sizeof *e);
}

void
place_cache_free(struct place_cache *k)
{
	for (size_t i = 0; k && i < KEEP; i++)
		forget(&k->v[i]);
	free(k);
}

static const char *
ns_of(const struct place_from *f, size_t i)
{
	return f->nss ? f->nss[i] : f->ns;
}

static char *
key_of(const struct place_from *f)
{
	struct str s = STR_INIT;
	char *key;

	str_addf(&s, "%d", f->by_spec);
	for (size_t i = 0; i < f->nmcis; i++)
		str_addf(&s, " %s/%s", ns_of(f, i), f->mcis[i]);
	key = xstrdup(str_cstr(&s));
	str_free(&s);
	return key;
}

static uint64_t
mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(1099511628211);
	return h;
}

static uint64_t
mix_text(uint64_t h, const char *s)
{
	return mix(h, s ? s : "", s ? strlen(s) + 1 : 1);
}

/* Which VM is what and where: FNV-1a over all that a snapshot reads. */
static uint64_t
state_of(struct coord *c, const struct place_from *f)
{
	uint64_t h = UINT64_C(14695981039346656037);
	uint64_t revision = conns_revision(c->conns);

	h = mix(h, &revision, sizeof revision);
	for (size_t i = 0; i < f->nmcis; i++) {
		const struct lc_mcis *m =
		    lc_mcis_find(c->lc, ns_of(f, i), f->mcis[i]);

		for (const struct lc_slot *v = m ? m->slots : NULL; v;
		     v = v->next) {
			h = mix(h, &v->row.slot_id, sizeof v->row.slot_id);
			h = mix_text(h, v->vm_id);
			h = mix_text(h, v->row.spec.connection);
			h = mix_text(h, v->row.spec.spec);
		}
		h = mix_text(h, m ? "" : "gone");
	}
	return h;
}

static bool
fresh(const struct entry *e, struct coord *c, const struct place_from *f,
    int64_t results)
{
	if (clock_mono_ns() > e->until_ns || e->npools != f->nmcis ||
	    (results >= 0 && results != e->snap->results))
		return false;
	/* A pool is never changed: a new round brings a new one. */
	for (size_t i = 0; i < f->nmcis; i++)
		if (snap_pool(c->snap, ns_of(f, i), f->mcis[i]) != e->pools[i])
			return false;
	return state_of(c, f) == e->state;
}

static struct entry *
find(struct place_cache *k, const char *key)
{
	for (size_t i = 0; i < KEEP; i++)
		if (str_eq(k->v[i].key, key))
			return &k->v[i];
	return NULL;
}

struct place_snapshot *
place_cache_get(struct place_cache *k, struct coord *c,
    const struct place_from *from, int64_t results)
{
	char *key = key_of(from);
	struct entry *e = find(k, key);

	free(key);
	if (!e || !fresh(e, c, from, results))
		return NULL;
	e->used = ++k->uses;
	return place_snapshot_ref(e->snap);
}

void
place_cache_put(struct place_cache *k, struct coord *c,
    const struct place_from *from, struct place_snapshot *s, int64_t took_ns)
{
	char *key = key_of(from);
	struct entry *e = find(k, key);
	int64_t ttl = took_ns * TTL_FACTOR;

	for (size_t i = 0; !e && i < KEEP; i++)
		if (!k->v[i].key)
			e = &k->v[i];
	if (!e)
		e = &k->v[0];
	for (size_t i = 0; e->key && !str_eq(e->key, key) && i < KEEP; i++)
		if (k->v[i].used < e->used)
			e = &k->v[i];
	forget(e);
	e->key = key;
	e->state = state_of(c, from);
	e->npools = from->nmcis;
	e->pools = xcalloc(from->nmcis + 1, sizeof(struct matrix *));
	for (size_t i = 0; i < from->nmcis; i++) {
		struct matrix *m =
		    snap_pool(c->snap, ns_of(from, i), from->mcis[i]);

		e->pools[i] = m ? matrix_ref(m) : NULL;
	}
	e->until_ns = clock_mono_ns() + (ttl > TTL_NS ? ttl : TTL_NS);
	e->used = ++k->uses;
	e->snap = place_snapshot_ref(s);
}

int64_t
place_cache_results(struct db *db, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "SELECT ifnull(max(id), 0) FROM result");
	int64_t id = 0;

	while (db_row(db, st, err))
		id = sqlite3_column_int64(st, 0);
	return err->code == MW_OK ? id : -1;
}
