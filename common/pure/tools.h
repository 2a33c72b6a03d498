/*
 * tools.h - programs that benchmarks need, and the packages that hold them in
 * each distribution. One table for the agent, which names the package that is
 * missing, and for the coordinator, which installs it. Pure.
 *
 * None of these packages starts a service: Debian's mariadb-server does, its
 * -core packages do not. PostgreSQL is only named, never installed by us:
 * Debian's package makes a cluster and starts it.
 */
#ifndef MW_PURE_TOOLS_H
#define MW_PURE_TOOLS_H

#include "common/pure/err.h"

enum tool {
	TOOL_SYSBENCH,
	TOOL_MARIADB, /* the server program */
	TOOL_POSTGRES,
	TOOL_DBLITE, /* ours: in no distribution */
	TOOL_COUNT
};

struct tools_os {
	char id[32], version[16]; /* os-release: ID, VERSION_ID; or "" */
	char like[64]; /* ID_LIKE: words */
};

struct tools_distro {
	const char *id; /* as in os-release */
	const char *version; /* VERSION_ID begins so; "": any other one */
	const char *manager; /* apt-get dnf yum apk zypper */
	/* Packages, separated by blanks. NULL: the distribution has none. */
	const char *package[TOOL_COUNT];
	/* Where package[TOOL_SYSBENCH] is found if not in the usual
	 * repositories; or NULL. */
	const char *note;
};

/* Reads /etc/os-release, whose bytes may be anything: what is not plain text
 * or too long stays "". */
void tools_os_parse(const char *p, size_t n, struct tools_os *out);
/* By ID, else by the first known word of ID_LIKE; NULL: not known. */
const struct tools_distro *tools_distro(const struct tools_os *os);
const char *tools_name(enum tool t); /* program: "sysbench" */
/* "sysbench is not installed: apt-get install sysbench, or milkyway agent
 * install NAME --install-tools". os may be all empty. */
void tools_missing(enum tool t, const struct tools_os *os, char *text,
    size_t size);

#endif
