/*
 * mcis_file.c - reads the file of one MCIS. Called by api_mcis.c; a fuzz
 * target feeds it strangers' bytes.
 */
#include "coordinator/mcis/mcis_file.h"

#include "common/pure/ids.h"
#include "common/pure/str.h"

#include <string.h>

#define DESCRIPTION_MAX 1000
#define LABELS_MAX 64
#define LABEL_MAX 255

static bool
text_clean(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

bool
mcis_file_labels(const struct json_at *at, const char *key, struct arena *a,
    const char **out, struct mw_err *err)
{
	struct json_at labels;
	const char *k;
	char *text;
	json_t *v;

	*out = "{}";
	if (!json_at_key(&labels, at, key, false, err))
		return false;
	if (!labels.obj)
		return true;
	if (json_object_size(labels.obj) > LABELS_MAX) {
		err_set(err, MW_LIMIT, 0, "more than %d labels", LABELS_MAX);
		return err_pointer(err, "%s", labels.pointer);
	}
	json_object_foreach(labels.obj, k, v)
	{
		if (id_word_valid(k, ID_MAX) && json_is_string(v) &&
		    json_string_length(v) <= LABEL_MAX &&
		    text_clean(json_string_value(v)))
			continue;
		err_set(err, MW_INVALID, 0,
		    "a label is a word of at most %d and a text of at most %d "
		    "characters",
		    ID_MAX, LABEL_MAX);
		return err_pointer(err, "%s/%.60s", labels.pointer, k);
	}
	text = json_text(labels.obj, false);
	*out = arena_strdup(a, text);
	free(text);
	return true;
}

static bool
get_word(const struct json_at *at, const char *key, bool required, char *dst,
    size_t size, struct mw_err *err)
{
	const char *s = NULL;

	if (!json_get_str(at, key, required, size - 1, &s, err))
		return false;
	if (s && !id_word_valid(s, size - 1)) {
		err_set(err, MW_INVALID, 0, "%s is not a plain word", key);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	str_copy(dst, size, s ? s : "");
	return true;
}

static bool
parse_group(const struct json_at *at, struct arena *a, struct lc_wish_group *g,
    struct mw_err *err)
{
	static const char *const known[] = { "name", "count", "connection",
		"spec", "image", "zone", "labels", NULL };

	return json_no_others(at, known, err) &&
	    json_get_id(at, "name", true, &g->name, err) &&
	    json_get_int(at, "count", true, 1, 0, LC_COUNT_MAX, &g->count,
		err) &&
	    get_word(at, "connection", true, g->spec.connection,
		sizeof g->spec.connection, err) &&
	    get_word(at, "spec", true, g->spec.spec, sizeof g->spec.spec,
		err) &&
	    get_word(at, "image", false, g->spec.image, sizeof g->spec.image,
		err) &&
	    get_word(at, "zone", false, g->spec.zone, sizeof g->spec.zone,
		err) &&
	    mcis_file_labels(at, "labels", a, &g->labels, err);
}

static bool
parse_groups(const struct json_at *root, struct arena *a, struct lc_wish *w,
    struct mw_err *err)
{
	struct lc_wish_group *groups;
	json_t *list;

	if (!json_get_array(root, "groups", true, 0, LC_GROUPS_MAX, &list, err))
		return false;
	w->ngroups = json_array_size(list);
	groups = arena_array(a, w->ngroups + 1, sizeof *groups);
	w->groups = groups;
	for (size_t i = 0; i < w->ngroups; i++) {
		struct json_at at;

		if (!json_at_index(&at, root, "groups", i, err) ||
		    !parse_group(&at, a, &groups[i], err))
			return false;
		groups[i].name = arena_strdup(a, groups[i].name);
		for (size_t k = 0; k < i; k++) {
			if (!str_eq(groups[k].name, groups[i].name))
				continue;
			err_set(err, MW_INVALID, 0, "two groups are called %s",
			    groups[i].name);
			return err_pointer(err, "%s/name", at.pointer);
		}
	}
	return true;
}

bool
mcis_file_parse(json_t *doc, const char *ns, const char *name, struct arena *a,
    struct lc_wish *out, struct mw_err *err)
{
	static const char *const known[] = { "name", "description", "labels",
		"requireAgent", "onPartialFailure", "onVanish", "groups",
		NULL };
	const char *own = NULL, *about = NULL, *policy = NULL, *vanish = NULL;
	struct json_at at;

	memset(out, 0, sizeof *out);
	if (!json_at_root(&at, doc, err) || !json_no_others(&at, known, err) ||
	    !json_get_id(&at, "name", false, &own, err) ||
	    !json_get_str(&at, "description", false, DESCRIPTION_MAX, &about,
		err) ||
	    !mcis_file_labels(&at, "labels", a, &out->labels, err) ||
	    !json_get_bool(&at, "requireAgent", true, true, &out->require_agent,
		err) ||
	    !json_get_str(&at, "onPartialFailure", false, 16, &policy, err) ||
	    !json_get_str(&at, "onVanish", false, 16, &vanish, err))
		return false;
	if (policy && !lc_policy_parse(policy, &out->policy)) {
		err_set(err, MW_INVALID, 0, "not a way to go on: %.16s",
		    policy);
		err_hint(err, "continue, rollback or refine");
		return err_pointer(err, "/onPartialFailure");
	}
	out->replace_vanished = vanish && str_eq(vanish, "replace");
	if (vanish && !out->replace_vanished && !str_eq(vanish, "report")) {
		err_set(err, MW_INVALID, 0, "onVanish is report or replace");
		return err_pointer(err, "/onVanish");
	}
	if (own && !str_eq(own, name)) {
		err_set(err, MW_INVALID, 0, "the file is called %s, not %s",
		    own, name);
		return err_pointer(err, "/name");
	}
	if (!id_valid(name)) {
		err_set(err, MW_INVALID, 0, "%.64s cannot be a name", name);
		return err_pointer(err, "/name");
	}
	out->ns = arena_strdup(a, ns);
	out->name = arena_strdup(a, name);
	out->description = arena_strdup(a, about ? about : "");
	return parse_groups(&at, a, out, err);
}
