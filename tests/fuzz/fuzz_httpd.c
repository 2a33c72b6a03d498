/*
 * fuzz_httpd.c - any bytes as a request target. What is accepted has no part
 * that climbs, no control byte, and its route's parameters are decoded once.
 */
#include "common/httpd_int.h"
#include "common/pure/alloc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns/{ns}", NULL, 0 },
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}", NULL, 0 },
	{ "GET", "/v1/ns/{ns}/mcis/special", NULL, 0 },
	{ "GET", "/{any}", NULL, 0 },
	{ "POST", "/", NULL, 0 },
};

static void
check_value(const char *s)
{
	if (s == NULL || strcmp(s, "..") == 0 || strcmp(s, ".") == 0 ||
	    strchr(s, '/') != NULL)
		abort();
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct httpd_req *req = xcalloc(1, sizeof *req);
	struct mw_err err = MW_ERR_INIT;

	req->target = xstrndup((const char *)data, size);
	req->method = xstrdup("GET");
	if (!httpd_parse_target(req, &err)) {
		if (err.code != MW_INVALID || req->fail_status != 400)
			abort();
	} else if (httpd_route_find(req, routes, ARRAY_LEN(routes), &err)) {
		if (req->nparams == 0)
			abort();
		for (size_t i = 0; i < req->nparams; i++)
			check_value(req->params[i].value);
	} else if (err.code != MW_NOT_FOUND && err.code != MW_UNSUPPORTED) {
		abort();
	}
	httpd_req_free(req);
	return 0;
}
