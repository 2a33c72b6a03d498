/*
 * xml.c - see xml.h: expat's events, kept as a tree.
 */
#include "drivers/xml.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <expat.h>
#include <string.h>

struct level {
	struct xml_node *node, **tail;
	struct str text;
};

struct reader {
	XML_Parser parser;
	struct arena *arena;
	struct level level[XML_DEPTH_MAX];
	size_t depth, nodes, bytes;
	struct xml_node *root;
	const char *bad; /* why it was stopped */
};

static void
stop(struct reader *r, const char *why)
{
	if (!r->bad)
		r->bad = why;
	XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL
on_start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
	struct reader *r = arg;
	const char *colon = strrchr(name, ':');
	struct xml_node *node;
	struct level *l;

	(void)attrs;
	if (r->bad)
		return;
	if (r->depth == XML_DEPTH_MAX) {
		stop(r, "nested too deeply");
		return;
	}
	if (++r->nodes > XML_NODES_MAX) {
		stop(r, "too many elements");
		return;
	}
	node = arena_alloc(r->arena, sizeof *node);
	node->name = arena_strdup(r->arena, colon ? colon + 1 : name);
	node->text = "";
	if (r->depth == 0) {
		r->root = node;
	} else {
		l = &r->level[r->depth - 1];
		*l->tail = node;
		l->tail = &node->next;
	}
	l = &r->level[r->depth++];
	l->node = node;
	l->tail = &node->child;
	str_reset(&l->text);
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void XMLCALL
on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	struct level *l;
	size_t from = 0, to;

	(void)name;
	if (r->bad || r->depth == 0)
		return;
	l = &r->level[--r->depth];
	to = l->text.len;
	while (from < to && blank(l->text.p[from]))
		from++;
	while (to > from && blank(l->text.p[to - 1]))
		to--;
	if (to > from)
		l->node->text =
		    arena_strndup(r->arena, l->text.p + from, to - from);
}

static void XMLCALL
on_text(void *arg, const XML_Char *p, int n)
{
	struct reader *r = arg;

	if (r->bad || r->depth == 0)
		return;
	r->bytes += (size_t)n;
	if (r->bytes > XML_TEXT_MAX)
		stop(r, "too large");
	else
		str_addn(&r->level[r->depth - 1].text, p, (size_t)n);
}

static void XMLCALL
on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
    const XML_Char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(arg, "it declares a document type");
}

static void XMLCALL
on_entity(void *arg, const XML_Char *name, int is_parameter,
    const XML_Char *value, int len, const XML_Char *base, const XML_Char *sysid,
    const XML_Char *pubid, const XML_Char *notation)
{
	(void)name;
	(void)is_parameter;
	(void)value;
	(void)len;
	(void)base;
	(void)sysid;
	(void)pubid;
	(void)notation;
	stop(arg, "it declares an entity");
}

bool
xml_parse(struct arena *a, const void *p, size_t n,
    const struct xml_node **root, struct mw_err *err)
{
	struct reader r = { .arena = a };
	bool ok = false;

	if (n > XML_TEXT_MAX)
		return err_set(err, MW_PROTO, 0, "the XML is too large");
	r.parser = XML_ParserCreate(NULL);
	if (!r.parser)
		abort();
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	XML_SetEntityDeclHandler(r.parser, on_entity);
	if (XML_Parse(r.parser, p, (int)n, 1) == XML_STATUS_OK && !r.bad &&
	    r.root) {
		*root = r.root;
		ok = true;
	} else {
		err_set(err, MW_PROTO, 0, "bad XML, line %lu: %s",
		    (unsigned long)XML_GetCurrentLineNumber(r.parser),
		    r.bad ? r.bad
			  : XML_ErrorString(XML_GetErrorCode(r.parser)));
	}
	for (size_t i = 0; i < XML_DEPTH_MAX; i++)
		str_free(&r.level[i].text);
	XML_ParserFree(r.parser);
	return ok;
}

const struct xml_node *
xml_get(const struct xml_node *node, const char *path)
{
	while (node && *path) {
		size_t n = strcspn(path, "/");
		const struct xml_node *c = node->child;

		while (c &&
		    !(strlen(c->name) == n && memcmp(c->name, path, n) == 0))
			c = c->next;
		node = c;
		path += n + (path[n] == '/');
	}
	return node;
}

const char *
xml_text(const struct xml_node *node, const char *path)
{
	const struct xml_node *c = xml_get(node, path);

	return c && c->text[0] ? c->text : NULL;
}

/* Depth is bounded by the parser, so this recursion is, too. */
const struct xml_node *
xml_find(const struct xml_node *node, const char *name)
{
	const struct xml_node *hit;

	if (!node)
		return NULL;
	for (const struct xml_node *c = node->child; c; c = c->next) {
		if (strcmp(c->name, name) == 0)
			return c;
		hit = xml_find(c, name);
		if (hit)
			return hit;
	}
	return NULL;
}

const struct xml_node *
xml_next(const struct xml_node *node)
{
	const struct xml_node *c = node->next;

	while (c && strcmp(c->name, node->name) != 0)
		c = c->next;
	return c;
}
