/*
 * raw.c - see raw.h. Called by bench_env.c and db_bench.c when a result comes,
 * by api_result.c when it is read.
 */
#include "coordinator/measure/raw.h"

#include "common/digest.h"
#include "common/pure/alloc.h"
#include "common/pure/result.h"

#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

void
raw_name(const void *bytes, size_t n, char name[RAW_NAME_LEN])
{
	str_copy(name, RAW_NAME_LEN, "sha256:");
	digest_sha256_hex(bytes, n, name + strlen(name));
}

bool
raw_name_valid(const char *name)
{
	return str_starts(name, "sha256:") && strlen(name) == 71 &&
	    strspn(name + 7, "0123456789abcdef") == 64;
}

bool
raw_decode(const char *base64, void **out, size_t *n, struct mw_err *err)
{
	size_t len = strlen(base64);
	unsigned char *p;
	int got;

	*out = NULL;
	if (len < 4 || len % 4 != 0 || len > RESULT_RAW_PACKED_MAX / 3 * 4 + 8)
		return err_set(err, MW_INVALID, 0, "raw: no base64");
	p = xmalloc(len / 4 * 3 + 1);
	got = EVP_DecodeBlock(p, (const unsigned char *)base64, (int)len);
	if (got < 0) {
		free(p);
		return err_set(err, MW_INVALID, 0, "raw: no base64");
	}
	/* It counts padding as bytes. */
	*n = (size_t)got - (base64[len - 1] == '=') - (base64[len - 2] == '=');
	*out = p;
	return true;
}

bool
raw_inflate(const void *packed, size_t n, struct str *text, struct mw_err *err)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)packed,
		.avail_in = (uInt)n };
	unsigned char out[16384];
	int rc = inflateInit(&z);

	while (rc == Z_OK) {
		z.next_out = out;
		z.avail_out = sizeof out;
		rc = inflate(&z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			break;
		str_addn(text, out, sizeof out - z.avail_out);
		if (text->len > RESULT_RAW_MAX ||
		    (rc == Z_OK && z.avail_out == sizeof out))
			break; /* too long, or cut off */
	}
	inflateEnd(&z);
	if (rc != Z_STREAM_END || z.avail_in != 0 || text->len > RESULT_RAW_MAX)
		return err_set(err, MW_INVALID, 0,
		    "raw: no deflated text of at most %d bytes",
		    RESULT_RAW_MAX);
	return true;
}

bool
raw_check(const void *packed, size_t n, const char *name, struct mw_err *err)
{
	struct str text = STR_INIT;
	char is[RAW_NAME_LEN];
	bool ok = raw_inflate(packed, n, &text, err);

	if (ok) {
		raw_name(text.p, text.len, is);
		ok = strcmp(is, name) == 0 ||
		    err_set(err, MW_INVALID, 0, "raw: is another text");
	}
	str_free(&text);
	return ok;
}
