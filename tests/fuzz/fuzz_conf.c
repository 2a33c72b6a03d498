/*
 * fuzz_conf.c - any bytes as a configuration file.
 */
#include "common/conf.h"
#include "common/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct conf {
	char *name;
	int64_t port;
	bool on;
};

static const struct conf_key keys[] = {
	{ "a.name", CONF_STR, offsetof(struct conf, name), 0, 0, "", "" },
	{ "a.port", CONF_INT, offsetof(struct conf, port), 1, 99, "7", "" },
	{ "b.on", CONF_BOOL, offsetof(struct conf, on), 0, 0, "true", "" },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);
	struct mw_err err = MW_ERR_INIT;
	struct conf conf;
	char path[64];

	if (fd < 0 || !file_write_all(fd, data, size))
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	conf_defaults(keys, ARRAY_LEN(keys), &conf);
	if (!conf_load(keys, ARRAY_LEN(keys), &conf, path, &err) &&
	    (err.code != MW_INVALID || strchr(err.msg, ':') == NULL))
		abort();
	if (conf.port < 1 || conf.port > 99 || conf.name == NULL)
		abort();
	conf_free(keys, ARRAY_LEN(keys), &conf);
	close(fd);
	return 0;
}
