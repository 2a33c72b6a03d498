/*
 * proto.h - words of the agent link (docs/link.md): message types, version,
 * and the encoding of results and matrix rows that both ends share.
 */
#ifndef MW_COMMON_PROTO_H
#define MW_COMMON_PROTO_H

#include "common/json.h"
#include "common/pure/matrix.h"
#include "common/pure/result.h"

#define PROTO_VERSION 1
#define PROTO_LINK_PORT 7471
#define PROTO_API_PORT 7470
#define PROTO_ECHO_PORT 7472
#define PROTO_MAX_MEMBERS 1000
/* Either side gives a link up when the other's kernel acknowledges nothing for
 * so long (TCP_USER_TIMEOUT). Without it a healed partition leaves one
 * direction deaf for minutes: the retransmissions have backed off. */
#define PROTO_LINK_DEAF_MS 20000

/* One row of the latency matrix: from one agent to all members. */
struct proto_row {
	char round_id[64];
	uint32_t src; /* index in the member list */
	size_t n; /* members */
	struct matrix_cell *cells; /* n; cells[src] is NEVER */
};

json_t *proto_result_encode(const struct result *r); /* new reference */
/* Validates. r->raw.base64 is borrowed from j; proto_result_encode() writes it
 * if it is not NULL. */
bool proto_result_decode(json_t *j, struct result *r,
    struct mw_err *err) mw_must_check;
json_t *proto_row_encode(const struct proto_row *row);
/* Allocates row->cells; the caller frees them. */
bool proto_row_decode(json_t *j, struct proto_row *row,
    struct mw_err *err) mw_must_check;
/* "mw://<deployment>/coordinator" or "mw://<deployment>/<ns>/<mcis>/<slot>/<gen>" */
bool proto_uri_parse(const char *uri, char deployment[64], int64_t *slot,
    int64_t *gen, struct mw_err *err) mw_must_check;

#endif
