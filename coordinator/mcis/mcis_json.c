/*
 * mcis_json.c - builds the JSON of docs/api.md from the model, the catalogue
 * and the agent registry. What is not known is null with a reason beside it.
 */
#include "coordinator/mcis/mcis_json.h"

#include "common/pure/str.h"
#include "coordinator/link/agents.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "coordinator/mcis/mcis_plan.h"
#include "coordinator/remote/ssh_key.h"

#include <string.h>

static const char *const count_keys[LC_STATUS_COUNT] = { "creating", "running",
	"suspending", "suspended", "resuming", "rebooting", "terminating",
	"terminated", "failed", "undefined" };

static const char *
word(const char *s)
{
	return s && s[0] ? s : NULL;
}

static json_t *
labels_of(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	return j ? j : json_object();
}

static json_t *
counts_json(const int64_t counts[LC_STATUS_COUNT])
{
	json_t *j = json_object();
	int64_t total = 0;

	for (size_t i = 0; i < LC_STATUS_COUNT; i++)
		total += counts[i];
	json_put_int(j, "total", total);
	for (size_t i = 0; i < LC_STATUS_COUNT; i++)
		json_put_int(j, count_keys[i], counts[i]);
	return j;
}

static const char *
csp_of(struct coord *c, const struct lc_slot *s)
{
	const struct conn_row *cn = conns_get(c->conns, s->row.spec.connection);

	return !cn ? NULL : str_eq(cn->driver, "static") ? cn->driver : cn->csp;
}

/* What is wanted costs, what is there is billed; neither waits for the other. */
struct sums {
	struct mcis_cost cost, billed;
	int64_t unknown; /* VMs of which nobody knows whether they are billed */
	int64_t counts[LC_STATUS_COUNT];
};

static void
sum_add(struct coord *c, const struct lc_slot *s, struct sums *sum)
{
	const char *why;
	struct lc_billed b;
	int64_t price;

	sum->counts[s->status]++;
	if (!mcis_counts(s))
		return;
	price = mcis_price(c, s->row.spec.connection, s->row.spec.spec, &why);
	mcis_cost_add(&sum->cost, price, why);
	lc_billed_of(csp_of(c, s), s, &b);
	if (b.compute > 0)
		mcis_cost_add(&sum->billed, price, why);
	else if (b.compute < 0)
		sum->unknown++;
}

static void
put_sums(json_t *j, const struct sums *sum)
{
	json_t *b = json_object();

	json_put(j, "statusCounts", counts_json(sum->counts));
	mcis_cost_put(j, "costPerHourMicros", &sum->cost);
	json_put_int(b, "vms", sum->billed.vms);
	json_put_int(b, "unknownVms", sum->unknown);
	mcis_cost_put(b, "costPerHourMicros", &sum->billed);
	json_put(j, "billed", b);
}

/* One entry per group, in the order of their names. */
static json_t *
groups_json(struct coord *c, const struct lc_mcis *m, bool tumblebug)
{
	json_t *out = json_array(), *j;
	const struct lc_slot *s = m->slots;
	char status[LC_GROUP_LEN];

	while (s) {
		const char *group = s->row.group;
		struct sums sum = { 0 };

		for (; s && str_eq(s->row.group, group); s = s->next)
			sum_add(c, s, &sum);
		(tumblebug ? lc_group_tumblebug : lc_group_deck)(sum.counts,
		    status);
		j = json_object();
		json_put_str(j, "name", group);
		json_put_str(j, "status", status);
		put_sums(j, &sum);
		json_array_append_new(out, j);
	}
	return out;
}

json_t *
mcis_json(struct coord *c, const struct lc_mcis *m, bool tumblebug, bool vms)
{
	json_t *j = json_object(), *list;
	char status[LC_GROUP_LEN];
	struct sums sum = { 0 };

	for (const struct lc_slot *s = m->slots; s; s = s->next)
		sum_add(c, s, &sum);
	(tumblebug ? lc_group_tumblebug : lc_group_deck)(m->counts, status);
	json_put_str(j, "ns", m->row.ns);
	json_put_str(j, "name", m->row.name);
	json_put_str(j, "description", m->row.description);
	json_put(j, "labels", labels_of(m->row.labels));
	json_put_bool(j, "requireAgent", m->row.require_agent);
	json_put_str(j, "onPartialFailure", lc_policy_name(m->row.policy));
	json_put_str(j, "onVanish",
	    m->row.replace_vanished ? "replace" : "report");
	json_put_str(j, "status", status);
	json_put_str(j, "targetAction",
	    m->action ? lc_act_name(m->action->row.act) : NULL);
	json_put_str(j, "actionId",
	    m->action ? m->action->row.action_id : NULL);
	put_sums(j, &sum);
	json_put_time(j, "createdAt", m->row.created_at);
	if (!vms)
		return j;
	json_put(j, "groups", groups_json(c, m, tumblebug));
	list = json_array();
	for (const struct lc_slot *s = m->slots; s; s = s->next)
		json_array_append_new(list, mcis_vm_json(c, s));
	json_put(j, "vms", list);
	return j;
}

static void
put_place(struct coord *c, json_t *j, const struct lc_slot *s)
{
	const struct lc_spec_row *want = &s->row.spec;
	const struct conn_row *cn = conns_get(c->conns, want->connection);
	const struct spec_row *sp =
	    conns_spec(c->conns, want->connection, want->spec);
	struct str id = STR_INIT;
	const char *why;
	int64_t price;

	json_put_str(j, "connection", want->connection);
	json_put_str(j, "driver", cn ? cn->driver : NULL);
	json_put_str(j, "csp", cn ? cn->csp : NULL);
	json_put_str(j, "region", cn ? cn->region : NULL);
	json_put_str(j, "zone",
	    word(s->inst.zone[0] ? s->inst.zone : want->zone));
	if (sp)
		str_add(&id, sp->spec_id);
	else if (cn)
		str_addf(&id, "%s+%s+%s", cn->csp, cn->region, want->spec);
	json_put_str(j, "specId", id.len ? str_cstr(&id) : NULL);
	str_free(&id);
	json_put_str(j, "spec", want->spec);
	json_put_str(j, "image", word(want->image));
	if (sp) {
		json_put_int(j, "vcpu", sp->vcpu);
		json_put_int(j, "memoryMiB", sp->memory_mib);
		json_put_str(j, "arch", word(sp->arch));
	} else {
		json_put(j, "vcpu", NULL);
		json_put(j, "memoryMiB", NULL);
	}
	price = mcis_price(c, want->connection, want->spec, &why);
	json_put(j, "costPerHourMicros",
	    price >= 0 ? json_integer(price) : NULL);
	if (price < 0)
		json_put_str(j, "costReason", why);
	json_put(j, "lat", cn && cn->has_location ? json_real(cn->lat) : NULL);
	json_put(j, "lon", cn && cn->has_location ? json_real(cn->lon) : NULL);
}

static void
put_billed(struct coord *c, json_t *j, const struct lc_slot *s)
{
	struct lc_billed b;
	json_t *out = json_object();
	const struct {
		const char *key;
		int v;
	} parts[] = { { "compute", 0 }, { "disk", 1 }, { "ip", 2 } };
	int v[3];

	lc_billed_of(csp_of(c, s), s, &b);
	v[0] = b.compute;
	v[1] = b.disk;
	v[2] = b.ip;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		json_put(out, parts[i].key,
		    v[i] < 0 ? NULL : json_boolean(v[i]));
	json_put(j, "billed", out);
	if (b.reason)
		json_put_str(j, "billedReason", b.reason);
}

static void
put_status(json_t *j, const struct lc_slot *s)
{
	enum lc_verb v = s->inst.verb;

	if (!s->row.desired && s->status == LC_TERMINATING)
		v = LC_V_TERMINATE;
	json_put_str(j, "status", lc_status_name(s->status));
	json_put_str(j, "nativeStatus", word(s->inst.native));
	json_put_str(j, "targetStatus",
	    v == LC_V_NONE ? NULL : lc_status_name(lc_verb_way(v)->done));
	json_put_str(j, "targetAction",
	    v == LC_V_NONE ? NULL : lc_verb_name(v));
	json_put_str(j, "statusReason", word(s->status_reason));
	json_put_time(j, "statusSince", s->inst.status_at);
}

json_t *
mcis_vm_json(struct coord *c, const struct lc_slot *s)
{
	const struct lc_inst_row *in = &s->inst;
	json_t *j = json_object();
	char print[SSH_FINGERPRINT_LEN] = "";
	struct mw_err err = MW_ERR_INIT;

	json_put_str(j, "vmId", s->vm_id);
	json_put_str(j, "group", s->row.group);
	json_put_int(j, "index", s->row.index);
	put_place(c, j, s);
	put_status(j, s);
	json_put_str(j, "publicIp", word(in->public_ip));
	json_put_str(j, "privateIp", word(in->private_ip));
	json_put_str(j, "cspResourceId", word(in->csp_id));
	json_put_str(j, "sshUser",
	    word(in->ssh_user[0] ? in->ssh_user : s->ssh_user_hint));
	json_put_int(j, "sshPort", in->ssh_port ? in->ssh_port : 22);
	if (in->host_key[0] && !ssh_key_fingerprint(in->host_key, print, &err))
		print[0] = '\0';
	json_put_str(j, "hostKeySha256", word(print));
	json_put_str(j, "hostKeyTrust", word(in->host_key_trust));
	json_put_str(j, "installState", lc_install_state_name(in->install));
	json_put_str(j, "installStep", word(in->install_step));
	json_put_str(j, "installError", word(in->install_error));
	json_put_str(j, "agentState",
	    agent_state_name(agents_state(c->agents, s->row.slot_id, in->gen)));
	json_put_bool(j, "rebootConfirmed", s->reboot_confirmed);
	json_put_int(j, "generation", in->gen);
	put_billed(c, j, s);
	json_put(j, "labels", labels_of(s->row.labels));
	return j;
}
