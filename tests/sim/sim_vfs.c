/*
 * sim_vfs.c - a file system in memory, below SQLite and below the store.
 *
 * Every file has two images: cur, the page cache that the process reads, and
 * dur, the disk that survives a power cut. What was written since the last
 * sync waits in between. A power cut keeps any part of it, in sectors of 512
 * bytes. A sync that fails throws it away and keeps cur, as Linux does: the
 * pages are marked clean although they never reached the disk.
 *
 * Names are a directory of their own with the same two images: creating,
 * deleting and renaming is durable after a sync of the directory; of what was
 * not synced a power cut keeps the first part, as a journal does.
 */
#include "tests/sim/sim_int.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#define SECTOR 512
#define INODES 16
#define NAME_LEN 32
#define DIR_OPS 64

struct wait { /* a write or, without bytes, a new size */
	size_t off, len, at; /* at: of the bytes in data */
	bool cut;
};

struct inode {
	bool used;
	bool dir_sync; /* its first sync syncs its name too, as SQLite does */
	unsigned char *cur, *dur, *data;
	size_t n, cap, dn, dcap, ndata, data_cap;
	struct wait *w;
	size_t nw, w_cap;
};

struct name {
	char name[NAME_LEN];
	int ino; /* -1: free */
};

struct dir {
	struct name v[INODES];
};

struct handle {
	sqlite3_file base;
	int ino;
};

static struct inode inodes[INODES];
static struct dir now, disk, steps[DIR_OPS]; /* steps: after each change */
static size_t nsteps;
static struct sim *world;
static int64_t temp_names;
static struct {
	unsigned char *p[2];
	size_t n[2];
} kept; /* backup: database and log */
static unsigned char *image;
static size_t image_len;

/* ---- bytes ---------------------------------------------------------------- */

static void
grow(unsigned char **p, size_t *cap, size_t need)
{
	size_t c = *cap ? *cap : 65536;

	if (*cap >= need)
		return;
	while (c < need)
		c *= 2;
	*p = xreallocarray(*p, c, 1);
	memset(*p + *cap, 0, c - *cap);
	*cap = c;
}

static void
put(unsigned char **p, size_t *n, size_t *cap, size_t off, const void *b,
    size_t len)
{
	grow(p, cap, off + len);
	memcpy(*p + off, b, len);
	if (off + len > *n)
		*n = off + len;
}

/* What is behind the end is always zero. */
static void
cut(unsigned char *p, size_t *n, size_t size)
{
	if (size < *n) {
		memset(p + size, 0, *n - size);
		*n = size;
	}
}

static void
wait_add(struct inode *f, struct wait x, const void *b)
{
	x.at = f->ndata;
	if (x.len) {
		grow(&f->data, &f->data_cap, f->ndata + x.len);
		memcpy(f->data + f->ndata, b, x.len);
		f->ndata += x.len;
	}
	VEC_GROW(f->w, f->nw, f->w_cap);
	f->w[f->nw++] = x;
}

static void
forget_waiting(struct inode *f)
{
	f->nw = f->ndata = 0;
}

static void
flush(struct inode *f)
{
	for (size_t i = 0; i < f->nw; i++) {
		const struct wait *x = &f->w[i];

		if (x->cut)
			cut(f->dur, &f->dn, x->off);
		else
			put(&f->dur, &f->dn, &f->dcap, x->off, f->data + x->at,
			    x->len);
	}
	forget_waiting(f);
}

static void
wipe(struct inode *f)
{
	forget_waiting(f);
	cut(f->cur, &f->n, 0);
	cut(f->dur, &f->dn, 0);
	f->used = f->dir_sync = false;
}

/* ---- names ---------------------------------------------------------------- */

static struct name *
name_find(struct dir *d, const char *name)
{
	for (size_t i = 0; i < INODES; i++) {
		if (d->v[i].ino >= 0 && str_eq(d->v[i].name, name))
			return &d->v[i];
	}
	return NULL;
}

static bool
named(const struct dir *d, int ino)
{
	for (size_t i = 0; i < INODES; i++) {
		if (d->v[i].ino == ino)
			return true;
	}
	return false;
}

static void
collect(void)
{
	for (int i = 0; i < INODES; i++) {
		if (inodes[i].used && !named(&now, i) && !named(&disk, i))
			wipe(&inodes[i]);
	}
}

static void
dir_synced(void)
{
	disk = now;
	nsteps = 0;
	collect();
}

static void
dir_changed(void)
{
	if (nsteps == DIR_OPS)
		dir_synced();
	steps[nsteps++] = now;
}

static struct inode *
create(const char *name)
{
	struct name *x = now.v;
	int i = 0;

	while (inodes[i].used)
		i++;
	while (x->ino >= 0)
		x++;
	inodes[i].used = true;
	str_copy(x->name, NAME_LEN, name);
	x->ino = i;
	dir_changed();
	return &inodes[i];
}

static struct inode *
find(const char *name)
{
	struct name *x = name_find(&now, name);

	return x ? &inodes[x->ino] : NULL;
}

static void
unlink_name(const char *name)
{
	struct name *x = name_find(&now, name);

	if (!x)
		return;
	x->ino = -1;
	dir_changed();
}

/* ---- deaths --------------------------------------------------------------- */

static void
lose_file(struct inode *f)
{
	uint64_t mode = rng_below(&world->rng, 3);

	for (size_t k = 0; k < f->nw && mode != 0; k++) {
		const struct wait *x = &f->w[k];
		size_t o = 0;

		if (x->cut) {
			if (rng_below(&world->rng, 2))
				cut(f->dur, &f->dn, x->off);
			continue;
		}
		while (o < x->len) {
			size_t l = SECTOR - (x->off + o) % SECTOR;

			if (l > x->len - o)
				l = x->len - o;
			/* half of it, or nearly all */
			if (rng_below(&world->rng, mode == 1 ? 2 : 10) != 0)
				put(&f->dur, &f->dn, &f->dcap, x->off + o,
				    f->data + x->at + o, l);
			o += l;
		}
	}
	forget_waiting(f);
	cut(f->cur, &f->n, f->dn);
	if (f->dn)
		put(&f->cur, &f->n, &f->cap, 0, f->dur, f->dn);
}

void
vfs_power_loss(struct sim *w)
{
	uint64_t k = rng_below(&w->rng, nsteps + 1);

	if (k > 0)
		disk = steps[k - 1];
	now = disk;
	nsteps = 0;
	collect();
	for (size_t i = 0; i < INODES; i++) {
		if (inodes[i].used)
			lose_file(&inodes[i]);
	}
}

static void
set_file(const char *name, const unsigned char *p, size_t n)
{
	struct inode *f = find(name);

	if (f && !p)
		unlink_name(name);
	if (!p)
		return;
	if (!f)
		f = create(name);
	forget_waiting(f);
	cut(f->cur, &f->n, 0);
	cut(f->dur, &f->dn, 0);
	put(&f->cur, &f->n, &f->cap, 0, p, n);
	put(&f->dur, &f->dn, &f->dcap, 0, p, n);
}

void
vfs_begin(struct sim *w, bool fresh)
{
	world = w;
	for (size_t i = 0; i < INODES; i++) {
		wipe(&inodes[i]);
		now.v[i].ino = -1;
	}
	temp_names = 0;
	if (!fresh)
		set_file("db", image, image_len);
	dir_synced();
	/* SQLite's generator belongs to the process: seeded again, from
	 * xRandomness below. */
	sqlite3_randomness(0, NULL);
}

void
vfs_keep_image(void)
{
	const struct inode *f = find("db");

	free(image);
	image_len = f->n;
	image = xcalloc(1, image_len);
	memcpy(image, f->cur, image_len);
}

size_t
vfs_image(const unsigned char **p)
{
	*p = image;
	return image_len;
}

const unsigned char *
vfs_file(const char *name, size_t *n)
{
	const struct inode *f = find(name);

	*n = f ? f->n : 0;
	return f ? f->cur : NULL;
}

static const char *const backed_up[2] = { "db", "db-wal" };

void
vfs_backup(struct sim *w)
{
	(void)w;
	for (size_t i = 0; i < 2; i++) {
		const struct inode *f = find(backed_up[i]);

		free(kept.p[i]);
		kept.p[i] = NULL;
		if (!f)
			continue;
		kept.n[i] = f->n;
		kept.p[i] = xcalloc(1, f->n + 1);
		if (f->n)
			memcpy(kept.p[i], f->cur, f->n);
	}
}

void
vfs_restore(struct sim *w)
{
	(void)w;
	for (size_t i = 0; i < 2; i++)
		set_file(backed_up[i], kept.p[i], kept.n[i]);
	unlink_name("db-journal");
	dir_synced();
}

/* ---- what may fail -------------------------------------------------------- */

static bool
disk_fails(enum sim_fault f, uint32_t one_in)
{
	struct force *o = &world->force[f];

	if (o->n > 0 && --o->n == 0)
		return true;
	return one_in && rng_below(&world->rng, one_in) == 0;
}

static int
sync_inode(struct inode *f)
{
	if (!sim_point(world))
		return SQLITE_IOERR_FSYNC;
	if (disk_fails(SIM_F_FSYNC, world->p_sync)) {
		sim_say(world, "a sync fails");
		world->res.sync_errors++;
		forget_waiting(f);
		return SQLITE_IOERR_FSYNC;
	}
	flush(f);
	if (f->dir_sync) {
		f->dir_sync = false;
		dir_synced();
	}
	return sim_point(world) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static void
put_both(struct inode *f, size_t off, const void *b, size_t len)
{
	put(&f->cur, &f->n, &f->cap, off, b, len);
	wait_add(f, (struct wait){ .off = off, .len = len }, b);
}

/* ---- sqlite3_io_methods --------------------------------------------------- */

static struct inode *
inode_of(sqlite3_file *x)
{
	return &inodes[((struct handle *)x)->ino];
}

static int
m_close(sqlite3_file *x)
{
	(void)x;
	return SQLITE_OK;
}

static int
m_read(sqlite3_file *x, void *b, int n, sqlite3_int64 o)
{
	const struct inode *f = inode_of(x);
	size_t len = (size_t)n, off = (size_t)o, have;

	if (world->dead ||
	    (world->p_eio && disk_fails(SIM_F_EIO, world->p_eio)))
		return SQLITE_IOERR_READ;
	have = off < f->n ? f->n - off : 0;
	if (have > len)
		have = len;
	if (have)
		memcpy(b, f->cur + off, have);
	memset((char *)b + have, 0, len - have);
	return have == len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int
m_write(sqlite3_file *x, const void *b, int n, sqlite3_int64 o)
{
	struct inode *f = inode_of(x);
	bool full, eio;

	if (!sim_point(world))
		return SQLITE_IOERR_WRITE;
	full = disk_fails(SIM_F_ENOSPC, world->p_full);
	eio = disk_fails(SIM_F_EIO, world->p_eio);
	if (full || eio) { /* the first part may have been written */
		size_t part = rng_below(&world->rng, (uint64_t)n + 1);

		sim_say(world, full ? "no space" : "a write fails");
		if (part)
			put_both(f, (size_t)o, b, part);
		return full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	put_both(f, (size_t)o, b, (size_t)n);
	return sim_point(world) ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int
m_truncate(sqlite3_file *x, sqlite3_int64 n)
{
	struct inode *f = inode_of(x);

	if (!sim_point(world))
		return SQLITE_IOERR_TRUNCATE;
	cut(f->cur, &f->n, (size_t)n);
	wait_add(f, (struct wait){ .off = (size_t)n, .cut = true }, NULL);
	return SQLITE_OK;
}

static int
m_sync(sqlite3_file *x, int flags)
{
	(void)flags;
	return sync_inode(inode_of(x));
}

static int
m_size(sqlite3_file *x, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)inode_of(x)->n;
	return SQLITE_OK;
}

static int
m_lock(sqlite3_file *x, int level)
{
	(void)x;
	(void)level;
	return SQLITE_OK;
}

static int
m_reserved(sqlite3_file *x, int *out)
{
	(void)x;
	*out = 0;
	return SQLITE_OK;
}

static int
m_control(sqlite3_file *x, int op, void *arg)
{
	(void)x;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

/* As SQLite's own VFS of Linux answers. */
static int
m_sector(sqlite3_file *x)
{
	(void)x;
	return 4096;
}

static int
m_device(sqlite3_file *x)
{
	(void)x;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = m_close,
	.xRead = m_read,
	.xWrite = m_write,
	.xTruncate = m_truncate,
	.xSync = m_sync,
	.xFileSize = m_size,
	.xLock = m_lock,
	.xUnlock = m_lock,
	.xCheckReservedLock = m_reserved,
	.xFileControl = m_control,
	.xSectorSize = m_sector,
	.xDeviceCharacteristics = m_device,
};

/* ---- sqlite3_vfs ---------------------------------------------------------- */

static int
v_open(sqlite3_vfs *v, const char *name, sqlite3_file *x, int flags, int *out)
{
	struct handle *h = (struct handle *)x;
	char temp[NAME_LEN];
	struct inode *f;

	(void)v;
	x->pMethods = NULL;
	if (!name) {
		snprintf(temp, sizeof temp, "temp-%lld",
		    (long long)++temp_names);
		name = temp;
	}
	f = find(name);
	if (!f) {
		if (!(flags & SQLITE_OPEN_CREATE) || !sim_point(world))
			return SQLITE_CANTOPEN;
		f = create(name);
		f->dir_sync =
		    (flags &
			(SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL |
			    SQLITE_OPEN_WAL)) != 0;
	}
	h->ino = (int)(f - inodes);
	x->pMethods = &methods;
	if (out)
		*out = flags;
	return SQLITE_OK;
}

static int
v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	(void)v;
	if (!sim_point(world))
		return SQLITE_IOERR_DELETE;
	if (!find(name))
		return SQLITE_IOERR_DELETE_NOENT;
	unlink_name(name);
	if (sync) {
		if (disk_fails(SIM_F_FSYNC, world->p_sync))
			return SQLITE_IOERR_DIR_FSYNC;
		dir_synced();
	}
	return sim_point(world) ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

static int
v_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	const struct inode *f = find(name);

	(void)v;
	/* An empty file counts as none, as in SQLite's own. */
	*out = f && (flags != SQLITE_ACCESS_EXISTS || f->n > 0);
	return SQLITE_OK;
}

static int
v_full(sqlite3_vfs *v, const char *name, int n, char *out)
{
	(void)v;
	sqlite3_snprintf(n, out, "%s", name);
	return SQLITE_OK;
}

static int
v_random(sqlite3_vfs *v, int n, char *out)
{
	uint64_t x = world->opt.seed;

	(void)v;
	for (int i = 0; i < n; i++) {
		if (i % 8 == 0)
			x = rng_mix(x + 1);
		out[i] = (char)(x >> i % 8 * 8);
	}
	return n;
}

static int
v_sleep(sqlite3_vfs *v, int us)
{
	(void)v;
	return us;
}

static int
v_time64(sqlite3_vfs *v, sqlite3_int64 *ms)
{
	(void)v;
	/* Julian days, as SQLite counts: 1970 is 2440587.5. */
	*ms = INT64_C(210866760000000) + (world->now + world->wall) / NS_PER_MS;
	return SQLITE_OK;
}

static int
v_time(sqlite3_vfs *v, double *days)
{
	sqlite3_int64 ms;

	v_time64(v, &ms);
	*days = (double)ms / 86400000.0;
	return SQLITE_OK;
}

static int
v_error(sqlite3_vfs *v, int n, char *out)
{
	(void)v;
	(void)n;
	(void)out;
	return 0;
}

static sqlite3_vfs vfs = {
	.iVersion = 2,
	.szOsFile = sizeof(struct handle),
	.mxPathname = 256,
	.zName = "sim",
	.xOpen = v_open,
	.xDelete = v_delete,
	.xAccess = v_access,
	.xFullPathname = v_full,
	.xRandomness = v_random,
	.xSleep = v_sleep,
	.xCurrentTime = v_time,
	.xGetLastError = v_error,
	.xCurrentTimeInt64 = v_time64,
};

/* ---- struct db_io --------------------------------------------------------- */

static int
f_exists(const char *path)
{
	return find(path) != NULL;
}

static void
f_remove(const char *path)
{
	if (find(path) && sim_point(world))
		unlink_name(path);
}

static bool
f_rename(const char *from, const char *to)
{
	struct name *x;

	errno = EIO;
	if (!sim_point(world) || !find(from))
		return false;
	x = name_find(&now, to);
	if (x)
		x->ino = -1;
	x = name_find(&now, from);
	str_copy(x->name, NAME_LEN, to);
	dir_changed();
	return sim_point(world);
}

static bool
f_sync_dir(const char *path)
{
	(void)path;
	errno = EIO;
	if (!sim_point(world) || disk_fails(SIM_F_FSYNC, world->p_sync))
		return false;
	dir_synced();
	return sim_point(world);
}

static bool
f_rewrite(const char *path)
{
	struct inode *f = find(path);
	unsigned char *copy;
	size_t n;

	if (!f)
		return true;
	errno = EIO;
	if (!sim_point(world) || disk_fails(SIM_F_EIO, world->p_eio))
		return false;
	n = f->n;
	copy = xcalloc(1, n + 1);
	memcpy(copy, f->cur, n);
	if (n)
		put_both(f, 0, copy, n);
	free(copy);
	return sync_inode(f) == SQLITE_OK;
}

static struct db_io io = {
	.vfs = "sim",
	.exists = f_exists,
	.remove = f_remove,
	.rename = f_rename,
	.sync_dir = f_sync_dir,
	.rewrite = f_rewrite,
	.die = sim_store_die,
};

const struct db_io *
vfs_io(void)
{
	return &io;
}

void
vfs_set_wal_pages(int pages)
{
	io.wal_pages = pages;
}

void
vfs_init(void)
{
	/* One thread, and nobody reads the memory statistics. */
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
	sqlite3_vfs_register(&vfs, 1);
}
