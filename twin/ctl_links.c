/*
 * ctl_links.c - changes of the emulated network by hand: PUT, GET and DELETE
 * of /v1/lab/links. Owns the rules that end by themselves (forS).
 */
#include "twin/ctl_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct ctl_undo {
	struct ctl *ctl;
	struct loop_timer *timer;
	LIST_ENTRY(ctl_undo) link;
	struct wan_end a, b;
	unsigned set;
};

static void
undo_free(void *p)
{
	struct ctl_undo *u = p;

	loop_timer_free(u->timer);
	free(u);
}

void
ctl_undo_free_all(struct ctl *c)
{
	struct ctl_undo *u;

	while ((u = LIST_FIRST(&c->undo)) != NULL) {
		LIST_REMOVE(u, link);
		undo_free(u);
	}
}

static void
on_undo(void *arg)
{
	struct ctl_undo *u = arg;

	wan_link_unset(u->ctl->conf.wan, u->a, u->b, u->set);
	LIST_REMOVE(u, link);
	loop_reap(u->ctl->conf.loop, undo_free, u);
}

static bool
same_end(struct wan_end a, struct wan_end b)
{
	return a.type == b.type && (a.type == WAN_ANY || a.index == b.index);
}

/* What was planned for these fields of the pair no longer counts. */
static void
forget_undo(struct ctl *c, struct wan_end a, struct wan_end b, unsigned set)
{
	struct ctl_undo *u, *next;

	for (u = LIST_FIRST(&c->undo); u; u = next) {
		next = LIST_NEXT(u, link);
		if (!(same_end(u->a, a) && same_end(u->b, b)) &&
		    !(same_end(u->a, b) && same_end(u->b, a)))
			continue;
		u->set &= ~set;
		if (u->set)
			continue;
		LIST_REMOVE(u, link);
		undo_free(u);
	}
}

static void
undo_after(struct ctl *c, struct wan_end a, struct wan_end b, unsigned set,
    double for_s)
{
	struct ctl_undo *u = xcalloc(1, sizeof *u);

	u->ctl = c;
	u->a = a;
	u->b = b;
	u->set = set;
	u->timer = loop_timer_new(c->conf.loop, on_undo, u);
	loop_timer_set(u->timer, (int64_t)(for_s * 1e9));
	LIST_INSERT_HEAD(&c->undo, u, link);
}

/* "*", "coordinator", a site, or a VM id. */
static bool
parse_end(const struct ctl *c, const char *text, const char *pointer,
    struct wan_end *out, struct mw_err *err)
{
	struct cloud_vm *v;
	size_t site;

	*out = (struct wan_end){ .type = WAN_ANY };
	if (strcmp(text, "*") == 0)
		return true;
	if (strcmp(text, "coordinator") == 0) {
		*out = (struct wan_end){ WAN_HOST, WAN_SELF };
		return true;
	}
	site = world_site_find(c->conf.world, text);
	if (site != WORLD_NONE) {
		*out = (struct wan_end){ WAN_SITE, (uint32_t)site };
		return true;
	}
	v = clouds_find(c->conf.clouds, text);
	if (v && v->vm) {
		*out = (struct wan_end){ WAN_HOST, vm_slot(v->vm) };
		return true;
	}
	err_set(err, MW_NOT_FOUND, 0,
	    "%.60s is not a site, a living VM, coordinator or *", text);
	return err_pointer(err, "%s", pointer);
}

/* A number sets the field, null takes it out of the rule. */
static bool
get_field(const struct json_at *at, const char *key, double max, unsigned flag,
    unsigned *set, unsigned *unset, double *out, struct mw_err *err)
{
	const json_t *v = json_object_get(at->obj, key);

	if (!v)
		return true;
	if (json_is_null(v)) {
		*unset |= flag;
		return true;
	}
	*set |= flag;
	return json_get_num(at, key, false, 0, 0, max, out, err);
}

static bool
parse_link(const struct json_at *at, struct wan_link *link, unsigned *unset,
    double *for_s, struct mw_err *err)
{
	double rtt = 0, jitter = 0, loss = 0, rate = 0;
	unsigned set = 0;

	*unset = 0;
	if (!get_field(at, "rttMs", 60000, WAN_SET_RTT, &set, unset, &rtt,
		err) ||
	    !get_field(at, "jitterMs", 10000, WAN_SET_JITTER, &set, unset,
		&jitter, err) ||
	    !get_field(at, "lossPct", 100, WAN_SET_LOSS, &set, unset, &loss,
		err) ||
	    !get_field(at, "rateMbps", 1e6, WAN_SET_RATE, &set, unset, &rate,
		err) ||
	    !json_get_num(at, "forS", true, 0, 0, 1e6, for_s, err) ||
	    !json_get_bool(at, "partitioned", true, false, &link->cut, err))
		return false;
	if (json_object_get(at->obj, "partitioned"))
		*(link->cut ? &set : unset) |= WAN_SET_CUT;
	link->set = set;
	link->rtt_us = (int32_t)lround(rtt * 1000);
	link->jitter_us = (uint32_t)lround(jitter * 1000);
	link->loss_ppm = (uint32_t)lround(loss * 10000);
	link->rate_kbps = (uint32_t)lround(rate * 1000);
	return true;
}

static json_t *
end_json(const struct ctl *c, struct wan_end e)
{
	char text[32];

	switch (e.type) {
	case WAN_SITE: return json_string(c->conf.world->sites[e.index].name);
	case WAN_HOST:
		if (e.index == WAN_SELF)
			return json_string("coordinator");
		snprintf(text, sizeof text, "slot-%u", e.index);
		return json_string(text);
	case WAN_ANY: break;
	}
	return json_string("*");
}

static json_t *
link_json(const struct ctl *c, struct wan_end a, struct wan_end b,
    const struct wan_link *l)
{
	json_t *j = json_object();

	json_put(j, "a", end_json(c, a));
	json_put(j, "b", end_json(c, b));
	json_put_num(j, "rttMs",
	    l->set & WAN_SET_RTT ? (double)l->rtt_us / 1000 : NAN);
	json_put_num(j, "jitterMs",
	    l->set & WAN_SET_JITTER ? (double)l->jitter_us / 1000 : NAN);
	json_put_num(j, "lossPct",
	    l->set & WAN_SET_LOSS ? (double)l->loss_ppm / 10000 : NAN);
	json_put_num(j, "rateMbps",
	    l->set & WAN_SET_RATE ? (double)l->rate_kbps / 1000 : NAN);
	json_put_bool(j, "partitioned", (l->set & WAN_SET_CUT) && l->cut);
	return j;
}

void
ctl_links_put(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "a", "b", "rttMs", "jitterMs",
		"lossPct", "rateMbps", "partitioned", "forS", NULL };
	struct ctl *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct wan_link link = { 0 };
	struct wan_end a, b;
	struct json_at at;
	const char *sa, *sb;
	unsigned unset;
	double for_s;
	json_t *body;

	if (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
	    !json_no_others(&at, known, &err) ||
	    !json_get_str(&at, "a", true, 128, &sa, &err) ||
	    !json_get_str(&at, "b", true, 128, &sb, &err) ||
	    !parse_link(&at, &link, &unset, &for_s, &err) ||
	    !parse_end(c, sa, "/a", &a, &err) ||
	    !parse_end(c, sb, "/b", &b, &err) ||
	    (link.set && !wan_link_set(c->conf.wan, a, b, &link, &err))) {
		ctl_reply_error(req, &err);
		return;
	}
	if (unset)
		wan_link_unset(c->conf.wan, a, b, unset);
	forget_undo(c, a, b, link.set | unset);
	if (for_s > 0 && link.set)
		undo_after(c, a, b, link.set, for_s);
	httpd_reply_json(req, 200, link_json(c, a, b, &link));
}

void
ctl_links_get(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	json_t *j = json_object(), *list = json_array();
	struct wan_link link;
	struct wan_end a, b;

	for (size_t i = 0; wan_link_get(c->conf.wan, i, &a, &b, &link); i++)
		json_array_append_new(list, link_json(c, a, b, &link));
	json_put(j, "items", list);
	httpd_reply_json(req, 200, j);
}

void
ctl_links_delete(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;

	ctl_undo_free_all(c);
	wan_link_unset_all(c->conf.wan);
	httpd_reply(req, 204, "application/json", "", 0);
}
