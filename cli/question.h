/*
 * question.h - a placement question of the command line: the words that make
 * it, and asking it, of the coordinator or of a world file. place, whatif,
 * pareto and compare share them.
 */
#ifndef MW_CLI_QUESTION_H
#define MW_CLI_QUESTION_H

#include "cli/cli.h"

enum question_what { /* which answer */
	QUESTION_GROUPS,
	QUESTION_WHATIF,
	QUESTION_PARETO,
	QUESTION_SIZES,
	QUESTION_MOVES,
	QUESTION_COMPARE
};

struct question {
	enum question_what what;
	const char *file, *from, *site_by, *objective, *world;
	int64_t vms, csps, top, per_site, budget;
	double max_rtt; /* negative: no such limit */
	bool groups;
};

#define QUESTION_OPTS 9
#define QUESTION_INIT                                                          \
	{                                                                      \
		.objective = "price", .max_rtt = -1, .csps = -1, .budget = -1, \
		.per_site = 1, .top = 5                                        \
	}

/* The options that fill q; out has room for QUESTION_OPTS. */
void question_opts(struct question *q, struct cli_opt *out);
/* The query as JSON (docs/placement.md), new reference. NULL after a message,
 * *status is what to exit with. */
json_t *question_query(const struct question *q, const struct cli_cmd *cmd,
    int *status);
/* The same over a world that is loaded; NULL: the coordinator's data. */
json_t *question_ask_with(struct cli *c, const struct question *q,
    json_t *world, json_t *query, struct mw_err *err) mw_must_check;
/* New reference, or NULL. Changes query: "from" comes or goes. */
json_t *question_ask(struct cli *c, const struct question *q, json_t *query,
    struct mw_err *err) mw_must_check;
/* Help text of the options that all of them take. */
#define QUESTION_HELP                                                       \
	"  --from M[,M]       measurements of these groups\n"               \
	"  --world FILE       a world file instead; needs no coordinator\n" \
	"  --site-by region|regionSpec   what may differ in latency "       \
	"(regionSpec)\n"                                                    \
	"  -f, --query FILE   the whole question as JSON "                  \
	"(docs/placement.md), or:\n"                                        \
	"  --vms N            how many VMs\n"                               \
	"  --csps N           over at least so many CSPs\n"                 \
	"  --per-site N       at most so many in one site (1)\n"            \
	"  --budget-micros N  at most so much per hour, in micro-USD\n"     \
	"  --objective price|performance[:KIND]|rtt   what is best (price)\n"

#endif
