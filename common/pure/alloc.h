/*
 * alloc.h - allocation that aborts when memory is out: recovery from a crash
 * is a tested path, half-built state is not. Sizes are checked for overflow.
 * Every result is released with free().
 */
#ifndef MW_COMMON_PURE_ALLOC_H
#define MW_COMMON_PURE_ALLOC_H

#include "common/pure/mw.h"

#include <stdlib.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size); /* zeroed */
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) mw_printf(1, 2);

/*
 * Makes room for one more element of *vec (an array of *cap elements of which
 * n are in use). Grows by doubling.
 */
#define VEC_GROW(vec, n, cap)                                               \
	do {                                                                \
		if ((n) == (cap)) {                                         \
			(cap) = (cap) ? 2 * (cap) : 8;                      \
			(vec) = xreallocarray((vec), (cap), sizeof *(vec)); \
		}                                                           \
	} while (0)

#endif
