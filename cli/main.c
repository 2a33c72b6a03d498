/*
 * main.c - the command line `milkyway`: its environment, and the way to the
 * command. Owns nothing else; commands live in cmd_*.c.
 */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

static void
surroundings(struct cli *c)
{
	bool tty = isatty(1);
	struct winsize size;

	c->url = getenv("MILKYWAY_URL");
	c->token_file = getenv("MILKYWAY_TOKEN_FILE");
	c->dir = getenv("MILKYWAY_DIR");
	if (!c->dir)
		c->dir = "/var/lib/milkyway";
	c->color = (tty || getenv("CLICOLOR_FORCE")) && !getenv("NO_COLOR");
	c->live = isatty(2);
	if (tty && ioctl(1, TIOCGWINSZ, &size) == 0)
		c->width = size.ws_col;
}

static bool
asks_help(const char *word)
{
	return str_eq(word, "help") || str_eq(word, "--help") ||
	    str_eq(word, "-h");
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
	surroundings(&c);
	if (argc < 2 || (asks_help(argv[1]) && argc == 2)) {
		cli_help_all();
		return argc < 2 ? 2 : 0;
	}
	if (asks_help(argv[1])) {
		cmd = cli_find(argc - 2, argv + 2, &words);
		if (!cmd && argc == 3 && cli_help_noun(argv[2]))
			return 0;
		return cmd ? cli_help(cmd) : cli_unknown(argc - 2, argv + 2);
	}
	if (str_eq(argv[1], "--version") || str_eq(argv[1], "version")) {
		printf("milkyway %s\n", MW_VERSION);
		return 0;
	}
	cmd = cli_find(argc - 1, argv + 1, &words);
	if (!cmd && (argc == 2 || (argc == 3 && asks_help(argv[2]))) &&
	    cli_help_noun(argv[1]))
		return argc == 2 ? 2 : 0;
	if (!cmd)
		return cli_unknown(argc - 1, argv + 1);
	rc = cmd->run(&c, argc - words, argv + words);
	if (c.help)
		rc = cli_help(cmd);
	cli_close(&c);
	return rc;
}
