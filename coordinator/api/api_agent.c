/*
 * api_agent.c - GET /v1/agents: the registry beside what the installation
 * knows; a VM that should have an agent and never had one is listed, too.
 */
#include "coordinator/api/api.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/link/agents.h"
#include "lifecycle/lifecycle.h"

static void get_agents(struct httpd_req *req, void *ctx);
static json_t *agent_of(const struct coord *c, const struct lc_mcis *m,
    const struct lc_slot *s);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/agents", get_agents, ROLE_VIEWER },
};
const struct api_routes api_agent_routes = { routes, ARRAY_LEN(routes) };

static void
get_agents(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	const char *ns = httpd_query(req, "ns");
	const char *mcis = httpd_query(req, "mcis");
	json_t *out = json_object(), *items = json_array();

	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next) {
		if ((ns && !str_eq(ns, m->row.ns)) ||
		    (mcis && !str_eq(mcis, m->row.name)))
			continue;
		for (const struct lc_slot *s = m->slots; s; s = s->next)
			if (m->row.require_agent ||
			    agents_get(c->agents, s->row.slot_id, s->inst.gen))
				json_array_append_new(items, agent_of(c, m, s));
	}
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static json_t *
agent_of(const struct coord *c, const struct lc_mcis *m,
    const struct lc_slot *s)
{
	const struct agent *a =
	    agents_get(c->agents, s->row.slot_id, s->inst.gen);
	json_t *j = agents_json(a), *in = json_object();
	char *id = xasprintf("a-%lld-%lld", (long long)s->row.slot_id,
	    (long long)s->inst.gen);

	json_put_str(j, "agentId", id);
	json_put_str(j, "vmId", s->vm_id);
	json_put_str(j, "mcisId", m->row.name);
	json_put_str(j, "ns", m->row.ns);
	json_put_str(in, "step",
	    *s->inst.install_step ? s->inst.install_step : NULL);
	json_put_str(in, "state", lc_install_state_name(s->inst.install));
	json_put_str(in, "error",
	    *s->inst.install_error ? s->inst.install_error : NULL);
	json_put(j, "install", in);
	free(id);
	return j;
}
