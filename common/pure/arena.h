/*
 * arena.h - memory of one request: many allocations, one free.
 */
#ifndef MW_COMMON_PURE_ARENA_H
#define MW_COMMON_PURE_ARENA_H

#include "common/pure/mw.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned 16 */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) mw_printf(2, 3);

#endif
