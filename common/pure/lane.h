/*
 * lane.h - what a benchmark run can measure: a kind in a variant ("fioR.seq").
 *
 * A set of lanes is an unsigned, bit = number. The standard variant of a kind
 * has the kind's own number, so 1u << KIND_CPUS is a set too. Lanes are never
 * compared with each other; docs/benchmarks.md has commands and reasons.
 */
#ifndef MW_COMMON_PURE_LANE_H
#define MW_COMMON_PURE_LANE_H

#include "common/pure/result.h"

enum lane_id {
	LANE_FIOR_SEQ = KIND_COUNT, /* the first are those of the kinds */
	LANE_FIOW_SEQ,
	LANE_MEMR_N,
	LANE_MEMW_N,
	LANE_CPUM_2N,
	LANE_CPUM_SUSTAINED,
	LANE_FIOW_SUSTAINED,
	LANE_DBR_PGSQL,
	LANE_DBW_PGSQL,
	LANE_DBR_LITE,
	LANE_DBW_LITE,
	LANE_LEGACY, /* eight, in the order of the kinds */
	LANE_COUNT = LANE_LEGACY + KIND_RTT
};

#define LANE_NAME_MAX 32
#define LANE_BIT(l) (1u << (unsigned)(l))
/* Those of the kinds that run sysbench, and of one database engine each. */
#define LANES_STD (LANE_BIT(KIND_RTT) - 1)
#define LANES_LEGACY (LANES_STD << LANE_LEGACY)
#define LANES_SUSTAINED \
	(LANE_BIT(LANE_CPUM_SUSTAINED) | LANE_BIT(LANE_FIOW_SUSTAINED))
#define LANES_DB_PGSQL (LANE_BIT(LANE_DBR_PGSQL) | LANE_BIT(LANE_DBW_PGSQL))
#define LANES_DB_LITE (LANE_BIT(LANE_DBR_LITE) | LANE_BIT(LANE_DBW_LITE))
#define LANES_DB_MYSQL \
	((LANE_BIT(KIND_DBR) | LANE_BIT(KIND_DBW)) * (1u + (1u << LANE_LEGACY)))
#define LANES_BENCH                                         \
	((LANE_BIT(LANE_COUNT) - 1) & ~LANE_BIT(KIND_RTT) & \
	    ~LANE_BIT(KIND_MRTT))

struct lane_info {
	enum kind kind;
	const char *variant; /* "std", "seq", ... */
	const char *what; /* one line for people */
};

const struct lane_info *lane_info(unsigned lane);
/* "fioR", "fioR.seq". */
void lane_name(unsigned lane, char out[LANE_NAME_MAX]);
/* The lane of a kind and a variant; false: there is none. */
bool lane_find(enum kind k, const char *variant, unsigned *lane) mw_must_check;
/* "fioR" (the standard variant), "fioR.seq"; false: there is none. */
bool lane_parse(const char *name, unsigned *lane) mw_must_check;
/* All lanes of those kinds: 1 << enum kind each. */
unsigned lanes_of_kinds(unsigned kinds);
/* What a profile measures when nothing is asked for; 0: no such profile. */
unsigned lanes_default(const char *profile);
/* What may be asked for: legacy lanes only of profile legacy, and it only
 * for them. Standard lanes stand for legacy ones there. */
unsigned lanes_for(const char *profile, unsigned lanes);
/* The standard database kinds of a set on that engine: "mariadb" (as they
 * are), "pgsql", "lite". False: no such engine, or the set has legacy database
 * lanes, which are MariaDB's. */
bool lanes_on_engine(unsigned lanes, const char *engine,
    unsigned *out) mw_must_check;

#endif
