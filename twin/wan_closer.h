/*
 * wan_closer.h - a thread that does nothing but close(2). The last close of a
 * TUN takes the kernel some ms, which neither the loop nor the network process
 * has to give away.
 */
#ifndef MW_TWIN_WAN_CLOSER_H
#define MW_TWIN_WAN_CLOSER_H

#include "common/pure/mw.h"

struct wan_closer;

struct wan_closer *wan_closer_new(void); /* never NULL */
void wan_closer_take(struct wan_closer *c, int fd);
void wan_closer_free(struct wan_closer *c); /* waits until all are closed */

#endif
