/*
 * mesh_msg.c - the messages of a matrix round to its agents (docs/link.md).
 * Called by mesh.c.
 */
#include "coordinator/measure/mesh_int.h"

#define EXTRA_MS 4000
#define EXTRA_FAST_MS 2000

int64_t
mesh_extra_ms(const struct round *r)
{
	return r->window_ms <= MESH_FAST_WINDOW_MS ? EXTRA_FAST_MS : EXTRA_MS;
}

json_t *
mesh_message(const struct round *r, const char *type)
{
	json_t *j = json_object();

	json_put_str(j, "type", type);
	json_put_str(j, "roundId", r->name);
	return j;
}

json_t *
mesh_members_json(const struct round *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		json_t *j = json_array();

		json_array_append_new(j, json_string(r->members[i].ip));
		json_array_append_new(j, json_integer(r->members[i].port));
		json_array_append_new(list, j);
	}
	return list;
}

/* Only if one is not where everybody looks. */
static void
put_ssh_ports(json_t *j, const struct round *r)
{
	json_t *list = json_array();
	bool other = false;

	for (size_t i = 0; i < r->n; i++) {
		json_array_append_new(list,
		    json_integer(r->members[i].ssh_port));
		other |= r->members[i].ssh_port != MESH_SSH_PORT;
	}
	if (other)
		json_put(j, "sshPorts", list);
	else
		json_decref(list);
}

static json_t *
targets_json(const struct mesh_plan *p, size_t i)
{
	json_t *list = json_array();

	for (size_t t = p->first[i]; t < p->first[i + 1]; t++)
		json_array_append_new(list, json_integer(p->target[t]));
	return list;
}

json_t *
mesh_arm_message(const struct round *r, size_t i, const char *key,
    json_t *members)
{
	json_t *j = mesh_message(r, "arm");

	json_put_int(j, "index", (int64_t)i);
	json_put_str(j, "key", key);
	json_put(j, "members", json_incref(members));
	json_put_int(j, "k", r->k);
	json_put_int(j, "windowMs", r->window_ms);
	json_put_int(j, "lateMs", MESH_LATE_MS);
	json_put_int(j, "extraMs", mesh_extra_ms(r));
	put_ssh_ports(j, r);
	json_put_int(j, "seed", r->seed);
	json_put(j, "half", json_boolean(r->plan.half));
	if (r->plan.levels)
		json_put(j, "targets", targets_json(&r->plan, i));
	return j;
}

json_t *
mesh_absent_json(const struct round *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++)
		if (!r->members[i].armed)
			json_array_append_new(list,
			    json_integer((json_int_t)i));
	return list;
}

json_t *
mesh_go_message(const struct round *r, json_t *absent)
{
	json_t *j = mesh_message(r, "go");

	json_put_int(j, "delayMs", MESH_GO_DELAY_MS);
	json_put(j, "absent", json_incref(absent));
	return j;
}
