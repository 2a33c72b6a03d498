/*
 * wan_link.c - rules of the emulated network, and questions about it (wan.h).
 */
#include "twin/wan_int.h"

static uint32_t end_slot(const struct wan *w, uint32_t host);
static struct wan_point slot_point(const struct wan *w, uint32_t slot);

void
wan_host_forget(struct wan *w, unsigned slot)
{
	struct wan_rule *r = w->model.rules;
	size_t i, kept = 0;

	for (i = 0; i < w->model.nrules; i++)
		if (!(r[i].a.type == WAN_HOST && r[i].a.index == slot) &&
		    !(r[i].b.type == WAN_HOST && r[i].b.index == slot))
			r[kept++] = r[i];
	if (kept == w->model.nrules)
		return;
	w->model.nrules = kept;
	wan_send_rules(w);
}

bool
wan_link_set(struct wan *w, struct wan_end a, struct wan_end b,
    const struct wan_link *link, struct mw_err *err)
{
	if ((a.type == WAN_HOST && end_slot(w, a.index) >= w->nslots) ||
	    (b.type == WAN_HOST && end_slot(w, b.index) >= w->nslots))
		return err_set(err, MW_NOT_FOUND, 0, "no such host");
	if (!wan_model_set(&w->model, a, b, link, err))
		return false;
	wan_send_rules(w);
	return true;
}

void
wan_link_unset(struct wan *w, struct wan_end a, struct wan_end b, unsigned set)
{
	wan_model_unset(&w->model, a, b, set);
	wan_send_rules(w);
}

void
wan_link_unset_all(struct wan *w)
{
	w->model.nrules = 0;
	wan_send_rules(w);
}

bool
wan_link_get(const struct wan *w, size_t i, struct wan_end *a,
    struct wan_end *b, struct wan_link *link)
{
	if (i >= w->model.nrules)
		return false;
	*a = w->model.rules[i].a;
	*b = w->model.rules[i].b;
	*link = w->model.rules[i].link;
	return true;
}

int32_t
wan_rtt_us(const struct wan *w, size_t site_a, size_t site_b)
{
	/* a host number that no rule can name: site rules only */
	struct wan_point a = { .host = UINT32_MAX - 1,
		.site = (uint32_t)site_a };
	struct wan_point b = { .host = UINT32_MAX - 1,
		.site = (uint32_t)site_b };
	struct wan_path p = wan_model_path(&w->model, a, b);

	return p.cut ? WAN_UNKNOWN : p.rtt_us;
}

int32_t
wan_host_rtt_us(const struct wan *w, uint32_t a, uint32_t b)
{
	uint32_t i = end_slot(w, a), j = end_slot(w, b);
	struct wan_path p;

	if (i >= w->nslots || j >= w->nslots || w->slots[i].tun < 0 ||
	    w->slots[j].tun < 0 || w->slots[i].host.cut || w->slots[j].host.cut)
		return WAN_UNKNOWN;
	p = wan_model_path(&w->model, slot_point(w, i), slot_point(w, j));
	return p.cut ? WAN_UNKNOWN : p.rtt_us;
}

void
wan_stats(const struct wan *w, struct wan_stats *out)
{
	*out = w->stats;
	out->realtime = w->realtime;
	out->restarts = w->restarts;
	out->pid = (int)w->pid;
}

void
wan_quality(const struct wan *w, struct wan_quality *out)
{
	const struct calibrate_filter *f =
	    w->cal ? calibrate_state(w->cal) : NULL;

	*out = (struct wan_quality){ .quality = "bestEffort",
		.why = "",
		.comp_us = w->comp_us,
		.floor_us = 2 * w->comp_us };
	if (f && f->total > CALIBRATE_FIRST) {
		out->has_error = true;
		out->n = f->n;
		out->error_p01_us = calibrate_filter_error(f, 1);
		out->error_p50_us = calibrate_filter_error(f, 50);
		out->error_p99_us = calibrate_filter_error(f, 99);
	}
	if (w->pid == 0)
		out->why = "the network process is being started again";
	else if (!w->realtime)
		out->why = "no real-time scheduling here";
	else if (!f)
		out->why = "calibration is switched off";
	else
		out->quality = out->has_error ? "calibrated" : "calibrating";
}

static uint32_t
end_slot(const struct wan *w, uint32_t host)
{
	return host == WAN_SELF ? w->conf.max_hosts : host;
}

static struct wan_point
slot_point(const struct wan *w, uint32_t slot)
{
	return (struct wan_point){ .host = slot == w->conf.max_hosts ? WAN_SELF
								     : slot,
		.site = w->slots[slot].host.site };
}
