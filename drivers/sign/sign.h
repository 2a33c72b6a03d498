/*
 * sign.h - request signatures of the clouds: pure functions from a request, a
 * key, a time and a nonce to headers or parameters.
 *
 * Every send is signed anew, so a request stays unsigned until it leaves; time
 * and nonce come from the caller, so that a request replays byte for byte.
 * All names and values here are plain text: encoding is done inside. Results
 * live in the arena that is passed in. Secrets are borrowed for the call.
 *
 * Sources: SigV4 docs.aws.amazon.com "Signature Version 4 signing process";
 * TC3 cloud.tencent.com document 213/30654; ACS3 and RPC help.aliyun.com "V3
 * version request body and signature", "V2 ... RPC"; JWT RFC 7515, 7519.
 */
#ifndef MW_DRIVERS_SIGN_SIGN_H
#define MW_DRIVERS_SIGN_SIGN_H

#include "common/pure/arena.h"
#include "common/pure/err.h"
#include "common/pure/str.h"

struct sign_pair {
	const char *name, *value; /* value "" for a bare parameter */
};

struct sign_req {
	const char *method; /* "POST" */
	const char *host; /* as in the Host header */
	const char *path; /* "/", not encoded */
	const struct sign_pair *query;
	size_t nquery;
	/* All are signed, as they are sent; without host and what the signer
	 * adds. */
	const struct sign_pair *headers;
	size_t nheaders;
	const void *body;
	size_t body_len;
};

struct sign_key {
	const char *id, *secret;
	const char *token; /* of a temporary key, or NULL */
};

struct sign_out {
	struct sign_pair headers[8]; /* to add to those of the request */
	size_t nheaders;
	char canonical_sha256[65]; /* hex, for tests and for support */
};

/* AWS. Adds x-amz-date, x-amz-security-token (if any), authorization. */
void sign_sigv4(struct arena *a, const struct sign_req *r,
    const struct sign_key *key, const char *region, const char *service,
    int64_t unix_s, struct sign_out *out);
/* Tencent. Adds x-tc-timestamp, x-tc-token (if any), authorization. A header
 * content-type must be among those of the request. */
void sign_tc3(struct arena *a, const struct sign_req *r,
    const struct sign_key *key, const char *service, int64_t unix_s,
    struct sign_out *out);
/* Alibaba, current. Adds x-acs-date, x-acs-signature-nonce,
 * x-acs-content-sha256, x-acs-security-token (if any), authorization. The
 * headers x-acs-action and x-acs-version come with the request. */
void sign_acs3(struct arena *a, const struct sign_req *r,
    const struct sign_key *key, int64_t unix_s, const char *nonce,
    struct sign_out *out);
/* Alibaba, RPC version 1: the value of the parameter Signature over all the
 * others. */
const char *sign_alirpc(struct arena *a, const char *method,
    const struct sign_pair *params, size_t n, const struct sign_key *key);
/* A compact JWS with RS256 over two JSON texts. False: bad key (MW_INVALID). */
bool sign_jwt(struct arena *a, const char *header_json, const char *claims_json,
    const char *key_pem, const char **out, struct mw_err *err) mw_must_check;

/* Shared by the signers and by who builds the request that was signed: %XX but
 * for A-Za-z0-9-._~ (and '/' if a path). */
void sign_add_encoded(struct str *out, const char *s, bool path);
/* name=value joined by '&', sorted by encoded name, then value: what is signed
 * and, for GET, what is sent. */
void sign_add_query(struct str *out, const struct sign_pair *v, size_t n);

#endif
