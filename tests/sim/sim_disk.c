/*
 * sim_disk.c - files in memory, below SQLite and below the store.
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
#include "tests/sim/sim_disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define INODES 16
#define NAME_LEN 32
#define DIR_OPS 64

struct name {
	char name[NAME_LEN];
	int ino; /* -1: free */
};

struct dir {
	struct name v[INODES];
};

static struct inode inodes[INODES];
static struct dir now, disk, steps[DIR_OPS]; /* steps: after each change */
static size_t nsteps;
struct sim *sim_world;
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

void
disk_dir_synced(void)
{
	disk = now;
	nsteps = 0;
	collect();
}

static void
dir_changed(void)
{
	if (nsteps == DIR_OPS)
		disk_dir_synced();
	steps[nsteps++] = now;
}

/* A full disk of ours makes its names durable: that frees what has none. */
static int
inode_new(void)
{
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < INODES; i++) {
			if (!inodes[i].used)
				return i;
		}
		disk_dir_synced();
	}
	fprintf(stderr, "simulator: more than %d files\n", INODES);
	abort();
}

struct inode *
disk_create(const char *name)
{
	int i = inode_new();
	struct name *x = now.v;

	while (x->ino >= 0)
		x++;
	inodes[i].used = true;
	str_copy(x->name, NAME_LEN, name);
	x->ino = i;
	dir_changed();
	return &inodes[i];
}

struct inode *
disk_find(const char *name)
{
	struct name *x = name_find(&now, name);

	return x ? &inodes[x->ino] : NULL;
}

void
disk_unlink(const char *name)
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
	uint64_t mode = rng_below(&sim_world->rng, 3);

	for (size_t k = 0; k < f->nw && mode != 0; k++) {
		const struct wait *x = &f->w[k];
		size_t o = 0;

		if (x->cut) {
			if (rng_below(&sim_world->rng, 2))
				cut(f->dur, &f->dn, x->off);
			continue;
		}
		while (o < x->len) {
			size_t l = SECTOR - (x->off + o) % SECTOR;

			if (l > x->len - o)
				l = x->len - o;
			/* half of it, or nearly all */
			if (rng_below(&sim_world->rng, mode == 1 ? 2 : 10) != 0)
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
	struct inode *f = disk_find(name);

	if (f && !p)
		disk_unlink(name);
	if (!p)
		return;
	if (!f)
		f = disk_create(name);
	forget_waiting(f);
	cut(f->cur, &f->n, 0);
	cut(f->dur, &f->dn, 0);
	put(&f->cur, &f->n, &f->cap, 0, p, n);
	put(&f->dur, &f->dn, &f->dcap, 0, p, n);
}

void
vfs_begin(struct sim *w, bool fresh)
{
	sim_world = w;
	for (size_t i = 0; i < INODES; i++) {
		wipe(&inodes[i]);
		now.v[i].ino = -1;
	}
	if (!fresh)
		set_file("db", image, image_len);
	disk_dir_synced();
	/* SQLite's generator belongs to the process: seeded again, from
	 * xRandomness below. */
	sqlite3_randomness(0, NULL);
}

void
vfs_keep_image(void)
{
	const struct inode *f = disk_find("db");

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
	const struct inode *f = disk_find(name);

	*n = f ? f->n : 0;
	return f ? f->cur : NULL;
}

static const char *const backed_up[2] = { "db", "db-wal" };

void
vfs_backup(struct sim *w)
{
	(void)w;
	for (size_t i = 0; i < 2; i++) {
		const struct inode *f = disk_find(backed_up[i]);

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
	disk_unlink("db-journal");
	disk_dir_synced();
}

/* ---- what may fail -------------------------------------------------------- */

bool
disk_fails(enum sim_fault f, uint32_t one_in)
{
	struct force *o = &sim_world->force[f];

	if (o->n > 0 && --o->n == 0)
		return true;
	return one_in && rng_below(&sim_world->rng, one_in) == 0;
}

int
disk_sync(struct inode *f)
{
	if (!sim_point(sim_world))
		return SQLITE_IOERR_FSYNC;
	if (disk_fails(SIM_F_FSYNC, sim_world->p_sync)) {
		sim_say(sim_world, "a sync fails");
		sim_world->res.sync_errors++;
		forget_waiting(f);
		return SQLITE_IOERR_FSYNC;
	}
	flush(f);
	if (f->dir_sync) {
		f->dir_sync = false;
		disk_dir_synced();
	}
	return sim_point(sim_world) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

void
disk_put(struct inode *f, size_t off, const void *b, size_t len)
{
	put(&f->cur, &f->n, &f->cap, off, b, len);
	wait_add(f, (struct wait){ .off = off, .len = len }, b);
}

void
disk_truncate(struct inode *f, size_t n)
{
	cut(f->cur, &f->n, n);
	wait_add(f, (struct wait){ .off = n, .cut = true }, NULL);
}

bool
disk_rename(const char *from, const char *to)
{
	struct name *x = name_find(&now, from), *old = name_find(&now, to);

	if (!x)
		return false;
	if (old)
		old->ino = -1;
	str_copy(x->name, NAME_LEN, to);
	dir_changed();
	return true;
}
