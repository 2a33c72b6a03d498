/*
 * main.c - the command line `milkyway`: finds the command, reads the common
 * options, teaches. Owns nothing else; commands live in cmd_*.c.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *title;
	const struct cli_cmd *cmds;
} rooms[] = {
	{ "first try", cmds_up },
	{ "groups of VMs", cmds_mcis },
	{ "measure", cmds_bench },
	{ "latency", cmds_matrix },
	{ "place", cmds_place },
	{ "run on VMs", cmds_exec },
	{ "agents", cmds_agent },
	{ "look and mend", cmds_sys },
	{ "report", cmds_report },
};

static void help_all(void);
static int help_cmd(const struct cli_cmd *cmd);

static volatile sig_atomic_t interrupted;

static void
on_int(int sig)
{
	(void)sig;
	interrupted = 1;
}

bool
cli_interrupted(void)
{
	return interrupted;
}

int
main(int argc, char **argv)
{
	struct cli c = { .ns = "default" };
	struct sigaction sa = { .sa_handler = on_int };
	const struct cli_cmd *cmd;
	int words = 0, rc;

	setlocale(LC_ALL, "C.UTF-8");
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	c.url = getenv("MILKYWAY_URL");
	c.token_file = getenv("MILKYWAY_TOKEN_FILE");
	c.dir = getenv("MILKYWAY_DIR");
	if (!c.dir)
		c.dir = "/var/lib/milkyway";
	c.color =
	    (isatty(1) || getenv("CLICOLOR_FORCE")) && !getenv("NO_COLOR");
	c.live = isatty(2);
	if (argc < 2 || str_eq(argv[1], "help") || str_eq(argv[1], "--help") ||
	    str_eq(argv[1], "-h")) {
		if (argc > 2 && (cmd = cli_find(argc - 2, argv + 2, &words)))
			return help_cmd(cmd);
		help_all();
		return argc < 2 ? 2 : 0;
	}
	if (str_eq(argv[1], "--version") || str_eq(argv[1], "version")) {
		printf("milkyway %s\n", MW_VERSION);
		return 0;
	}
	cmd = cli_find(argc - 1, argv + 1, &words);
	if (!cmd) {
		fprintf(stderr,
		    "milkyway: no command \"%s%s%s\"; "
		    "try: milkyway help\n",
		    argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
		return 2;
	}
	rc = cmd->run(&c, argc - words, argv + words);
	if (c.help)
		rc = help_cmd(cmd);
	cli_close(&c);
	return rc;
}

/* The command named by the first one or two words. */
const struct cli_cmd *
cli_find(int argc, char **argv, int *words)
{
	const struct cli_cmd *best = NULL;

	for (size_t r = 0; r < ARRAY_LEN(rooms); r++) {
		for (const struct cli_cmd *p = rooms[r].cmds; p->name; p++) {
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

static void
help_all(void)
{
	printf(
	    "milkyway %s - measure clouds from inside, place groups of VMs, run them\n\n"
	    "usage: milkyway COMMAND [OPERANDS] [OPTIONS]\n",
	    MW_VERSION);
	for (size_t r = 0; r < ARRAY_LEN(rooms); r++) {
		printf("\n%s\n", rooms[r].title);
		for (const struct cli_cmd *p = rooms[r].cmds; p->name; p++)
			printf("  %-18s %-26s %s\n", p->name, p->args, p->what);
	}
	printf(
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
	    "  milkyway place --from demo17 --vms 5 --max-rtt 40\n");
}

static int
help_cmd(const struct cli_cmd *cmd)
{
	printf("usage: milkyway %s %s\n\n%s.\n", cmd->name, cmd->args,
	    cmd->what);
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
