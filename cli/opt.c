/*
 * opt.c - options of one command plus the common ones, over getopt_long.
 */
#include "cli/cli.h"

#include "common/pure/num.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define OPTS_MAX 40

static bool opt_store(const struct cli_opt *o, const char *value);

int
cli_opts(struct cli *c, const struct cli_cmd *cmd, int argc, char **argv,
    const struct cli_opt *opts, size_t nopts, int min, int max)
{
	const char *out = NULL;
	const struct cli_opt common[] = {
		{ "output", 'o', OPT_STR, &out },
		{ "ns", 0, OPT_STR, &c->ns },
		{ "url", 0, OPT_STR, &c->url },
		{ "token-file", 0, OPT_STR, &c->token_file },
		{ "dir", 0, OPT_STR, &c->dir },
		{ "timeout", 0, OPT_INT, &c->timeout_s },
		{ "no-wait", 0, OPT_FLAG, &c->no_wait },
		{ "yes", 'y', OPT_FLAG, &c->yes },
		{ "help", 'h', OPT_FLAG, &c->help },
	};
	const struct cli_opt *all[OPTS_MAX];
	struct option longs[OPTS_MAX + 1];
	char letters[2 * OPTS_MAX + 2] = "";
	size_t n = 0, len = 0;
	int got, index;

	for (size_t i = 0; i < nopts; i++)
		all[n++] = &opts[i];
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		all[n++] = &common[i];
	for (size_t i = 0; i < n; i++) {
		bool arg = all[i]->type != OPT_FLAG;

		longs[i] = (struct option){ all[i]->name,
			arg ? required_argument : no_argument, NULL,
			1000 + (int)i };
		if (all[i]->letter) {
			letters[len++] = all[i]->letter;
			if (arg)
				letters[len++] = ':';
		}
	}
	letters[len] = 0;
	memset(&longs[n], 0, sizeof longs[n]);
	optind = 1;
	while ((got = getopt_long(argc, argv, letters, longs, &index)) != -1) {
		const struct cli_opt *o = NULL;

		for (size_t i = 0; i < n; i++)
			if (got == 1000 + (int)i ||
			    (all[i]->letter && got == all[i]->letter))
				o = all[i];
		if (!o || !opt_store(o, optarg)) {
			if (o)
				cli_usage(cmd, "--%s: not a number: %s",
				    o->name, optarg);
			else
				fprintf(stderr, "  try: milkyway %s --help\n",
				    cmd->name);
			return -1;
		}
	}
	if (c->help)
		return -1;
	if (out) {
		c->out = str_eq(out, "json") ? OUT_JSON
		    : str_eq(out, "csv")     ? OUT_CSV
					     : OUT_TABLE;
		if (c->out == OUT_TABLE && !str_eq(out, "table")) {
			cli_usage(cmd, "-o: table, json or csv, not %s", out);
			return -1;
		}
	}
	if (argc - optind < min || argc - optind > max) {
		cli_usage(cmd,
		    argc - optind < min ? "an operand is missing"
					: "too many operands");
		return -1;
	}
	memmove(argv + 1, argv + optind,
	    (size_t)(argc - optind) * sizeof *argv);
	return argc - optind;
}

static bool
opt_store(const struct cli_opt *o, const char *value)
{
	switch (o->type) {
	case OPT_STR: *(const char **)o->out = value; return true;
	case OPT_FLAG: *(bool *)o->out = true; return true;
	case OPT_INT:
		return num_parse_i64(value, strlen(value), 0, INT64_MAX,
		    o->out);
	case OPT_NUM:
		return num_parse_f64(value, strlen(value), 0, 1e12, o->out);
	}
	return false;
}

int
cli_usage(const struct cli_cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "milkyway %s: ", cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr,
	    "\n  usage: milkyway %s %s\n  try: milkyway %s --help\n", cmd->name,
	    cmd->args, cmd->name);
	return 2;
}

bool
cli_confirm(struct cli *c, const char *fmt, ...)
{
	char line[16] = "";
	va_list ap;

	if (c->yes)
		return true;
	if (!isatty(0)) /* a script that says it means it */
		return true;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " [y/N] ");
	if (fgets(line, sizeof line, stdin) &&
	    (line[0] == 'y' || line[0] == 'Y'))
		return true;
	fprintf(stderr, "nothing was changed\n");
	return false;
}
