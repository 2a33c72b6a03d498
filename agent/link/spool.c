/*
 * spool.c - results that wait for the coordinator.
 * Owns the spool file of one agent. Promises: never larger than its cap, a
 * torn tail is cut and counted, records come back in order until they are
 * acknowledged. Called by agent.c only.
 */
#include "agent/link/spool.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/pure/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES 24
#define RECORD_HEAD 16
#define COMPACT_BYTES (256 * 1024) /* rewrite when so much is dead */

static const char magic[8] = "MWSP1\n";

struct entry {
	uint64_t seq;
	off_t at; /* of the body */
	uint32_t len;
};

struct spool {
	char *path;
	int fd;
	size_t cap, torn;
	off_t size;
	uint64_t next_seq;
	struct entry *entries; /* first..n-1 wait */
	size_t first, n, allocated;
	uint8_t id[16];
	char id_hex[33];
};

static void
put_le(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get_le(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* CRC-32 (IEEE 802.3), bit by bit over a nibble table. */
static uint32_t
crc32_of(uint32_t crc, const uint8_t *p, size_t n)
{
	static const uint32_t t[16] = { 0, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320,
		0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4,
		0xa00ae278, 0xbdbdf21c };

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc = t[(crc ^ p[i]) & 15] ^ (crc >> 4);
		crc = t[(crc ^ (uint32_t)(p[i] >> 4)) & 15] ^ (crc >> 4);
	}
	return ~crc;
}

static bool
disk_error(struct mw_err *err, const struct spool *s, const char *what)
{
	return err_set(err, MW_INTERNAL, errno, "spool %s: %s: %s", s->path,
	    what, strerror(errno));
}

static bool
pwrite_all(int fd, const void *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p = (const char *)p + w;
		n -= (size_t)w;
		at += w;
	}
	return true;
}

/* Empties the file under a fresh id; numbering starts at 1. */
static bool
start_anew(struct spool *s, struct mw_err *err)
{
	uint8_t head[HEAD_BYTES];

	clock_random(s->id, sizeof s->id);
	memcpy(head, magic, sizeof magic);
	memcpy(head + sizeof magic, s->id, sizeof s->id);
	if (ftruncate(s->fd, 0) != 0 ||
	    !pwrite_all(s->fd, head, sizeof head, 0))
		return disk_error(err, s, "cannot start it");
	digest_hex(s->id, sizeof s->id, s->id_hex);
	s->size = HEAD_BYTES;
	s->first = s->n = 0;
	s->next_seq = 1;
	return true;
}

static void
add_entry(struct spool *s, uint64_t seq, off_t at, uint32_t len)
{
	VEC_GROW(s->entries, s->n, s->allocated);
	s->entries[s->n++] = (struct entry){ seq, at, len };
}

/* Indexes whole records of the file's bytes; returns the end of the last. */
static size_t
scan(struct spool *s, const uint8_t *p, size_t n)
{
	size_t at = HEAD_BYTES;

	while (n - at >= RECORD_HEAD) {
		uint64_t len = get_le(p + at, 4);
		uint64_t seq = get_le(p + at + 8, 8);

		if (len == 0 || len > SPOOL_BODY_MAX ||
		    len > n - at - RECORD_HEAD || seq == 0 ||
		    seq == UINT64_MAX || seq < s->next_seq ||
		    crc32_of(0, p + at + 8, 8 + len) != get_le(p + at + 4, 4))
			break;
		add_entry(s, seq, (off_t)(at + RECORD_HEAD), (uint32_t)len);
		s->next_seq = seq + 1;
		at += RECORD_HEAD + len;
	}
	return at;
}

static bool
load(struct spool *s, struct mw_err *err)
{
	struct str all = STR_INIT;
	struct stat st;
	bool ok = false;
	size_t end;

	s->next_seq = 1;
	if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		disk_error(err, s, "not a usable file");
		goto out;
	}
	if (st.st_size > 0 &&
	    !file_read(s->path, s->cap + SPOOL_BODY_MAX, &all, err))
		goto out;
	if (all.len < HEAD_BYTES || memcmp(all.p, magic, sizeof magic) != 0) {
		s->torn = all.len;
		ok = start_anew(s, err);
		goto out;
	}
	memcpy(s->id, all.p + sizeof magic, sizeof s->id);
	digest_hex(s->id, sizeof s->id, s->id_hex);
	end = scan(s, (const uint8_t *)all.p, all.len);
	s->torn = all.len - end;
	if (s->n == 0) {
		ok = start_anew(s, err);
		goto out;
	}
	if (s->torn > 0 && ftruncate(s->fd, (off_t)end) != 0) {
		disk_error(err, s, "cannot cut the torn tail");
		goto out;
	}
	s->size = (off_t)end;
	ok = true;
out:
	str_free(&all);
	return ok;
}

bool
spool_open(const char *path, size_t cap_bytes, struct spool **out,
    struct mw_err *err)
{
	struct spool *s = xcalloc(1, sizeof *s);

	s->path = xstrdup(path);
	s->cap = cap_bytes;
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		disk_error(err, s, "cannot open");
	if (s->fd < 0 || !load(s, err)) {
		spool_close(s);
		return false;
	}
	*out = s;
	return true;
}

void
spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->entries);
	free(s->path);
	free(s);
}

const char *
spool_id(const struct spool *s)
{
	return s->id_hex;
}

size_t
spool_count(const struct spool *s)
{
	return s->n - s->first;
}

size_t
spool_torn_bytes(const struct spool *s)
{
	return s->torn;
}

bool
spool_put(struct spool *s, const void *body, size_t n, uint64_t *seq,
    struct mw_err *err)
{
	uint8_t *rec;
	bool ok;

	if (n == 0 || n > SPOOL_BODY_MAX ||
	    (size_t)s->size + RECORD_HEAD + n > s->cap)
		return err_set(err, MW_LIMIT, 0,
		    "spool full: %zu bytes on top of %lld of %zu", n,
		    (long long)s->size, s->cap);
	rec = xmalloc(RECORD_HEAD + n);
	put_le(rec, n, 4);
	put_le(rec + 8, s->next_seq, 8);
	memcpy(rec + RECORD_HEAD, body, n);
	put_le(rec + 4, crc32_of(0, rec + 8, 8 + n), 4);
	ok = pwrite_all(s->fd, rec, RECORD_HEAD + n, s->size);
	free(rec);
	if (!ok) {
		disk_error(err, s, "cannot append");
		if (ftruncate(s->fd, s->size) != 0)
			err_wrap(err, "and its tail stays torn");
		return false;
	}
	add_entry(s, s->next_seq, s->size + RECORD_HEAD, (uint32_t)n);
	s->size += (off_t)(RECORD_HEAD + n);
	*seq = s->next_seq++;
	return true;
}

uint64_t
spool_seq(const struct spool *s, size_t i)
{
	return s->entries[s->first + i].seq;
}

bool
spool_get(struct spool *s, size_t i, struct str *body, struct mw_err *err)
{
	const struct entry *e = &s->entries[s->first + i];
	char *p = xmalloc(e->len);
	ssize_t n = pread(s->fd, p, e->len, e->at);
	bool ok = n == (ssize_t)e->len;

	if (ok)
		str_addn(body, p, e->len);
	else
		err_set(err, MW_INTERNAL, n < 0 ? errno : 0,
		    "spool %s: cannot read record %llu", s->path,
		    (unsigned long long)e->seq);
	free(p);
	return ok;
}

/* Writes what still waits into a new file with the same id. */
static bool
compact(struct spool *s, struct mw_err *err)
{
	const struct entry *e = &s->entries[s->first];
	size_t live = (size_t)(s->size - e->at) + RECORD_HEAD;
	off_t dead = e->at - RECORD_HEAD - HEAD_BYTES;
	char *buf = xmalloc(HEAD_BYTES + live);
	int fd;
	bool ok;

	memcpy(buf, magic, sizeof magic);
	memcpy(buf + sizeof magic, s->id, sizeof s->id);
	ok = pread(s->fd, buf + HEAD_BYTES, live, e->at - RECORD_HEAD) ==
		(ssize_t)live &&
	    file_write(s->path, buf, HEAD_BYTES + live, 0600, err);
	free(buf);
	fd = ok ? open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd < 0)
		return err->code != MW_OK
		    ? false
		    : disk_error(err, s, "cannot compact");
	close(s->fd);
	s->fd = fd;
	s->size -= dead;
	memmove(s->entries, e, (s->n - s->first) * sizeof *e);
	s->n -= s->first;
	s->first = 0;
	for (size_t i = 0; i < s->n; i++)
		s->entries[i].at -= dead;
	return true;
}

bool
spool_ack(struct spool *s, uint64_t seq, struct mw_err *err)
{
	off_t dead;

	while (s->first < s->n && s->entries[s->first].seq <= seq)
		s->first++;
	if (s->first == s->n) {
		/* Numbering goes on under this id: it is still in memory. If we
		 * die now, the next open finds no record and takes a new id. */
		s->first = s->n = 0;
		if (s->size > HEAD_BYTES && ftruncate(s->fd, HEAD_BYTES) != 0)
			return disk_error(err, s, "cannot empty it");
		s->size = HEAD_BYTES;
		return true;
	}
	dead = s->entries[s->first].at - RECORD_HEAD - HEAD_BYTES;
	if (dead > COMPACT_BYTES && dead > s->size / 2)
		return compact(s, err);
	return true;
}
