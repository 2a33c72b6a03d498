/*
 * twin_parse.c - see twin_parse.h. Pure but for jansson.
 */
#include "drivers/twin_parse.h"

#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

#define ITEMS_MAX 20000
#define TAGS_MAX 50
#define TEXT_MAX 4096

/* A copy of the n elements with room for more. */
static void *
grown(struct arena *arena, const void *old, size_t n, size_t more, size_t size)
{
	void *p = arena_array(arena, n + more + 1, size);

	if (n > 0)
		memcpy(p, old, n * size);
	return p;
}

/* A string or null or nothing; *out NULL for the latter two. */
static bool
get_text(const struct json_at *at, const char *key, bool required,
    struct arena *arena, const char **out, struct mw_err *err)
{
	const char *s = NULL;

	if (!json_get_str(at, key, required, TEXT_MAX, &s, err))
		return false;
	*out = s ? arena_strdup(arena, s) : NULL;
	return true;
}

static bool
get_items(json_t *j, struct json_at *root, size_t *n, struct mw_err *err)
{
	json_t *items;

	if (!json_at_root(root, j, err) ||
	    !json_get_array(root, "items", true, 0, ITEMS_MAX, &items, err))
		return false;
	*n = json_array_size(items);
	return true;
}

static unsigned
cap_flag(const char *name)
{
	static const struct {
		const char *name;
		enum csp_cap flag;
	} caps[] = {
		{ "IDEM_TOKEN", CSP_CAP_IDEM_TOKEN },
		{ "UNIQUE_NAME", CSP_CAP_UNIQUE_NAME },
		{ "TAG_ATOMIC", CSP_CAP_TAG_ATOMIC },
		{ "LIST_BY_TAG", CSP_CAP_LIST_BY_TAG },
		{ "LIST_BY_TOKEN", CSP_CAP_LIST_BY_TOKEN },
		{ "IMPORT_KEY", CSP_CAP_IMPORT_KEY },
		{ "CONSOLE", CSP_CAP_CONSOLE },
		{ "USERDATA_PRIVATE", CSP_CAP_USERDATA_PRIVATE },
	};

	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		if (str_eq(name, caps[i].name))
			return caps[i].flag;
	}
	return 0;
}

static bool
parse_cloud(const struct json_at *at, struct twin_cloud *c, struct mw_err *err)
{
	const char *id, *csp;
	json_t *caps;

	if (!json_get_str(at, "id", true, sizeof c->id - 1, &id, err) ||
	    !json_get_str(at, "csp", true, sizeof c->csp - 1, &csp, err) ||
	    !json_get_array(at, "caps", true, 0, 64, &caps, err) ||
	    !json_get_int(at, "lateApplyMaxS", true, 300, 0, 86400,
		&c->caps.late_apply_max_s, err) ||
	    !json_get_int(at, "listVisibleMaxS", true, 120, 0, 86400,
		&c->caps.list_visible_max_s, err) ||
	    !json_get_int(at, "tokenTtlS", true, 0, 0, INT32_MAX,
		&c->caps.token_ttl_s, err))
		return false;
	str_copy(c->id, sizeof c->id, id);
	str_copy(c->csp, sizeof c->csp, csp);
	c->caps.flags = CSP_CAP_CREATE;
	c->caps.create_deadline_s = 600;
	for (size_t i = 0; i < json_array_size(caps); i++)
		c->caps.flags |=
		    cap_flag(json_string_value(json_array_get(caps, i)));
	return true;
}

bool
twin_parse_clouds(json_t *j, struct arena *arena, struct twin_cloud **clouds,
    size_t *n, struct mw_err *err)
{
	struct json_at root, at;

	if (!get_items(j, &root, n, err))
		return false;
	*clouds = arena_array(arena, *n + 1, sizeof **clouds);
	for (size_t i = 0; i < *n; i++) {
		if (!json_at_index(&at, &root, "items", i, err) ||
		    !parse_cloud(&at, &(*clouds)[i], err))
			return false;
	}
	return true;
}

static bool
parse_region(const struct json_at *at, struct arena *arena,
    struct csp_region *r, struct mw_err *err)
{
	json_t *zones;

	if (!get_text(at, "id", true, arena, &r->id, err) ||
	    !get_text(at, "csp", true, arena, &r->csp, err) ||
	    !get_text(at, "display", false, arena, &r->display, err) ||
	    !json_get_num(at, "lat", true, NAN, -90, 90, &r->lat, err) ||
	    !json_get_num(at, "lon", true, NAN, -180, 180, &r->lon, err) ||
	    !json_get_array(at, "zones", false, 0, 64, &zones, err))
		return false;
	r->has_location = !isnan(r->lat) && !isnan(r->lon);
	if (!r->has_location)
		r->lat = r->lon = 0;
	r->nzones = 0;
	r->zones =
	    arena_array(arena, json_array_size(zones) + 1, sizeof *r->zones);
	for (size_t i = 0; i < json_array_size(zones); i++) {
		const char *z = json_string_value(json_array_get(zones, i));

		if (z)
			r->zones[r->nzones++] = arena_strdup(arena, z);
	}
	return true;
}

bool
twin_parse_regions(json_t *j, struct csp_answer *a, struct mw_err *err)
{
	struct csp_region *rows;
	struct json_at root, at;
	size_t n;

	if (!get_items(j, &root, &n, err))
		return false;
	rows = grown(a->arena, a->regions, a->nregions, n, sizeof *rows);
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&at, &root, "items", i, err) ||
		    !parse_region(&at, a->arena, &rows[a->nregions + i], err))
			return false;
	}
	a->regions = rows;
	a->nregions += n;
	return true;
}

static bool
parse_spec(const struct json_at *at, struct arena *arena, struct csp_spec *s,
    struct mw_err *err)
{
	return get_text(at, "name", true, arena, &s->name, err) &&
	    get_text(at, "arch", false, arena, &s->arch, err) &&
	    json_get_int(at, "vcpu", false, 0, 1, 100000, &s->vcpu, err) &&
	    json_get_int(at, "memoryMiB", false, 0, 1, INT64_C(1) << 40,
		&s->memory_mib, err) &&
	    json_get_int(at, "costPerHourMicros", true, -1, 0, INT64_C(1) << 50,
		&s->cost_per_hour_micros, err) &&
	    get_text(at, "currency", false, arena, &s->currency, err) &&
	    get_text(at, "costReason", false, arena, &s->cost_reason, err);
}

bool
twin_parse_specs(json_t *j, struct csp_answer *a, struct mw_err *err)
{
	struct json_at root, at;
	struct csp_spec *rows;
	size_t n;

	if (!get_items(j, &root, &n, err))
		return false;
	rows = grown(a->arena, a->specs, a->nspecs, n, sizeof *rows);
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&at, &root, "items", i, err) ||
		    !parse_spec(&at, a->arena, &rows[a->nspecs + i], err))
			return false;
	}
	a->specs = rows;
	a->nspecs += n;
	return true;
}

static bool
parse_image(const struct json_at *at, struct arena *arena, struct csp_image *m,
    struct mw_err *err)
{
	return get_text(at, "id", true, arena, &m->id, err) &&
	    get_text(at, "name", false, arena, &m->name, err) &&
	    get_text(at, "user", false, arena, &m->user, err) &&
	    get_text(at, "arch", false, arena, &m->arch, err);
}

bool
twin_parse_images(json_t *j, struct csp_answer *a, struct mw_err *err)
{
	struct json_at root, at;
	struct csp_image *rows;
	size_t n;

	if (!get_items(j, &root, &n, err))
		return false;
	rows = grown(a->arena, a->images, a->nimages, n, sizeof *rows);
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&at, &root, "items", i, err) ||
		    !parse_image(&at, a->arena, &rows[a->nimages + i], err))
			return false;
	}
	a->images = rows;
	a->nimages += n;
	return true;
}

bool
twin_parse_keys(json_t *j, struct csp_answer *a, struct mw_err *err)
{
	struct json_at root, at;
	const char *name;
	size_t n;

	if (!get_items(j, &root, &n, err))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&at, &root, "items", i, err) ||
		    !get_text(&at, "name", true, a->arena, &name, err))
			return false;
		if (csp_is_key_name(name, strlen(name)))
			csp_answer_part(a, CSP_KEY_DELETE, name, name, NULL);
	}
	return true;
}

static bool
parse_tags(const struct json_at *at, struct arena *arena, struct csp_vm *vm,
    struct mw_err *err)
{
	json_t *tags = json_object_get(at->obj, "tags"), *v;
	struct csp_tag *rows;
	const char *k;
	size_t n = 0;

	vm->tags = NULL;
	vm->ntags = 0;
	if (!tags || json_is_null(tags))
		return true;
	if (!json_is_object(tags) || json_object_size(tags) > TAGS_MAX) {
		err_set(err, MW_INVALID, 0, "tags: not a small object");
		return err_pointer(err, "%s/tags", at->pointer);
	}
	rows = arena_array(arena, json_object_size(tags) + 1, sizeof *rows);
	json_object_foreach(tags, k, v)
	{
		if (!json_is_string(v))
			continue;
		rows[n].key = arena_strdup(arena, k);
		rows[n++].value = arena_strdup(arena, json_string_value(v));
	}
	vm->tags = rows;
	vm->ntags = n;
	return true;
}

/* A time that makes no sense is an unknown one. */
static bool
get_when(const struct json_at *at, int64_t *out, struct mw_err *err)
{
	const char *text;

	*out = 0;
	if (!json_get_str(at, "createdAt", false, 64, &text, err))
		return false;
	if (text && !when_parse(text, out))
		*out = 0;
	return true;
}

static bool
parse_vm(const struct json_at *at, struct arena *arena, struct csp_vm *vm,
    struct mw_err *err)
{
	return get_text(at, "id", true, arena, &vm->csp_id, err) &&
	    get_text(at, "nativeState", true, arena, &vm->native, err) &&
	    get_text(at, "publicIp", false, arena, &vm->public_ip, err) &&
	    get_text(at, "privateIp", false, arena, &vm->private_ip, err) &&
	    get_text(at, "zone", false, arena, &vm->zone, err) &&
	    get_text(at, "token", false, arena, &vm->token, err) &&
	    get_text(at, "name", false, arena, &vm->name, err) &&
	    get_text(at, "fault", false, arena, &vm->fault, err) &&
	    get_text(at, "sshUser", false, arena, &vm->ssh_user, err) &&
	    json_get_int(at, "sshPort", true, 0, 1, 65535, &vm->ssh_port,
		err) &&
	    get_text(at, "hostId", false, arena, &vm->host_id, err) &&
	    json_get_int(at, "hostSlots", true, 0, 0, 100000, &vm->host_slots,
		err) &&
	    json_get_int(at, "hostNeed", true, 0, 0, 100000, &vm->host_need,
		err) &&
	    get_when(at, &vm->created_at, err) &&
	    parse_tags(at, arena, vm, err);
}

static int
by_id(const void *a, const void *b)
{
	const struct csp_vm *x = a, *y = b;

	return strcmp(x->csp_id, y->csp_id);
}

bool
twin_parse_vms(json_t *j, struct csp_answer *a, const char **next,
    struct mw_err *err)
{
	struct json_at root, at;
	struct csp_vm *rows;
	size_t n, kept = 0;

	if (!get_items(j, &root, &n, err) ||
	    !get_text(&root, "next", false, a->arena, next, err))
		return false;
	rows = grown(a->arena, a->vms, a->nvms, n, sizeof *rows);
	for (size_t i = 0; i < n; i++) {
		if (!json_at_index(&at, &root, "items", i, err) ||
		    !parse_vm(&at, a->arena, &rows[a->nvms + i], err))
			return false;
	}
	n += a->nvms;
	/* pages shift while VMs come and go: the same one may be in two */
	qsort(rows, n, sizeof *rows, by_id);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && by_id(&rows[kept - 1], &rows[i]) == 0)
			continue;
		rows[kept++] = rows[i];
	}
	a->vms = rows;
	a->nvms = kept;
	return true;
}

bool
twin_parse_vm(json_t *j, struct csp_answer *a, struct mw_err *err)
{
	struct csp_vm *vm = arena_alloc(a->arena, sizeof *vm);
	struct json_at root;

	if (!json_at_root(&root, j, err) || !parse_vm(&root, a->arena, vm, err))
		return false;
	a->vms = vm;
	a->nvms = 1;
	a->csp_id = vm->csp_id;
	return true;
}

bool
twin_parse_error(json_t *j, struct csp_answer *a, const char **word,
    struct mw_err *err)
{
	struct json_at root, at;
	const char *native;
	double wait_s;

	if (!json_at_root(&root, j, err) ||
	    !json_at_key(&at, &root, "error", true, err) ||
	    !get_text(&at, "code", true, a->arena, word, err) ||
	    !get_text(&at, "nativeCode", false, a->arena, &native, err) ||
	    !get_text(&at, "message", false, a->arena, &a->message, err) ||
	    !json_get_num(&at, "retryAfterS", true, 0, 0, 86400, &wait_s, err))
		return false;
	a->code = native ? native : *word;
	if (wait_s > 0)
		a->retry_after_ms = (int64_t)(wait_s * 1000);
	return true;
}
