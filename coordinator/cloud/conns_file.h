/*
 * conns_file.h - the connections as a file beside the database, kept up to
 * date: what is needed to find and end VMs when the database is lost (rescue
 * mode, `milkyway orphans --offline`, `milkyway destroy`). Credentials are
 * references in it, never secrets. Mode 0600.
 */
#ifndef MW_COORDINATOR_CONNS_FILE_H
#define MW_COORDINATOR_CONNS_FILE_H

#include "common/pure/err.h"

struct conns;
struct conns_file;

/* Writes the file soon if it is not what it should be. */
struct conns_file *conns_file_new(struct conns *cs);
/* Writes what waits. NULL is fine. */
void conns_file_free(struct conns_file *f);
/* A connection came, went or changed. NULL is fine. */
void conns_file_changed(struct conns_file *f);
/* DIR/connections.json; the caller frees. */
char *conns_file_path(const char *state_dir);

#endif
