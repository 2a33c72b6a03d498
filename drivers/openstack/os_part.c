/*
 * os_part.c - what has a name of ours besides servers: networks and routers,
 * addresses, groups, keys. For who has no record of them. Names tell the MCIS's
 * key; whose it is the caller can compute.
 */
#include "drivers/openstack/os_int.h"

#include "common/pure/str.h"

#include <string.h>

#define MARK "mw-key="

static const struct list {
	enum os_service service;
	const char *path, *set;
	enum csp_op remove;
	const char *inner; /* each item is an object in it, or NULL */
} lists[] = {
	{ OS_NETWORK, "/networks", "networks", CSP_NET_DELETE, NULL },
	{ OS_NETWORK, "/routers", "routers", CSP_NET_DELETE, NULL },
	{ OS_NETWORK, "/floatingips", "floatingips", CSP_NET_DELETE, NULL },
	{ OS_NETWORK, "/security-groups", "security_groups", CSP_SG_DELETE,
	    NULL },
	{ OS_COMPUTE, "/os-keypairs", "keypairs", CSP_KEY_DELETE, "keypair" },
};

static void next_list(struct os_call *c, json_t *root);

/* Names are KEY, or KEY.CONNECTION; addresses have "mw-key=KEY server=ID" as
 * their description. */
static void
take(struct os_call *c, const struct list *l, const json_t *item)
{
	const char *name = os_text(c, item, "name");
	const char *text = os_text(c, item, "description");
	const char *from = name;
	char *key;

	if (!name && text && str_starts(text, MARK))
		from = text + strlen(MARK);
	if (!from || !csp_is_key_name(from, strcspn(from, ". ")))
		return;
	key = arena_strndup(c->arena, from, strcspn(from, ". "));
	csp_answer_part(c->answer, l->remove, name ? name : key, key, NULL);
}

/* A list that goes on must not be taken for all. */
static bool
goes_on(struct os_call *c, const struct list *l, json_t *root)
{
	const char *key = arena_printf(c->arena, "%s_links", l->set);
	size_t i;
	json_t *x;

	json_array_foreach(json_object_get(root, key), i, x)
	{
		const char *rel = os_text(c, x, "rel");

		if (rel && str_eq(rel, "next"))
			return true;
	}
	return false;
}

static void
on_list(struct os_call *c, json_t *root)
{
	const struct list *l = &lists[c->pages];
	size_t i;
	json_t *item;

	if (!json_is_array(json_object_get(root, l->set)) ||
	    goes_on(c, l, root)) {
		os_unreadable(c, "a list is missing, or longer than one page");
		return;
	}
	json_array_foreach(json_object_get(root, l->set), i, item)
	    take(c, l, l->inner ? json_object_get(item, l->inner) : item);
	c->pages++;
	next_list(c, NULL);
}

static void
next_list(struct os_call *c, json_t *root)
{
	(void)root;
	if (c->pages == ARRAY_LEN(lists))
		os_ok(c);
	else
		os_get(c, lists[c->pages].service, lists[c->pages].path,
		    on_list);
}

void
os_part_list(struct os_call *c, json_t *root)
{
	c->pages = 0;
	next_list(c, root);
}
