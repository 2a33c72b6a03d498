/*
 * csp.c - names, construction and copies of cloud requests and answers.
 */
#include "common/pure/csp.h"

#include <assert.h>
#include <string.h>

static const struct op_info {
	const char *name;
	bool mutates;
} ops[CSP_OP_COUNT] = {
	[CSP_VERIFY] = { "verify", false },
	[CSP_REGIONS] = { "regions", false },
	[CSP_SPECS] = { "specs", false },
	[CSP_IMAGES] = { "images", false },
	[CSP_NET_ENSURE] = { "net_ensure", true },
	[CSP_SG_ENSURE] = { "sg_ensure", true },
	[CSP_KEY_ENSURE] = { "key_ensure", true },
	[CSP_VM_CREATE] = { "vm_create", true },
	[CSP_VM_GET] = { "vm_get", false },
	[CSP_VM_LIST] = { "vm_list", false },
	[CSP_VM_SUSPEND] = { "vm_suspend", true },
	[CSP_VM_RESUME] = { "vm_resume", true },
	[CSP_VM_REBOOT] = { "vm_reboot", true },
	[CSP_VM_TERMINATE] = { "vm_terminate", true },
	[CSP_CONSOLE] = { "console", false },
	[CSP_NET_DELETE] = { "net_delete", true },
	[CSP_SG_DELETE] = { "sg_delete", true },
	[CSP_KEY_DELETE] = { "key_delete", true },
	[CSP_PART_LIST] = { "part_list", false },
};

static const char *const class_names[CSP_CLASS_COUNT] = {
	[CSP_OK] = "OK",
	[CSP_NOT_FOUND] = "NOT_FOUND",
	[CSP_CONFLICT] = "CONFLICT",
	[CSP_THROTTLED] = "THROTTLED",
	[CSP_DEFINITE] = "DEFINITE",
	[CSP_AMBIGUOUS] = "AMBIGUOUS",
};

static const char *const reason_names[CSP_REASON_COUNT] = {
	[CSP_R_NONE] = "NONE",
	[CSP_R_EXISTS] = "EXISTS",
	[CSP_R_BUSY] = "BUSY",
	[CSP_R_UNSENT] = "UNSENT",
	[CSP_R_AUTH] = "AUTH",
	[CSP_R_CLOCK] = "CLOCK",
	[CSP_R_INVALID] = "INVALID",
	[CSP_R_QUOTA] = "QUOTA",
	[CSP_R_CAPACITY] = "CAPACITY",
	[CSP_R_DENIED] = "DENIED",
	[CSP_R_TOKEN_CLOSED] = "TOKEN_CLOSED",
	[CSP_R_UNSUPPORTED] = "UNSUPPORTED",
	[CSP_R_TOKEN_MISMATCH] = "TOKEN_MISMATCH",
	[CSP_R_TIMEOUT] = "TIMEOUT",
	[CSP_R_RESET] = "RESET",
	[CSP_R_SERVER] = "SERVER",
	[CSP_R_UNPARSABLE] = "UNPARSABLE",
	[CSP_R_CANCELED] = "CANCELED",
};

struct csp_req *
csp_req_new(enum csp_op op, const char *connection)
{
	struct arena *a = arena_new();
	struct csp_req *q = arena_alloc(a, sizeof *q);

	q->arena = a;
	q->op = op;
	q->connection = arena_strdup(a, connection);
	return q;
}

void
csp_req_free(struct csp_req *q)
{
	if (q != NULL)
		arena_free(q->arena); /* q itself lives there */
}

static struct csp_tag *
copy_tags(struct arena *a, const struct csp_tag *tags, size_t n)
{
	struct csp_tag *copy = arena_array(a, n, sizeof *copy);

	for (size_t i = 0; i < n; i++) {
		copy[i].key = arena_strdup(a, tags[i].key);
		copy[i].value = arena_strdup(a, tags[i].value);
	}
	return copy;
}

static struct csp_rule *
copy_rules(struct arena *a, const struct csp_rule *rules, size_t n)
{
	struct csp_rule *copy = arena_array(a, n, sizeof *copy);

	for (size_t i = 0; i < n; i++) {
		copy[i] = rules[i];
		copy[i].proto = arena_strdup(a, rules[i].proto);
		copy[i].cidr = arena_strdup(a, rules[i].cidr);
	}
	return copy;
}

struct csp_req *
csp_req_copy(const struct csp_req *q)
{
	struct csp_req *c = csp_req_new(q->op, q->connection);
	struct arena *a = c->arena;

	c->id = q->id;
	c->csp_id = arena_strdup(a, q->csp_id);
	c->name = arena_strdup(a, q->name);
	c->token = arena_strdup(a, q->token);
	c->spec = arena_strdup(a, q->spec);
	c->image = arena_strdup(a, q->image);
	c->zone = arena_strdup(a, q->zone);
	c->key_name = arena_strdup(a, q->key_name);
	c->public_key = arena_strdup(a, q->public_key);
	c->network = arena_strdup(a, q->network);
	c->security_group = arena_strdup(a, q->security_group);
	c->user_data = arena_strdup(a, q->user_data);
	c->tags = q->ntags > 0 ? copy_tags(a, q->tags, q->ntags) : NULL;
	c->ntags = q->ntags;
	c->rules = q->nrules > 0 ? copy_rules(a, q->rules, q->nrules) : NULL;
	c->nrules = q->nrules;
	c->deadline_ms = q->deadline_ms;
	return c;
}

struct csp_answer *
csp_answer_new(const struct csp_req *q)
{
	struct arena *a = arena_new();
	struct csp_answer *ans = arena_alloc(a, sizeof *ans);

	ans->arena = a;
	ans->id = q->id;
	ans->op = q->op;
	ans->cls = CSP_AMBIGUOUS;
	return ans;
}

void
csp_answer_free(struct csp_answer *a)
{
	if (a != NULL)
		arena_free(a->arena);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void
csp_answer_part(struct csp_answer *a, enum csp_op remove, const char *id,
    const char *key, const char *deployment)
{
	struct csp_part *v;

	for (size_t i = 0; i < a->nparts; i++)
		if (a->parts[i].remove == remove &&
		    same_text(a->parts[i].key, key) &&
		    same_text(a->parts[i].deployment, deployment))
			return;
	/* doubles at 0, 1, 2, 4, 8, .. */
	if ((a->nparts & (a->nparts - 1)) == 0) {
		v = arena_array(a->arena, a->nparts * 2 + 1, sizeof *v);
		if (a->nparts)
			memcpy(v, a->parts, a->nparts * sizeof *v);
		a->parts = v;
	}
	v = (struct csp_part *)(uintptr_t)&a->parts[a->nparts++];
	v->remove = remove;
	v->id = arena_strdup(a->arena, id);
	v->key = arena_strdup(a->arena, key);
	v->deployment = arena_strdup(a->arena, deployment);
}

bool
csp_is_key_name(const char *s, size_t n)
{
	if (n != 23 || strncmp(s, "mw-", 3) != 0)
		return false;
	for (size_t i = 3; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz234567", s[i]))
			return false;
	return true;
}

const char *
csp_op_name(enum csp_op op)
{
	assert((unsigned)op < CSP_OP_COUNT);
	return ops[op].name;
}

const char *
csp_class_name(enum csp_class c)
{
	assert((unsigned)c < CSP_CLASS_COUNT);
	return class_names[c];
}

const char *
csp_reason_name(enum csp_reason r)
{
	assert((unsigned)r < CSP_REASON_COUNT);
	return reason_names[r];
}

bool
csp_op_mutates(enum csp_op op)
{
	assert((unsigned)op < CSP_OP_COUNT);
	return ops[op].mutates;
}

const char *
csp_tag_get(const struct csp_tag *tags, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(tags[i].key, key) == 0)
			return tags[i].value;
	return NULL;
}

bool
csp_same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, " "), k;

	if (a[n] != ' ' || strncmp(a, b, n + 1) != 0)
		return false;
	k = strcspn(a + n + 1, " \r\n");
	return strcspn(b + n + 1, " \r\n") == k &&
	    memcmp(a + n + 1, b + n + 1, k) == 0;
}
