/* The XML reader of cloud answers: any bytes, and what it says it found. */
#include "drivers/xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
walk(const struct xml_node *n, size_t depth)
{
	size_t count = 1;

	if (depth > XML_DEPTH_MAX || !n->name || !n->text)
		abort();
	for (const struct xml_node *c = n->child; c; c = c->next)
		count += walk(c, depth + 1);
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	const struct xml_node *root = NULL;

	if (xml_parse(a, data, size, &root, &err)) {
		if (walk(root, 1) > XML_NODES_MAX)
			abort();
		xml_find(root, "Code");
		xml_text(root, "a/b");
	} else if (err.code != MW_PROTO || !err.msg[0]) {
		abort();
	}
	arena_free(a);
	return 0;
}
