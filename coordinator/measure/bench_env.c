/*
 * bench_env.c - takes a result apart for the store: the environment that many
 * results share, what the tool printed, and the rest. Called by bench_in.c.
 */
#include "coordinator/measure/bench_int.h"

#include "common/pure/alloc.h"

#include <stdlib.h>
#include <string.h>

/* What the envHash is made of; the rest of env stays with the result. */
static const char *const shared[] = { "csp", "image", "kernel", "cpuModel",
	"vcpus", "fs" };

static void
move(json_t *from, json_t *to, const char *key)
{
	json_t *v = json_object_get(from, key);

	json_put(to, key, v ? json_incref(v) : NULL);
	json_object_del(from, key);
}

static bool
on_disk(enum kind k)
{
	return k == KIND_FIOR || k == KIND_FIOW || k == KIND_DBR ||
	    k == KIND_DBW;
}

char *
bench_env_split(const struct result *r, json_t *result,
    const struct bench_place *p, struct bench_env *out)
{
	json_t *own = json_incref(json_object_get(result, "env"));
	json_t *common = json_object();
	struct str canon = STR_INIT, text = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	char *rest, *own_text;

	*out = (struct bench_env){ .json = NULL };
	if (!own)
		own = json_object();
	json_put_str(own, "csp", p->hashed.csp);
	json_put_str(own, "image", p->hashed.image);
	json_put_str(own, "region", p->region);
	json_put_str(own, "zone", p->zone);
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (strcmp(shared[i], "fs") != 0 || on_disk(r->kind))
			move(own, common, shared[i]);
	benchenv_text(r, &p->hashed, &canon);
	raw_name(canon.p, canon.len, out->hash);
	out->json = json_text(common, false);
	if (r->raw.base64) {
		str_copy(out->raw_hash, sizeof out->raw_hash, r->raw.hash);
		if (!raw_decode(r->raw.base64, &out->raw, &out->raw_len, &err))
			out->raw_hash[0] = 0;
	}
	json_object_del(result, "env");
	json_object_del(result, "raw");
	json_put_str(result, "envHash", out->hash);
	/* env comes last: db_result_list() adds the shared part to it. */
	rest = json_text(result, false);
	own_text = json_text(own, false);
	str_addn(&text, rest, strlen(rest) - 1);
	str_addf(&text, ",\"env\":%s}", own_text);
	free(rest);
	free(own_text);
	str_free(&canon);
	json_decref(own);
	json_decref(common);
	return str_take(&text);
}

void
bench_env_free(struct bench_env *e)
{
	free(e->json);
	free(e->raw);
	*e = (struct bench_env){ .json = NULL };
}
