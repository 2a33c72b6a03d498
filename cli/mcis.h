/*
 * mcis.h - inside of the commands of MCIS: cmd_mcis.c, cmd_wish.c and
 * cmd_history.c.
 */
#ifndef MW_CLI_MCIS_H
#define MW_CLI_MCIS_H

#include "cli/cli.h"

/* cmd_wish.c */
int mcis_create(struct cli *c, int argc, char **argv);
int mcis_plan(struct cli *c, int argc, char **argv);
int mcis_scale(struct cli *c, int argc, char **argv);
/* cmd_history.c */
int mcis_history(struct cli *c, int argc, char **argv);
/* cmd_mcis.c: the MCIS as its commands show it. */
void mcis_print(struct cli *c, const json_t *m);
void mcis_show_after(struct cli *c, const char *name);
/* Tells which members of a verb had to be left out. */
void mcis_print_refused(const json_t *end);

#endif
