/*
 * wish.c - an MCIS file becomes desired slots. The plan is made first and
 * changes nothing; only a plan that is allowed is carried out. The same file
 * again makes an empty plan: no row changes, no call.
 */
#include "lifecycle/priv.h"

#include <string.h>

#define VMS_MAX 10000
#define REVISION_BYTES 12 /* people copy it */

enum change {
	CH_KEEP,
	CH_CREATE,
	CH_REMOVE,
	CH_REPLACE,
	CH_RETRY,
	CH_FORGET, /* a terminated one that the file does not name */
	CH_COUNT
};

static const char *const change_names[CH_COUNT] = { "keep", "create", "remove",
	"replace", "retry", "forget" };

static bool check(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    struct mw_err *err);
static void plan(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    unsigned flags, struct lc_reply *out);
static bool allowed(const struct lc_reply *out, unsigned flags,
    struct mw_err *err);
static void revision(struct lc *lc, const struct lc_wish *w,
    const struct lc_mcis *m, struct lc_reply *out);
static bool set_texts(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    unsigned flags);
static void carry_out(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    struct lc_action *a, const struct lc_reply *out);

void
lc_reply_free(struct lc_reply *r)
{
	free(r->items);
	memset(r, 0, sizeof *r);
}

static struct lc_mcis *
add_mcis(struct lc *lc, const struct lc_wish *w)
{
	struct lc_mcis_row row = {
		.mcis_id = lc->next_mcis++,
		.description = w->description,
		.labels = w->labels,
		.require_agent = w->require_agent,
		.policy = w->policy,
		.replace_vanished = w->replace_vanished,
		.created_at = lc->env.wall_ns(lc->env.ctx),
	};
	struct lc_mcis *m;

	str_copy(row.ns, sizeof row.ns, w->ns);
	str_copy(row.name, sizeof row.name, w->name);
	/* A group that is deleted and made again gets another key name. */
	lc_key_name(lc->conf.deployment, row.mcis_id, lc->env.sha256,
	    lc->env.ctx, row.key_id);
	lc->next_dirty = true;
	m = lc_mcis_new(lc, &row);
	m->dirty = true;
	return m;
}

bool
lc_apply(struct lc *lc, const struct lc_wish *w, unsigned flags,
    const struct lc_who *who, struct lc_reply *out, struct mw_err *err)
{
	struct lc_mcis *m = lc_mcis_find(lc, w->ns, w->name);
	struct lc_action *a;
	size_t work = 0;
	bool fresh = !m, texts;

	memset(out, 0, sizeof *out);
	if (!check(lc, w, m, err))
		return false;
	plan(lc, w, m, flags, out);
	revision(lc, w, m, out);
	if (who->revision && !str_eq(who->revision, out->revision)) {
		lc_reply_free(out);
		err_set(err, MW_CONFLICT, 0,
		    "%s is not as it was when this plan was made, or the wish "
		    "is another one",
		    w->name);
		return err_hint(err, "make a new plan: milkyway mcis plan");
	}
	for (size_t i = 0; i < out->n; i++)
		work += out->items[i].answer == LC_GO;
	if (m && m->action && work > 0) {
		lc_reply_free(out);
		return lc_action_refuses(lc, m->action, err);
	}
	for (size_t i = 0; i < out->n; i++) {
		if (out->items[i].change == change_names[CH_CREATE] &&
		    lc_orphan_blocks(lc, m, w->ns, w->name, out->items[i].vm_id,
			err)) {
			lc_reply_free(out);
			return false;
		}
	}
	out->answer = work > 0 || fresh ? LC_GO : LC_NOOP;
	if (flags & LC_DRY_RUN)
		return true;
	if (!allowed(out, flags, err)) {
		lc_reply_free(out);
		return false;
	}
	if (m && m->action) {
		out->answer = LC_JOIN;
		str_copy(out->action_id, sizeof out->action_id,
		    m->action->row.action_id);
	}
	if (fresh)
		m = add_mcis(lc, w);
	texts = set_texts(lc, w, m, flags);
	if (out->answer == LC_GO) {
		a = lc_action_new(lc, m, NULL, NULL, LC_A_CREATE, who);
		str_copy(out->action_id, sizeof out->action_id, who->action_id);
		carry_out(lc, w, m, a, out);
		lc_action_seal(lc, a);
	} else if (texts && out->answer == LC_NOOP) {
		out->answer = LC_GO; /* without an action */
	}
	out->txn = lc_turn_txn(lc);
	return true;
}

static bool
check(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    struct mw_err *err)
{
	int64_t n = 0;

	if (!lc_ns_exists(lc, w->ns)) {
		err_set(err, MW_NOT_FOUND, 0, "no namespace %s", w->ns);
		return err_hint(err, "PUT /v1/ns/%s", w->ns);
	}
	if (m && m->row.forget) {
		err_set(err, MW_CONFLICT, 0, "%s is being deleted", w->name);
		return err_hint(err, "wait until it is gone");
	}
	for (size_t i = 0; i < w->ngroups; i++)
		n += w->groups[i].count;
	if (n > VMS_MAX)
		return err_set(err, MW_LIMIT, 0,
		    "%lld VMs, at most %d in one MCIS", (long long)n, VMS_MAX);
	return true;
}

static void
plan_add(struct lc_reply *out, const char *group, int64_t index, enum change ch,
    const char *reason)
{
	struct lc_plan_item *it;
	struct str t = STR_INIT;

	VEC_GROW(out->items, out->n, out->cap);
	it = &out->items[out->n++];
	memset(it, 0, sizeof *it);
	str_addf(&t, "%s-%lld", group, (long long)index);
	str_copy(it->vm_id, sizeof it->vm_id, str_cstr(&t));
	str_free(&t);
	it->change = change_names[ch];
	it->answer = ch == CH_KEEP ? LC_NOOP : LC_GO;
	str_copy(it->reason, sizeof it->reason, reason ? reason : "");
}

static bool
exists(const struct lc_slot *s)
{
	return s->inst.phase != LC_P_NONE && s->inst.phase != LC_P_DEAD;
}

static enum change
change_of(const struct lc_slot *s, const char *sha, bool agent)
{
	if (!s->row.desired)
		return CH_CREATE;
	if (!str_eq(s->row.spec_sha256, sha))
		return CH_REPLACE;
	if (s->row.gave_up ||
	    (s->inst.phase == LC_P_RUNNING && s->inst.cls == LC_C_GONE) ||
	    (agent && s->inst.install == LC_I_FAILED &&
		s->inst.cls == LC_C_RUN))
		return CH_RETRY;
	return CH_KEEP;
}

/* Slots of one group in the order of their index, next to the wish. */
static void
plan_group(struct lc *lc, const struct lc_wish *w, size_t g,
    const struct lc_slot *s, struct lc_reply *out)
{
	const struct lc_wish_group *gr = &w->groups[g];
	char sha[65];

	lc_spec_sha256(lc, &gr->spec, sha);
	while (s && strcmp(s->row.group, gr->name) != 0)
		s = s->next;
	for (int64_t i = 1; i <= gr->count; i++) {
		while (s && str_eq(s->row.group, gr->name) && s->row.index < i)
			s = s->next;
		if (s && str_eq(s->row.group, gr->name) && s->row.index == i)
			plan_add(out, gr->name, i,
			    change_of(s, sha, w->require_agent), s->row.reason);
		else
			plan_add(out, gr->name, i, CH_CREATE, NULL);
	}
}

static const struct lc_wish_group *
group_of(const struct lc_wish *w, const char *name)
{
	for (size_t i = 0; i < w->ngroups; i++) {
		if (str_eq(w->groups[i].name, name))
			return &w->groups[i];
	}
	return NULL;
}

static void
plan(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m, unsigned flags,
    struct lc_reply *out)
{
	const struct lc_wish_group *g;

	for (size_t i = 0; i < w->ngroups; i++)
		plan_group(lc, w, i, m ? m->slots : NULL, out);
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		g = group_of(w, s->row.group);
		if ((g && s->row.index <= g->count) || s->row.drop ||
		    (!g && (flags & LC_ONLY_NAMED)))
			continue;
		plan_add(out, s->row.group, s->row.index,
		    s->row.desired ? CH_REMOVE : CH_FORGET, NULL);
	}
}

static bool
allowed(const struct lc_reply *out, unsigned flags, struct mw_err *err)
{
	static const struct {
		enum change ch;
		unsigned flag;
		const char *hint;
	} needs[] = {
		{ CH_REMOVE, LC_ALLOW_REMOVE,
		    "repeat with allowRemove=1, or --allow-remove" },
		{ CH_REPLACE, LC_ALLOW_REPLACE,
		    "repeat with allowReplace=1, or --allow-replace" },
	};
	struct str t = STR_INIT;

	for (size_t k = 0; k < ARRAY_LEN(needs); k++) {
		size_t n = 0;

		if (flags & needs[k].flag)
			continue;
		for (size_t i = 0; i < out->n; i++) {
			if (out->items[i].change != change_names[needs[k].ch])
				continue;
			if (n++ < 10)
				str_addf(&t, " %s", out->items[i].vm_id);
		}
		if (n == 0)
			continue;
		err_set(err, MW_CONFLICT, 0, "this would %s %zu VM%s:%s%s",
		    change_names[needs[k].ch], n, n == 1 ? "" : "s",
		    str_cstr(&t), n > 10 ? " ..." : "");
		str_free(&t);
		return err_hint(err, "%s", needs[k].hint);
	}
	return true;
}

/* Names what would be done and what it is done to: the plan, the wish, and
 * each slot with its generation. */
static void
revision(struct lc *lc, const struct lc_wish *w, const struct lc_mcis *m,
    struct lc_reply *out)
{
	struct str t = STR_INIT;
	uint8_t hash[32];
	char sha[65];

	str_addf(&t, "%s %s %lld\n%d %d %d\n%s\n%s\n", w->ns, w->name,
	    (long long)(m ? m->row.mcis_id : 0), (int)w->policy,
	    w->require_agent, w->replace_vanished,
	    w->description ? w->description : "", w->labels ? w->labels : "");
	for (size_t i = 0; i < w->ngroups; i++) {
		lc_spec_sha256(lc, &w->groups[i].spec, sha);
		str_addf(&t, "g %s %lld %s %s\n", w->groups[i].name,
		    (long long)w->groups[i].count, sha, w->groups[i].labels);
	}
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next)
		str_addf(&t, "s %lld %lld %d %d %s\n",
		    (long long)s->row.slot_id, (long long)s->row.gen,
		    s->row.desired, s->row.replace, s->row.spec_sha256);
	for (size_t i = 0; i < out->n; i++)
		str_addf(&t, "%s %s\n", out->items[i].vm_id,
		    out->items[i].change);
	lc->env.sha256(lc->env.ctx, str_cstr(&t), t.len, hash);
	for (size_t i = 0; i < REVISION_BYTES; i++) {
		out->revision[2 * i] = "0123456789abcdef"[hash[i] >> 4];
		out->revision[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
	}
	out->revision[2 * REVISION_BYTES] = '\0';
	str_free(&t);
}

static void
set_text(const char **at, const char *to, bool *changed)
{
	if (str_eq(*at, to))
		return;
	free((char *)*at);
	*at = xstrdup(to);
	*changed = true;
}

/* What may change without touching a VM. */
static bool
set_texts(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    unsigned flags)
{
	bool changed = m->dirty, one;

	if (flags & LC_ONLY_NAMED)
		return false;
	set_text(&m->row.description, w->description, &changed);
	set_text(&m->row.labels, w->labels, &changed);
	if (m->row.require_agent != w->require_agent ||
	    m->row.policy != w->policy) {
		m->row.require_agent = w->require_agent;
		m->row.policy = w->policy;
		changed = true;
	}
	if (m->row.replace_vanished != w->replace_vanished) {
		m->row.replace_vanished = w->replace_vanished;
		changed = true;
		for (struct lc_slot *s = m->slots; s; s = s->next)
			lc_kick(lc, s);
	}
	m->dirty = changed;
	for (struct lc_slot *s = m->slots; s; s = s->next) {
		const struct lc_wish_group *g = group_of(w, s->row.group);

		one = false;
		if (g)
			one = lc_text(lc, &s->row.labels, LC_LABELS_LEN,
			    g->labels);
		if (one) {
			lc_dirty(lc, s, DIRTY_SLOT);
			changed = true;
		}
	}
	return changed;
}

/* Makes the slot wanted as the group says. */
static void
want(struct lc *lc, struct lc_slot *s, const struct lc_wish_group *g)
{
	bool changed;
	char sha[65];

	lc_spec_sha256(lc, &g->spec, sha);
	changed = !str_eq(sha, s->row.spec_sha256);
	if (!s->row.desired && s->inst.phase == LC_P_CREATING)
		changed = true; /* withdrawn: that generation is over */
	lc_text(lc, &s->row.labels, LC_LABELS_LEN, g->labels);
	lc_text(lc, &s->row.spec.connection, LC_WORD_LEN, g->spec.connection);
	lc_text(lc, &s->row.spec.spec, LC_WORD_LEN, g->spec.spec);
	lc_text(lc, &s->row.spec.image, LC_WORD_LEN, g->spec.image);
	lc_text(lc, &s->row.spec.zone, LC_WORD_LEN, g->spec.zone);
	lc_text(lc, &s->row.spec_sha256, LC_SHA_LEN, sha);
	s->row.desired = true;
	s->row.drop = false;
	if (changed && exists(s))
		s->row.replace = true;
	lc_retry(lc, s);
}

/* A slot that failed, vanished or lost its agent is tried again. */
void
lc_retry(struct lc *lc, struct lc_slot *s)
{
	s->row.gave_up = false;
	s->row.fails = 0;
	lc_text(lc, &s->row.reason, 1, "");
	s->retry_ns = 0;
	if (s->inst.phase == LC_P_CREATING && s->inst.verb == LC_V_CREATE)
		lc_verb_begin(lc, s, LC_V_CREATE);
	if (s->inst.phase == LC_P_RUNNING && s->inst.cls == LC_C_GONE)
		s->row.replace = true;
	if (s->inst.phase == LC_P_RUNNING && s->inst.cls == LC_C_BOOT &&
	    !s->inst.ever_ran)
		lc_verb_begin(lc, s, LC_V_CREATE);
	if (s->inst.install == LC_I_FAILED && !s->installing) {
		s->inst.install = LC_I_NONE;
		lc_dirty(lc, s, DIRTY_INST);
	}
	lc_dirty(lc, s, DIRTY_SLOT);
	lc_refresh(lc, s);
	lc_kick(lc, s);
}

static void
carry_out(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    struct lc_action *a, const struct lc_reply *out)
{
	for (size_t i = 0; i < out->n; i++) {
		const struct lc_plan_item *it = &out->items[i];
		const char *dash = strrchr(it->vm_id, '-');
		struct lc_slot *s = lc_vm_find(m, it->vm_id);
		char group[LC_ID_LEN];
		bool added = !s || !s->row.desired;

		if (it->answer != LC_GO)
			continue;
		str_copy(group, sizeof group, it->vm_id);
		if ((size_t)(dash - it->vm_id) < sizeof group)
			group[dash - it->vm_id] = '\0';
		if (it->change == change_names[CH_REMOVE] ||
		    it->change == change_names[CH_FORGET]) {
			lc_action_add(lc, a, s);
			lc_unwant(lc, s, true);
			continue;
		}
		if (!s)
			s = lc_slot_new(lc, m, group, lc_index(it->vm_id));
		lc_action_add(lc, a, s);
		s->row.added = added;
		want(lc, s, group_of(w, group));
	}
}

/* ---- scale --------------------------------------------------------------- */

/* A VM of the group that shows how its others are; one that is wanted, if
 * there is one. */
static const struct lc_slot *
pattern_of(const struct lc_mcis *m, const char *group)
{
	const struct lc_slot *best = NULL;

	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		if (str_eq(s->row.group, group) &&
		    (!best || (s->row.desired && !best->row.desired)))
			best = s;
	}
	return best;
}

static bool
no_group(const struct lc_mcis *m, const char *group, struct mw_err *err)
{
	struct str names = STR_INIT;
	const char *last = "";

	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		if (str_eq(s->row.group, last) || names.len > 100)
			continue;
		last = s->row.group;
		str_addf(&names, "%s%s", names.len ? ", " : "", last);
	}
	err_set(err, MW_NOT_FOUND, 0, "%s has no group %.64s", m->row.name,
	    group);
	if (names.len)
		err_hint(err,
		    "it has %s; a new one (or one that was scaled to 0) comes "
		    "with its file: milkyway mcis create -f FILE",
		    str_cstr(&names));
	else
		err_hint(err,
		    "a group that was scaled to 0 is forgotten; put its file "
		    "again: milkyway mcis create -f FILE");
	str_free(&names);
	return false;
}

bool
lc_scale(struct lc *lc, struct lc_mcis *m, const struct lc_wish_group *groups,
    size_t ngroups, unsigned flags, const struct lc_who *who,
    struct lc_reply *out, struct mw_err *err)
{
	struct lc_wish_group *g = xcalloc(ngroups + 1, sizeof *g);
	struct lc_wish w = {
		.ns = m->row.ns,
		.name = m->row.name,
		.labels = m->row.labels,
		.description = m->row.description,
		.require_agent = m->row.require_agent,
		.policy = m->row.policy,
		.replace_vanished = m->row.replace_vanished,
		.groups = g,
		.ngroups = ngroups,
	};
	bool ok = true;

	memset(out, 0, sizeof *out);
	for (size_t i = 0; ok && i < ngroups; i++) {
		const struct lc_slot *s = pattern_of(m, groups[i].name);

		if (!s) {
			ok = no_group(m, groups[i].name, err);
			break;
		}
		g[i].name = groups[i].name;
		g[i].count = groups[i].count;
		g[i].labels = s->row.labels;
		str_copy(g[i].spec.connection, sizeof g[i].spec.connection,
		    s->row.spec.connection);
		str_copy(g[i].spec.spec, sizeof g[i].spec.spec,
		    s->row.spec.spec);
		str_copy(g[i].spec.image, sizeof g[i].spec.image,
		    s->row.spec.image);
		str_copy(g[i].spec.zone, sizeof g[i].spec.zone,
		    s->row.spec.zone);
	}
	ok = ok && lc_apply(lc, &w, flags | LC_ONLY_NAMED, who, out, err);
	free(g);
	return ok;
}
