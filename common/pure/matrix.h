/*
 * matrix.h - directed N x N round-trip times: a value, or unknown and why.
 * Immutable once shared; shared by reference count.
 *
 * Units: microseconds (uint32, so up to 71 minutes). Both directions of a pair
 * are kept; a hole is never filled from the transpose.
 */
#ifndef MW_COMMON_PURE_MATRIX_H
#define MW_COMMON_PURE_MATRIX_H

#include "common/pure/mw.h"

enum matrix_why { /* why a cell is unknown */
	MATRIX_KNOWN,
	MATRIX_NEVER, /* neverProbed */
	MATRIX_NO_ANSWER, /* noAnswer */
	MATRIX_REFUSED,
	MATRIX_BUSY,
	MATRIX_NOT_ARMED,
	MATRIX_AGENT_SILENT,
	MATRIX_WHY_COUNT
};

enum matrix_method {
	MATRIX_UDP_ECHO, /* udpEcho: authenticated, kernel time stamps */
	MATRIX_ICMP, /* icmp: datagram socket, kernel time stamps */
	MATRIX_TCP_INFO, /* tcpInfo: the kernel's RTT of a TCP handshake */
	MATRIX_IMPORTED,
	MATRIX_ICMP_RAW, /* icmpRaw: milkyway-ping */
	MATRIX_METHOD_COUNT
};

enum { /* struct matrix_cell.flags */
	MATRIX_F_TX_USER = 1, /* send time read in user space */
	MATRIX_F_RX_USER = 2,
	MATRIX_F_BUSY = 4, /* some samples dropped: an end was busy */
	MATRIX_F_REORDERED = 8,
	MATRIX_F_UDP_BLOCKED = 16, /* no echo by UDP: another method */
	MATRIX_F_ICMP_BLOCKED = 32, /* nor by ICMP: the TCP handshake */
	MATRIX_F_INHERITED = 64, /* not its own: of another pair of its zones;
				  * may rank, never satisfies a limit */
};

#define MATRIX_NO_US UINT32_MAX /* a time that was not kept, or too large */

struct matrix_cell {
	uint8_t why; /* enum matrix_why; the rest only if KNOWN */
	uint8_t method; /* enum matrix_method */
	uint8_t flags;
	uint16_t n, lost; /* answered and unanswered probes (always set) */
	uint16_t rounds; /* that had a value; 0 in one round alone */
	uint32_t min_us, avg_us, p50_us, p95_us, jitter_us;
	int64_t at_wall_ns;
};

/* Which machine a row is: a name may come back as another one. */
struct matrix_who {
	int64_t slot, gen; /* of the lifecycle; slot 0: not known */
	char *site; /* "csp-region-spec", or NULL */
};

struct matrix {
	size_t n;
	char **names; /* vm ids, in row order */
	struct matrix_who *who; /* in row order */
	int64_t at_wall_ns; /* end of the (newest) round */
	int64_t from_wall_ns; /* end of the oldest pooled; 0: one alone */
	unsigned rounds; /* pooled in it; 0: one alone */
	char round[64]; /* id of the (newest) round, or "" */
	struct matrix_cell *cells; /* n * n, row = source */
	unsigned refs;
};

struct matrix *matrix_new(size_t n); /* names NULL, cells NEVER, one ref */
struct matrix *matrix_ref(struct matrix *m);
void matrix_unref(struct matrix *m); /* NULL is fine */
struct matrix_cell *matrix_at(const struct matrix *m, size_t src, size_t dst);
/* The row of that name, or SIZE_MAX. */
size_t matrix_index(const struct matrix *m, const char *name);
const char *matrix_why_name(enum matrix_why why);
enum matrix_why matrix_why_parse(const char *name); /* NEVER if unknown */
const char *matrix_method_name(enum matrix_method m);
/* The word of that MATRIX_F_x in `quality`; NULL: no such flag. */
const char *matrix_flag_name(unsigned bit);
/*
 * The value a limit is compared with: the larger p95 (or p50) of both
 * directions; one direction unknown: the other; both unknown: false.
 */
bool matrix_pair_us(const struct matrix *m, size_t a, size_t b, bool p95,
    uint32_t *us) mw_must_check;

#endif
