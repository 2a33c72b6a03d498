/*
 * fuzz_spool.c - a spool file of arbitrary bytes: it opens, every record can
 * be read, a new one is kept.
 */
#include "agent/link/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct spool *s;
	char path[64];
	uint64_t seq;
	size_t n;
	int fd;

	snprintf(path, sizeof path, "/tmp/fuzz-spool-%d", (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	must(spool_open(path, 1 << 20, &s, &err));
	n = spool_count(s);
	for (size_t i = 0; i < n; i++) {
		struct str body = STR_INIT;

		must(spool_get(s, i, &body, &err) && body.len > 0);
		must(i == 0 || spool_seq(s, i) > spool_seq(s, i - 1));
		str_free(&body);
	}
	must(spool_put(s, "x", 1, &seq, &err));
	spool_close(s);
	must(spool_open(path, 1 << 20, &s, &err));
	must(spool_count(s) == n + 1 && spool_torn_bytes(s) == 0);
	spool_close(s);
	unlink(path);
	return 0;
}
