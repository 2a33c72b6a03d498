/*
 * xml.h - reads the XML answers of EC2 into a small tree.
 *
 * Bounded against hostile answers: depth, nodes and bytes have limits, names
 * lose their namespace prefix, attributes are dropped, and a document that
 * declares an entity or a DTD is refused (entity bombs need both). Expat
 * checks well-formedness and encoding.
 */
#ifndef MW_DRIVERS_XML_H
#define MW_DRIVERS_XML_H

#include "common/pure/arena.h"
#include "common/pure/err.h"

#define XML_DEPTH_MAX 32
#define XML_NODES_MAX 1000000
#define XML_TEXT_MAX ((size_t)16 * 1024 * 1024)

struct xml_node {
	const char *name; /* "instanceId" */
	const char *text; /* directly inside, outer blanks cut; never NULL */
	struct xml_node *child, *next;
};

/* The root element, in the arena. False (MW_PROTO): not such a document. */
bool xml_parse(struct arena *a, const void *p, size_t n,
    const struct xml_node **root, struct mw_err *err) mw_must_check;
/* First child of that name; path "a/b/c" walks down. NULL node: NULL. */
const struct xml_node *xml_get(const struct xml_node *node, const char *path);
/* Its text, or NULL if it is not there or empty. */
const char *xml_text(const struct xml_node *node, const char *path);
/* First element of that name anywhere below, in document order, or NULL. */
const struct xml_node *xml_find(const struct xml_node *node, const char *name);
/* Next sibling of the same name, e.g. the next <item>. */
const struct xml_node *xml_next(const struct xml_node *node);

#endif
