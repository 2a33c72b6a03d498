/*
 * sim_heap.c - memory for SQLite: pieces of a few sizes that are never given
 * back, because the next of many short lives needs the same. Not used with
 * sanitizers, which want to see each piece.
 */
#include "tests/sim/sim_int.h"

#include <sqlite3.h>
#include <string.h>

#define LEAST 32
#define CLASSES 13 /* 32 bytes to 128 KiB, with the head */
#define SLAB ((size_t)1 << 20)

struct piece {
	union {
		uint64_t cls; /* while it is used; CLASSES: malloc's */
		struct piece *next;
	} u;
	uint64_t size; /* keeps the data at a multiple of 16 */
};

static struct piece *unused[CLASSES];
static unsigned char *slab;
static size_t slab_left;

static unsigned
class_of(size_t n)
{
	unsigned c = 0;

	while (c < CLASSES && (size_t)LEAST << c < n)
		c++;
	return c;
}

static void *
h_malloc(int n)
{
	size_t need = (size_t)n + sizeof(struct piece);
	unsigned c = class_of(need);
	struct piece *p;

	if (c == CLASSES) {
		p = xcalloc(1, need);
	} else if (unused[c]) {
		p = unused[c];
		unused[c] = p->u.next;
		need = (size_t)LEAST << c;
	} else {
		need = (size_t)LEAST << c;
		if (slab_left < need) {
			slab = xcalloc(1, SLAB);
			slab_left = SLAB;
		}
		p = (struct piece *)(void *)slab;
		slab += need;
		slab_left -= need;
	}
	p->u.cls = c;
	p->size = need - sizeof *p;
	return p + 1;
}

static void
h_free(void *x)
{
	struct piece *p = x;
	unsigned c;

	if (!x)
		return;
	p--;
	c = (unsigned)p->u.cls;
	if (c == CLASSES) {
		free(p);
		return;
	}
	p->u.next = unused[c];
	unused[c] = p;
}

static int
h_size(void *x)
{
	return x ? (int)((struct piece *)x - 1)->size : 0;
}

static void *
h_realloc(void *x, int n)
{
	void *to;
	int have = h_size(x);

	if (have >= n)
		return x;
	to = h_malloc(n);
	memcpy(to, x, (size_t)have);
	h_free(x);
	return to;
}

static int
h_round(int n)
{
	size_t need = (size_t)n + sizeof(struct piece);
	unsigned c = class_of(need);

	return c == CLASSES
	    ? (n + 15) & ~15
	    : (int)(((size_t)LEAST << c) - sizeof(struct piece));
}

static int
h_init(void *arg)
{
	(void)arg;
	return SQLITE_OK;
}

static void
h_end(void *arg)
{
	(void)arg;
}

void
heap_init(void)
{
	static const sqlite3_mem_methods heap = { h_malloc, h_free, h_realloc,
		h_size, h_round, h_init, h_end, NULL };

	sqlite3_config(SQLITE_CONFIG_MALLOC, &heap);
}
