/*
 * matrix.c - directed N x N round-trip times with a reason for every hole.
 * The count of references is atomic: solver threads hold matrices too.
 */
#include "common/pure/matrix.h"

#include "common/pure/alloc.h"

#include <assert.h>
#include <string.h>

static const char *const why_names[MATRIX_WHY_COUNT] = {
	[MATRIX_KNOWN] = "known",
	[MATRIX_NEVER] = "neverProbed",
	[MATRIX_NO_ANSWER] = "noAnswer",
	[MATRIX_REFUSED] = "refused",
	[MATRIX_BUSY] = "busy",
	[MATRIX_NOT_ARMED] = "notArmed",
	[MATRIX_AGENT_SILENT] = "agentSilent",
};

static const char *const method_names[MATRIX_METHOD_COUNT] = {
	[MATRIX_UDP_ECHO] = "udpEcho",
	[MATRIX_ICMP] = "icmp",
	[MATRIX_TCP_INFO] = "tcpInfo",
	[MATRIX_IMPORTED] = "imported",
	[MATRIX_ICMP_RAW] = "icmpRaw",
};

struct matrix *
matrix_new(size_t n)
{
	struct matrix *m = xcalloc(1, sizeof *m);
	size_t cells;

	if (__builtin_mul_overflow(n, n, &cells))
		abort();
	m->n = n;
	m->names = xcalloc(n, sizeof *m->names);
	m->who = xcalloc(n, sizeof *m->who);
	m->cells = xcalloc(cells, sizeof *m->cells);
	for (size_t i = 0; i < cells; i++)
		m->cells[i].why = MATRIX_NEVER;
	m->refs = 1;
	return m;
}

struct matrix *
matrix_ref(struct matrix *m)
{
	__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

void
matrix_unref(struct matrix *m)
{
	if (m == NULL || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->names[i]);
		free(m->who[i].site);
	}
	free(m->names);
	free(m->who);
	free(m->cells);
	free(m);
}

struct matrix_cell *
matrix_at(const struct matrix *m, size_t src, size_t dst)
{
	assert(src < m->n && dst < m->n);
	return &m->cells[src * m->n + dst];
}

size_t
matrix_index(const struct matrix *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->names[i] != NULL && strcmp(m->names[i], name) == 0)
			return i;
	return SIZE_MAX;
}

const char *
matrix_why_name(enum matrix_why why)
{
	return (unsigned)why < MATRIX_WHY_COUNT ? why_names[why]
						: why_names[MATRIX_NEVER];
}

enum matrix_why
matrix_why_parse(const char *name)
{
	for (unsigned i = 0; i < MATRIX_WHY_COUNT; i++)
		if (strcmp(name, why_names[i]) == 0)
			return (enum matrix_why)i;
	return MATRIX_NEVER;
}

const char *
matrix_method_name(enum matrix_method m)
{
	assert((unsigned)m < MATRIX_METHOD_COUNT);
	return method_names[m];
}

const char *
matrix_flag_name(unsigned bit)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { MATRIX_F_TX_USER, "txUser" },
		{ MATRIX_F_RX_USER, "userTs" }, { MATRIX_F_BUSY, "contended" },
		{ MATRIX_F_REORDERED, "reordered" },
		{ MATRIX_F_UDP_BLOCKED, "udpBlocked" },
		{ MATRIX_F_ICMP_BLOCKED, "icmpBlocked" },
		{ MATRIX_F_INHERITED, "inherited" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].bit == bit)
			return names[i].name;
	return NULL;
}

bool
matrix_pair_us(const struct matrix *m, size_t a, size_t b, bool p95,
    uint32_t *us)
{
	const struct matrix_cell *way[2] = { matrix_at(m, a, b),
		matrix_at(m, b, a) };
	bool known = false;
	uint32_t worst = 0;

	for (int i = 0; i < 2; i++) {
		uint32_t v = p95 ? way[i]->p95_us : way[i]->p50_us;

		if (way[i]->why != MATRIX_KNOWN)
			continue;
		known = true;
		if (v > worst)
			worst = v;
	}
	if (known)
		*us = worst;
	return known;
}
