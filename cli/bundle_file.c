/*
 * bundle_file.c - see bundle.h. Files may come from anybody: sizes are limited
 * before anything is parsed, packed or not.
 */
#include "cli/bundle.h"

#include "common/file.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#define GZIP (15 + 16) /* zlib: a gzip header around the largest window */

static bool
unpack(const void *packed, size_t n, size_t max, struct str *out,
    struct mw_err *err)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)packed };
	unsigned char part[65536];
	int rc;

	if (n > UINT_MAX)
		return err_set(err, MW_LIMIT, 0, "the file is too large");
	z.avail_in = (uInt)n;
	rc = inflateInit2(&z, GZIP);
	while (rc == Z_OK && out->len <= max) {
		z.next_out = part;
		z.avail_out = sizeof part;
		rc = inflate(&z, Z_NO_FLUSH);
		if (rc == Z_OK || rc == Z_STREAM_END)
			str_addn(out, part, sizeof part - z.avail_out);
	}
	inflateEnd(&z);
	if (out->len > max)
		return err_set(err, MW_LIMIT, 0,
		    "unpacked it is larger than %zu MiB", max >> 20);
	if (rc != Z_STREAM_END || z.avail_in != 0)
		return err_set(err, MW_INVALID, 0,
		    "it is no whole file of gzip");
	return true;
}

static bool
pack(const char *text, size_t n, struct str *out, struct mw_err *err)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)text };
	unsigned char part[65536];
	int rc;

	if (n > UINT_MAX ||
	    deflateInit2(&z, 9, Z_DEFLATED, GZIP, 9, Z_DEFAULT_STRATEGY) !=
		Z_OK)
		return err_set(err, MW_INTERNAL, 0, "cannot pack");
	z.avail_in = (uInt)n;
	do {
		z.next_out = part;
		z.avail_out = sizeof part;
		rc = deflate(&z, Z_FINISH);
		str_addn(out, part, sizeof part - z.avail_out);
	} while (rc == Z_OK);
	deflateEnd(&z);
	return rc == Z_STREAM_END ||
	    err_set(err, MW_INTERNAL, 0, "cannot pack");
}

json_t *
bundle_parse(const void *bytes, size_t n, size_t max, struct mw_err *err)
{
	struct str text = STR_INIT;
	json_t *j = NULL;

	if (n < 3 || memcmp(bytes, "\x1f\x8b", 2) != 0)
		return json_parse(bytes, n, max, err);
	if (unpack(bytes, n, max, &text, err))
		j = json_parse(str_cstr(&text), text.len, max, err);
	str_free(&text);
	return j;
}

json_t *
bundle_read_json(const char *path, size_t max, struct mw_err *err)
{
	struct str file = STR_INIT;
	json_t *j = NULL;

	if (file_read(path, max, &file, err) &&
	    !(j = bundle_parse(str_cstr(&file), file.len, max, err)))
		err_wrap(err, "%s", path);
	str_free(&file);
	return j;
}

json_t *
bundle_load(const char *path, struct mw_err *err)
{
	json_t *j = bundle_read_json(path, BUNDLE_MAX, err);

	if (j && !bundle_check(j, err)) {
		err_wrap(err, "%s", path);
		json_decref(j);
		j = NULL;
	}
	return j;
}

bool
bundle_write(const char *path, const char *text, size_t n, struct mw_err *err)
{
	size_t len = strlen(path);
	struct str packed = STR_INIT;
	bool ok;

	if (len < 4 || strcmp(path + len - 3, ".gz") != 0)
		return file_write(path, text, n, 0644, err);
	ok = pack(text, n, &packed, err) &&
	    file_write(path, packed.p, packed.len, 0644, err);
	str_free(&packed);
	return ok;
}
