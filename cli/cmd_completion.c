/*
 * cmd_completion.c - completion of commands and options for three shells,
 * printed from the command tables and from what each command tells cli_opts().
 */
#include "cli/cli.h"

#include <string.h>

static void print_bash(const struct cli *c);
static void print_zsh(const struct cli *c);
static void print_fish(const struct cli *c);

static const struct {
	const char *name;
	void (*print)(const struct cli *c);
} shells[] = {
	{ "bash", print_bash },
	{ "zsh", print_zsh },
	{ "fish", print_fish },
};

static int
run_completion(struct cli *c, int argc, char **argv)
{
	if (cli_opts(c, cmds_completion, argc, argv, NULL, 0, 1, 1) < 0)
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (str_eq(argv[1], shells[i].name)) {
			shells[i].print(c);
			return 0;
		}
	}
	return cli_usage(cmds_completion, "no shell \"%s\"", argv[1]);
}

/* Calls fn for each command, in the order of the help. */
static void
each(const struct cli *c,
    void (*fn)(const struct cli *c, const struct cli_cmd *cmd, void *arg),
    void *arg)
{
	for (const struct cli_room *r = cli_rooms; r->title; r++)
		for (const struct cli_cmd *p = r->cmds; p->name; p++)
			fn(c, p, arg);
}

static size_t
first_len(const struct cli_cmd *cmd)
{
	return strcspn(cmd->name, " ");
}

/* True for the first command with this first word. */
static bool
opens(const struct cli_cmd *cmd)
{
	char word[32];

	str_copy(word, first_len(cmd) + 1, cmd->name);
	for (const struct cli_room *r = cli_rooms; r->title; r++)
		for (const struct cli_cmd *p = r->cmds; p->name; p++)
			if (first_len(p) == strlen(word) &&
			    str_starts(p->name, word))
				return p == cmd;
	return false;
}

/* The long options of a command with their dashes, each followed by end. */
static void
options(const struct cli *c, const struct cli_cmd *cmd, char end,
    struct str *out)
{
	struct cli quiet = { .ns = c->ns, .dir = c->dir, .describe = out };
	char name[64], *argv[] = { name, NULL };
	size_t from = out->len;

	str_copy(name, sizeof name, cmd->name);
	(void)cmd->run(&quiet, 1, argv);
	for (size_t i = from; i < out->len; i++)
		if (out->p[i] == '\n')
			out->p[i] = end;
}

static void
add_first(const struct cli *c, const struct cli_cmd *cmd, void *arg)
{
	(void)c;
	if (opens(cmd))
		str_addf(arg, "%.*s ", (int)first_len(cmd), cmd->name);
}

/* A case that sets words to the verbs of a noun. */
static void
add_verbs(const struct cli *c, const struct cli_cmd *cmd, void *arg)
{
	int n = (int)first_len(cmd);

	(void)c;
	if (!cmd->name[n] || !opens(cmd))
		return;
	str_addf(arg, "\t%.*s) words='", n, cmd->name);
	for (const struct cli_room *r = cli_rooms; r->title; r++)
		for (const struct cli_cmd *p = r->cmds; p->name; p++)
			if (strncmp(p->name, cmd->name, (size_t)n + 1) == 0)
				str_addf(arg, "%s ", p->name + n + 1);
	str_add(arg, "' ;;\n");
}

static void
add_options(const struct cli *c, const struct cli_cmd *cmd, void *arg)
{
	str_addf(arg, "\t'%s '*) words='", cmd->name);
	options(c, cmd, ' ', arg);
	str_add(arg, "' ;;\n");
}

static void
print_bash(const struct cli *c)
{
	struct str first = STR_INIT, verbs = STR_INIT, opts = STR_INIT;

	each(c, add_first, &first);
	each(c, add_verbs, &verbs);
	each(c, add_options, &opts);
	printf("# milkyway completion bash >/etc/bash_completion.d/milkyway\n"
	       "_milkyway()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "\twords='%s'\n"
	       "\telif [[ $cur == -* ]]; then\n"
	       "\tcase \"${COMP_WORDS[*]} \" in\n",
	    str_cstr(&first));
	/* the line begins with the program's name, however it was called */
	for (const char *p = str_cstr(&opts); *p; p++) {
		if (*p == '\'' && p[-1] == '\t')
			fputs("*milkyway\\ ", stdout);
		putchar(*p);
	}
	printf("\tesac\n"
	       "\telif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
	       "\tcase \"${COMP_WORDS[1]}\" in\n%s\tesac\n\tfi\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "}\n"
	       "complete -o default -F _milkyway milkyway\n",
	    str_cstr(&verbs));
	str_free(&first);
	str_free(&verbs);
	str_free(&opts);
}

static void
print_zsh(const struct cli *c)
{
	struct str first = STR_INIT, verbs = STR_INIT, opts = STR_INIT;

	each(c, add_first, &first);
	each(c, add_verbs, &verbs);
	each(c, add_options, &opts);
	printf("#compdef milkyway\n"
	       "# milkyway completion zsh >~/.zfunc/_milkyway\n"
	       "_milkyway()\n{\n"
	       "\tlocal line=\"${words[2,-1]} \" one=${words[2]}\n"
	       "\tlocal words=\n" /* the cases below set it */
	       "\tif (( CURRENT == 2 )); then\n"
	       "\twords='%s'\n"
	       "\telif [[ ${PREFIX} == -* ]]; then\n"
	       "\tcase $line in\n%s\tesac\n"
	       "\telif (( CURRENT == 3 )); then\n"
	       "\tcase $one in\n%s\tesac\n\tfi\n"
	       "\tif [[ -n $words ]]; then\n"
	       "\tcompadd -- ${=words}\n"
	       "\telse\n\t_files\n\tfi\n"
	       "}\n"
	       "if [[ ${funcstack[1]} == _milkyway ]]; then\n"
	       "\t_milkyway \"$@\"\n"
	       "else\n\tcompdef _milkyway milkyway\nfi\n",
	    str_cstr(&first), str_cstr(&opts), str_cstr(&verbs));
	str_free(&first);
	str_free(&verbs);
	str_free(&opts);
}

/* 'text' for fish, where only \ and ' are special between quotes. */
static void
fish_quote(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void
fish_cmd(const struct cli *c, const struct cli_cmd *cmd, void *arg)
{
	int n = (int)first_len(cmd);
	const char *verb = cmd->name[n] ? cmd->name + n + 1 : NULL, *p, *e;
	struct str opts = STR_INIT, when = STR_INIT;

	(void)arg;
	if (opens(cmd)) {
		printf("complete -c milkyway -n __fish_use_subcommand -f "
		       "-a %.*s -d ",
		    n, cmd->name);
		fish_quote(verb ? "..." : cmd->what);
		putchar('\n');
	}
	str_addf(&when, "__fish_seen_subcommand_from %.*s", n, cmd->name);
	if (verb) {
		printf("complete -c milkyway -n '%s; and test (count "
		       "(commandline -opc)) -eq 2' -f -a %s -d ",
		    str_cstr(&when), verb);
		fish_quote(cmd->what);
		putchar('\n');
		str_addf(&when, "; and __fish_seen_subcommand_from %s", verb);
	}
	options(c, cmd, ' ', &opts);
	for (p = str_cstr(&opts); *p; p = e + 1) {
		e = strchr(p, ' ');
		printf("complete -c milkyway -n '%s' -l %.*s\n",
		    str_cstr(&when), (int)(e - p - 2), p + 2);
	}
	str_free(&opts);
	str_free(&when);
}

static void
print_fish(const struct cli *c)
{
	printf("# milkyway completion fish "
	       ">~/.config/fish/completions/milkyway.fish\n");
	each(c, fish_cmd, NULL);
}

const struct cli_cmd cmds_completion[] = {
	{ "completion", "bash|zsh|fish",
	    "print a completion script for a shell", run_completion,
	    "  source <(milkyway completion bash)\n"
	    "  milkyway completion fish >~/.config/fish/completions/milkyway.fish\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
