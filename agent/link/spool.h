/*
 * spool.h - results that wait for the coordinator, in one append-only file.
 *
 * File: "MWSP1\n\0\0", 16 random bytes (the spool id), then records: u32 body
 * length, u32 CRC-32 of seq and body, u64 seq, body; integers little-endian.
 * A record is written without fsync: a crash of the agent loses nothing, a
 * power cut of the VM at most its last seconds.
 *
 * The spool id changes whenever numbering starts anew, so (agent, id, seq)
 * names a result for ever.
 */
#ifndef MW_AGENT_SPOOL_H
#define MW_AGENT_SPOOL_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#define SPOOL_CAP_BYTES (16 * 1024 * 1024)
#define SPOOL_BODY_MAX (900 * 1024) /* fits a frame with its envelope */

struct spool;

/* Opens or makes the file. A torn or damaged tail is cut and counted. */
bool spool_open(const char *path, size_t cap_bytes, struct spool **out,
    struct mw_err *err) mw_must_check;
void spool_close(struct spool *s); /* NULL is fine */

const char *spool_id(const struct spool *s); /* 32 hex digits */
size_t spool_count(const struct spool *s); /* not yet acknowledged */
/* Bytes that were cut off at open because a record was torn. */
size_t spool_torn_bytes(const struct spool *s);

/* MW_LIMIT: the cap is reached; nothing was written. */
bool spool_put(struct spool *s, const void *body, size_t n, uint64_t *seq,
    struct mw_err *err) mw_must_check;
/* The i-th waiting record, oldest first. */
uint64_t spool_seq(const struct spool *s, size_t i);
bool spool_get(struct spool *s, size_t i, struct str *body,
    struct mw_err *err) mw_must_check;
/* Everything up to seq is safe elsewhere. False: the disk does not obey. */
bool spool_ack(struct spool *s, uint64_t seq, struct mw_err *err) mw_must_check;

#endif
