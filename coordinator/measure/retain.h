/*
 * retain.h - forgets in time: a pass one minute after the start and then every
 * hour, in small store jobs, one after the other (db_retain.h).
 */
#ifndef MW_COORDINATOR_RETAIN_H
#define MW_COORDINATOR_RETAIN_H

struct coord;
struct retain;

struct retain *retain_new(struct coord *c);
void retain_free(struct retain *r); /* NULL is fine */

#endif
