/*
 * cli.h - what every command of `milkyway` shares: the settings of this call,
 * the API client, waiting for actions, tables, options.
 *
 * Data goes to standard output, progress and errors to standard error. A
 * command returns the exit status (docs/api.md, "Errors"; 4 = the answer is
 * "no", 12 = partial).
 */
#ifndef MW_CLI_CLI_H
#define MW_CLI_CLI_H

#include "common/json.h"
#include "common/pure/err.h"
#include "common/pure/str.h"

#include <stdio.h>

#define EXIT_NO 4
#define EXIT_PARTIAL 12
#define EXIT_INTERRUPTED 130

enum cli_out {
	OUT_TABLE,
	OUT_JSON,
	OUT_CSV,
	OUT_TFVARS /* place and placement only */
};

struct cli {
	const char *url, *token_file, *ns, *dir;
	enum cli_out out;
	bool color; /* standard output is a terminal that wants colour */
	bool live; /* standard error is a terminal */
	bool yes, no_wait, help;
	int width; /* columns of the terminal; 0 = not a terminal */
	int64_t timeout_s; /* of waiting; 0 = no limit */
	char *token; /* read at the first call */
	void *curl;
	/* Not NULL: cli_opts() only lists its long options here, one a line,
	 * and fails; so no command does anything. For completion. */
	struct str *describe;
};

struct cli_cmd {
	const char *name; /* "mcis create" */
	const char *args; /* "-f FILE" */
	const char *what; /* one line */
	int (*run)(struct cli *c, int argc, char **argv);
	const char *help; /* options and examples; may be "" */
};

/* ---- commands, by file ---- */
extern const struct cli_cmd cmds_up[], cmds_mcis[], cmds_bench[], cmds_matrix[],
    cmds_host[], cmds_eval[], cmds_place[], cmds_drift[], cmds_curve[],
    cmds_exec[], cmds_agent[], cmds_bundle[], cmds_sys[], cmds_report[],
    cmds_schedule[], cmds_completion[], cmds_orphans[], cmds_destroy[],
    cmds_quota[], cmds_backup[], cmds_conn[];

struct cli_room {
	const char *title;
	const struct cli_cmd *cmds; /* ends with a NULL name */
};
extern const struct cli_room cli_rooms[]; /* ends with a NULL title */

/* The command named by the first one or two words, and how many; or NULL. */
const struct cli_cmd *cli_find(int argc, char **argv, int *words);
/* The command of a table by its whole name; it must be there. */
const struct cli_cmd *cli_cmd(const struct cli_cmd *table, const char *name);
/* Says that there is no such command, and which was meant; returns 2. */
/* The commands of a noun ("mcis"); false if there is none. */
bool cli_help_noun(const char *noun);
int cli_unknown(int argc, char **argv);
/* Edits (one letter more, less, other, or two swapped) from a to b; both of at
 * most 63 bytes count, longer ones are never near. */
unsigned cli_distance(const char *a, const char *b);
/* True if a slip of the fingers makes typed out of word. */
bool cli_near(const char *typed, const char *word);
void cli_help_all(void);
int cli_help(const struct cli_cmd *cmd);

/* ---- options ---- */
struct cli_opt {
	const char *name; /* long name without dashes */
	char letter; /* or 0 */
	enum {
		OPT_STR,
		OPT_INT,
		OPT_NUM,
		OPT_FLAG
	} type;
	void *out; /* const char **, int64_t *, double *, bool * */
};

/*
 * Parses the options of a command and the common ones; argv[0] is the command.
 * Returns the number of operands, moved to argv[1..], or -1 after a message.
 * min..max operands are accepted.
 */
int cli_opts(struct cli *c, const struct cli_cmd *cmd, int argc, char **argv,
    const struct cli_opt *opts, size_t nopts, int min, int max);

/* A program that lies beside this one, else the bare name for PATH; the caller
 * frees (cmd_up.c). */
char *cli_beside(const char *name);

/* "90", "90s", "5m", "1h", "1d", "2w" to seconds (cmd_schedule.c). */
bool cli_duration(const char *text, int64_t *seconds) mw_must_check;

/* A time in UTC, in a form that needs no escapes in a URL; false after a
 * message about --option. */
bool cli_time(const struct cli_cmd *cmd, const char *option, const char *text,
    char utc[32]);

/* ---- files ---- */
enum cli_file {
	FILE_WORLD,
	FILE_QUERY,
	FILE_MCIS,
	FILE_BUNDLE
};

/* A JSON file that should be of that kind: if it clearly is another one, the
 * error says so. New reference, or NULL. */
json_t *cli_load(const char *path, enum cli_file kind, size_t max,
    struct mw_err *err);

/* ---- the API ---- */

/* One call. Status >= 400 is false with the problem's code, detail, hint.
 * *out is a new reference or NULL (no body). body is taken and may be NULL. */
bool cli_call(struct cli *c, const char *method, const char *path,
    json_t *take_body, json_t **out, struct mw_err *err) mw_must_check;
/* GET of what a command shows. take_path: NULL if it was told why there is
 * none. 0, or the exit status. */
int cli_get(struct cli *c, char *take_path, json_t **out);
/* GET of a text that is no JSON; added to out. */
bool cli_text(struct cli *c, const char *path, struct str *out,
    struct mw_err *err) mw_must_check;
/* GET of a file, written to fd as it comes. */
bool cli_download(struct cli *c, const char *path, int fd,
    struct mw_err *err) mw_must_check;
/* The same over a unix socket, without a token (the twin's control). */
bool cli_call_unix(struct cli *c, const char *socket, const char *method,
    const char *path, json_t *take_body, json_t **out,
    struct mw_err *err) mw_must_check;
/* GET of an event stream; fn gets each "data:" line; false ends. */
bool cli_stream(struct cli *c, const char *path,
    bool (*fn)(const char *event, const char *data, void *arg), void *arg,
    struct mw_err *err) mw_must_check;
/*
 * Paths (path.c), which the caller frees; NULL after a message if a name is
 * none. Every name that was typed goes through here before it is in a path.
 */
char *cli_path(const char *before, const char *id, const char *after);
/* "/v1/ns/{ns}{rest}", "/v1/ns/{ns}/mcis/{name}{rest}" */
char *cli_ns_path(const struct cli *c, const char *rest);
char *cli_mcis_path(struct cli *c, const char *name, const char *rest);
/* False after a message, which tells what a name may be. */
bool cli_id(const char *id);
/* Adds "?key=value" or "&key=value", escaped; nothing if value is NULL. */
void cli_query(struct str *path, const char *key, const char *value);
/* Plain segments, none of them empty or of dots alone; then any query. Calls
 * refuse all others. */
bool cli_path_clean(const char *path);
void cli_close(struct cli *c);

/* Prints "milkyway: message" and the hint; returns the exit status. */
int cli_fail(const struct mw_err *err);
/* Says what is wrong with the command line; returns 2. */
int cli_usage(const struct cli_cmd *cmd, const char *fmt, ...) mw_printf(2, 3);
/* Asks on a terminal unless --yes; true = go on. */
bool cli_confirm(struct cli *c, const char *fmt, ...) mw_printf(2, 3);

/* Follows an action to its end with progress; returns the exit status.
 * *end (may be NULL) gets the last state, a new reference. */
int cli_wait(struct cli *c, json_t *action, json_t **end);
/* Call that answers 202 with an action, then wait unless --no-wait. */
int cli_act(struct cli *c, const char *method, const char *path,
    json_t *take_body, json_t **end);
/* The same for a verb that has nothing else to show: with -o json the action
 * as it ended. */
int cli_verb(struct cli *c, const char *method, const char *path,
    json_t *take_body);
bool cli_interrupted(void); /* Ctrl-C was pressed */

/* ---- values from answers ---- */
const char *js(const json_t *o, const char *key); /* string or "" */
double jnum(const json_t *o, const char *key, double unknown);
int64_t ji(const json_t *o, const char *key, int64_t unknown);
bool jb(const json_t *o, const char *key);
json_t *ja(const json_t *o,
    const char *key); /* array (maybe empty), borrowed */
bool jflag(const json_t *o, const char *name); /* is it one of "flags"? */

/* ---- output ---- */
struct cli_table;
/* Headings; one that starts with '>' is right-aligned. NULL-terminated. */
struct cli_table *table_new(const char *const *heads);
/* Cells row by row. "" prints "-". */
void table_add(struct cli_table *t, const char *fmt, ...) mw_printf(2, 3);
/* An integer of an answer; unknown is an empty cell. */
void table_add_int(struct cli_table *t, const json_t *o, const char *key);
/* A time: to the second for people, as it is for programs. */
void table_add_at(struct cli_table *t, const struct cli *c, const json_t *o,
    const char *key);
/* The next cell in an ANSI colour (e.g. 31); 0 = none. */
void table_color(struct cli_table *t, int color);
/* Frees the table. On a terminal the last column breaks at its spaces. */
void table_print(struct cli_table *t, const struct cli *c);
void table_free(struct cli_table *t);
/* Text that starts at column indent and goes on there, at most width wide. */
void cli_wrap(const char *text, int indent, int width);
void cli_print_json(const json_t *j);
/* 1234567 micro-USD as "1.2346". */
void cli_money(int64_t micros, char out[32]);
/* Three or four significant digits, whatever the size; "-" for NaN. */
void cli_short(double v, char out[32]);

/* bench_show.c. A run, or a list of results: a row per VM or, if rows, one per
 * result; JSON as it is. */
void bench_print(struct cli *c, const json_t *run, bool rows);

/* The best group of an answer as Terraform variables. */
void tfvars_text(const json_t *answer, struct str *out);
/* A placement's answer; query (may be NULL) tells mode and operator. Returns
 * the exit status: EXIT_NO if there is no group or the given one is wrong. */
int answer_print(struct cli *c, const json_t *answer, const json_t *query);

/* A table of n x n numbers; NAN is unknown. */
struct heat {
	const json_t *vms;
	const void *ctx;
	double (*value)(const void *ctx, size_t i, size_t j);
	double limit; /* mark what is not under it; 0 = none */
	int decimals;
	bool colored;
};
/* Colour, size and form fit the terminal; too many VMs give a summary. */
void heat_print(const struct cli *c, const struct heat *h);
/* The 256-colour background of an RTT, and black or white on it. */
void heat_colors(double ms, int *background, int *foreground);

/* Self-contained HTML page; files of JSON made by earlier commands. */
struct report_input {
	json_t *mcis, *bench, *eval, *matrix, *placements, *chosen;
	const char *title;
};
/* `report tables` */
int cli_report_tables(struct cli *c, int argc, char **argv);
void report_html(const struct report_input *in, struct str *out);
/* Parts of it: evaluations; whether any of it is of emulated clouds. */
void report_eval(const json_t *eval, struct str *out);
bool report_emulated(const struct report_input *in);
/* Squared-off lat/lon map, heat map and bars as SVG. */
void svg_heat(const json_t *matrix, struct str *out);
void svg_map(const json_t *mcis, const json_t *chosen, const json_t *matrix,
    struct str *out);
/* A what-if curve or Pareto front, a file of its own. */
void svg_curve(const json_t *answer, struct str *out);
void svg_bars(const json_t *bench, const char *kind, struct str *out);

#endif
