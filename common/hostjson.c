/*
 * hostjson.c - see hostjson.h. Used by the agent (beats), the coordinator
 * (link, API) and its tests.
 */
#include "common/hostjson.h"

#include <math.h>
#include <string.h>

static json_t *
names_of(unsigned cgroup)
{
	json_t *list = json_array();
	const char *name;

	for (size_t i = 0; (name = host_cgroup_name(i)) != NULL; i++)
		if (cgroup >> i & 1)
			json_array_append_new(list, json_string(name));
	return list;
}

void
hostjson_put(json_t *obj, const struct host_rec *r)
{
	json_put_int(obj, "coveredS", r->covered_s);
	json_put_int(obj, "benchS", r->bench_s);
	json_put_str(obj, "scope", host_scope(r->cgroup));
	json_put(obj, "cgroupOf", names_of(r->cgroup));
	for (size_t f = 0; f < HOST_FIELDS; f++) {
		const struct host_info *i = host_info((enum host_field)f);

		if (i->scale == 1 && r->v[f] >= 0)
			json_put_int(obj, i->name, r->v[f]);
		else
			json_put_num(obj, i->name,
			    host_value(r, (enum host_field)f));
	}
}

json_t *
hostjson_encode(const struct host_rec *r)
{
	json_t *j = json_object();

	json_put_int(j, "minute", r->at);
	hostjson_put(j, r);
	(void)json_object_del(j, "scope");
	for (size_t f = 0; f < HOST_FIELDS; f++)
		if (r->v[f] < 0)
			(void)json_object_del(j,
			    host_info((enum host_field)f)->name);
	return j;
}

static bool
decode_cgroup(const struct json_at *at, unsigned *out, struct mw_err *err)
{
	json_t *list, *e;
	size_t i;

	*out = 0;
	if (!json_get_array(at, "cgroupOf", false, 0, 16, &list, err))
		return false;
	json_array_foreach(list, i, e)
	{
		const char *name, *s = json_string_value(e);

		if (s == NULL)
			return err_set(err, MW_INVALID, 0,
			    "cgroupOf is not a list of names");
		for (size_t k = 0; (name = host_cgroup_name(k)) != NULL; k++)
			if (strcmp(name, s) == 0)
				*out |= 1u << k;
	}
	return true;
}

bool
hostjson_decode(const struct json_at *at, struct host_rec *r,
    struct mw_err *err)
{
	if (!json_get_int(at, "minute", false, 0, 0, UINT32_MAX, &r->at, err) ||
	    !json_get_int(at, "coveredS", false, 0, 1, 60, &r->covered_s,
		err) ||
	    !json_get_int(at, "benchS", true, 0, 0, r->covered_s, &r->bench_s,
		err) ||
	    !decode_cgroup(at, &r->cgroup, err))
		return false;
	for (size_t f = 0; f < HOST_FIELDS; f++) {
		const struct host_info *i = host_info((enum host_field)f);
		double v, max = (double)(i->max / i->scale);

		if (!json_get_num(at, i->name, true, -1, 0, max, &v, err))
			return false;
		r->v[f] = v < 0 ? -1 : (int64_t)llround(v * (double)i->scale);
	}
	return true;
}
