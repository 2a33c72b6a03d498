/*
 * simcloud_world.c - the world of a simulated cloud that was asked for with
 * options instead of a file: clouds of a class, regions spread over the globe,
 * three specs each, all calls as quick as wished.
 *
 * Classes: T has client tokens, N unique names, L neither.
 */
#include "tests/sim/simcloud_int.h"

#include "common/pure/num.h"

#include <stdio.h>
#include <string.h>

#define CLOUDS_MAX 20
#define API_MS 0.05
#define GOLDEN_DEG 137.50776

struct sim_cloud {
	char id[32];
	char class;
	int64_t regions;
};

static const char *
caps_of(char class)
{
	switch (class) {
	case 'T':
		return "\"IDEM_TOKEN\",\"LIST_BY_TOKEN\",\"TAG_ATOMIC\","
		       "\"LIST_BY_TAG\",\"IMPORT_KEY\"";
	case 'N':
		return "\"UNIQUE_NAME\",\"TAG_ATOMIC\",\"LIST_BY_TAG\",\"IMPORT_KEY\"";
	case 'L': return "\"TAG_ATOMIC\",\"LIST_BY_TAG\",\"IMPORT_KEY\"";
	default: return NULL;
	}
}

/* "aws:T:2" */
static bool
parse_one(const char *s, size_t n, struct sim_cloud *c, struct mw_err *err)
{
	const char *colon = memchr(s, ':', n);
	size_t head = colon ? (size_t)(colon - s) : 0;

	if (head == 0 || head >= sizeof c->id || n < head + 4 ||
	    colon[2] != ':' || !caps_of(colon[1]) ||
	    !num_parse_i64(colon + 3, n - head - 3, 1, WORLD_MAX_REGIONS,
		&c->regions))
		return err_set(err, MW_INVALID, 0,
		    "a cloud is csp:class:regions, e.g. aws:T:2, not %.*s",
		    (int)n, s);
	memcpy(c->id, s, head);
	c->id[head] = '\0';
	c->class = colon[1];
	return true;
}

static bool
parse_clouds(const char *s, struct sim_cloud *clouds, size_t *n,
    struct mw_err *err)
{
	*n = 0;
	while (*s) {
		size_t len = strcspn(s, ",");

		if (*n == CLOUDS_MAX)
			return err_set(err, MW_LIMIT, 0, "more than %d clouds",
			    CLOUDS_MAX);
		if (!parse_one(s, len, &clouds[*n], err))
			return false;
		(*n)++;
		s += len + (s[len] == ',');
	}
	return *n > 0 || err_set(err, MW_INVALID, 0, "no cloud");
}

/* So many regions over four clouds of all classes. */
static void
spread(int64_t regions, struct sim_cloud *clouds, size_t *n)
{
	static const struct sim_cloud four[] = {
		{ "aws", 'T', 0 },
		{ "azure", 'N', 0 },
		{ "openstack", 'L', 0 },
		{ "gcp", 'T', 0 },
	};

	*n = 0;
	for (int64_t i = 0; i < (int64_t)ARRAY_LEN(four); i++) {
		clouds[i] = four[i];
		clouds[i].regions = regions / 4 + (i < regions % 4);
		*n += clouds[i].regions > 0;
	}
}

/* Even over the globe, and never twice the same. */
static void
add_regions(struct str *s, int64_t n, int64_t *place)
{
	for (int64_t i = 0; i < n; i++, (*place)++) {
		double lat = -60.0 + (double)(*place * 37 % 121);
		double lon = (double)*place * GOLDEN_DEG;

		lon -= 360.0 * (double)(int64_t)(lon / 360.0) + 180.0;
		str_addf(s,
		    "%s{\"id\":\"r%lld\",\"lat\":%.2f,\"lon\":%.2f,"
		    "\"zones\":[\"a\",\"b\",\"c\"]}",
		    i ? "," : "", (long long)i, lat, lon);
	}
}

static void
add_specs(struct str *s)
{
	static const struct {
		const char *id;
		int vcpu, mib, micros;
	} specs[] = {
		{ "small", 1, 1024, 10000 },
		{ "medium", 2, 4096, 40000 },
		{ "large", 4, 16384, 160000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		str_addf(s,
		    "%s{\"id\":\"%s\",\"vcpu\":%d,\"memoryMiB\":%d,"
		    "\"costPerHourMicros\":%d}",
		    i ? "," : "", specs[i].id, specs[i].vcpu, specs[i].mib,
		    specs[i].micros);
}

static void
add_cloud(struct str *s, const struct sim_options *o, const struct sim_cloud *c,
    int64_t *place)
{
	static const char *const ops[] = { "create", "stop", "start", "reboot",
		"terminate" };

	str_addf(s, "{\"id\":\"%s\",\"csp\":\"%s\",\"regions\":[", c->id,
	    c->id);
	add_regions(s, c->regions, place);
	str_add(s, "],\"specs\":[");
	add_specs(s);
	str_add(s,
	    "],\"images\":[{\"id\":\"debian-12\",\"user\":\"cb-user\"}]");
	if (o->quota > 0)
		str_addf(s, ",\"quotas\":{\"vms\":%lld}", (long long)o->quota);
	str_addf(s, ",\"latenciesMs\":{\"api\":[%g,%g]", API_MS, 2 * API_MS);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		str_addf(s, ",\"%s\":[%lld,%lld]", ops[i],
		    (long long)o->boot_ms, (long long)o->boot_ms * 2);
	str_addf(s,
	    "},\"api\":{\"ratePerS\":%lld,\"burst\":%lld,\"pageSize\":%lld,"
	    "\"terminatedListedS\":5}",
	    (long long)o->rate, (long long)o->rate,
	    (long long)(o->page > 0 ? o->page : 500));
	str_addf(s,
	    ",\"caps\":[%s],\"lateApplyMaxS\":%lld,\"listVisibleMaxS\":%lld,"
	    "\"tokenTtlS\":0}",
	    caps_of(c->class), (long long)o->late_s, (long long)o->list_s);
}

bool
sim_world_text(const struct sim_options *o, struct str *out, struct mw_err *err)
{
	struct sim_cloud clouds[CLOUDS_MAX];
	int64_t place = 0;
	size_t n;

	if (o->regions > 0)
		spread(o->regions, clouds, &n);
	else if (!parse_clouds(o->clouds, clouds, &n, err))
		return false;
	str_addf(out, "{\"name\":\"simcloud\",\"seed\":%lld,\"clouds\":[",
	    (long long)o->seed);
	for (size_t i = 0; i < n; i++) {
		if (i)
			str_addc(out, ',');
		add_cloud(out, o, &clouds[i], &place);
	}
	str_add(out, "],\"rttModel\":{\"kind\":\"distance\"}}");
	return true;
}
