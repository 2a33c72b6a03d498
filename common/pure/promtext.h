/*
 * promtext.h - writer of the text format 0.0.4 of Prometheus
 * (prometheus.io/docs/instrumenting/exposition_formats). Label values are
 * escaped; what is unknown (NAN) is no sample; the number of samples has an
 * upper bound, and what is over it is counted.
 */
#ifndef MW_COMMON_PURE_PROMTEXT_H
#define MW_COMMON_PURE_PROMTEXT_H

#include "common/pure/str.h"

#define PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct prom {
	struct str text; /* owned: str_free() */
	const char *name; /* of the family that is being written */
	size_t samples, max;
	size_t dropped;
};

void prom_init(struct prom *p, size_t max_samples);
/* Begins a family; all its samples follow before the next one. type "gauge" or
 * "counter", whose names end in _total. Texts are literals. */
void prom_family(struct prom *p, const char *name, const char *type,
    const char *help);
/* A sample: pairs of label and value, then NULL. */
void prom_put(struct prom *p, double value, ...) __attribute__((sentinel));

#endif
