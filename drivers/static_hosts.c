/*
 * static_hosts.c - see static_hosts.h.
 */
#include "drivers/static_hosts.h"

#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4 * 1024 * 1024)
#define HOSTS_MAX 10000
#define TAGS_MAX 50
#define ID_TOKEN_PART 16

static bool
get_text(const struct json_at *at, const char *key, const char *def, size_t max,
    struct arena *arena, const char **out, struct mw_err *err)
{
	const char *s = NULL;

	if (!json_get_str(at, key, false, max, &s, err))
		return false;
	*out = arena_strdup(arena, s ? s : def);
	return true;
}

/* A name that may stand in an id of ours. */
static bool
get_word(const struct json_at *at, const char *key, const char *def,
    struct arena *arena, const char **out, struct mw_err *err)
{
	if (!get_text(at, key, def, 63, arena, out, err))
		return false;
	if (*out && !id_word_valid(*out, 63)) {
		err_set(err, MW_INVALID, 0, "%s: not a plain word", key);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	return true;
}

static bool
parse_address(const struct json_at *at, struct arena *arena,
    struct static_host *h, struct mw_err *err)
{
	uint32_t addr;

	if (!get_text(at, "address", NULL, 63, arena, &h->address, err))
		return false;
	if (!h->address || !id_ipv4_parse(h->address, &addr)) {
		err_set(err, MW_INVALID, 0,
		    "address: must be a numeric IPv4 address");
		return err_pointer(err, "%s/address", at->pointer);
	}
	return json_get_int(at, "port", true, 22, 1, 65535, &h->port, err);
}

static bool
parse_host(const struct json_at *at, struct arena *arena, struct static_host *h,
    struct mw_err *err)
{
	static const char *const known[] = { "name", "address", "port", "user",
		"csp", "region", "zone", "spec", "vcpu", "memoryMiB",
		"costPerHourMicros", "hostKey", "keyFile", NULL };
	const char *name;

	if (!json_no_others(at, known, err) ||
	    !json_get_id(at, "name", true, &name, err))
		return false;
	h->name = arena_strdup(arena, name);
	return parse_address(at, arena, h, err) &&
	    get_word(at, "user", NULL, arena, &h->user, err) &&
	    get_word(at, "csp", "static", arena, &h->csp, err) &&
	    get_word(at, "region", "default", arena, &h->region, err) &&
	    get_word(at, "zone", NULL, arena, &h->zone, err) &&
	    get_word(at, "spec", "host", arena, &h->spec, err) &&
	    json_get_int(at, "vcpu", true, 0, 1, 100000, &h->vcpu, err) &&
	    json_get_int(at, "memoryMiB", true, 0, 1, INT64_C(1) << 40,
		&h->memory_mib, err) &&
	    json_get_int(at, "costPerHourMicros", true, -1, 0, INT64_C(1) << 50,
		&h->cost_per_hour_micros, err) &&
	    get_text(at, "hostKey", NULL, 1023, arena, &h->host_key, err) &&
	    get_text(at, "keyFile", NULL, 1023, arena, &h->key_file, err);
}

bool
static_hosts_parse(json_t *j, struct static_world *w, struct mw_err *err)
{
	static const char *const known[] = { "hosts", NULL };
	struct json_at root, at;
	json_t *list;

	if (!json_at_root(&root, j, err) ||
	    !json_no_others(&root, known, err) ||
	    !json_get_array(&root, "hosts", true, 0, HOSTS_MAX, &list, err))
		return false;
	w->hosts =
	    arena_array(w->arena, json_array_size(list) + 1, sizeof *w->hosts);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct static_host *h = &w->hosts[i];

		if (!json_at_index(&at, &root, "hosts", i, err) ||
		    !parse_host(&at, w->arena, h, err))
			return false;
		if (static_host_find(w, h->name)) {
			err_set(err, MW_INVALID, 0, "two hosts named %s",
			    h->name);
			return err_pointer(err, "%s/name", at.pointer);
		}
		w->nhosts = i + 1;
	}
	return true;
}

static bool
parse_tags(const struct json_at *at, struct arena *arena,
    struct static_claim *c, struct mw_err *err)
{
	struct csp_tag *rows;
	struct json_at tags;
	const char *k;
	json_t *v;

	if (!json_at_key(&tags, at, "tags", false, err))
		return false;
	if (!tags.obj)
		return true;
	if (json_object_size(tags.obj) > TAGS_MAX)
		return err_set(err, MW_INVALID, 0, "too many tags");
	rows = arena_array(arena, json_object_size(tags.obj) + 1, sizeof *rows);
	json_object_foreach(tags.obj, k, v)
	{
		if (!json_is_string(v))
			continue;
		rows[c->ntags].key = arena_strdup(arena, k);
		rows[c->ntags++].value =
		    arena_strdup(arena, json_string_value(v));
	}
	c->tags = rows;
	return true;
}

bool
static_claims_parse(json_t *j, struct static_world *w, struct mw_err *err)
{
	struct json_at root, at;
	const char *host, *token;
	json_t *list;

	if (!json_at_root(&root, j, err) ||
	    !json_get_array(&root, "claims", true, 0, HOSTS_MAX, &list, err))
		return false;
	w->claims =
	    arena_array(w->arena, json_array_size(list) + 1, sizeof *w->claims);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct static_claim *c = &w->claims[i];

		if (!json_at_index(&at, &root, "claims", i, err) ||
		    !json_get_id(&at, "host", true, &host, err) ||
		    !json_get_str(&at, "token", true, 255, &token, err) ||
		    !get_text(&at, "name", NULL, 255, w->arena, &c->name,
			err) ||
		    !parse_tags(&at, w->arena, c, err))
			return false;
		c->host = arena_strdup(w->arena, host);
		c->token = arena_strdup(w->arena, token);
		w->nclaims = i + 1;
	}
	return true;
}

static char *
claims_path(const char *path)
{
	return xasprintf("%s.claims", path);
}

bool
static_load(const char *path, struct static_world *w, struct mw_err *err)
{
	char *claims = claims_path(path);
	json_t *j;
	bool ok = false;

	*w = (struct static_world){ .arena = arena_new() };
	w->claims = arena_array(w->arena, 1, sizeof *w->claims);
	j = json_load_path(path, FILE_MAX, err);
	if (!j || !static_hosts_parse(j, w, err))
		goto out;
	json_decref(j);
	j = NULL;
	if (access(claims, F_OK) != 0 && errno == ENOENT) {
		ok = true;
		goto out;
	}
	j = json_load_path(claims, FILE_MAX, err);
	ok = j && static_claims_parse(j, w, err);
	if (!ok)
		err_wrap(err, "%s", claims);
out:
	json_decref(j);
	free(claims);
	if (!ok)
		static_world_free(w);
	return ok;
}

bool
static_save(const char *path, const struct static_world *w, struct mw_err *err)
{
	json_t *j = json_object(), *list = json_array();
	char *claims = claims_path(path), *text;
	bool ok;

	for (size_t i = 0; i < w->nclaims; i++) {
		const struct static_claim *c = &w->claims[i];
		json_t *row = json_object(), *tags = json_object();

		for (size_t k = 0; k < c->ntags; k++)
			json_put_str(tags, c->tags[k].key, c->tags[k].value);
		json_put_str(row, "host", c->host);
		json_put_str(row, "token", c->token);
		json_put_str(row, "name", c->name);
		json_put(row, "tags", tags);
		json_array_append_new(list, row);
	}
	json_put(j, "claims", list);
	text = json_pretty(j);
	ok = file_write(claims, text, strlen(text), 0600, err);
	free(text);
	json_decref(j);
	free(claims);
	return ok;
}

void
static_world_free(struct static_world *w)
{
	arena_free(w->arena);
	*w = (struct static_world){ .arena = NULL };
}

const struct static_host *
static_host_find(const struct static_world *w, const char *name)
{
	for (size_t i = 0; i < w->nhosts; i++) {
		if (str_eq(w->hosts[i].name, name))
			return &w->hosts[i];
	}
	return NULL;
}

const char *
static_csp_id(struct arena *arena, const struct static_claim *c)
{
	return arena_printf(arena, "%s.%.*s", c->host, ID_TOKEN_PART, c->token);
}

struct static_claim *
static_claim_find(const struct static_world *w, const char *csp_id)
{
	for (size_t i = 0; i < w->nclaims; i++) {
		if (str_eq(static_csp_id(w->arena, &w->claims[i]), csp_id))
			return &w->claims[i];
	}
	return NULL;
}
