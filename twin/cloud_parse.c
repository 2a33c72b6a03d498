/*
 * cloud_parse.c - the body of a create call. Promises: strict as the file
 * docs/twin-api.md says; on false nothing is kept.
 */
#include "twin/cloud.h"

#include "common/digest.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"

#include <string.h>

#define TEXT_MAX 200
#define USER_DATA_MAX 65536

static bool
bad(struct mw_err *err, const char *pointer, const char *what)
{
	err_set(err, MW_INVALID, 0, "%s", what);
	return err_pointer(err, "%s", pointer);
}

static bool
get_copy(const struct json_at *at, const char *key, bool required, char **out,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, required, TEXT_MAX, &s, err))
		return false;
	*out = xstrdup(s);
	return true;
}

static bool
parse_tags(const struct json_at *root, struct cloud_create *out,
    struct mw_err *err)
{
	struct json_at at;
	const char *key;
	json_t *v;

	if (!json_at_key(&at, root, "tags", false, err))
		return false;
	if (!at.obj)
		return true;
	if (json_object_size(at.obj) > CLOUD_TAGS_MAX)
		return bad(err, "/tags", "too many tags");
	out->tags = xcalloc(CLOUD_TAGS_MAX, sizeof *out->tags);
	json_object_foreach(at.obj, key, v)
	{
		const char *s = json_string_value(v);

		if (!s || strlen(s) > 256 || !*key || strlen(key) > 128)
			return bad(err, "/tags", "tags are short texts");
		out->tags[out->ntags++] = (struct cloud_tag){
			.key = xstrdup(key),
			.value = xstrdup(s),
		};
	}
	return true;
}

/* JSON {hostKey, authorizedKeys}; any other text is for a program that the
 * twin's VMs do not have, and is ignored. */
static bool
parse_user_data(const struct json_at *root, struct cloud_create *out,
    struct mw_err *err)
{
	static const char *const known[] = { "hostKey", "authorizedKeys",
		NULL };
	const char *text, *host_key, *keys;
	struct json_at at;
	json_t *j;
	bool ok;

	if (!json_get_str(root, "userData", false, USER_DATA_MAX, &text, err))
		return false;
	if (!text || text[0] != '{')
		return true;
	j = json_parse(text, strlen(text), USER_DATA_MAX, err);
	if (!j)
		return err_pointer(err, "/userData");
	ok = json_at_root(&at, j, err) && json_no_others(&at, known, err) &&
	    json_get_str(&at, "hostKey", false, 8192, &host_key, err) &&
	    json_get_str(&at, "authorizedKeys", false, 32768, &keys, err);
	if (ok) {
		out->host_key = xstrdup(host_key);
		out->authorized_keys = xstrdup(keys);
	}
	json_decref(j);
	return ok;
}

static bool
parse_place(const struct world_cloud *c, const struct json_at *at,
    struct cloud_create *out, struct mw_err *err)
{
	const char *region, *spec, *image;

	if (!json_get_str(at, "region", true, TEXT_MAX, &region, err) ||
	    !json_get_str(at, "spec", true, TEXT_MAX, &spec, err) ||
	    !json_get_str(at, "image", false, TEXT_MAX, &image, err) ||
	    !get_copy(at, "zone", false, &out->zone, err))
		return false;
	out->region = world_region_find(c, region);
	if (out->region == WORLD_NONE)
		return bad(err, "/region", "no such region");
	out->spec = world_spec_find(c, out->region, spec);
	if (out->spec == WORLD_NONE)
		return bad(err, "/spec", "not offered in this region");
	out->image = image ? world_image_find(c, image) : 0;
	if (out->image == WORLD_NONE)
		return bad(err, "/image", "no such image");
	if (!out->zone) {
		out->zone = xstrdup(c->regions[out->region].zones[0]);
		return true;
	}
	for (size_t i = 0; i < c->regions[out->region].nzones; i++) {
		if (strcmp(c->regions[out->region].zones[i], out->zone) == 0)
			return true;
	}
	return bad(err, "/zone", "no such zone");
}

static bool
parse(const struct world *w, size_t cloud, json_t *body,
    struct cloud_create *out, struct mw_err *err)
{
	static const char *const known[] = { "token", "name", "tags", "region",
		"zone", "spec", "image", "key", "network", "securityGroups",
		"userData", NULL };
	struct json_at at;

	if (!json_at_root(&at, body, err) || !json_no_others(&at, known, err) ||
	    !get_copy(&at, "token", false, &out->token, err) ||
	    !get_copy(&at, "name", true, &out->name, err) ||
	    !get_copy(&at, "key", false, &out->key, err) ||
	    !parse_place(&w->clouds[cloud], &at, out, err) ||
	    !parse_tags(&at, out, err) || !parse_user_data(&at, out, err))
		return false;
	if (!id_valid(out->name))
		return bad(err, "/name",
		    "not a host name of small letters, "
		    "digits and '-', at most 63");
	if (out->token && !id_word_valid(out->token, TEXT_MAX))
		return bad(err, "/token", "not a plain word");
	return true;
}

bool
cloud_create_parse(const struct world *w, size_t cloud, json_t *body,
    struct cloud_create *out, struct mw_err *err)
{
	char *text;

	*out = (struct cloud_create){ 0 };
	if (!parse(w, cloud, body, out, err)) {
		cloud_create_clear(out);
		return false;
	}
	text = json_text(body, false); /* sorted keys: one text per meaning */
	digest_sha256(text, strlen(text), out->body_hash);
	free(text);
	return true;
}

void
cloud_create_clear(struct cloud_create *req)
{
	for (size_t i = 0; i < req->ntags; i++) {
		free(req->tags[i].key);
		free(req->tags[i].value);
	}
	free(req->tags);
	free(req->token);
	free(req->name);
	free(req->zone);
	free(req->key);
	free(req->authorized_keys);
	free(req->host_key);
	*req = (struct cloud_create){ 0 };
}
