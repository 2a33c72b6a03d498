/*
 * coast.h - coarse outlines of the continents: closed polygons, each ended by
 * a point { 127, 127 }.
 */
#ifndef MW_CLI_COAST_H
#define MW_CLI_COAST_H

#include <stddef.h>
#include <stdint.h>

struct coast_point {
	int8_t half_lon; /* longitude / 2, so that it fits */
	int8_t lat;
};

#define COAST_END 127

extern const struct coast_point coast[];
extern const size_t coast_n;

#endif
