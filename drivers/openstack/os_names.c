/*
 * os_names.c - small tables of names and ids of one connection. They hold no
 * truth: what is lost is looked up again.
 */
#include "drivers/openstack/os_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <stdlib.h>

const char *
os_name_get(struct os_name *list, const char *name)
{
	while (list && !str_eq(list->name, name))
		list = list->next;
	return list ? list->id : NULL;
}

void
os_name_put(struct os_name **list, const char *name, const char *id)
{
	struct os_name *n;

	os_name_drop(list, name);
	n = xcalloc(1, sizeof *n);
	n->name = xstrdup(name);
	n->id = xstrdup(id);
	n->next = *list;
	*list = n;
}

void
os_name_drop(struct os_name **list, const char *name)
{
	while (*list && !str_eq((*list)->name, name))
		list = &(*list)->next;
	if (*list) {
		struct os_name *n = *list;

		*list = n->next;
		free(n->name);
		free(n->id);
		free(n);
	}
}

void
os_names_free(struct os_name **list)
{
	while (*list)
		os_name_drop(list, (*list)->name);
}
