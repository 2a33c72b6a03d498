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
/* cmd_mcis.c: the MCIS as it is now, behind a verb. */
void mcis_show_after(struct cli *c, const char *name);

#endif
