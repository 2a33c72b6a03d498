/*
 * clock.c - the only reader of clocks and of system randomness.
 */
#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t (*fake_mono)(void);
static int64_t (*fake_wall)(void);

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		abort();
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
clock_mono_ns(void)
{
	return fake_mono != NULL ? fake_mono() : read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_wall_ns(void)
{
	return fake_wall != NULL ? fake_wall() : read_clock(CLOCK_REALTIME);
}

void
clock_random(void *buf, size_t n)
{
	unsigned char *p = buf;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

uint64_t
clock_random_u64(void)
{
	uint64_t v;

	clock_random(&v, sizeof v);
	return v;
}

void
clock_fake(int64_t (*mono)(void), int64_t (*wall)(void))
{
	fake_mono = mono;
	fake_wall = wall;
}
