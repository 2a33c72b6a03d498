/*
 * rawlog.c - see rawlog.h. A small window keeps a log below 64 KiB of memory
 * beside its output; sysbench's histograms repeat themselves line by line.
 */
#include "agent/bench/rawlog.h"

#include "common/digest.h"
#include "common/pure/alloc.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

#define LEVEL 6
#define WINDOW_BITS 13
#define MEM_LEVEL 5
/* Deflate never needs more room than this beyond its input, in blocks of a
 * window's size (zlib.h, deflateBound). */
#define SLACK(n) ((n) / 8 + 128)

struct rawlog {
	z_stream z;
	EVP_MD_CTX *sha;
	struct str packed, base64;
	int64_t bytes;
	bool truncated;
};

struct rawlog *
rawlog_new(void)
{
	struct rawlog *l = xcalloc(1, sizeof *l);

	l->sha = EVP_MD_CTX_new();
	if (l->sha == NULL ||
	    EVP_DigestInit_ex(l->sha, EVP_sha256(), NULL) != 1 ||
	    deflateInit2(&l->z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
		Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return l;
}

void
rawlog_free(struct rawlog *l)
{
	if (l == NULL)
		return;
	deflateEnd(&l->z);
	EVP_MD_CTX_free(l->sha);
	str_free(&l->packed);
	str_free(&l->base64);
	free(l);
}

static void
pump(struct rawlog *l, const void *p, size_t n, int flush)
{
	unsigned char out[4096];
	int rc;

	l->z.next_in = (unsigned char *)(uintptr_t)p;
	l->z.avail_in = (uInt)n;
	do {
		l->z.next_out = out;
		l->z.avail_out = sizeof out;
		rc = deflate(&l->z, flush);
		assert(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
		str_addn(&l->packed, out, sizeof out - l->z.avail_out);
	} while (l->z.avail_out == 0);
}

static void
put(struct rawlog *l, const char *p, size_t n)
{
	EVP_DigestUpdate(l->sha, p, n);
	pump(l, p, n, Z_NO_FLUSH);
	l->bytes += (int64_t)n;
}

void
rawlog_add(struct rawlog *l, const char *heading, const char *text, size_t n)
{
	size_t all = strlen(heading) + n + 2;

	/* The whole of a repetition or nothing: a cut text would mislead. */
	if (l->truncated || (size_t)l->bytes + all > RESULT_RAW_MAX ||
	    l->packed.len + all / 2 + SLACK(all) > RESULT_RAW_PACKED_MAX) {
		l->truncated = true;
		return;
	}
	put(l, heading, strlen(heading));
	put(l, "\n", 1);
	put(l, text, n);
	if (n == 0 || text[n - 1] != '\n')
		put(l, "\n", 1);
}

void
rawlog_end(struct rawlog *l, struct result_raw *out, bool *truncated)
{
	unsigned char md[32];

	memset(out, 0, sizeof *out);
	*truncated = l->truncated;
	if (l->bytes == 0)
		return;
	pump(l, NULL, 0, Z_FINISH);
	/* Text that does not shrink by half would break the promise. */
	if (l->packed.len > RESULT_RAW_PACKED_MAX) {
		*truncated = true;
		return;
	}
	if (EVP_DigestFinal_ex(l->sha, md, NULL) != 1)
		abort();
	str_copy(out->hash, sizeof out->hash, "sha256:");
	digest_hex(md, sizeof md, out->hash + strlen(out->hash));
	digest_add_base64(&l->base64, l->packed.p, l->packed.len);
	out->bytes = l->bytes;
	out->base64 = str_cstr(&l->base64);
}
