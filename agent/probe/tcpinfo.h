/*
 * tcpinfo.h - round-trip times from TCP handshakes, as the kernel measured
 * them (TCP_INFO): no privilege and no cooperation but an open port.
 *
 * Nothing is sent over the connection; it ends with a reset (SO_LINGER 0). A
 * refused connection has no tcpi_rtt, so it is a sample "refused" and not a
 * round-trip time; so is none whose SYN was sent twice (Karn: nobody knows
 * which one was answered).
 */
#ifndef MW_AGENT_TCPINFO_H
#define MW_AGENT_TCPINFO_H

#include "agent/probe/sample.h"

struct tcpinfo;

struct tcpinfo *tcpinfo_start(const struct sample_conf *conf);
void tcpinfo_free(struct tcpinfo *x); /* NULL is fine; no callback follows */

#endif
