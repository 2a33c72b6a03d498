/*
 * identity.h - who this agent is: its folder with agent.json, key.pem,
 * cert.pem, ca.pem, and the sub-command enroll that fills it.
 */
#ifndef MW_AGENT_IDENTITY_H
#define MW_AGENT_IDENTITY_H

#include "common/pure/err.h"
#include "common/pure/str.h"

struct identity {
	char coordinator[16]; /* numeric IPv4 */
	uint16_t port, echo_port;
	char deployment[64], uri[256];
	struct str key, cert, ca; /* PEM */
};

bool identity_load(const char *dir, struct identity *id,
    struct mw_err *err) mw_must_check;
void identity_free(struct identity *id);
/* {"coordinator","port","deployment","uri","echoPort"}; foreign bytes. */
bool identity_parse_config(const char *p, size_t n, struct identity *id,
    struct mw_err *err) mw_must_check;
/* When to ask for a new certificate: the middle of its life. */
bool identity_renew_at(const char *cert_pem, int64_t *wall_ns,
    struct mw_err *err) mw_must_check;
/* Renewal: key, certificate and CA in one go; id keeps the old ones if
 * anything is wrong. */
bool identity_renew(const char *dir, struct identity *id, const char *key,
    const char *cert, const char *ca, struct mw_err *err) mw_must_check;

/* enroll --dir D: makes a key if there is none, prints a CSR. */
bool identity_print_csr(const char *dir, struct mw_err *err) mw_must_check;
/* enroll --dir D --accept: takes {"config","cert","ca"} from stdin. */
bool identity_accept(const char *dir, struct mw_err *err) mw_must_check;

#endif
