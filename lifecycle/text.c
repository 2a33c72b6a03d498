/*
 * text.c - the texts of slots and generations. Ten thousand VMs name a few
 * hundred connections, specs, images, zones and native words: each text is
 * kept once and counted, and goes when the last row that names it does.
 *
 * Owns the table of struct lc. A field that holds a text of it is never NULL
 * and is written by lc_text() only; "" takes no entry. Copies for a
 * transaction live in its arena: the store's thread reads them.
 */
#include "lifecycle/priv.h"

#include <string.h>

#define BUCKETS_LEAST 256

struct text {
	struct text *next;
	uint32_t refs, hash;
	char s[];
};

static const char none[] = "";

uint32_t
lc_hash(const char *s, size_t n)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h;
}

static void
grow(struct lc_texts *t)
{
	size_t n = t->nbuckets ? 2 * t->nbuckets : BUCKETS_LEAST;
	struct text **to = xcalloc(n, sizeof(struct text *)), *next;

	for (size_t i = 0; i < t->nbuckets; i++) {
		for (struct text *x = t->buckets[i]; x; x = next) {
			next = x->next;
			x->next = to[x->hash & (n - 1)];
			to[x->hash & (n - 1)] = x;
		}
	}
	free(t->buckets);
	t->buckets = to;
	t->nbuckets = n;
}

static const char *
take(struct lc_texts *t, const char *s, size_t n)
{
	uint32_t h = lc_hash(s, n);
	struct text *x;

	if (t->n >= t->nbuckets)
		grow(t);
	x = t->buckets[h & (t->nbuckets - 1)];
	while (
	    x && !(x->hash == h && strncmp(x->s, s, n) == 0 && x->s[n] == '\0'))
		x = x->next;
	if (!x) {
		x = xmalloc(sizeof *x + n + 1);
		x->refs = 0;
		x->hash = h;
		memcpy(x->s, s, n);
		x->s[n] = '\0';
		x->next = t->buckets[h & (t->nbuckets - 1)];
		t->buckets[h & (t->nbuckets - 1)] = x;
		t->n++;
	}
	x->refs++;
	return x->s;
}

static void
drop(struct lc_texts *t, const char *s)
{
	struct text *x = container_of(s, struct text, s[0]);
	struct text **at;

	if (--x->refs > 0)
		return;
	at = &t->buckets[x->hash & (t->nbuckets - 1)];
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	t->n--;
	free(x);
}

bool
lc_text(struct lc *lc, const char **at, size_t size, const char *to)
{
	const char *old = *at;
	size_t n = strnlen(to, size - 1);

	if (old && strncmp(old, to, n) == 0 && old[n] == '\0')
		return false;
	*at = n ? take(&lc->texts, to, n) : none;
	if (old && *old)
		drop(&lc->texts, old);
	return old != NULL || n > 0;
}

void
lc_texts_free(struct lc *lc)
{
	struct lc_texts *t = &lc->texts;
	struct text *next;

	for (size_t i = 0; i < t->nbuckets; i++) {
		for (struct text *x = t->buckets[i]; x; x = next) {
			next = x->next;
			free(x);
		}
	}
	free(t->buckets);
	*t = (struct lc_texts){ 0 };
}

/* ---- whole rows ---------------------------------------------------------- */

/* The texts of each kind of row: where they are, and how long they may be. */
struct field {
	size_t at, size;
};
#define SLOT(f, n)                                 \
	{                                          \
		offsetof(struct lc_slot_row, f), n \
	}
#define INST(f, n)                                 \
	{                                          \
		offsetof(struct lc_inst_row, f), n \
	}
#define ACTION(f, n)                                 \
	{                                            \
		offsetof(struct lc_action_row, f), n \
	}
static const struct field slot_fields[] = {
	SLOT(group, LC_ID_LEN),
	SLOT(spec.connection, LC_WORD_LEN),
	SLOT(spec.spec, LC_WORD_LEN),
	SLOT(spec.image, LC_WORD_LEN),
	SLOT(spec.zone, LC_WORD_LEN),
	SLOT(spec_sha256, LC_SHA_LEN),
	SLOT(labels, LC_LABELS_LEN),
	SLOT(reason, LC_TEXT_LEN),
};
static const struct field inst_fields[] = {
	INST(connection, LC_WORD_LEN),
	INST(csp_id, LC_WORD_LEN),
	INST(native, LC_WORD_LEN),
	INST(public_ip, LC_ADDR_LEN),
	INST(private_ip, LC_ADDR_LEN),
	INST(zone, LC_WORD_LEN),
	INST(ssh_user, LC_ID_LEN),
	INST(host_key, LC_KEY_LEN),
	INST(host_key_trust, LC_TRUST_LEN),
	INST(host_id, LC_WORD_LEN),
	INST(install_step, LC_STEP_LEN),
	INST(install_error, LC_TEXT_LEN),
	INST(last_error, LC_TEXT_LEN),
};
static const struct field action_fields[] = {
	ACTION(target, LC_TARGET_LEN),
	ACTION(actor, LC_ID_LEN),
	ACTION(error, LC_TEXT_LEN),
};

static const char **
text_at(void *row, const struct field *f)
{
	return (const char **)(void *)((char *)row + f->at);
}

/* The row was copied by value: its texts are taken over into the table. */
static void
own(struct lc *lc, void *row, const struct field *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char **at = text_at(row, &f[i]), *from = *at;

		*at = NULL;
		lc_text(lc, at, f[i].size, from ? from : none);
	}
}

static void
release(struct lc *lc, void *row, const struct field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lc_text(lc, text_at(row, &f[i]), 1, none);
}

static void
copy(struct arena *a, void *row, const struct field *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char **at = text_at(row, &f[i]);

		*at = *at && **at ? arena_strdup(a, *at) : none;
	}
}

void
lc_slot_row_own(struct lc *lc, struct lc_slot_row *r)
{
	own(lc, r, slot_fields, ARRAY_LEN(slot_fields));
}

void
lc_inst_row_own(struct lc *lc, struct lc_inst_row *r)
{
	own(lc, r, inst_fields, ARRAY_LEN(inst_fields));
}

void
lc_action_row_own(struct lc *lc, struct lc_action_row *r)
{
	own(lc, r, action_fields, ARRAY_LEN(action_fields));
}

void
lc_slot_row_release(struct lc *lc, struct lc_slot_row *r)
{
	release(lc, r, slot_fields, ARRAY_LEN(slot_fields));
}

void
lc_inst_row_release(struct lc *lc, struct lc_inst_row *r)
{
	release(lc, r, inst_fields, ARRAY_LEN(inst_fields));
}

void
lc_action_row_release(struct lc *lc, struct lc_action_row *r)
{
	release(lc, r, action_fields, ARRAY_LEN(action_fields));
}

void
lc_slot_row_copy(struct arena *a, struct lc_slot_row *dst,
    const struct lc_slot_row *src)
{
	*dst = *src;
	copy(a, dst, slot_fields, ARRAY_LEN(slot_fields));
}

void
lc_inst_row_copy(struct arena *a, struct lc_inst_row *dst,
    const struct lc_inst_row *src)
{
	*dst = *src;
	copy(a, dst, inst_fields, ARRAY_LEN(inst_fields));
}

void
lc_action_row_copy(struct arena *a, struct lc_action_row *dst,
    const struct lc_action_row *src)
{
	*dst = *src;
	copy(a, dst, action_fields, ARRAY_LEN(action_fields));
}
