/*
 * install_msg.h - what install.sh says: lines "mw WORD ...", read strictly,
 * because a VM may lie.
 */
#ifndef MW_COORDINATOR_INSTALL_MSG_H
#define MW_COORDINATOR_INSTALL_MSG_H

#include "common/pure/err.h"

struct install_probe {
	char arch[16];
	bool gzip, systemd, cert, up;
	int64_t free_kib, state_kib, now_s;
	char agent[65], ping[65], stamp[65]; /* hex, or "-" */
};

/* "mw probe k=v k=v ..."; unknown keys are left out. */
bool install_probe_parse(const char *line, struct install_probe *out,
    struct mw_err *err) mw_must_check;
/* "mw fail CODE text": the code and where the text begins. */
bool install_fail_parse(const char *line, char code[32],
    const char **text) mw_must_check;
/* "mw WORD package": where the package's name begins, which is one. */
bool install_package_parse(const char *line, const char *word,
    const char **name) mw_must_check;

/* What tools.sh found: os-release comes first, line by line. */
struct tools_probe {
	bool sysbench, mariadb;
	char lite[65]; /* hex, or "-" */
};
/* "mw tools k=v k=v ...". */
bool tools_probe_parse(const char *line, struct tools_probe *out,
    struct mw_err *err) mw_must_check;

/* Failures that no second try heals. */
bool install_fail_definite(const char *code);

#endif
