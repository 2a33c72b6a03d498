/*
 * dblite_main.c - milkyway-dblite: database load on SQLite, for machines
 * without a database server. An own program so that the agent stays free of
 * SQLite. Takes the arguments of sysbench's oltp_read_only and
 * oltp_write_only and prints the lines of its report that sysbench.c reads;
 * never a report of a run that did not end well. Started by bench.c.
 *
 * One thread, one connection; WAL, synchronous=FULL: each commit is flushed.
 * A transaction is 14 reads by primary key (oltp_read_only), or an update of
 * an indexed column, one of another column, a delete and an insert of the
 * same row (oltp_write_only). Rows are those of sysbench.
 */
#include "common/pure/num.h"
#include "common/pure/rng.h"

#include <getopt.h>
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLES_MAX 64
#define READS 14
#define BUCKETS 1024 /* as sysbench: 0.001 ms to 100 s, evenly in the log */
#define BUCKET_MIN_MS 1e-3
#define BUCKET_MAX_MS 1e5
#define BAR 40
#define C_LEN 119
#define PAD_LEN 59

enum statement {
	ST_READ,
	ST_UPDATE_K,
	ST_UPDATE_C,
	ST_DELETE,
	ST_INSERT,
	ST_COUNT
};

static const char *const texts[ST_COUNT] = {
	"SELECT c FROM sbtest%d WHERE id=?1",
	"UPDATE sbtest%d SET k=k+1 WHERE id=?1",
	"UPDATE sbtest%d SET c=?2 WHERE id=?1",
	"DELETE FROM sbtest%d WHERE id=?1",
	"INSERT INTO sbtest%d(id,k,c,pad) VALUES(?1,?3,?2,?4)",
};

struct lite {
	const char *file;
	int64_t tables, rows, events, seconds, threads, percentile;
	bool writes;
	sqlite3 *db;
	sqlite3_stmt *st[TABLES_MAX][ST_COUNT], *begin, *commit;
	struct rng rng;
	int64_t hist[BUCKETS];
	int64_t n;
	double total_s, min_ms, max_ms, sum_ms;
};

/* What sysbench would print: the agent looks for FATAL on standard output. */
static bool mw_printf(1, 2) fatal(const char *fmt, ...)
{
	va_list ap;

	fputs("FATAL: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return false;
}

static bool
sql(struct lite *l, const char *text)
{
	if (sqlite3_exec(l->db, text, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return fatal("%.60s: %s", text, sqlite3_errmsg(l->db));
}

static bool
open_file(struct lite *l, bool create)
{
	int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);

	if (sqlite3_open_v2(l->file, &l->db, flags, NULL) != SQLITE_OK)
		return fatal("%s: %s", l->file, sqlite3_errmsg(l->db));
	return sql(l, "PRAGMA journal_mode=WAL") &&
	    sql(l, "PRAGMA synchronous=FULL");
}

static bool
make_statement(struct lite *l, const char *text, sqlite3_stmt **out)
{
	if (sqlite3_prepare_v2(l->db, text, -1, out, NULL) == SQLITE_OK)
		return true;
	return fatal("%.60s: %s", text, sqlite3_errmsg(l->db));
}

static bool
make_statements(struct lite *l)
{
	char text[96];

	for (int t = 0; t < l->tables; t++)
		for (int s = 0; s < ST_COUNT; s++) {
			/* the formats are the table's above */
			sqlite3_snprintf(sizeof text, text, texts[s], t + 1);
			if (!make_statement(l, text, &l->st[t][s]))
				return false;
		}
	return make_statement(l, l->writes ? "BEGIN IMMEDIATE" : "BEGIN",
		   &l->begin) &&
	    make_statement(l, "COMMIT", &l->commit);
}

static bool
step(struct lite *l, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	sqlite3_reset(s);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return true;
	return fatal("%.60s: %s", sqlite3_sql(s), sqlite3_errmsg(l->db));
}

/* Groups of digits, as sysbench fills its text columns. */
static void
digits(struct lite *l, char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text[i] =
		    i % 12 == 11 ? '-' : (char)('0' + rng_below(&l->rng, 10));
	text[n] = '\0';
}

static bool
insert(struct lite *l, sqlite3_stmt *s, int64_t id)
{
	char c[C_LEN + 1], pad[PAD_LEN + 1];

	digits(l, c, C_LEN);
	digits(l, pad, PAD_LEN);
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_text(s, 2, c, C_LEN, SQLITE_TRANSIENT);
	sqlite3_bind_int64(s, 3,
	    (int64_t)rng_below(&l->rng, (uint64_t)l->rows) + 1);
	sqlite3_bind_text(s, 4, pad, PAD_LEN, SQLITE_TRANSIENT);
	return step(l, s);
}

static bool
prepare_table(struct lite *l, int table)
{
	char text[128];
	sqlite3_stmt *s;
	bool ok;

	snprintf(text, sizeof text,
	    "CREATE TABLE sbtest%d(id INTEGER PRIMARY KEY, k INTEGER NOT NULL,"
	    " c TEXT NOT NULL, pad TEXT NOT NULL)",
	    table);
	if (!sql(l, text))
		return false;
	sqlite3_snprintf(sizeof text, text, texts[ST_INSERT], table);
	ok = make_statement(l, text, &s);
	for (int64_t i = 1; ok && i <= l->rows; i++)
		ok = insert(l, s, i);
	sqlite3_finalize(s);
	snprintf(text, sizeof text, "CREATE INDEX k_%d ON sbtest%d(k)", table,
	    table);
	return ok && sql(l, text);
}

static bool
prepare(struct lite *l)
{
	bool ok = open_file(l, true) && sql(l, "BEGIN");

	for (int t = 1; ok && t <= l->tables; t++)
		ok = prepare_table(l, t);
	/* The first repetition shall not carry this one's log. */
	return ok && sql(l, "COMMIT") &&
	    sql(l, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* Puts the log into the file, too: each run begins alike. */
static void
close_file(struct lite *l)
{
	for (int t = 0; t < TABLES_MAX; t++)
		for (int s = 0; s < ST_COUNT; s++)
			sqlite3_finalize(l->st[t][s]);
	sqlite3_finalize(l->begin);
	sqlite3_finalize(l->commit);
	sqlite3_close(l->db);
}

static int64_t
any_row(struct lite *l)
{
	return (int64_t)rng_below(&l->rng, (uint64_t)l->rows) + 1;
}

static bool
read_transaction(struct lite *l, sqlite3_stmt *const *st)
{
	for (int i = 0; i < READS; i++) {
		sqlite3_bind_int64(st[ST_READ], 1, any_row(l));
		if (!step(l, st[ST_READ]))
			return false;
	}
	return true;
}

static bool
write_transaction(struct lite *l, sqlite3_stmt *const *st)
{
	char c[C_LEN + 1];
	int64_t id = any_row(l);

	sqlite3_bind_int64(st[ST_UPDATE_K], 1, any_row(l));
	digits(l, c, C_LEN);
	sqlite3_bind_int64(st[ST_UPDATE_C], 1, any_row(l));
	sqlite3_bind_text(st[ST_UPDATE_C], 2, c, C_LEN, SQLITE_TRANSIENT);
	sqlite3_bind_int64(st[ST_DELETE], 1, id);
	return step(l, st[ST_UPDATE_K]) && step(l, st[ST_UPDATE_C]) &&
	    step(l, st[ST_DELETE]) && insert(l, st[ST_INSERT], id);
}

static bool
transaction(struct lite *l)
{
	sqlite3_stmt *const *st =
	    l->st[rng_below(&l->rng, (uint64_t)l->tables)];

	return step(l, l->begin) &&
	    (l->writes ? write_transaction(l, st) : read_transaction(l, st)) &&
	    step(l, l->commit);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
bucket_ratio(void)
{
	return (BUCKETS - 1) / log(BUCKET_MAX_MS / BUCKET_MIN_MS);
}

static void
record(struct lite *l, double ms)
{
	double at = ms > BUCKET_MIN_MS
	    ? floor(log(ms / BUCKET_MIN_MS) * bucket_ratio() + 0.5)
	    : 0;

	l->hist[at < BUCKETS - 1 ? (int)at : BUCKETS - 1]++;
	l->min_ms = l->n == 0 || ms < l->min_ms ? ms : l->min_ms;
	l->max_ms = ms > l->max_ms ? ms : l->max_ms;
	l->sum_ms += ms;
	l->n++;
}

static bool
run(struct lite *l)
{
	double begin, last, now;

	if (!open_file(l, false) || !make_statements(l))
		return false;
	begin = last = now_s();
	while ((l->events == 0 || l->n < l->events) &&
	    (l->seconds == 0 || last - begin < (double)l->seconds)) {
		if (!transaction(l))
			return false;
		now = now_s();
		record(l, (now - last) * 1e3);
		last = now;
	}
	l->total_s = last - begin;
	return true;
}

static double
bucket_ms(int i)
{
	return BUCKET_MIN_MS * exp(i / bucket_ratio());
}

static void
print_histogram(const struct lite *l)
{
	static const char bar[BAR + 1] =
	    "****************************************";
	int64_t most = 1;

	for (int i = 0; i < BUCKETS; i++)
		most = l->hist[i] > most ? l->hist[i] : most;
	puts("Latency histogram (values are in milliseconds)\n"
	     "       value  ------------- distribution ------------- count");
	for (int i = 0; i < BUCKETS; i++)
		if (l->hist[i] > 0)
			printf("%12.3f |%-*.*s %lld\n", bucket_ms(i), BAR,
			    (int)(l->hist[i] * BAR / most), bar,
			    (long long)l->hist[i]);
}

static double
percentile_ms(const struct lite *l)
{
	int64_t want = (l->n * l->percentile + 99) / 100, seen = 0;

	for (int i = 0; i < BUCKETS; i++) {
		seen += l->hist[i];
		if (seen >= want)
			return bucket_ms(i);
	}
	return l->max_ms;
}

static void
print_report(const struct lite *l)
{
	print_histogram(l);
	printf("\n    transactions:  %lld   (%.2f per sec.)\n"
	       "    total time:  %.6fs\n"
	       "    total number of events:  %lld\n\n"
	       "Latency (ms):\n"
	       "    min:  %.4f\n    avg:  %.4f\n    max:  %.4f\n"
	       "    %lldth percentile:  %.4f\n    sum:  %.2f\n",
	    (long long)l->n, (double)l->n / l->total_s, l->total_s,
	    (long long)l->n, l->min_ms, l->sum_ms / (double)l->n, l->max_ms,
	    (long long)l->percentile, percentile_ms(l), l->sum_ms);
}

static void
print_version(void)
{
	printf("milkyway-dblite %s (SQLite %s, WAL, synchronous FULL)\n",
	    MW_VERSION, sqlite3_libversion());
}

static int
usage(FILE *f, int status)
{
	fprintf(f,
	    "usage: milkyway-dblite oltp_read_only|oltp_write_only "
	    "--db-file=FILE\n"
	    "    [--tables=N] [--table-size=N] [--events=N] [--time=S] "
	    "prepare|run\n\n"
	    "Database load on one SQLite file; each commit is flushed. Arguments "
	    "and\nreport are those of sysbench.\n\n"
	    "example: milkyway-dblite oltp_write_only --db-file=/var/tmp/x.db "
	    "prepare\n"
	    "         milkyway-dblite oltp_write_only --db-file=/var/tmp/x.db "
	    "--time=3 run\n");
	return status;
}

static bool
parse(int argc, char **argv, struct lite *l)
{
	enum {
		FILE_NAME = 1000
	};
	static const struct option longs[] = {
		{ "tables", required_argument, NULL, 0 },
		{ "table-size", required_argument, NULL, 1 },
		{ "events", required_argument, NULL, 2 },
		{ "time", required_argument, NULL, 3 },
		{ "threads", required_argument, NULL, 4 },
		{ "percentile", required_argument, NULL, 5 },
		{ "histogram", no_argument, NULL, 6 },
		{ "db-file", required_argument, NULL, FILE_NAME },
		{ NULL, 0, NULL, 0 },
	};
	const struct {
		int64_t *to, min, max;
	} numbers[] = {
		{ &l->tables, 1, TABLES_MAX },
		{ &l->rows, 1, 100000000 },
		{ &l->events, 0, INT64_C(1000000000000) },
		{ &l->seconds, 0, 86400 },
		{ &l->threads, 1, 1 },
		{ &l->percentile, 1, 100 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == FILE_NAME)
			l->file = optarg;
		else if (c < 0 || c > 6)
			return false;
		else if (c < 6 &&
		    !num_parse_i64(optarg, strlen(optarg), numbers[c].min,
			numbers[c].max, numbers[c].to))
			return fatal("--%s %s is not from %lld to %lld",
			    longs[c].name, optarg, (long long)numbers[c].min,
			    (long long)numbers[c].max);
	}
	return argc - optind == 2 && l->file != NULL;
}

int
main(int argc, char **argv)
{
	struct lite l = { .tables = 1,
		.rows = 10000,
		.seconds = 10,
		.threads = 1,
		.percentile = 95 };
	const char *test, *verb;
	bool ok;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		print_version();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (!parse(argc, argv, &l))
		return usage(stderr, 2);
	test = argv[optind];
	verb = argv[optind + 1];
	l.writes = strcmp(test, "oltp_write_only") == 0;
	if ((!l.writes && strcmp(test, "oltp_read_only") != 0) ||
	    (l.events == 0 && l.seconds == 0))
		return usage(stderr, 2);
	rng_seed(&l.rng, (uint64_t)(now_s() * 1e9));
	if (strcmp(verb, "prepare") == 0)
		ok = prepare(&l);
	else if (strcmp(verb, "run") == 0)
		ok = run(&l);
	else
		return usage(stderr, 2);
	if (ok && strcmp(verb, "run") == 0)
		print_report(&l);
	close_file(&l);
	return ok && fflush(stdout) == 0 ? 0 : 1;
}
