/*
 * wan_model.c - see wan_model.h. Rules are few (at most WAN_RULES_MAX) and
 * read once per flow and change, so a plain list is enough.
 */
#include "twin/wan_model.h"

#include <string.h>

enum {
	FIELDS = 5
};

static bool end_matches(struct wan_end e, struct wan_point p);
static unsigned end_rank(struct wan_end e);
static bool same_end(struct wan_end a, struct wan_end b);
static struct wan_rule *rule_find(struct wan_model *m, struct wan_end a,
    struct wan_end b);
static void link_merge(struct wan_link *to, const struct wan_link *from,
    unsigned set);

bool
wan_model_check(const int32_t *rtt_us, size_t nsites, struct mw_err *err)
{
	size_t i, j;

	if (nsites < 1 || nsites > WAN_SITES_MAX)
		return err_set(err, MW_LIMIT, 0,
		    "%zu sites; 1 to %d are possible", nsites, WAN_SITES_MAX);
	for (i = 0; i < nsites; i++) {
		for (j = 0; j <= i; j++) {
			int32_t a = rtt_us[i * nsites + j];

			if (a != rtt_us[j * nsites + i])
				return err_set(err, MW_INVALID, 0,
				    "sites %zu and %zu have two RTTs; a path "
				    "has one",
				    i, j);
			if (a < 0 && a != WAN_UNKNOWN)
				return err_set(err, MW_INVALID, 0,
				    "sites %zu and %zu: RTT %d us", i, j,
				    (int)a);
		}
	}
	return true;
}

bool
wan_rule_matches(const struct wan_rule *r, struct wan_point from,
    struct wan_point to, bool *back)
{
	*back = false;
	if (end_matches(r->a, from) && end_matches(r->b, to))
		return true;
	*back = true;
	return end_matches(r->b, from) && end_matches(r->a, to);
}

/* For each field the rank of the rule that gave it is kept; a later rule of
 * the same rank replaces it. */
struct wan_path
wan_model_path(const struct wan_model *m, struct wan_point from,
    struct wan_point to)
{
	struct wan_path p = { .rtt_us = WAN_UNKNOWN, .rate_rule = WAN_NO_RULE };
	struct wan_link eff = { 0 };
	unsigned best[FIELDS] = { 0 }, rank, f;
	bool back;
	size_t i;

	if (from.site >= m->nsites || to.site >= m->nsites) {
		if (from.site == m->nsites && to.site == m->nsites)
			p.rtt_us = WAN_HIDDEN_RTT_US;
		return p;
	}
	p.rtt_us = m->rtt_us[from.site * m->nsites + to.site];
	for (i = 0; i < m->nrules; i++) {
		const struct wan_rule *r = &m->rules[i];

		if (!wan_rule_matches(r, from, to, &back))
			continue;
		rank = end_rank(r->a) + end_rank(r->b) + 1;
		for (f = 0; f < FIELDS; f++) {
			if (!(r->link.set & 1u << f) || rank < best[f])
				continue;
			best[f] = rank;
			link_merge(&eff, &r->link, 1u << f);
			if (1u << f == WAN_SET_RATE) {
				p.rate_rule = (uint32_t)i;
				p.rate_back = back;
			}
		}
	}
	if (eff.set & WAN_SET_RTT)
		p.rtt_us = eff.rtt_us;
	p.jitter_us = eff.jitter_us;
	p.loss_ppm = eff.loss_ppm;
	p.rate_kbps = eff.rate_kbps;
	p.cut = eff.cut;
	return p;
}

bool
wan_model_set(struct wan_model *m, struct wan_end a, struct wan_end b,
    const struct wan_link *link, struct mw_err *err)
{
	struct wan_rule *r = rule_find(m, a, b), moved;

	if ((a.type == WAN_SITE && a.index >= m->nsites) ||
	    (b.type == WAN_SITE && b.index >= m->nsites))
		return err_set(err, MW_NOT_FOUND, 0, "no such site");
	if ((link->set & WAN_SET_LOSS) && link->loss_ppm > 1000000)
		return err_set(err, MW_INVALID, 0, "loss is at most 100 %%");
	if ((link->set & WAN_SET_RTT) && link->rtt_us < 0 &&
	    link->rtt_us != WAN_UNKNOWN)
		return err_set(err, MW_INVALID, 0, "a negative RTT");
	if (!r) {
		if (m->nrules == WAN_RULES_MAX)
			return err_set(err, MW_LIMIT, 0,
			    "%d link rules are the limit", WAN_RULES_MAX);
		moved = (struct wan_rule){ .a = a, .b = b };
	} else {
		/* the changed rule is the latest: it goes to the end */
		moved = *r;
		memmove(r, r + 1,
		    (size_t)(&m->rules[m->nrules] - (r + 1)) * sizeof *r);
		m->nrules--;
	}
	link_merge(&moved.link, link, link->set);
	m->rules[m->nrules++] = moved;
	return true;
}

void
wan_model_unset(struct wan_model *m, struct wan_end a, struct wan_end b,
    unsigned set)
{
	struct wan_rule *r = rule_find(m, a, b);

	if (!r)
		return;
	r->link.set &= ~set;
	if (r->link.set)
		return;
	memmove(r, r + 1, (size_t)(&m->rules[m->nrules] - (r + 1)) * sizeof *r);
	m->nrules--;
}

static bool
end_matches(struct wan_end e, struct wan_point p)
{
	if (e.type == WAN_ANY)
		return true;
	return e.index == (e.type == WAN_SITE ? p.site : p.host);
}

/* Sums of two ranks are distinct and ordered as wan.h says. */
static unsigned
end_rank(struct wan_end e)
{
	static const unsigned
	    rank[] = { [WAN_ANY] = 0, [WAN_SITE] = 1, [WAN_HOST] = 3 };

	return rank[e.type];
}

static bool
same_end(struct wan_end a, struct wan_end b)
{
	return a.type == b.type && (a.type == WAN_ANY || a.index == b.index);
}

static struct wan_rule *
rule_find(struct wan_model *m, struct wan_end a, struct wan_end b)
{
	size_t i;

	for (i = 0; i < m->nrules; i++) {
		struct wan_rule *r = &m->rules[i];

		if ((same_end(r->a, a) && same_end(r->b, b)) ||
		    (same_end(r->a, b) && same_end(r->b, a)))
			return r;
	}
	return NULL;
}

static void
link_merge(struct wan_link *to, const struct wan_link *from, unsigned set)
{
	to->set |= set;
	if (set & WAN_SET_RTT)
		to->rtt_us = from->rtt_us;
	if (set & WAN_SET_JITTER)
		to->jitter_us = from->jitter_us;
	if (set & WAN_SET_LOSS)
		to->loss_ppm = from->loss_ppm;
	if (set & WAN_SET_RATE)
		to->rate_kbps = from->rate_kbps;
	if (set & WAN_SET_CUT)
		to->cut = from->cut;
}
