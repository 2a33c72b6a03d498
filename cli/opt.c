/*
 * opt.c - options of one command plus the common ones, over getopt_long; and
 * the other words that a user gives: names, yes or no.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/when.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define OPTS_MAX 40
#define FIRST_LONG 1000 /* above every letter */

/* All options of one call, as we and as getopt see them. */
struct opt_set {
	const struct cli_opt *all[OPTS_MAX];
	struct option longs[OPTS_MAX + 1];
	char letters[2 * OPTS_MAX + 2];
	size_t n;
};

static void opt_add(struct opt_set *s, const struct cli_opt *opts, size_t n);
static bool opt_read(const struct opt_set *s, const struct cli_cmd *cmd,
    int argc, char **argv);
static bool opt_store(const struct cli_opt *o, const char *value);
static bool output_form(struct cli *c, const struct cli_cmd *cmd,
    const char *out);

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
	struct opt_set s = { .n = 0 };

	opt_add(&s, opts, nopts);
	opt_add(&s, common, ARRAY_LEN(common));
	if (c->describe) {
		for (size_t i = 0; i < s.n; i++)
			str_addf(c->describe, "--%s\n", s.all[i]->name);
		return -1;
	}
	if (!opt_read(&s, cmd, argc, argv) || c->help ||
	    !output_form(c, cmd, out))
		return -1;
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

static void
opt_add(struct opt_set *s, const struct cli_opt *opts, size_t n)
{
	size_t len = strlen(s->letters);

	if (s->n + n > OPTS_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		bool arg = opts[i].type != OPT_FLAG;

		s->longs[s->n] = (struct option){ opts[i].name,
			arg ? required_argument : no_argument, NULL,
			FIRST_LONG + (int)s->n };
		s->all[s->n++] = &opts[i];
		if (!len) /* tells "unknown" from "needs a value" */
			s->letters[len++] = ':';
		if (opts[i].letter) {
			s->letters[len++] = opts[i].letter;
			if (arg)
				s->letters[len++] = ':';
		}
	}
}

/* What is wrong with the word that getopt stumbled over. */
static void
opt_wrong(const struct opt_set *s, const struct cli_cmd *cmd, int got,
    const char *word)
{
	size_t n = strcspn(word, "=");
	const char *meant = NULL;
	unsigned least = UINT_MAX;
	char name[64];

	if (got == ':') {
		cli_usage(cmd, "%s needs a value", word);
		return;
	}
	str_copy(name, n < sizeof name ? n + 1 : sizeof name, word);
	for (size_t i = 0; i < s->n; i++) {
		const char *o = s->all[i]->name;
		unsigned d = cli_distance(name + strspn(name, "-"), o);

		if (d < least && cli_near(name + strspn(name, "-"), o)) {
			least = d;
			meant = o;
		}
	}
	cli_usage(cmd, "option %s is unknown%s%s%s", name,
	    meant ? "; did you mean --" : " or cut too short",
	    meant ? meant : "", meant ? "?" : "");
}

static bool
opt_read(const struct opt_set *s, const struct cli_cmd *cmd, int argc,
    char **argv)
{
	int got, at = 1;

	opterr = 0;
	optind = 0; /* starts anew, also after an earlier list of words */
	for (;
	     (got = getopt_long(argc, argv, s->letters, s->longs, NULL)) != -1;
	     at = optind) {
		const struct cli_opt *o = NULL;

		for (size_t i = 0; i < s->n; i++)
			if (got == FIRST_LONG + (int)i ||
			    got == s->all[i]->letter)
				o = s->all[i];
		if (!o) {
			opt_wrong(s, cmd, got,
			    argv[optind > at ? optind - 1 : at]);
			return false;
		}
		if (!opt_store(o, optarg)) {
			cli_usage(cmd, "--%s: not a number that fits: %s",
			    o->name, optarg);
			return false;
		}
	}
	return true;
}

static bool
output_form(struct cli *c, const struct cli_cmd *cmd, const char *out)
{
	static const char *const forms[] = { "table", "json", "csv", "tfvars" };
	/* Terraform wants VMs: only these have some to tell. */
	bool vms = str_eq(cmd->name, "place") || str_eq(cmd->name, "placement");

	for (size_t i = 0; out && i < ARRAY_LEN(forms); i++) {
		if (str_eq(out, forms[i]) && (i != OUT_TFVARS || vms)) {
			c->out = (enum cli_out)i;
			return true;
		}
	}
	if (out)
		cli_usage(cmd, "-o: table, json%s, not %s",
		    vms ? ", csv or tfvars" : " or csv", out);
	return !out;
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
	    "\n  usage: milkyway %s%s%s\n  try: milkyway %s --help\n",
	    cmd->name, cmd->args[0] ? " " : "", cmd->args, cmd->name);
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

bool
cli_time(const struct cli_cmd *cmd, const char *option, const char *text,
    char utc[WHEN_LEN])
{
	int64_t at, ago;

	if (cli_duration(text, &ago) && ago < clock_wall_ns() / NS_PER_S) {
		at = clock_wall_ns() - ago * NS_PER_S;
	} else if (!when_parse(text, &at)) {
		cli_usage(cmd,
		    "--%s: a time is 2026-11-21T10:00:00Z, or 90m, 1h, 7d ago; "
		    "not %s",
		    option, text);
		return false;
	}
	when_format(at, utc);
	return true;
}
