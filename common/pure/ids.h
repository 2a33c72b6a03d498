/*
 * ids.h - grammars of names.
 * id:       [a-z]([-a-z0-9]{0,61}[a-z0-9])?
 * host:     RFC 1123 name, <= 253 bytes, labels <= 63, no leading '-'.
 * spec id:  csp+region+name, e.g. aws+us-east-1+c5.xlarge
 */
#ifndef MW_COMMON_PURE_IDS_H
#define MW_COMMON_PURE_IDS_H

#include "common/pure/mw.h"

#define ID_MAX 63

bool id_valid(const char *s) mw_must_check;
/* Printable word without spaces, quotes or control bytes: [A-Za-z0-9._+/:@-],
 * 1..max bytes, not starting with '-'. For names that clouds give. */
bool id_word_valid(const char *s, size_t max) mw_must_check;
bool id_host_valid(const char *s) mw_must_check;
/* Strict dotted quad to host byte order. */
bool id_ipv4_parse(const char *s, uint32_t *addr) mw_must_check;
void id_ipv4_format(uint32_t addr, char out[16]);
/* Loopback, unspecified, link-local, multicast, broadcast, and the addresses
 * at which clouds give secrets to their VMs: never a target of a probe,
 * whatever the list says. */
bool id_ipv4_refused(uint32_t addr) mw_must_check;

#endif
