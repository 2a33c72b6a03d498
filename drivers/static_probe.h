/*
 * static_probe.h - does an SSH server answer there? Connects, waits for its
 * banner, closes.
 */
#ifndef MW_DRIVERS_STATIC_PROBE_H
#define MW_DRIVERS_STATIC_PROBE_H

#include "common/loop.h"

#define STATIC_PROBE_MS 5000

/* done() comes exactly once, on the loop, never from inside. */
void static_probe(struct loop *l, const char *address, int64_t port,
    void (*done)(void *arg, bool banner), void *arg);

#endif
