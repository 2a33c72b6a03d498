/*
 * metrics.h - GET /metrics: the coordinator in the text format of Prometheus
 * (docs/metrics.md).
 *
 * The number of series is bounded: VMs by metrics.per_vm, MCIS, pairs and specs
 * by constants; what is left out is counted. Figures are copied on the loop and
 * written down by a pool thread, so that a scrape of 1,000 VMs delays nobody.
 */
#ifndef MW_COORDINATOR_METRICS_H
#define MW_COORDINATOR_METRICS_H

struct coord;
struct metrics;

struct metrics *metrics_new(struct coord *c);
void metrics_free(struct metrics *m); /* NULL is fine */

#endif
