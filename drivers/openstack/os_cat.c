/*
 * os_cat.c - what an OpenStack offers: regions, flavors, images; and whether
 * the credential may do what we need.
 */
#include "drivers/openstack/os_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/prices.h"

#include <string.h>

#define ROWS_MAX 10000

/* ---- may we? ------------------------------------------------------------- */

static void
on_images_ok(struct os_call *c, json_t *root)
{
	(void)root;
	os_ok(c);
}

static void
on_external(struct os_call *c, json_t *root)
{
	c->conn->external_known = true;
	c->conn->has_external = os_first_id(c, root, "networks") != NULL;
	os_get(c, OS_IMAGE, "/images?limit=1", on_images_ok);
}

static void
on_servers_ok(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK, "/networks?router:external=true", on_external);
}

static void
no_region(struct os_call *c)
{
	const struct drv_conn *conn = c->conn;
	const char *there = "";

	for (size_t i = 0; i < conn->nregions && strlen(there) < 300; i++)
		there = arena_printf(c->arena, "%s%s%s", there, i ? ", " : "",
		    conn->regions[i].id);
	os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
	    arena_printf(c->arena, "the cloud has no region %s, but %s",
		conn->region, there[0] ? there : "none at all"));
}

void
os_verify(struct os_call *c, json_t *root)
{
	const struct drv_conn *conn = c->conn;
	bool known = !conn->region;

	(void)root;
	for (size_t i = 0; i < conn->nregions && !known; i++)
		known = str_eq(conn->regions[i].id, conn->region);
	if (!known)
		no_region(c);
	else
		os_get(c, OS_COMPUTE, "/servers?limit=1", on_servers_ok);
}

/* ---- regions ------------------------------------------------------------- */

static void
on_zones(struct os_call *c, json_t *root)
{
	const json_t *list = json_object_get(root, "availabilityZoneInfo");
	struct csp_region *r;
	size_t n = c->conn->nregions, i, k;
	json_t *z;

	r = arena_array(c->arena, n + 1, sizeof *r);
	for (i = 0; i < n; i++) {
		r[i].csp = "openstack";
		r[i].id = arena_strdup(c->arena, c->conn->regions[i].id);
		r[i].display = r[i].id;
		if (!c->conn->region || !str_eq(r[i].id, c->conn->region))
			continue;
		r[i].zones = arena_array(c->arena, json_array_size(list) + 1,
		    sizeof *r[i].zones);
		json_array_foreach(list, k, z)
		{
			const char *name = os_text(c, z, "zoneName");

			if (name &&
			    json_is_true(
				json_object_get(json_object_get(z, "zoneState"),
				    "available")))
				r[i].zones[r[i].nzones++] = name;
		}
	}
	c->answer->regions = r;
	c->answer->nregions = n;
	os_ok(c);
}

void
os_regions(struct os_call *c, json_t *root)
{
	static const int fine[] = { 403, 404, 0 };

	(void)root;
	if (c->conn->region)
		os_send_fine(c, "GET", OS_COMPUTE, "/os-availability-zone",
		    NULL, fine, on_zones);
	else
		on_zones(c, NULL);
}

/* ---- flavors ------------------------------------------------------------- */

static bool
take_flavor(struct os_call *c, const json_t *f, struct csp_spec *s)
{
	json_int_t cpus = json_integer_value(json_object_get(f, "vcpus"));
	json_int_t mib = json_integer_value(json_object_get(f, "ram"));
	const char *id = os_text(c, f, "id");

	s->name = os_text(c, f, "name");
	if (!s->name || !id || cpus < 1 || cpus > 4096 || mib < 1 ||
	    mib > 1 << 28)
		return false;
	s->vcpu = cpus;
	s->memory_mib = mib;
	s->arch = "x86_64"; /* flavors do not say */
	os_name_put(&c->conn->flavors, s->name, id);
	return true;
}

static void
on_flavors(struct os_call *c, json_t *root)
{
	const json_t *list = json_object_get(root, "flavors");
	const char *why; /* OpenStack itself knows no prices */
	json_t *prices = prices_load(c->conn->prices, &why);
	struct csp_spec *v;
	size_t i, n = json_array_size(list);
	json_t *f;

	if (!json_is_array(list) || n > ROWS_MAX) {
		json_decref(prices);
		os_unreadable(c, "the list of flavors cannot be read");
		return;
	}
	v = arena_array(c->arena, n + 1, sizeof *v);
	c->answer->specs = v;
	json_array_foreach(list, i, f)
	{
		struct csp_spec *s = &v[c->answer->nspecs];

		if (!take_flavor(c, f, s))
			continue;
		prices_set(s, prices, why);
		c->answer->nspecs++;
	}
	json_decref(prices);
	os_ok(c);
}

void
os_specs(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_COMPUTE, "/flavors/detail", on_flavors);
}

/* ---- images -------------------------------------------------------------- */

static void
on_images(struct os_call *c, json_t *root)
{
	const json_t *list = json_object_get(root, "images");
	size_t i, n = json_array_size(list) + c->answer->nimages;
	struct csp_image *v;
	const char *more;
	json_t *im;

	if (!json_is_array(list) || n > ROWS_MAX || ++c->pages > 100) {
		os_unreadable(c, "the list of images cannot be read");
		return;
	}
	v = arena_array(c->arena, n + 1, sizeof *v);
	if (c->answer->nimages)
		memcpy(v, c->answer->images, c->answer->nimages * sizeof *v);
	c->answer->images = v;
	json_array_foreach(list, i, im)
	{
		const char *name = os_text(c, im, "name");
		const char *arch = os_text(c, im, "architecture");

		if (!name || !name[0])
			continue;
		v[c->answer->nimages++] = (struct csp_image){
			.id = name,
			.name = os_text(c, im, "id"),
			.user = os_text(c, im, "os_admin_user"),
			.arch = arch ? arch : "x86_64",
		};
	}
	/* "/v2/images?marker=..." */
	more = os_text(c, root, "next");
	if (more && str_starts(more, "/v2/"))
		os_get(c, OS_IMAGE, more + 3, on_images);
	else
		os_ok(c);
}

void
os_images(struct os_call *c, json_t *root)
{
	(void)root;
	c->pages = 0;
	c->answer->nimages = 0;
	os_get(c, OS_IMAGE, "/images?status=active&limit=200", on_images);
}
