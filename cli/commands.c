/*
 * commands.c - the tables of all commands: finding one, guessing which one was
 * meant, help. Owns nothing; the tables live in cmd_*.c.
 */
#include "cli/cli.h"

#include <string.h>

#define WORD_MAX 64

const struct cli_room cli_rooms[] = {
	{ "first try", cmds_up },
	{ "clouds", cmds_conn },
	{ "groups of VMs", cmds_mcis },
	{ "limits", cmds_quota },
	{ "measure", cmds_bench },
	{ "by schedule", cmds_schedule },
	{ "evaluate", cmds_eval },
	{ "latency", cmds_matrix },
	{ "load", cmds_host },
	{ "place", cmds_place },
	{ "place: what if", cmds_curve },
	{ "place: later", cmds_drift },
	{ "run on VMs", cmds_exec },
	{ "agents", cmds_agent },
	{ "look and mend", cmds_sys },
	{ "backup", cmds_backup },
	{ "the bill: last brake", cmds_orphans },
	{ "the bill: all at once", cmds_destroy },
	{ "report", cmds_report },
	{ "keep and compare", cmds_bundle },
	{ "shell", cmds_completion },
	{ NULL, NULL },
};

const struct cli_cmd *
cli_find(int argc, char **argv, int *words)
{
	const struct cli_cmd *best = NULL;

	for (const struct cli_room *r = cli_rooms; r->title; r++) {
		for (const struct cli_cmd *p = r->cmds; p->name; p++) {
			const char *space = strchr(p->name, ' ');
			size_t n =
			    space ? (size_t)(space - p->name) : strlen(p->name);

			if (argc < 1 || strlen(argv[0]) != n ||
			    strncmp(argv[0], p->name, n) != 0)
				continue;
			if (!space) {
				best = best ? best : p;
				*words = best == p ? 1 : *words;
			} else if (argc > 1 && str_eq(argv[1], space + 1)) {
				*words = 2;
				return p;
			}
		}
	}
	return best;
}

const struct cli_cmd *
cli_cmd(const struct cli_cmd *table, const char *name)
{
	while (table->name && !str_eq(table->name, name))
		table++;
	if (!table->name)
		abort();
	return table;
}

unsigned
cli_distance(const char *a, const char *b)
{
	unsigned d[3][WORD_MAX + 1]; /* rows i-2, i-1, i, by i mod 3 */
	size_t n = strlen(a), m = strlen(b);

	if (n >= WORD_MAX || m >= WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = d[i % 3], *up = d[(i - 1) % 3];
		const unsigned *up2 = d[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned v = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < v)
				v = up[j] + 1;
			if (row[j - 1] + 1 < v)
				v = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && up2[j - 2] + 1 < v)
				v = up2[j - 2] + 1;
			row[j] = v;
		}
	}
	return d[n % 3][m];
}

bool
cli_near(const char *typed, const char *word)
{
	size_t n = strlen(word);

	return cli_distance(typed, word) <= (n < 4 ? 1 : n < 9 ? 2 : 3);
}

/* The verbs after a noun that exists; false if there is no such noun. */
static bool
print_verbs(const char *noun)
{
	size_t n = strlen(noun), found = 0;

	for (const struct cli_room *r = cli_rooms; r->title; r++)
		for (const struct cli_cmd *p = r->cmds; p->name; p++)
			if (str_starts(p->name, noun) && p->name[n] == ' ')
				fprintf(stderr, "%s%s",
				    found++ ? ", " : "  it takes: ",
				    p->name + n + 1);
	if (found)
		fputc('\n', stderr);
	return found > 0;
}

static const struct cli_cmd *
nearest(const char *one, const char *two)
{
	const struct cli_cmd *best = NULL;
	unsigned least = WORD_MAX;

	for (const struct cli_room *r = cli_rooms; r->title; r++) {
		for (const struct cli_cmd *p = r->cmds; p->name; p++) {
			const char *typed = strchr(p->name, ' ') ? two : one;
			unsigned d = cli_distance(typed, p->name);

			if (d < least && cli_near(typed, p->name)) {
				least = d;
				best = p;
			}
		}
	}
	return best;
}

bool
cli_help_noun(const char *noun)
{
	size_t n = strlen(noun), found = 0;

	for (const struct cli_room *r = cli_rooms; r->title; r++)
		for (const struct cli_cmd *p = r->cmds; p->name; p++) {
			if (!str_starts(p->name, noun) || p->name[n] != ' ')
				continue;
			if (found++ == 0)
				printf("usage: milkyway %s COMMAND\n\n", noun);
			printf("  %-20s %s\n", p->name, p->what);
		}
	if (found)
		printf("\n  milkyway %s COMMAND --help\n", noun);
	return found > 0;
}

int
cli_unknown(int argc, char **argv)
{
	bool verb = argc > 1 && argv[1][0] != '-';
	const struct cli_cmd *meant;
	struct str two = STR_INIT;

	str_addf(&two, "%s%s%s", argv[0], verb ? " " : "", verb ? argv[1] : "");
	meant = nearest(argv[0], str_cstr(&two));
	fprintf(stderr, "milkyway: no command \"%s\"", str_cstr(&two));
	if (meant)
		fprintf(stderr, "; did you mean \"%s\"?", meant->name);
	fputc('\n', stderr);
	if (!print_verbs(argv[0]) && !meant)
		fprintf(stderr, "  try: milkyway help\n");
	str_free(&two);
	return 2;
}

static const char common_help[] =
    "\ncommon options\n"
    "  -o table|json|csv   form of the output\n"
    "  --ns NAME           namespace (default)\n"
    "  --url URL           coordinator (MILKYWAY_URL, else http://127.0.0.1:7470)\n"
    "  --token-file FILE   API token (MILKYWAY_TOKEN_FILE, else DIR/token)\n"
    "  --dir DIR           of `milkyway up` (MILKYWAY_DIR, else /var/lib/milkyway)\n"
    "  --no-wait, --timeout S, --yes\n\n"
    "exit status: 0 fine, 2 wrong input, 3 not found, 4 the answer is \"no\",\n"
    "  5 conflict, 6 denied, 7 unreachable, 8 timeout, 9 a cloud or SSH failed,\n"
    "  10 unsupported, 11 a limit, 12 partly done, 130 interrupted, 1 a bug\n\n"
    "a first try, as root:\n"
    "  milkyway up --world bench-data/worlds/deck17.json\n"
    "  milkyway mcis create -f bench-data/mcis/demo17.json\n"
    "  milkyway bench run demo17 && milkyway matrix demo17 --run\n"
    "  milkyway place --from demo17 --vms 5 --max-rtt 40\n";

void
cli_help_all(void)
{
	printf("milkyway %s - measure clouds from inside, place groups of VMs, "
	       "run them\n\nusage: milkyway COMMAND [OPERANDS] [OPTIONS]\n"
	       "       milkyway COMMAND --help\n",
	    MW_VERSION);
	for (const struct cli_room *r = cli_rooms; r->title; r++) {
		printf("\n%s\n", r->title);
		for (const struct cli_cmd *p = r->cmds; p->name; p++)
			printf("  %-20s %s\n", p->name, p->what);
	}
	fputs(common_help, stdout);
}

int
cli_help(const struct cli_cmd *cmd)
{
	printf("usage: milkyway %s%s%s\n\n%s.\n", cmd->name,
	    cmd->args[0] ? " " : "", cmd->args, cmd->what);
	if (cmd->help[0])
		printf("\n%s", cmd->help);
	return 0;
}

int
cli_fail(const struct mw_err *err)
{
	fprintf(stderr, "milkyway: %s", err->msg);
	if (err->pointer[0])
		fprintf(stderr, " (at %s)", err->pointer);
	fputc('\n', stderr);
	if (err->hint[0])
		fprintf(stderr, "  way out: %s\n", err->hint);
	return err_exit_status(err->code);
}
