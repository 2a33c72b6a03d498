/*
 * conns_trial.h - a secret that is to replace another one is tried first: its
 * cloud is asked with it while the old one stays on the disk and in use. Only a
 * secret that the cloud took replaces the old one, by one rename; whatever
 * happens in between leaves one that works.
 */
#ifndef MW_COORDINATOR_CONNS_TRIAL_H
#define MW_COORDINATOR_CONNS_TRIAL_H

#include "coordinator/cloud/conns_int.h"

/* Would sealing under that name replace a secret that worked or is in use? */
bool conns_trial_needed(const struct conns *cs, const char *name);
/*
 * Tries text (copied, wiped at the end) as the credential of row (copied); NULL
 * as its region: all of its endpoint. done(arg, err) once, on the loop, never
 * from inside, within some seconds: MW_OK after it is sealed under name,
 * durably. If a connection in use has that secret, the new one must show some
 * of what is held there (conns_use.h).
 */
void conns_trial(struct conns *cs, const struct conn_row *row, const char *name,
    const struct str *text, void (*done)(void *arg, const struct mw_err *err),
    void *arg);

#endif
