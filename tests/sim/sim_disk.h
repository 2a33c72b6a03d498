/*
 * sim_disk.h - files in memory: what the process sees and what a power loss
 * leaves. Used by sim_vfs.c only.
 */
#ifndef MW_SIM_DISK_H
#define MW_SIM_DISK_H

#include "tests/sim/sim_int.h"

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

struct inode *disk_find(const char *name); /* or NULL */
struct inode *disk_create(const char *name);
void disk_unlink(const char *name);
bool disk_rename(const char *from, const char *to);
void disk_dir_synced(void);
void disk_put(struct inode *f, size_t off, const void *b, size_t len);
void disk_truncate(struct inode *f, size_t n);
/* SQLITE_OK, or SQLITE_IOERR_FSYNC. A point where the process may die. */
int disk_sync(struct inode *f);
/* This operation fails: as forced, or one in so many (0: none). */
bool disk_fails(enum sim_fault f, uint32_t one_in);

#endif
