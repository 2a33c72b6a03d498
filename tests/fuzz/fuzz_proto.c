/*
 * fuzz_proto.c - any JSON as a result, a matrix row, an identity. What is
 * accepted must be valid and survive another round trip.
 */
#include "common/proto.h"
#include "common/pure/alloc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_result(json_t *j)
{
	struct result r, again;
	struct mw_err err = MW_ERR_INIT;
	json_t *out;

	if (!proto_result_decode(j, &r, &err)) {
		if (err.code == MW_OK)
			abort();
		return;
	}
	if (!result_validate(&r, &err))
		abort();
	out = proto_result_encode(&r);
	if (!proto_result_decode(out, &again, &err) || again.n != r.n ||
	    again.nsamples != r.nsamples || again.validity != r.validity)
		abort();
	json_decref(out);
}

static void
try_row(json_t *j)
{
	struct proto_row row, again;
	struct mw_err err = MW_ERR_INIT;
	json_t *out;

	if (!proto_row_decode(j, &row, &err)) {
		if (err.code == MW_OK || row.cells != NULL)
			abort();
		return;
	}
	if (row.n > PROTO_MAX_MEMBERS || row.src >= row.n)
		abort();
	out = proto_row_encode(&row);
	if (!json_equal(out, j) || !proto_row_decode(out, &again, &err))
		abort();
	free(again.cells);
	free(row.cells);
	json_decref(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char deployment[64], *uri = xstrndup((const char *)data, size);
	struct mw_err err = MW_ERR_INIT;
	int64_t slot, gen;
	json_t *j;

	(void)!proto_uri_parse(uri, deployment, &slot, &gen, &err);
	free(uri);
	j = json_parse((const char *)data, size, 65536, &err);
	if (j == NULL)
		return 0;
	try_result(j);
	try_row(j);
	json_decref(j);
	return 0;
}
