/*
 * wish.c - an MCIS file becomes desired slots. The plan is made first and
 * changes nothing; only a plan that is allowed is carried out. The same file
 * again makes an empty plan: no row changes, no call.
 */
#include "lifecycle/priv.h"

#include <string.h>

#define VMS_MAX 10000

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
    struct lc_reply *out);
static bool allowed(const struct lc_reply *out, unsigned flags,
    struct mw_err *err);
static bool set_texts(struct lc *lc, const struct lc_wish *w,
    struct lc_mcis *m);
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
		.created_at = lc->env.wall_ns(lc->env.ctx),
	};
	struct lc_mcis *m;
	char token[LC_TOKEN_LEN];
	struct str t = STR_INIT;

	str_copy(row.ns, sizeof row.ns, w->ns);
	str_copy(row.name, sizeof row.name, w->name);
	/* A group that is deleted and made again gets another key name. */
	lc_token(lc, row.mcis_id, 0, token);
	str_addf(&t, "mw-%.20s", token);
	str_copy(row.key_id, sizeof row.key_id, str_cstr(&t));
	str_free(&t);
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
	plan(lc, w, m, out);
	for (size_t i = 0; i < out->n; i++)
		work += out->items[i].answer == LC_GO;
	if (m && m->action && work > 0) {
		lc_reply_free(out);
		err_set(err, MW_CONFLICT, 0, "%s of %s is under way",
		    lc_act_name(m->action->row.act), w->name);
		return err_hint(err, "wait for %s or cancel it",
		    m->action->row.action_id);
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
	texts = set_texts(lc, w, m);
	if (out->answer == LC_GO) {
		a = lc_action_new(lc, m, NULL, LC_A_CREATE, who);
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
plan(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m,
    struct lc_reply *out)
{
	const struct lc_wish_group *g;

	for (size_t i = 0; i < w->ngroups; i++)
		plan_group(lc, w, i, m ? m->slots : NULL, out);
	for (const struct lc_slot *s = m ? m->slots : NULL; s; s = s->next) {
		g = group_of(w, s->row.group);
		if ((g && s->row.index <= g->count) || s->row.drop)
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
		err_set(err, MW_CONFLICT, 0, "this would %s %zu VMs:%s%s",
		    change_names[needs[k].ch], n, str_cstr(&t),
		    n > 10 ? " ..." : "");
		str_free(&t);
		return err_hint(err, "%s", needs[k].hint);
	}
	return true;
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
set_texts(struct lc *lc, const struct lc_wish *w, struct lc_mcis *m)
{
	bool changed = m->dirty, one;

	set_text(&m->row.description, w->description, &changed);
	set_text(&m->row.labels, w->labels, &changed);
	if (m->row.require_agent != w->require_agent ||
	    m->row.policy != w->policy) {
		m->row.require_agent = w->require_agent;
		m->row.policy = w->policy;
		changed = true;
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
