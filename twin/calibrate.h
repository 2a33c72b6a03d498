/*
 * calibrate.h - how long the emulator's own path takes. Two hidden hosts ping
 * each other at a known RTT; the error, measured with kernel time stamps at
 * both ends, corrects the compensation that the WAN takes off each direction.
 */
#ifndef MW_TWIN_CALIBRATE_H
#define MW_TWIN_CALIBRATE_H

#include "common/loop.h"
#include "common/pure/err.h"

#define CALIBRATE_WINDOW 1200 /* samples: 60 s */
#define CALIBRATE_STEP 20 /* samples: one correction per second */
#define CALIBRATE_FIRST 40 /* "calibrating" until then */
#define CALIBRATE_COMP_US 60.0 /* before anything is known */
#define CALIBRATE_COMP_MAX_US 150.0

/* Pure part: errors in us go in, the compensation comes out. */
struct calibrate_filter {
	double comp_us;
	double error_us[CALIBRATE_WINDOW];
	size_t n, next; /* samples in the window, place of the next */
	size_t total;
	double step[CALIBRATE_STEP];
	size_t nstep;
};

void calibrate_filter_init(struct calibrate_filter *f);
/* True if comp_us changed. */
bool calibrate_filter_add(struct calibrate_filter *f, double error_us);
/* Percentile of the window, nearest rank; n must be > 0. */
double calibrate_filter_error(const struct calibrate_filter *f, double pct);

struct calibrate;

struct calibrate_conf {
	struct loop *loop;
	uint32_t address[2]; /* of the hidden hosts */
	unsigned prefix;
	int64_t rtt_ns; /* what the WAN gives them */
	void (*on_comp)(double comp_us, void *arg);
	void *arg;
};

/* tun[] are the hosts' devices: the caller closes them. */
bool calibrate_new(const struct calibrate_conf *conf, int tun[2],
    struct calibrate **out, struct mw_err *err) mw_must_check;
void calibrate_free(struct calibrate *c); /* NULL is fine */
const struct calibrate_filter *calibrate_state(const struct calibrate *c);

#endif
