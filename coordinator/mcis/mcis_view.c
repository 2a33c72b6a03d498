/*
 * mcis_view.c - see mcis_view.h. The short views are one text made at once; a
 * whole MCIS of many VMs is pulled by the connection, a piece per turn of the
 * loop. Each VM is told as it is when its piece is made, each of them once; one
 * that goes meanwhile is not told, and one that comes behind the reader is.
 */
#include "coordinator/mcis/mcis_view.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/coord.h"
#include "coordinator/mcis/mcis_json.h"

#include <string.h>

#define AT_ONCE 100 /* VMs */
#define PIECE (16 * 1024)

struct whole {
	struct coord *c;
	char ns[LC_ID_LEN], name[LC_ID_LEN], group[LC_ID_LEN];
	int64_t mcis_id, slot_id, index; /* slot: the next one */
	struct str head; /* until it is sent */
	bool any, over;
};

static void
add_word(struct str *out, const char *key, const char *text)
{
	str_addc(out, '"');
	str_add(out, key);
	str_add(out, "\":");
	json_add_str(out, text && *text ? text : NULL);
}

static void
add_counts(struct str *out, const struct lc_mcis *m)
{
	int64_t total = 0;

	for (size_t i = 0; i < LC_STATUS_COUNT; i++)
		total += m->counts[i];
	str_addf(out, "\"statusCounts\":{\"total\":%lld", (long long)total);
	for (int i = 0; i < LC_STATUS_COUNT; i++) {
		const char *name = lc_status_name((enum lc_status)i);

		str_addf(out, ",\"%c%s\":%lld", name[0] - 'A' + 'a', name + 1,
		    (long long)m->counts[i]);
	}
	str_addc(out, '}');
}

/* Without the closing brace. */
static void
add_short(struct str *out, const struct lc_mcis *m, bool tumblebug)
{
	char status[LC_GROUP_LEN];

	(tumblebug ? lc_group_tumblebug : lc_group_deck)(m->counts, status);
	str_addc(out, '{');
	add_word(out, "ns", m->row.ns);
	str_addc(out, ',');
	add_word(out, "name", m->row.name);
	str_addc(out, ',');
	add_word(out, "status", status);
	str_addc(out, ',');
	add_counts(out, m);
	str_addc(out, ',');
	add_word(out, "targetAction",
	    m->action ? lc_act_name(m->action->row.act) : NULL);
	str_addc(out, ',');
	add_word(out, "actionId", m->action ? m->action->row.action_id : NULL);
}

static void
add_status(struct str *out, const struct lc_slot *s)
{
	enum lc_verb v = s->inst.verb;

	if (!s->row.desired && s->status == LC_TERMINATING)
		v = LC_V_TERMINATE;
	str_addc(out, '{');
	add_word(out, "vmId", s->vm_id);
	str_addc(out, ',');
	add_word(out, "status", lc_status_name(s->status));
	str_addc(out, ',');
	add_word(out, "targetAction", lc_verb_name(v));
	str_addc(out, ',');
	add_word(out, "statusReason", s->status_reason);
	str_addc(out, '}');
}

static void
reply_text(struct httpd_req *req, struct str *text)
{
	httpd_reply(req, 200, "application/json", text->p, text->len);
	str_free(text);
}

/* ---- the whole ----------------------------------------------------------- */

/* The slot to go on with, or NULL. One that is gone leaves its place in the
 * order of groups and indices. */
static const struct lc_slot *
next_slot(const struct whole *w)
{
	const struct lc_mcis *m = lc_mcis_find(w->c->lc, w->ns, w->name);
	const struct lc_slot *s = lc_slot_find(w->c->lc, w->slot_id);

	if (!m || m->row.mcis_id != w->mcis_id)
		return NULL;
	if (s && s->row.mcis_id == w->mcis_id)
		return s;
	for (s = m->slots; s; s = s->next) {
		int c = strcmp(s->row.group, w->group);

		if (c > 0 || (c == 0 && s->row.index >= w->index))
			return s;
	}
	return NULL;
}

static void
keep_place(struct whole *w, const struct lc_slot *s)
{
	w->slot_id = s->row.slot_id;
	w->index = s->row.index;
	str_copy(w->group, sizeof w->group, s->row.group);
}

static void
pull(void *arg, struct str *out)
{
	struct whole *w = arg;
	const struct lc_slot *s;
	size_t n = out->len;

	if (w->over)
		return;
	if (w->head.len > 0) {
		str_addn(out, w->head.p, w->head.len);
		str_free(&w->head);
	}
	s = w->slot_id ? next_slot(w) : NULL;
	for (; s && out->len - n < PIECE; s = s->next) {
		json_t *j = mcis_vm_json(w->c, s);
		char *text = json_text(j, false);

		if (w->any)
			str_addc(out, ',');
		w->any = true;
		str_add(out, text);
		free(text);
		json_decref(j);
	}
	if (s) {
		keep_place(w, s);
		return;
	}
	w->over = true;
	str_add(out, "]}\n");
}

static void
whole_free(void *arg)
{
	struct whole *w = arg;

	str_free(&w->head);
	free(w);
}

static void
reply_whole(struct coord *c, struct httpd_req *req, const struct lc_mcis *m,
    bool tumblebug)
{
	struct whole *w = xcalloc(1, sizeof *w);
	json_t *j = mcis_json(c, m, tumblebug, false);
	char *text = json_text(j, false);

	w->c = c;
	w->mcis_id = m->row.mcis_id;
	str_copy(w->ns, sizeof w->ns, m->row.ns);
	str_copy(w->name, sizeof w->name, m->row.name);
	if (m->slots)
		keep_place(w, m->slots);
	str_addn(&w->head, text, strlen(text) - 1); /* but the brace */
	str_add(&w->head, ",\"vms\":[");
	free(text);
	json_decref(j);
	httpd_reply_pull(req, 200, "application/json", pull, whole_free, w);
}

void
mcis_view(struct coord *c, struct httpd_req *req, const struct lc_mcis *m,
    bool tumblebug)
{
	const char *view = httpd_query(req, "view");
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;

	if (!view && m->nslots > AT_ONCE) {
		reply_whole(c, req, m, tumblebug);
	} else if (!view) {
		httpd_reply_json(req, 200, mcis_json(c, m, tumblebug, true));
	} else if (str_eq(view, "counts")) {
		add_short(&text, m, tumblebug);
		str_add(&text, "}\n");
		reply_text(req, &text);
	} else if (str_eq(view, "status")) {
		add_short(&text, m, tumblebug);
		str_add(&text, ",\"vms\":[");
		for (const struct lc_slot *s = m->slots; s; s = s->next) {
			add_status(&text, s);
			str_add(&text, s->next ? "," : "");
		}
		str_add(&text, "]}\n");
		reply_text(req, &text);
	} else {
		err_set(&err, MW_INVALID, 0, "?view= must be counts or status");
		err_hint(&err, "without it: everything");
		httpd_reply_err(req, &err);
	}
}
