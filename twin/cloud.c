/*
 * cloud.c - the inventory: creates, look-ups, keys, rates and quotas of all
 * clouds of a world. Owns struct clouds; the life of a VM is in cloud_vm.c.
 */
#include "twin/cloud.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/csp.h"
#include "common/pure/str.h"
#include "twin/cloud_int.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KEYS_MAX 10000
#define SEQ_BITS 24
#define Z99 2.3263478740408408

bool
cloud_fail(struct cloud_err *err, enum native_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->retry_after_s = 0;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	return false;
}

struct clouds *
clouds_new(const struct clouds_conf *conf)
{
	struct clouds *cs = xcalloc(1, sizeof *cs);
	uint64_t start = (uint64_t)clock_wall_ns();

	cs->conf = *conf;
	rng_seed(&cs->rng, conf->world->seed);
	/* ids never come back, also not after a restart of the twin */
	cs->nonce = (uint32_t)(rng_mix(start) >> 40);
	cs->buckets = xcalloc(conf->world->nclouds, sizeof *cs->buckets);
	for (size_t i = 0; i < conf->world->nclouds; i++) {
		cs->buckets[i].tokens = (double)conf->world->clouds[i].burst;
		cs->buckets[i].at_ns = clock_mono_ns();
	}
	cs->slot_used = xcalloc(conf->slots, sizeof *cs->slot_used);
	return cs;
}

static void
vm_free(struct cloud_vm *v)
{
	for (size_t i = 0; i < v->ntags; i++) {
		free(v->tags[i].key);
		free(v->tags[i].value);
	}
	free(v->tags);
	free(v->zone);
	free(v->name);
	free(v->token);
	free(v->key);
	free(v);
}

void
clouds_free(struct clouds *cs)
{
	if (!cs)
		return;
	for (size_t i = 0; i < cs->n; i++)
		vm_free(cs->v[i]);
	free(cs->v);
	for (size_t i = 0; i < cs->nkeys; i++) {
		free(cs->keys[i].name);
		free(cs->keys[i].public_key);
	}
	free(cs->keys);
	free(cs->buckets);
	free(cs->slot_used);
	free(cs);
}

const struct clouds_conf *
clouds_conf(const struct clouds *cs)
{
	return &cs->conf;
}

int64_t
clouds_run(struct clouds *cs, int64_t now_ns)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < cs->n; i++) {
		int64_t due = cloud_vm_run(cs->v[i], now_ns);

		if (due < next)
			next = due;
	}
	return next;
}

bool
cloud_alive(const struct cloud_vm *v)
{
	return v->cls != NATIVE_GONE;
}

size_t
clouds_alive(const struct clouds *cs)
{
	size_t n = 0;

	for (size_t i = 0; i < cs->n; i++)
		n += cloud_alive(cs->v[i]);
	return n;
}

/* Round robin, so that an address is not given to the next VM at once. */
bool
cloud_slot_take(struct clouds *cs, unsigned *slot)
{
	for (unsigned k = 0; k < cs->conf.slots; k++) {
		unsigned i = (cs->next_slot + k) % cs->conf.slots;

		if (cs->slot_used[i])
			continue;
		cs->slot_used[i] = true;
		cs->next_slot = (i + 1) % cs->conf.slots;
		*slot = i;
		return true;
	}
	return false;
}

void
cloud_slot_give(struct clouds *cs, unsigned slot)
{
	cs->slot_used[slot] = false;
}

int64_t
cloud_scaled_ns(const struct clouds *cs, double seconds)
{
	return (int64_t)(seconds * cs->conf.world->time_scale * 1e9);
}

int64_t
cloud_delay_ns(struct clouds *cs, size_t cloud, enum world_op op)
{
	const struct world_latency *l =
	    &cs->conf.world->clouds[cloud].latency[op];
	double sigma = log(l->p99_ms / l->p50_ms) / Z99;
	double ms = l->p50_ms * exp(sigma * rng_normal(&cs->rng));

	return cloud_scaled_ns(cs, fmin(ms, 2 * l->p99_ms) / 1000);
}

int64_t
cloud_api_delay_ns(struct clouds *cs, size_t cloud)
{
	return cloud_delay_ns(cs, cloud, WORLD_OP_API);
}

bool
cloud_admit(struct clouds *cs, size_t cloud, struct cloud_err *err)
{
	const struct world_cloud *c = &cs->conf.world->clouds[cloud];
	struct cloud_bucket *b = &cs->buckets[cloud];
	int64_t now = clock_mono_ns();
	double room = fmax(1, (double)c->burst);

	if (c->rate_per_s <= 0)
		return true;
	b->tokens += (double)(now - b->at_ns) / 1e9 * c->rate_per_s;
	b->tokens = fmin(b->tokens, room);
	b->at_ns = now;
	if (b->tokens >= 1) {
		b->tokens -= 1;
		return true;
	}
	cloud_fail(err, NATIVE_THROTTLED, "rate exceeded: %g calls per second",
	    c->rate_per_s);
	err->retry_after_s = ceil((1 - b->tokens) / c->rate_per_s);
	return false;
}

static struct cloud_key *
key_find(const struct clouds *cs, size_t cloud, size_t region, const char *name)
{
	for (size_t i = 0; i < cs->nkeys; i++) {
		struct cloud_key *k = &cs->keys[i];

		if (k->cloud == cloud && k->region == region &&
		    strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

const char *
cloud_key_find(const struct clouds *cs, size_t cloud, size_t region,
    const char *name)
{
	const struct cloud_key *k = key_find(cs, cloud, region, name);

	return k ? k->public_key : NULL;
}

bool
cloud_key_put(struct clouds *cs, size_t cloud, size_t region, const char *name,
    const char *public_key, struct cloud_err *err)
{
	const struct cloud_key *k = key_find(cs, cloud, region, name);

	if (k && strcmp(k->public_key, public_key) == 0)
		return true;
	if (k)
		return cloud_fail(err, NATIVE_CONFLICT_EXISTS,
		    "key %s exists with other content", name);
	if (cs->nkeys == KEYS_MAX)
		return cloud_fail(err, NATIVE_QUOTA, "%d keys already",
		    KEYS_MAX);
	VEC_GROW(cs->keys, cs->nkeys, cs->keys_cap);
	cs->keys[cs->nkeys++] = (struct cloud_key){
		.cloud = cloud,
		.region = region,
		.name = xstrdup(name),
		.public_key = xstrdup(public_key),
	};
	return true;
}

bool
cloud_key_at(const struct clouds *cs, size_t i, size_t cloud, size_t region,
    const char **name)
{
	const struct cloud_key *k = i < cs->nkeys ? &cs->keys[i] : NULL;

	*name = k && k->cloud == cloud && k->region == region ? k->name : NULL;
	return k != NULL;
}

bool
cloud_key_del(struct clouds *cs, size_t cloud, size_t region, const char *name,
    struct cloud_err *err)
{
	struct cloud_key *k = key_find(cs, cloud, region, name);

	if (!k)
		return cloud_fail(err, NATIVE_NOT_FOUND, "no key %s", name);
	free(k->name);
	free(k->public_key);
	*k = cs->keys[--cs->nkeys];
	return true;
}

/* The VM that this create means already, if the cloud has such a promise. */
static bool
find_same(struct clouds *cs, size_t cloud, const struct cloud_create *req,
    struct cloud_vm **out, struct cloud_err *err)
{
	const struct world_cloud *c = &cs->conf.world->clouds[cloud];
	int64_t now = clock_mono_ns();

	*out = NULL;
	for (size_t i = 0; i < cs->n; i++) {
		struct cloud_vm *v = cs->v[i];
		bool same = memcmp(v->body_hash, req->body_hash,
				sizeof v->body_hash) == 0;

		if (v->cloud != cloud)
			continue;
		if ((c->caps & CSP_CAP_IDEM_TOKEN) && req->token &&
		    str_eq(v->token, req->token) &&
		    (c->token_ttl_s == 0 ||
			now - v->created_ns < c->token_ttl_s * NS_PER_S)) {
			*out = v;
			if (same)
				return true;
			return cloud_fail(err, NATIVE_TOKEN_MISMATCH,
			    "token %s was used with other parameters",
			    req->token);
		}
		if ((c->caps & CSP_CAP_UNIQUE_NAME) && cloud_alive(v) &&
		    v->region == req->region &&
		    strcmp(v->name, req->name) == 0) {
			*out = v;
			/* a PUT by name: the same again is no second VM */
			if (same && !(c->caps & CSP_CAP_IDEM_TOKEN))
				return true;
			return cloud_fail(err, NATIVE_CONFLICT_EXISTS,
			    "a VM named %s exists", req->name);
		}
	}
	return true;
}

static bool
check_quota(struct clouds *cs, size_t cloud, const struct cloud_create *req,
    struct cloud_err *err)
{
	const struct world_cloud *c = &cs->conf.world->clouds[cloud];
	int64_t vms = 1, vcpus = c->specs[req->spec].vcpu;

	for (size_t i = 0; i < cs->n; i++) {
		const struct cloud_vm *v = cs->v[i];

		if (v->cloud != cloud || !cloud_alive(v))
			continue;
		vms++;
		vcpus += c->specs[v->spec].vcpu;
	}
	if (c->quota_vms > 0 && vms > c->quota_vms)
		return cloud_fail(err, NATIVE_QUOTA,
		    "quota of %lld VMs exceeded", (long long)c->quota_vms);
	if (c->quota_vcpus > 0 && vcpus > c->quota_vcpus)
		return cloud_fail(err, NATIVE_QUOTA,
		    "quota of %lld vCPUs exceeded", (long long)c->quota_vcpus);
	if (cs->n >= CLOUD_VMS_MAX)
		return cloud_fail(err, NATIVE_QUOTA,
		    "the twin keeps at most %d VM records", CLOUD_VMS_MAX);
	return true;
}

static struct cloud_vm *
vm_new(struct clouds *cs, size_t cloud, const struct cloud_create *req)
{
	struct cloud_vm *v = xcalloc(1, sizeof *v);

	v->owner = cs;
	v->seq = (cs->n ? cs->v[cs->n - 1]->seq : 0) + 1;
	snprintf(v->id, sizeof v->id, "i-%06x%06x", cs->nonce & 0xffffff,
	    (unsigned)(v->seq & ((1u << SEQ_BITS) - 1)));
	v->cloud = cloud;
	v->region = req->region;
	v->spec = req->spec;
	v->image = req->image;
	v->site = world_site_of(cs->conf.world, cloud, req->region, req->spec);
	v->zone = xstrdup(req->zone);
	v->name = xstrdup(req->name);
	v->token = xstrdup(req->token);
	v->key = xstrdup(req->key);
	v->ntags = req->ntags;
	v->tags = xcalloc(req->ntags + 1, sizeof *v->tags);
	for (size_t i = 0; i < req->ntags; i++) {
		v->tags[i].key = xstrdup(req->tags[i].key);
		v->tags[i].value = xstrdup(req->tags[i].value);
	}
	memcpy(v->body_hash, req->body_hash, sizeof v->body_hash);
	v->created_ns = clock_mono_ns();
	v->created_wall_ns = clock_wall_ns();
	return v;
}

bool
cloud_create(struct clouds *cs, size_t cloud, const struct cloud_create *req,
    const struct fault_hits *hits, struct cloud_vm **out, struct cloud_err *err)
{
	struct cloud_vm *v = NULL;

	if (!hits->on[FAULT_TOKEN_IGNORED] &&
	    !find_same(cs, cloud, req, &v, err))
		return false;
	if (v) {
		*out = v;
		return true;
	}
	if (req->key && !cloud_key_find(cs, cloud, req->region, req->key))
		return cloud_fail(err, NATIVE_INVALID, "no key %s in %s",
		    req->key,
		    cs->conf.world->clouds[cloud].regions[req->region].id);
	if (!check_quota(cs, cloud, req, err))
		return false;
	v = vm_new(cs, cloud, req);
	VEC_GROW(cs->v, cs->n, cs->cap);
	cs->v[cs->n++] = v;
	cloud_vm_start_life(v, req, hits, v->created_ns);
	*out = v;
	return true;
}

bool
cloud_act(struct clouds *cs, struct cloud_vm *v, enum native_verb verb,
    const struct fault_hits *hits, struct cloud_err *err)
{
	const struct native *nat = cs->conf.world->clouds[v->cloud].native;
	enum native_verdict verdict;

	if (verb == NATIVE_CREATE)
		return cloud_fail(err, NATIVE_INVALID, "not an action");
	/* whatever it is called, it brings back what is there */
	if (verb == NATIVE_START && v->suspended)
		verb = NATIVE_RESUME;
	else if (verb == NATIVE_RESUME && !v->suspended)
		verb = NATIVE_START;
	verdict = native_may(v->cls, verb);
	if (verdict == NATIVE_SAME && nat->strict && verb != NATIVE_TERMINATE)
		verdict = NATIVE_BUSY;
	if (verdict == NATIVE_BUSY)
		return cloud_fail(err, NATIVE_CONFLICT_BUSY,
		    "cannot %s a VM that is %s", native_verb_name(verb),
		    v->state);
	if (verdict == NATIVE_GO)
		cloud_vm_verb(v, verb, hits, clock_mono_ns());
	return true;
}

static struct cloud_vm *
by_id(struct clouds *cs, const char *id)
{
	unsigned nonce, seq;
	char rest;
	size_t lo = 0, hi = cs->n;

	if (sscanf(id, "i-%6x%6x%c", &nonce, &seq, &rest) != 2)
		return NULL;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cs->v[mid]->seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == cs->n || strcmp(cs->v[lo]->id, id) != 0)
		return NULL;
	return cs->v[lo];
}

struct cloud_vm *
cloud_get(struct clouds *cs, size_t cloud, const char *id)
{
	struct cloud_vm *v = by_id(cs, id);
	int64_t now = clock_mono_ns();

	if (!v || v->cloud != cloud || now < v->hidden_until_ns ||
	    !cloud_listed(v, now))
		return NULL;
	return v;
}

struct cloud_vm *
clouds_find(struct clouds *cs, const char *id)
{
	struct cloud_vm *v = by_id(cs, id);

	return v && cloud_alive(v) ? v : NULL;
}
