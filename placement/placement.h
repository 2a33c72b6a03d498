/*
 * placement.h - where to put a group of VMs: exact, with a proof or an honest
 * gap. The public face of the placement library.
 *
 * A world is a snapshot of sites (rows of a round-trip-time matrix), of offers
 * (a spec sold in a site, with price and scores) and of the matrix itself. A
 * query asks for VMs in roles, under limits, with an objective. The answer
 * ranks groups, distinct by their set of sites, or says why there is none.
 *
 * Promises:
 * - Pure: no I/O, clock, threads, random numbers; no global state, so several
 *   threads may solve at once, also over one world. Integers only.
 * - The same query and world give the same answer, whatever the order of
 *   sites, offers and roles. Ties are settled by site id.
 * - No ranked group breaks a limit: each is checked again by place_verify(),
 *   which shares no code with the search. An unknown time satisfies no limit.
 * - A world that is asked often is prepared once (prepared.h): same answers,
 *   sooner.
 * - Bounded: it returns after its node budget or when stop() says so, and then
 *   says what is proved and what is not.
 *
 * Units: round-trip times in microseconds, prices in micro-USD per hour,
 * scores in thousandths, values of the objective in nano-USD per hour.
 *
 * Ownership: world and query are borrowed for the call of place_solve(), and
 * the answer refers to their strings: they must outlive the answer.
 *
 *	struct mw_err err = MW_ERR_INIT;
 *	struct place_answer *a = place_solve(&query, &world, 0, NULL, NULL,
 *	    &err);
 *	if (a == NULL)
 *		complain(err.pointer, err.msg);
 *	else if (a->nranked > 0)
 *		use(a->ranked[0].members);
 *	place_answer_free(a);
 */
#ifndef MW_PLACEMENT_PLACEMENT_H
#define MW_PLACEMENT_PLACEMENT_H

#include "common/pure/arena.h"
#include "common/pure/err.h"
#include "common/pure/mw.h"

#define PLACE_MAX_SITES 8192
#define PLACE_MAX_CSPS 256
#define PLACE_MAX_OFFERS 1000000
#define PLACE_MAX_ROLES 16
#define PLACE_MAX_VMS 128
#define PLACE_MAX_USERS 4096
#define PLACE_MAX_TERMS 6
#define PLACE_MAX_METRICS 32
#define PLACE_MAX_PINS 16 /* of all roles together */
#define PLACE_MAX_SEPARATE 32
#define PLACE_MAX_QUOTAS 16
#define PLACE_MAX_ALPHA 3
#define PLACE_MAX_TOPK 4096
#define PLACE_MAX_SETS 100000 /* of mode groups */

#define PLACE_UNKNOWN UINT32_MAX /* a round-trip time or age not known */
#define PLACE_NO_PRICE (-1)
#define PLACE_NO_SCORE INT64_MIN
#define PLACE_NONE UINT32_MAX /* an index of nothing */

/* World. */

enum place_stat {
	PLACE_P50,
	PLACE_P95,
	PLACE_STAT_COUNT
};

struct place_site {
	const char *id; /* unique */
	const char *csp;
	const char *region; /* "aws-us-east-1"; of one csp */
	const char *zone; /* NULL: unknown; counts as one zone of the region */
};

struct place_offer {
	uint32_t site;
	const char *spec_id; /* unique within its site */
	const char *family, *arch, *connection; /* may be NULL */
	int64_t vcpu, memory_mib;
	int64_t cost_per_hour_micros; /* or PLACE_NO_PRICE */
	const char *cost_reason; /* why there is no price; may be NULL */
	const int64_t *scores; /* one per metric, or PLACE_NO_SCORE */
};

struct place_addr {
	const char *ip;
	const uint32_t *rtt_us; /* nsites, or PLACE_UNKNOWN */
};

struct place_prepared;

struct place_world {
	const struct place_site *sites;
	size_t nsites;
	const struct place_offer *offers;
	size_t noffers;
	const char *const *metrics; /* names of the scores */
	size_t nmetrics;
	/* nsites * nsites each, row = source, diagonal = two VMs of one site;
	 * NULL: this statistic is not known at all. */
	const uint32_t *rtt_us[PLACE_STAT_COUNT];
	const uint32_t *rtt_n; /* samples of a cell; NULL: not known */
	const uint32_t *rtt_age_s; /* PLACE_UNKNOWN allowed; NULL: not known */
	const uint32_t *rtt_rounds; /* that agree on a cell; NULL: not known */
	const double *lat, *lon; /* nsites, degrees, NAN or NULL: not known */
	uint32_t intra_site_us; /* for an unknown diagonal; or PLACE_UNKNOWN */
	/* nuser_rows * nsites: the query's users are its rows, in order. NULL:
	 * users name a site or region. */
	const uint32_t *user_rtt_us;
	/* Times to addresses: users may name one. */
	const struct place_addr *addrs;
	size_t naddrs;
	size_t nuser_rows;
	const struct place_prepared *prepared; /* prepared.h; NULL: not */
};

/* Query. Zero means "not given" in every field unless said otherwise. */

enum place_mode {
	PLACE_PLACE,
	PLACE_GROUPS, /* all maximal sets of sites */
	PLACE_CHECK /* verify and score the given members */
};

struct place_range {
	int64_t min, max; /* inclusive */
	bool has_min, has_max;
};

struct place_strings {
	const char *const *v;
	size_t n; /* 0: any */
};

struct place_score_range {
	uint32_t metric;
	struct place_range range; /* thousandths */
};

struct place_filter {
	struct place_range vcpu, memory_mib, cost_per_hour_micros;
	struct place_strings arch, csp, region, site, spec_id, connection;
	const struct place_score_range *scores;
	size_t nscores;
};

enum place_level { /* each contains the ones before it */
	PLACE_LEVEL_NONE,
	PLACE_LEVEL_SITE,
	PLACE_LEVEL_ZONE,
	PLACE_LEVEL_REGION,
	PLACE_LEVEL_CSP,
	PLACE_LEVEL_COUNT
};

struct place_pin { /* at least count VMs of the role are there */
	enum place_level level; /* site, region or csp */
	const char *name;
	const char *spec_id; /* NULL: any */
	uint32_t count; /* pins of one role never share a VM */
};

struct place_role {
	const char *name; /* unique */
	uint32_t count;
	struct place_filter filter;
	const struct place_pin *pins;
	size_t npins;
	const int64_t *weights; /* one per term, for this role's VMs; NULL:
				   those of the terms. Weighted mode only; of
				   terms that are a sum over VMs */
};

/* Two VMs of these roles (may be one role) never share the level. */
struct place_separate {
	uint32_t a, b;
	enum place_level level;
};

struct place_quota { /* VMs of offers that match all given words */
	const char *connection, *region, *family; /* NULL: any */
	int64_t vms, vcpus; /* at most; -1: no bound */
};

struct place_pair_limit {
	uint32_t a, b; /* roles, may be equal */
	int64_t max_rtt_us; /* 0: they do not talk, anything goes */
};

struct place_limits {
	int64_t max_rtt_us;
	enum place_stat stat;
	bool le; /* equal to the limit is allowed; else strictly below */
	const struct place_pair_limit *pairs;
	size_t npairs;
	uint32_t max_per_site, max_per_zone, max_per_region, max_per_csp;
	uint32_t min_csps, min_regions;
	int64_t budget_per_hour_micros;
	bool has_budget;
	int64_t max_rtt_to_user_us;
	const struct place_separate *separate;
	size_t nseparate;
	const struct place_quota *quotas;
	size_t nquotas;
};

struct place_user {
	const char *name;
	uint32_t weight; /* 1..1,000,000 */
	/* One of these, unless world->user_rtt_us is given. Times to a location
	 * are estimated from the distance (place_estimate_us()). */
	const char *site, *region;
	const uint32_t *rtt_us; /* of an address: one per site of the world */
	bool has_location;
	double lat, lon;
};

enum place_term_kind {
	PLACE_PRICE,
	PLACE_PERFORMANCE,
	PLACE_PRICE_PERFORMANCE, /* price * (1000 / score)^alpha */
	PLACE_USER_RTT,
	PLACE_PAIR_RTT_MEAN,
	PLACE_TERM_COUNT
};

enum place_agg { /* of the users' times to their nearest VM */
	PLACE_AGG_SUM, /* the weighted mean */
	PLACE_AGG_MINIMAX, /* the worst user */
	PLACE_AGG_PERCENTILE, /* pct of the weight are served within */
	PLACE_AGG_FAIR, /* the worst user, then the mean: PLACE_FAIR */
	PLACE_AGG_COUNT
};

/* The value of a fair term: worst * PLACE_FAIR + mean, in microseconds. */
#define PLACE_FAIR (INT64_C(1) << 26)

struct place_term {
	enum place_term_kind kind;
	int64_t weight; /* price: factor; performance: micro-USD per point;
			   RTT: micro-USD per ms. Ignored if lexicographic. */
	uint32_t metric; /* performance, price-performance */
	bool lower_is_better; /* same: then score / 1000 */
	uint32_t alpha; /* price-performance: 1 (0 too) to PLACE_MAX_ALPHA */
	enum place_agg agg; /* user RTT */
	uint32_t pct; /* percentile: 1 to 100 */
	uint32_t tolerance_pct; /* lexicographic */
};

enum place_missing {
	PLACE_MISSING_DEFAULT, /* exclude; for user RTT: error */
	PLACE_MISSING_EXCLUDE,
	PLACE_MISSING_ERROR,
	PLACE_MISSING_ESTIMATE, /* user RTT: by distance, never under a limit;
				   pairs: unverified groups, after all others */
	PLACE_MISSING_PRIOR /* scores: mean per vCPU of the others, less 20 % */
};

enum place_suspect { /* pairs that are asymmetric, repeated, too fast */
	PLACE_SUSPECT_FLAG, /* said, and used as they are */
	PLACE_SUSPECT_EXCLUDE, /* as if they were not known */
	PLACE_SUSPECT_TRANSPOSE /* the direction that is neither repeated nor
				   much longer than one hop; else unknown */
};

struct place_given { /* mode check */
	uint32_t role, site;
	const char *spec_id;
};

struct place_query {
	enum place_mode mode;
	const struct place_role *roles;
	size_t nroles;
	struct place_limits limits;
	const struct place_user *users;
	size_t nusers;
	bool assign_every; /* each VM pays its mean; else the nearest serves */
	uint32_t served_by; /* bit per role; 0: all */
	const struct place_term *terms;
	size_t nterms;
	bool lexicographic;
	enum place_missing missing_price, missing_score, missing_user_rtt;
	enum place_missing
	    missing_pair; /* ESTIMATE, or as for an unknown one */
	enum place_suspect suspect;
	uint32_t min_samples; /* below: flag fewSamples */
	uint32_t max_age_s; /* older is unknown; 0: no bound */
	uint32_t topk; /* 0: 5 */
	uint32_t max_sets; /* mode groups; 0: 1,000 */
	uint64_t max_nodes; /* 0: no bound */
	int64_t deadline_ms; /* for the caller's stop(); not read here */
	const struct place_given *given;
	size_t ngiven;
};

/* Answer. */

enum place_status {
	PLACE_OPTIMAL, /* every ranked group is proved */
	PLACE_FEASIBLE_GAP, /* cut: groups, but not all proved */
	PLACE_INFEASIBLE, /* proved: no group meets the query */
	PLACE_UNDECIDED, /* cut: no group found, none excluded */
	PLACE_NO_DATA, /* what is needed to decide is not known */
	PLACE_STATUS_COUNT
};

enum place_cut {
	PLACE_NOT_CUT,
	PLACE_CUT_NODES,
	PLACE_CUT_STOP
};

enum { /* what is odd about a pair, as in common/pure/gate.h */
	PLACE_Q_ASYMMETRIC = 1, /* > 3 ms and > 20 % of the larger */
	PLACE_Q_ASYMMETRIC_MINOR = 2, /* > 3 ms and > 5 % */
	PLACE_Q_REPEATED = 4, /* value >= 3 times in its row or column */
	PLACE_Q_DETOUR = 8, /* one hop saves >= 20 % and > 3 ms */
	PLACE_Q_ONE_DIRECTION = 16,
	PLACE_Q_SINGLE_VALUE = 32, /* number of samples not known */
	PLACE_Q_FEW_SAMPLES = 64,
	PLACE_Q_STALE = 128, /* older than a day */
	PLACE_Q_ASSUMED = 256, /* within a site, not measured */
	PLACE_Q_MISSING = 512,
	PLACE_Q_FASTER_THAN_FIBRE = 1024, /* suspicious */
	PLACE_Q_FASTER_THAN_LIGHT = 2048, /* impossible */
	PLACE_Q_COUNT = 12
};

struct place_pair {
	bool known; /* false: fewer than two VMs, or no time known */
	uint32_t a, b; /* member index; the value was seen from a to b */
	uint32_t site_a, site_b;
	uint32_t rtt_us;
	int64_t limit_us; /* that holds for the two roles; 0: none */
	uint32_t n; /* PLACE_UNKNOWN: not known */
	uint32_t age_s; /* PLACE_UNKNOWN: not known */
	unsigned quality;
};

struct place_member {
	uint32_t role, index; /* index from 1 within the role */
	uint32_t site;
	uint32_t offer; /* PLACE_NONE in mode groups without offers */
	int64_t parts[PLACE_MAX_TERMS]; /* of per-VM terms, unweighted */
	bool prior; /* a score of its offer is a guess, not measured */
};

struct place_served {
	uint32_t member; /* PLACE_NONE: nobody */
	uint32_t rtt_us;
	bool estimated; /* by distance: +- PLACE_ESTIMATE_ERROR_US */
};

struct place_ranked {
	struct place_member *members;
	size_t nmembers;
	int64_t score; /* weighted sum; lexicographic: the first term */
	int64_t parts[PLACE_MAX_TERMS]; /* weighted; lexicographic: plain */
	int64_t cost_per_hour_micros; /* or PLACE_NO_PRICE */
	const char *cost_reason; /* why there is no price; may be NULL */
	struct place_pair worst; /* of the pairs that have a limit, else all */
	int64_t slack_us; /* smallest limit - time; valid if worst.limit_us */
	unsigned ncsps, nregions;
	const char **binding; /* pointers of limits that hold with no room */
	size_t nbinding;
	struct place_served *served; /* one per user */
	bool unverified; /* a time between its VMs is estimated */
	uint32_t *sites_out, *sites_in; /* against rank 1 */
	size_t nsites_out, nsites_in;
};

enum place_filter_kind {
	PLACE_F_CSP,
	PLACE_F_REGION,
	PLACE_F_SITE,
	PLACE_F_SPEC,
	PLACE_F_CONNECTION,
	PLACE_F_ARCH,
	PLACE_F_VCPU,
	PLACE_F_MEMORY,
	PLACE_F_COST,
	PLACE_F_SCORE,
	PLACE_F_NO_PRICE, /* not a filter: excluded for want of a price */
	PLACE_F_NO_SCORE,
	PLACE_F_COUNT
};

struct place_removed { /* offers a role lost, by the first filter that hit */
	uint64_t by[PLACE_F_COUNT];
	uint64_t left;
};

struct place_relaxation {
	const char *pointer;
	bool is_rtt; /* from, to, above in microseconds */
	bool has_from, has_to, has_above;
	int64_t from, to;
	int64_t above; /* the limit must exceed this (with le: reach it) */
	bool drop; /* the filter must go altogether */
	bool proved; /* nothing nearer works */
	int64_t low; /* of above: nothing at or below low works */
	struct place_member *members; /* a group that then works */
	size_t nmembers;
	struct place_pair pair; /* the pair that sets above */
};

struct place_answer {
	enum place_status status;
	enum place_cut cut;
	uint64_t nodes;
	int64_t lower_bound; /* of the score; valid if has_bound */
	bool has_bound;
	size_t proved_ranks;
	bool more_ties; /* others cost as much as the last rank */
	struct place_ranked *ranked;
	size_t nranked;
	struct place_removed *removed; /* one per role */
	const char **conflicts; /* pointers: a minimal set that cannot hold */
	size_t nconflicts;
	bool conflicts_minimal; /* false: a check was cut */
	struct place_relaxation *relax;
	size_t nrelax;
	bool has_min_rtt;
	int64_t min_rtt_us, min_rtt_low_us; /* feasible above min_rtt_us */
	const char **violations; /* mode check: pointers of broken limits */
	size_t nviolations;
	const char **warnings;
	size_t nwarnings;
	const char *no_data_reason; /* status no_data */
	uint32_t data_age_s; /* oldest cell used; PLACE_UNKNOWN */
	/* By how much times or the limit must move until another group ranks
	 * first (curve.h); not known if that search was cut. */
	bool has_flip;
	int64_t flip_us;
	struct arena *arena; /* owns all of the answer */
};

/*
 * Solves. max_nodes bounds the work (0: only query->max_nodes does); a node is
 * one evaluation of a bound, and the explanation of an infeasible query counts
 * too. stop may be NULL; it is asked every 64 nodes. NULL: the query or the
 * world is wrong (MW_INVALID with err->pointer, MW_LIMIT).
 */
struct place_answer *place_solve(const struct place_query *q,
    const struct place_world *w, uint64_t max_nodes, bool (*stop)(void *arg),
    void *stop_arg, struct mw_err *err) mw_must_check;
void place_answer_free(struct place_answer *a); /* NULL is fine */

/*
 * Checks a group against the raw data, with code of its own. Fills parts,
 * score, worst pair and served users of r, whose members are given. Returns
 * the number of limits that it breaks; the first max pointers go to broken
 * (strings of the arena).
 */
size_t place_verify(struct place_ranked *r, const struct place_query *q,
    const struct place_world *w, struct arena *arena, const char **broken,
    size_t max);

/* Time between VMs of two sites: the larger direction; the known one if only
 * one is known; PLACE_UNKNOWN. */
uint32_t place_pair_rtt(const struct place_query *q,
    const struct place_world *w, uint32_t a, uint32_t b);
/*
 * A time from the great-circle distance, where nothing is measured: 18.8 ms +
 * 1.61 ms per 100 km. It may rank, never satisfy a limit. On a public latency
 * map of 110 cloud regions half of the pairs lie within 24 ms of it, and nine
 * of ten within PLACE_ESTIMATE_ERROR_US.
 */
#define PLACE_ESTIMATE_ERROR_US 82000
uint32_t place_estimate_us(double lat1, double lon1, double lat2, double lon2);
/* Flags of a pair of sites. */
unsigned place_pair_quality(const struct place_query *q,
    const struct place_world *w, uint32_t a, uint32_t b);

const char *place_status_name(enum place_status s); /* "feasible_gap" */
const char *place_cut_name(enum place_cut c); /* "nodes"; NULL: not cut */
const char *place_filter_name(enum place_filter_kind f); /* "memoryMiB" */
const char *place_term_name(enum place_term_kind k); /* "userRtt" */
const char *place_quality_name(unsigned bit); /* 0.. < PLACE_Q_COUNT */

#endif
