/*
 * toolhint.h - what to install on this machine when a program is missing.
 */
#ifndef MW_AGENT_TOOLHINT_H
#define MW_AGENT_TOOLHINT_H

#include "common/pure/tools.h"

/* "sysbench is not installed: apt-get install sysbench, or ..."; reads
 * /etc/os-release. */
void toolhint(enum tool t, char *text, size_t size);

#endif
