/*
 * os_seen.c - which servers are ours, for the time after they are deleted: a
 * deleted server has no metadata any more. A tree by id. It holds no truth:
 * what is not in it is missing in lists, and that proves the end, too, later.
 */
#include "drivers/openstack/os_int.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_NS (3600 * NS_PER_S) /* since it was put last */
#define CLEAN_NS (300 * NS_PER_S)

struct row {
	char *id;
	char *deployment; /* NULL: any */
	int64_t put_ns;
	struct row *older; /* while cleaning */
};

struct os_seen {
	void *tree;
	int64_t cleaned_ns;
};

struct old_rows {
	int64_t before_ns;
	struct row *first;
};

static int
by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static void
row_free(void *p)
{
	struct row *r = p;

	free(r->id);
	free(r->deployment);
	free(r);
}

struct os_seen *
os_seen_new(void)
{
	struct os_seen *s = xcalloc(1, sizeof *s);

	s->cleaned_ns = clock_mono_ns();
	return s;
}

void
os_seen_free(struct os_seen *s)
{
	if (!s)
		return;
	tdestroy(s->tree, row_free);
	free(s);
}

static void
note_old(const void *node, VISIT visit, void *arg)
{
	struct row *r = *(struct row *const *)node;
	struct old_rows *old = arg;

	if ((visit != postorder && visit != leaf) || r->put_ns > old->before_ns)
		return;
	r->older = old->first;
	old->first = r;
}

static void
clean(struct os_seen *s, int64_t now)
{
	struct old_rows old = { .before_ns = now - KEPT_NS };
	struct row *r;

	s->cleaned_ns = now;
	twalk_r(s->tree, note_old, &old);
	while ((r = old.first)) {
		old.first = r->older;
		tdelete(r, &s->tree, by_id);
		row_free(r);
	}
}

void
os_seen_put(struct os_seen *s, const char *id, const char *deployment)
{
	struct row key = { .id = (char *)(uintptr_t)id }, *r;
	struct row *const *found = tfind(&key, &s->tree, by_id);
	int64_t now = clock_mono_ns();

	if (now - s->cleaned_ns > CLEAN_NS)
		clean(s, now);
	if (found) {
		r = *found;
	} else {
		r = xcalloc(1, sizeof *r);
		r->id = xstrdup(id);
		if (!tsearch(r, &s->tree, by_id))
			abort();
	}
	r->put_ns = now;
	if (deployment && !str_eq(deployment, r->deployment)) {
		free(r->deployment);
		r->deployment = xstrdup(deployment);
	}
}

bool
os_seen_fits(const struct os_seen *s, const char *id, const char *deployment)
{
	struct row key = { .id = (char *)(uintptr_t)id };
	struct row *const *found = tfind(&key, &s->tree, by_id);

	return found &&
	    (!deployment || !(*found)->deployment ||
		str_eq((*found)->deployment, deployment));
}
