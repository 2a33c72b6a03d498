/*
 * sim_vfs.c - the doors to the simulated disk: an SQLite VFS, and struct db_io
 * for the store.
 */
#include "tests/sim/sim_disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#define TEMP_LEN 32

struct handle {
	sqlite3_file base;
	struct inode *f;
};

/* ---- sqlite3_io_methods --------------------------------------------------- */

static struct inode *
inode_of(sqlite3_file *x)
{
	return ((struct handle *)x)->f;
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

	if (sim_world->dead ||
	    (sim_world->p_eio && disk_fails(SIM_F_EIO, sim_world->p_eio)))
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

	if (!sim_point(sim_world))
		return SQLITE_IOERR_WRITE;
	full = disk_fails(SIM_F_ENOSPC, sim_world->p_full);
	eio = disk_fails(SIM_F_EIO, sim_world->p_eio);
	if (full || eio) { /* the first part may have been written */
		size_t part = rng_below(&sim_world->rng, (uint64_t)n + 1);

		sim_say(sim_world, full ? "no space" : "a write fails");
		if (part)
			disk_put(f, (size_t)o, b, part);
		return full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	disk_put(f, (size_t)o, b, (size_t)n);
	return sim_point(sim_world) ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int
m_truncate(sqlite3_file *x, sqlite3_int64 n)
{
	struct inode *f = inode_of(x);

	if (!sim_point(sim_world))
		return SQLITE_IOERR_TRUNCATE;
	disk_truncate(f, (size_t)n);
	return SQLITE_OK;
}

static int
m_sync(sqlite3_file *x, int flags)
{
	(void)flags;
	return disk_sync(inode_of(x));
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
	char temp[TEMP_LEN];
	struct inode *f;

	(void)v;
	x->pMethods = NULL;
	if (!name) {
		snprintf(temp, sizeof temp, "temp-%lld",
		    (long long)++sim_world->temp_names);
		name = temp;
	}
	f = disk_find(name);
	if (!f) {
		if (!(flags & SQLITE_OPEN_CREATE) || !sim_point(sim_world))
			return SQLITE_CANTOPEN;
		f = disk_create(name);
		f->dir_sync =
		    (flags &
			(SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL |
			    SQLITE_OPEN_WAL)) != 0;
	}
	h->f = f;
	x->pMethods = &methods;
	if (out)
		*out = flags;
	return SQLITE_OK;
}

static int
v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	(void)v;
	if (!sim_point(sim_world))
		return SQLITE_IOERR_DELETE;
	if (!disk_find(name))
		return SQLITE_IOERR_DELETE_NOENT;
	disk_unlink(name);
	if (sync) {
		if (disk_fails(SIM_F_FSYNC, sim_world->p_sync))
			return SQLITE_IOERR_DIR_FSYNC;
		disk_dir_synced();
	}
	return sim_point(sim_world) ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

static int
v_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	const struct inode *f = disk_find(name);

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
	uint64_t x = sim_world->opt.seed;

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
	*ms = INT64_C(210866760000000) +
	    (sim_world->now + sim_world->wall) / NS_PER_MS;
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
	return disk_find(path) != NULL;
}

static void
f_remove(const char *path)
{
	if (disk_find(path) && sim_point(sim_world))
		disk_unlink(path);
}

static bool
f_rename(const char *from, const char *to)
{
	errno = EIO;
	return sim_point(sim_world) && disk_rename(from, to) &&
	    sim_point(sim_world);
}

static bool
f_sync_dir(const char *path)
{
	(void)path;
	errno = EIO;
	if (!sim_point(sim_world) || disk_fails(SIM_F_FSYNC, sim_world->p_sync))
		return false;
	disk_dir_synced();
	return sim_point(sim_world);
}

static bool
f_rewrite(const char *path)
{
	struct inode *f = disk_find(path);
	unsigned char *copy;
	size_t n;

	if (!f)
		return true;
	errno = EIO;
	if (!sim_point(sim_world) || disk_fails(SIM_F_EIO, sim_world->p_eio))
		return false;
	n = f->n;
	copy = xcalloc(1, n + 1);
	memcpy(copy, f->cur, n);
	if (n)
		disk_put(f, 0, copy, n);
	free(copy);
	return disk_sync(f) == SQLITE_OK;
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
#ifndef __SANITIZE_ADDRESS__
	heap_init();
#endif
	sqlite3_initialize();
	sqlite3_vfs_register(&vfs, 1);
}
