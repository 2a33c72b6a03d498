/*
 * cloud_json.c - what the API shows of VMs: one, a list as the cloud's list
 * call sees it, and the truth. Changes nothing.
 */
#include "twin/cloud_int.h"

#include "common/clock.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"

#include <math.h>
#include <string.h>

static void
put_ip(json_t *j, const char *key, uint32_t ip, bool known)
{
	char text[16];

	id_ipv4_format(ip, text);
	json_put_str(j, key, known && ip ? text : NULL);
}

static void
put_host(json_t *j, const struct cloud_vm *v)
{
	const struct clouds_conf *conf = &v->owner->conf;
	const struct world_spec *s =
	    &conf->world->clouds[v->cloud].specs[v->spec];
	double need = ceil((double)s->vcpu * conf->world->cpu_scale);

	json_put_str(j, "hostId", conf->host_id);
	json_put_int(j, "hostSlots", conf->cpus);
	json_put_int(j, "hostNeed", (int64_t)fmin(need, conf->cpus));
}

static json_t *
vm_json(const struct cloud_vm *v, const char *state, int64_t now_ns)
{
	const struct world_cloud *c = &v->owner->conf.world->clouds[v->cloud];
	json_t *j = json_object(), *tags = json_object();
	bool addressed = v->addressed && now_ns >= v->addressed_from_ns;

	for (size_t i = 0; i < v->ntags; i++)
		json_put_str(tags, v->tags[i].key, v->tags[i].value);
	json_put_str(j, "id", v->id);
	json_put_str(j, "cloud", c->id);
	json_put_str(j, "region", c->regions[v->region].id);
	json_put_str(j, "zone", v->zone);
	json_put_str(j, "name", v->name);
	json_put_str(j, "token", v->token);
	json_put(j, "tags", tags);
	json_put_str(j, "spec", c->specs[v->spec].id);
	json_put_str(j, "image", c->images[v->image].id);
	json_put_str(j, "nativeState", state);
	json_put_str(j, "fault", v->fault[0] && !v->busy ? v->fault : NULL);
	put_ip(j, "publicIp", v->public_ip, addressed);
	put_ip(j, "privateIp", v->private_ip, addressed);
	json_put_str(j, "sshUser", c->images[v->image].user);
	json_put_int(j, "sshPort", 22);
	put_host(j, v);
	json_put_time(j, "createdAt", v->created_wall_ns);
	json_put_str(j, "bootId", v->boot_id[0] ? v->boot_id : NULL);
	return j;
}

json_t *
cloud_vm_json(const struct cloud_vm *v)
{
	return vm_json(v, v->state, clock_mono_ns());
}

/* The state that was true at that time; NULL: the VM was not there yet. */
static const char *
state_at(const struct cloud_vm *v, int64_t at_ns)
{
	size_t kept = v->nseen < CLOUD_HISTORY ? v->nseen : CLOUD_HISTORY;

	for (size_t k = 1; k <= kept; k++) {
		const struct cloud_seen *s =
		    &v->seen[(v->nseen - k) % CLOUD_HISTORY];

		if (s->at_ns <= at_ns)
			return s->state;
	}
	/* older than the ring: the oldest that is known */
	return v->created_ns <= at_ns ? v->seen[v->nseen % CLOUD_HISTORY].state
				      : NULL;
}

static bool
matches(const struct cloud_vm *v, const struct cloud_filter *f)
{
	if (v->cloud != f->cloud ||
	    (f->region != WORLD_NONE && v->region != f->region) ||
	    (f->token && !str_eq(v->token, f->token)))
		return false;
	for (size_t i = 0; i < f->ntags; i++) {
		size_t k = 0;

		while (k < v->ntags &&
		    (strcmp(v->tags[k].key, f->tags[i].key) != 0 ||
			strcmp(v->tags[k].value, f->tags[i].value) != 0))
			k++;
		if (k == v->ntags)
			return false;
	}
	return true;
}

json_t *
cloud_list(struct clouds *cs, const struct cloud_filter *f, uint64_t *next_seq)
{
	const struct world_cloud *c = &cs->conf.world->clouds[f->cloud];
	int64_t now = clock_mono_ns();
	int64_t at = now - f->lag_ns -
	    cloud_scaled_ns(cs, (double)c->list_lag_ms / 1000);
	json_t *items = json_array();

	*next_seq = 0;
	for (size_t i = 0; i < cs->n; i++) {
		const struct cloud_vm *v = cs->v[i];
		const char *state;

		if (v->seq <= f->after_seq || !matches(v, f) ||
		    now < v->hidden_until_ns || !cloud_listed(v, at))
			continue;
		state = state_at(v, at);
		if (!state)
			continue;
		if (json_array_size(items) == f->limit)
			return items;
		json_array_append_new(items, vm_json(v, state, now));
		*next_seq = v->seq;
	}
	*next_seq = 0;
	return items;
}

json_t *
clouds_truth(struct clouds *cs)
{
	json_t *items = json_array();
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < cs->n; i++) {
		const struct cloud_vm *v = cs->v[i];
		json_t *j;

		if (!cloud_alive(v))
			continue;
		j = vm_json(v, v->state, now);
		put_ip(j, "publicIp", v->public_ip, true);
		put_ip(j, "privateIp", v->private_ip, true);
		json_put_str(j, "site", cs->conf.world->sites[v->site].name);
		json_put_str(j, "machine",
		    v->vm ? vm_state_name(vm_state(v->vm)) : NULL);
		json_put_bool(j, "frozen", v->vm && vm_frozen(v->vm));
		json_put_num(j, "billedS",
		    (double)cloud_billed_ns(v, now) / 1e9);
		json_array_append_new(items, j);
	}
	return items;
}
