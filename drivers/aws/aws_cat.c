/*
 * aws_cat.c - what EC2 offers: regions, types, images.
 */
#include "drivers/aws/aws_int.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "drivers/prices.h"

#include <stdlib.h>
#include <string.h>

#define SPECS_MAX 10000

/* Images by names that are the same in every region. The owners are Debian's,
 * Canonical's and Amazon's accounts. */
static const struct family {
	const char *alias, *owner, *name, *user, *arch;
} families[] = {
	{ "debian-12", "136693071363", "debian-12-amd64-*", "admin", "x86_64" },
	{ "debian-12-arm64", "136693071363", "debian-12-arm64-*", "admin",
	    "arm64" },
	{ "ubuntu-24.04", "099720109477",
	    "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
	    "ubuntu", "x86_64" },
	{ "ubuntu-22.04", "099720109477",
	    "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*", "ubuntu",
	    "x86_64" },
	{ "amazon-linux-2023", "137112412989", "al2023-ami-2023.*-x86_64",
	    "ec2-user", "x86_64" },
};

/* ---- regions ------------------------------------------------------------- */

static void
on_zones(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *z = xml_get(root, "availabilityZoneInfo/item");
	struct csp_region *r;
	size_t i = 0, n = 0;

	r = (struct csp_region *)(uintptr_t)c->answer->regions;
	while (i < c->answer->nregions && !str_eq(r[i].id, c->conn->region))
		i++;
	for (const struct xml_node *x = z; x; x = xml_next(x))
		n++;
	if (i < c->answer->nregions && n > 0) {
		r[i].zones = arena_array(c->arena, n, sizeof *r[i].zones);
		for (; z; z = xml_next(z)) {
			const char *name = xml_text(z, "zoneName");
			const char *state = xml_text(z, "zoneState");

			if (name && state && str_eq(state, "available"))
				r[i].zones[r[i].nzones++] = name;
		}
	}
	aws_ok(c);
}

static void
on_regions(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *item = xml_get(root, "regionInfo/item");
	struct csp_region *r;
	size_t n = 0;

	for (const struct xml_node *x = item; x; x = xml_next(x))
		n++;
	r = arena_array(c->arena, n + 1, sizeof *r);
	c->answer->regions = r;
	for (; item; item = xml_next(item)) {
		const char *name = xml_text(item, "regionName");

		if (!name)
			continue;
		r[c->answer->nregions].id = name;
		r[c->answer->nregions].display = name;
		r[c->answer->nregions++].csp = "aws";
	}
	aws_begin(c, "DescribeAvailabilityZones");
	aws_send(c, on_zones);
}

void
aws_regions(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "DescribeRegions");
	aws_send(c, on_regions);
}

/* ---- types --------------------------------------------------------------- */

static bool
take_spec(struct aws_call *c, const struct xml_node *item, struct csp_spec *s)
{
	const char *cpus = xml_text(item, "vCpuInfo/defaultVCpus");
	const char *mib = xml_text(item, "memoryInfo/sizeInMiB");
	const char *arch = NULL;

	s->name = xml_text(item, "instanceType");
	if (!s->name || !cpus || !mib ||
	    !num_parse_i64(cpus, strlen(cpus), 1, 4096, &s->vcpu) ||
	    !num_parse_i64(mib, strlen(mib), 1, 1 << 28, &s->memory_mib))
		return false;
	for (const struct xml_node *a =
		 xml_get(item, "processorInfo/supportedArchitectures/item");
	     a; a = xml_next(a)) {
		if (str_eq(a->text, "x86_64") || str_eq(a->text, "arm64"))
			arch = a->text;
	}
	s->arch = arch;
	(void)c;
	return arch != NULL; /* 32-bit and mac */
}

static void
on_specs(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *item = xml_get(root, "instanceTypeSet/item");
	struct csp_answer *a = c->answer;
	struct csp_spec *all;
	const char *why;
	json_t *prices;
	size_t n = a->nspecs;

	for (const struct xml_node *x = item; x; x = xml_next(x))
		n++;
	if (n > SPECS_MAX) {
		aws_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE, "too many types");
		return;
	}
	prices = prices_load(c->conn->prices, &why);
	all = arena_array(c->arena, n + 1, sizeof *all);
	if (a->nspecs)
		memcpy(all, a->specs, a->nspecs * sizeof *all);
	a->specs = all;
	for (; item; item = xml_next(item)) {
		struct csp_spec *s = &all[a->nspecs];

		memset(s, 0, sizeof *s);
		if (!take_spec(c, item, s))
			continue;
		prices_set(s, prices, why);
		a->nspecs++;
	}
	json_decref(prices);
	if (!aws_more(c, root, aws_specs))
		aws_ok(c);
}

void
aws_specs(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "DescribeInstanceTypes");
	aws_filter(c, 1, "current-generation", "true");
	aws_add(c, "MaxResults", "100");
	aws_add(c, "NextToken", c->page);
	aws_send(c, on_specs);
}

/* ---- images -------------------------------------------------------------- */

/* Shell pattern with '*' only, as in EC2's filters. */
static bool
fits(const char *pattern, const char *name)
{
	const char *star = strchr(pattern, '*');
	size_t head, tail;

	if (!star)
		return strcmp(pattern, name) == 0;
	head = (size_t)(star - pattern);
	if (strncmp(pattern, name, head) != 0)
		return false;
	if (!strchr(star + 1, '*')) {
		tail = strlen(star + 1);
		return strlen(name) >= head + tail &&
		    strcmp(name + strlen(name) - tail, star + 1) == 0;
	}
	for (name += head; *name; name++) {
		if (fits(star + 1, name))
			return true;
	}
	return false;
}

/* The newest image of that family in the answer, or NULL. */
static const struct xml_node *
newest(const struct xml_node *root, const struct family *f)
{
	const struct xml_node *best = NULL;
	const char *at = "";

	for (const struct xml_node *i = xml_get(root, "imagesSet/item"); i;
	     i = xml_next(i)) {
		const char *name = xml_text(i, "name");
		const char *date = xml_text(i, "creationDate");

		if (!name || !xml_text(i, "imageId") || !fits(f->name, name))
			continue;
		if (!best || strcmp(date ? date : "", at) > 0) {
			best = i;
			at = date ? date : "";
		}
	}
	return best;
}

static void
on_images(struct aws_call *c, const struct xml_node *root)
{
	struct csp_image *v =
	    arena_array(c->arena, ARRAY_LEN(families), sizeof *v);
	struct csp_answer *a = c->answer;

	a->images = v;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct xml_node *hit = newest(root, &families[i]);

		if (!hit)
			continue;
		v[a->nimages++] = (struct csp_image){
			.id = families[i].alias,
			.name = arena_printf(c->arena, "%s (%s)",
			    xml_text(hit, "name"), xml_text(hit, "imageId")),
			.user = families[i].user,
			.arch = families[i].arch,
		};
	}
	aws_ok(c);
}

/* Only the families: all images of EC2 are 10^5 rows. */
static void
ask_images(struct aws_call *c, const struct family *f, size_t n,
    const char *const *fine, aws_step_fn next)
{
	aws_begin(c, "DescribeImages");
	aws_add(c, "Filter.1.Name", "name");
	for (size_t i = 0; i < n; i++) {
		aws_add(c, arena_printf(c->arena, "Owner.%zu", i + 1),
		    f[i].owner);
		aws_add(c, arena_printf(c->arena, "Filter.1.Value.%zu", i + 1),
		    f[i].name);
	}
	aws_filter(c, 2, "state", "available");
	aws_send_fine(c, fine, next);
}

void
aws_ask_images(struct aws_call *c, const char *const *fine, aws_step_fn next)
{
	ask_images(c, families, ARRAY_LEN(families), fine, next);
}

void
aws_images(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_ask_images(c, NULL, on_images);
}

const char *
aws_any_image(const struct xml_node *root)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct xml_node *hit = newest(root, &families[i]);

		if (hit && str_eq(families[i].arch, "x86_64"))
			return xml_text(hit, "imageId");
	}
	return NULL;
}

static const struct family *
family_of(const char *alias)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (str_eq(families[i].alias, alias))
			return &families[i];
	}
	return NULL;
}

static struct aws_image *
known(const struct drv_conn *conn, const char *alias)
{
	struct aws_image *im = conn->images;

	while (im && !str_eq(im->alias, alias))
		im = im->next;
	return im;
}

static void
on_alias(struct aws_call *c, const struct xml_node *root)
{
	const struct family *f = family_of(c->req->image);
	const struct xml_node *hit = newest(root, f);
	struct aws_image *im;

	if (!hit) {
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    arena_printf(c->arena, "no image %s in region %s", f->alias,
			c->conn->region));
		return;
	}
	im = known(c->conn, f->alias);
	if (!im) {
		im = xcalloc(1, sizeof *im);
		im->alias = xstrdup(f->alias);
		im->next = c->conn->images;
		c->conn->images = im;
	}
	free(im->id);
	im->id = xstrdup(xml_text(hit, "imageId"));
	c->image = arena_strdup(c->arena, im->id);
	c->then(c, NULL);
}

void
aws_find_image(struct aws_call *c, aws_step_fn then)
{
	const struct family *f = family_of(c->req->image);
	const struct aws_image *im = f ? known(c->conn, f->alias) : NULL;

	c->then = then;
	c->image = im ? arena_strdup(c->arena, im->id) : c->req->image;
	if (f && !im)
		ask_images(c, f, 1, NULL, on_alias);
	else
		then(c, NULL);
}
