/*
 * benchenv.c - the canonical text behind an envHash.
 */
#include "common/pure/benchenv.h"

#include <string.h>

static const char *const bounds[] = { "--time=", "--events=", "--max-time=",
	"--max-requests=", "--memory-total-size=" };

static bool
is_bound(const char *arg, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		size_t len = strlen(bounds[i]);

		if (n >= len && memcmp(arg, bounds[i], len) == 0)
			return true;
	}
	return false;
}

void
benchenv_argv(const char *argv, struct str *out)
{
	bool first = true;

	while (*argv != '\0') {
		size_t n = strcspn(argv, " ");

		if (n > 0 && !is_bound(argv, n)) {
			if (!first)
				str_addc(out, ' ');
			str_addn(out, argv, n);
			first = false;
		}
		argv += n + (argv[n] == ' ');
	}
}

/* A value that could hold a newline would be another text. */
static void
line(struct str *out, const char *key, const char *value)
{
	str_addf(out, "%s=", key);
	for (; value != NULL && *value != '\0'; value++)
		str_addc(out, *value == '\n' ? ' ' : *value);
	str_addc(out, '\n');
}

void
benchenv_text(const struct result *r, const struct benchenv_place *p,
    struct str *out)
{
	bool disk = r->kind == KIND_FIOR || r->kind == KIND_FIOW ||
	    r->kind == KIND_DBR || r->kind == KIND_DBW;
	const struct result_env *e = &r->env;

	str_add(out, "mw.env/1\n");
	line(out, "csp", p->csp);
	line(out, "specId", p->spec_id);
	line(out, "image", p->image);
	line(out, "kernel", r->has_env ? e->kernel : NULL);
	line(out, "cpuModel", r->has_env ? e->cpu_model : NULL);
	if (r->has_env && e->vcpus > 0)
		str_addf(out, "vcpus=%lld\n", (long long)e->vcpus);
	else
		str_add(out, "vcpus=\n");
	line(out, "fs", r->has_env && disk ? e->fs : NULL);
	str_addf(out, "tool=%s%s%s\nargv=", r->tool,
	    r->tool_version[0] != '\0' ? " " : "", r->tool_version);
	benchenv_argv(r->argv, out);
	str_addc(out, '\n');
}
