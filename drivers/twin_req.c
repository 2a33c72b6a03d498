/*
 * twin_req.c - what the twin is asked for: paths, queries, bodies.
 */
#include "common/pure/str.h"
#include "drivers/twin_int.h"

#include <string.h>

#define PAGE "500"

static void
add_cloud(const struct twin_call *c, struct str *url)
{
	str_add(url, "/v1/clouds/");
	http_add_escaped(url, c->conn->cloud->id);
}

static void
add_query(struct str *url, const char *key, const char *value)
{
	str_addc(url, strchr(url->p, '?') ? '&' : '?');
	http_add_escaped(url, key);
	str_addc(url, '=');
	http_add_escaped(url, value);
}

bool
twin_url_regions(const struct twin_call *c, struct str *url)
{
	if (c->conn->cloud) {
		add_cloud(c, url);
	} else {
		if (c->cloud >= c->conn->nclouds)
			return false;
		str_add(url, "/v1/clouds/");
		http_add_escaped(url, c->conn->clouds[c->cloud].id);
	}
	str_add(url, "/regions");
	return true;
}

bool
twin_url_specs(const struct twin_call *c, struct str *url)
{
	add_cloud(c, url);
	str_add(url, "/specs");
	add_query(url, "region", c->conn->region);
	return true;
}

bool
twin_url_images(const struct twin_call *c, struct str *url)
{
	add_cloud(c, url);
	str_add(url, "/images");
	add_query(url, "region", c->conn->region);
	return true;
}

bool
twin_url_key(const struct twin_call *c, struct str *url)
{
	if (!c->req->key_name)
		return false;
	add_cloud(c, url);
	str_add(url, "/keys/");
	http_add_escaped(url, c->req->key_name);
	if (c->req->op == CSP_KEY_DELETE)
		add_query(url, "region", c->conn->region);
	return c->req->op == CSP_KEY_DELETE || c->req->public_key;
}

bool
twin_url_keys(const struct twin_call *c, struct str *url)
{
	add_cloud(c, url);
	str_add(url, "/keys");
	add_query(url, "region", c->conn->region);
	return true;
}

bool
twin_url_create(const struct twin_call *c, struct str *url)
{
	add_cloud(c, url);
	str_add(url, "/vms");
	return c->req->token && c->req->name && c->req->spec;
}

bool
twin_url_list(const struct twin_call *c, struct str *url)
{
	struct str key = STR_INIT;

	add_cloud(c, url);
	str_add(url, "/vms?limit=" PAGE);
	add_query(url, "region", c->conn->region);
	if (c->req->token)
		add_query(url, "token", c->req->token);
	for (size_t i = 0; i < c->req->ntags; i++) {
		str_reset(&key);
		str_addf(&key, "tag.%s", c->req->tags[i].key);
		add_query(url, str_cstr(&key), c->req->tags[i].value);
	}
	str_free(&key);
	if (c->marker)
		add_query(url, "marker", c->marker);
	return true;
}

bool
twin_url_vm(const struct twin_call *c, struct str *url)
{
	if (!c->req->csp_id || !c->req->csp_id[0])
		return false;
	add_cloud(c, url);
	str_add(url, "/vms/");
	http_add_escaped(url, c->req->csp_id);
	if (c->op->action)
		str_add(url, "/actions");
	else if (c->req->op == CSP_CONSOLE)
		str_add(url, "/console");
	return true;
}

json_t *
twin_body_key(const struct twin_call *c)
{
	json_t *j = json_object();

	json_put_str(j, "region", c->conn->region);
	json_put_str(j, "publicKey", c->req->public_key);
	return j;
}

static void
put_known(json_t *j, const char *key, const char *value)
{
	if (value)
		json_put_str(j, key, value);
}

json_t *
twin_body_create(const struct twin_call *c)
{
	const struct csp_req *q = c->req;
	json_t *j = json_object(), *tags = json_object();

	for (size_t i = 0; i < q->ntags; i++)
		json_put_str(tags, q->tags[i].key, q->tags[i].value);
	json_put_str(j, "token", q->token);
	json_put_str(j, "name", q->name);
	json_put(j, "tags", tags);
	json_put_str(j, "region", c->conn->region);
	put_known(j, "zone", q->zone);
	json_put_str(j, "spec", q->spec);
	put_known(j, "image", q->image);
	put_known(j, "key", q->key_name);
	put_known(j, "userData", q->user_data);
	return j;
}

json_t *
twin_body_action(const struct twin_call *c)
{
	json_t *j = json_object();

	json_put_str(j, "action", c->op->action);
	return j;
}
