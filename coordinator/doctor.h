/*
 * doctor.h - checks of the deployment: each says what it found and, if that is
 * not fine, the way out. Changes nothing.
 */
#ifndef MW_COORDINATOR_DOCTOR_H
#define MW_COORDINATOR_DOCTOR_H

#include <jansson.h>

struct coord;

/* {"items":[{"check","level":"ok|warn|fail","text","fix"}],"ok":bool}. orphans:
 * how many VMs carry our tag and are not ours to end, and their names. silent:
 * how many connections failed a check a moment ago, and why. */
json_t *doctor_run(struct coord *c, size_t norphans, const char *orphans,
    size_t nsilent, const char *silent);
/* Bytes free where the database lies; -1: unknown. */
long long doctor_disk_free(const struct coord *c);

#define DOCTOR_DISK_MIN (64LL << 20) /* below: no new wishes */

#endif
