/*
 * rescue.h - a database that is damaged is never replaced: the coordinator
 * starts, changes nothing, and says how to get out.
 */
#ifndef MW_COORDINATOR_RESCUE_H
#define MW_COORDINATOR_RESCUE_H

#include "coordinator/coord.h"

/* err->sys of coord_new() when the database is damaged. */
#define RESCUE_DAMAGED (-71)

/* Opens the database in a child and reads it through: what kills the child
 * does not kill us. False with RESCUE_DAMAGED, if it is; with another error, if
 * that cannot be told. */
bool rescue_check(const char *db_path, struct mw_err *err) mw_must_check;
/* Serves until a signal comes, and holds the directory. why: what is wrong. The exit status. */
int rescue_run(const struct coord_conf *conf, const struct mw_err *why);

#endif
