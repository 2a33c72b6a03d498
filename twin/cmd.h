/*
 * cmd.h - what the sub-commands of milkyway-twin share: options, calls to a
 * running twin, and how results are printed.
 *
 * A command gets its arguments without the program's and its own name; it
 * returns an exit status (docs/twin-api.md, "Command line"). Data goes to
 * standard output, everything else to standard error.
 */
#ifndef MW_TWIN_CMD_H
#define MW_TWIN_CMD_H

#include "common/json.h"

#define CMD_STATE_DIR "/run/milkyway-twin"

struct cmd {
	const char *socket; /* of the twin */
	bool json; /* print the API's own answer */
	int argc;
	char **argv;
};

struct cmd_opt {
	const char *name; /* "--for" */
	const char **value; /* takes a value, or */
	bool *flag;
};

/* Takes the options out of c->argc and c->argv, up to "--" or, if stop is
 * true, up to the first argument that is no option. False: told. */
bool cmd_options(struct cmd *c, const struct cmd_opt *opts, size_t n,
    bool stop);
/* Prints "milkyway-twin: message (hint)"; returns the exit status. */
int cmd_fail(const struct mw_err *err);
int cmd_usage(const char *text); /* to standard error; returns 2 */

/*
 * One call to the twin. body is taken, NULL: none. *out is NULL for an empty
 * answer; an error of the twin becomes err.
 */
bool cmd_call(const struct cmd *c, const char *method, const char *path,
    json_t *take_body, json_t **out, struct mw_err *err) mw_must_check;
/* The VM of that id or name, as the truth shows it; a new reference. */
json_t *cmd_find_vm(const struct cmd *c, const char *name, struct mw_err *err);
void cmd_print_json(const json_t *j);
/* A string field, "-" for null. */
const char *cmd_field(const json_t *j, const char *key);

int cmd_up(struct cmd *c);
int cmd_down(struct cmd *c);
int cmd_status(struct cmd *c);
int cmd_ls(struct cmd *c);
int cmd_truth(struct cmd *c);
int cmd_world(struct cmd *c);
int cmd_doctor(struct cmd *c);
int cmd_sweep(struct cmd *c);
int cmd_rtt(struct cmd *c);
int cmd_partition(struct cmd *c);
int cmd_vm_verb(struct cmd *c, const char *verb);
int cmd_fault(struct cmd *c);
int cmd_ssh(struct cmd *c);
int cmd_console(struct cmd *c);
int cmd_diff(struct cmd *c);

#endif
