/*
 * world_find.c - look-ups in a world by name. Promises: no change, no memory.
 */
#include "twin/world.h"

#include <string.h>

static const char *const op_names[WORLD_OP_COUNT] = {
	[WORLD_OP_API] = "api",
	[WORLD_OP_CREATE] = "create",
	[WORLD_OP_STOP] = "stop",
	[WORLD_OP_START] = "start",
	[WORLD_OP_REBOOT] = "reboot",
	[WORLD_OP_TERMINATE] = "terminate",
};

size_t
world_cloud_find(const struct world *w, const char *id)
{
	for (size_t i = 0; i < w->nclouds; i++) {
		if (strcmp(w->clouds[i].id, id) == 0)
			return i;
	}
	return WORLD_NONE;
}

size_t
world_region_find(const struct world_cloud *c, const char *id)
{
	for (size_t i = 0; i < c->nregions; i++) {
		if (strcmp(c->regions[i].id, id) == 0)
			return i;
	}
	return WORLD_NONE;
}

size_t
world_spec_find(const struct world_cloud *c, size_t region, const char *id)
{
	for (size_t i = 0; i < c->nspecs; i++) {
		if (c->specs[i].offered[region] &&
		    strcmp(c->specs[i].id, id) == 0)
			return i;
	}
	return WORLD_NONE;
}

size_t
world_image_find(const struct world_cloud *c, const char *id)
{
	for (size_t i = 0; i < c->nimages; i++) {
		if (strcmp(c->images[i].id, id) == 0)
			return i;
	}
	return WORLD_NONE;
}

size_t
world_site_find(const struct world *w, const char *name)
{
	for (size_t i = 0; i < w->nsites; i++) {
		if (strcmp(w->sites[i].name, name) == 0)
			return i;
	}
	return WORLD_NONE;
}

size_t
world_site_of(const struct world *w, size_t cloud, size_t region, size_t spec)
{
	size_t wide = WORLD_NONE;

	for (size_t i = 0; i < w->nsites; i++) {
		const struct world_site *s = &w->sites[i];

		if (s->cloud != cloud || s->region != region)
			continue;
		if (s->spec == spec)
			return i;
		if (s->spec == WORLD_NONE)
			wide = i;
	}
	return wide;
}

bool
world_pattern_match(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, name, n - 1) == 0;
	return strcmp(pattern, name) == 0;
}

const char *
world_op_name(enum world_op op)
{
	return op_names[op];
}
