/*
 * sysbench.c - argv tables and output parser for sysbench 1.0.x and 0.4.12.
 * Promises: never a value without a complete result in the output; foreign
 * bytes are only compared and converted, never trusted. Called by bench.c.
 */
#include "agent/bench/sysbench.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIO_THREADS 4

struct span {
	const char *p;
	size_t n;
};

enum threads {
	THREADS_ONE,
	THREADS_CPUS, /* one per usable CPU */
	THREADS_CPUS_2, /* two */
	THREADS_FIO,
	THREADS_UNSAID /* sysbench's own default, which is one */
};

enum engine {
	ENGINE_NONE,
	ENGINE_MYSQL,
	ENGINE_PGSQL,
	ENGINE_LITE
};

#define CPU_OWN                         \
	{                               \
		"--cpu-max-prime=10000" \
	}
#define MEM_OWN(oper)                                              \
	{                                                          \
		"--memory-block-size=64M", "--memory-scope=local", \
		    "--memory-oper=" oper                          \
	}
#define FIO_OWN(block, mode)                                            \
	{                                                               \
		"--file-num=4", "--file-block-size=" block,             \
		    "--file-io-mode=sync", "--file-extra-flags=direct", \
		    "--file-fsync-freq=0", "--file-test-mode=" mode     \
	}
#define OLD_MEM_OWN(oper)                                            \
	{                                                            \
		"--memory-block-size=1K", "--memory-scope=global",   \
		    "--memory-total-size=10G", "--memory-oper=" oper \
	}
#define OLD_FIO_OWN(mode)                                          \
	{                                                          \
		"--file-total-size=50M", "--file-test-mode=" mode, \
		    "--time=30", "--events=0"                      \
	}
#define KIB (1.0 / 1024)
#define RATE "events per second:"
#define MIB "MiB transferred"
#define TOTAL "Total transferred"
#define RD "read, MiB/s:"
#define WR "written, MiB/s:"
#define TX "transactions:"

/* What differs between lanes: test name, the lane's own options, threads, the
 * amount of work in one event and the line that proves which test ran. */
static const struct row {
	const char *test_1_0, *test_0_4; /* 0_4 NULL: not supported there */
	const char *own[7];
	enum threads threads;
	double unit; /* value per event/s */
	const char *marker_1_0, *marker_0_4; /* NULL: nothing specific */
	enum engine engine;
} rows[LANE_COUNT] = {
	[KIND_CPUS] = { "cpu", "cpu", CPU_OWN, THREADS_ONE, 1, RATE, NULL, 0 },
	[KIND_CPUM] = { "cpu", "cpu", CPU_OWN, THREADS_CPUS, 1, RATE, NULL, 0 },
	[LANE_CPUM_2N] = { "cpu", "cpu", CPU_OWN, THREADS_CPUS_2, 1, RATE, NULL,
	    0 },
	[LANE_CPUM_SUSTAINED] = { "cpu", NULL,
	    { "--cpu-max-prime=10000", "--report-interval=1" }, THREADS_CPUS, 1,
	    RATE, NULL, 0 },
	[KIND_MEMR] = { "memory", "memory", MEM_OWN("read"), THREADS_ONE,
	    SYSBENCH_BLOCK_MIB, MIB, "MB transferred", 0 },
	[KIND_MEMW] = { "memory", "memory", MEM_OWN("write"), THREADS_ONE,
	    SYSBENCH_BLOCK_MIB, MIB, "MB transferred", 0 },
	[LANE_MEMR_N] = { "memory", "memory", MEM_OWN("read"), THREADS_CPUS,
	    SYSBENCH_BLOCK_MIB, MIB, "MB transferred", 0 },
	[LANE_MEMW_N] = { "memory", "memory", MEM_OWN("write"), THREADS_CPUS,
	    SYSBENCH_BLOCK_MIB, MIB, "MB transferred", 0 },
	[KIND_FIOR] = { "fileio", "fileio", FIO_OWN("4K", "rndrd"), THREADS_FIO,
	    4 * KIB, RD, TOTAL, 0 },
	[KIND_FIOW] = { "fileio", "fileio", FIO_OWN("4K", "rndwr"), THREADS_FIO,
	    4 * KIB, WR, TOTAL, 0 },
	[LANE_FIOR_SEQ] = { "fileio", "fileio", FIO_OWN("1M", "seqrd"),
	    THREADS_ONE, 1, RD, TOTAL, 0 },
	[LANE_FIOW_SEQ] = { "fileio", "fileio", FIO_OWN("1M", "seqrewr"),
	    THREADS_ONE, 1, WR, TOTAL, 0 },
	[LANE_FIOW_SUSTAINED] = { "fileio", NULL,
	    { "--file-num=4", "--file-block-size=4K", "--file-io-mode=sync",
		"--file-extra-flags=direct", "--file-fsync-freq=0",
		"--file-test-mode=rndwr", "--report-interval=1" },
	    THREADS_FIO, 4 * KIB, WR, NULL, 0 },
	[KIND_DBR] = { "oltp_read_only", NULL, { NULL }, THREADS_CPUS, 1, TX,
	    TX, ENGINE_MYSQL },
	[KIND_DBW] = { "oltp_write_only", NULL, { NULL }, THREADS_CPUS, 1, TX,
	    TX, ENGINE_MYSQL },
	[LANE_DBR_PGSQL] = { "oltp_read_only", NULL, { NULL }, THREADS_CPUS, 1,
	    TX, TX, ENGINE_PGSQL },
	[LANE_DBW_PGSQL] = { "oltp_write_only", NULL, { NULL }, THREADS_CPUS, 1,
	    TX, TX, ENGINE_PGSQL },
	[LANE_DBR_LITE] = { "oltp_read_only", NULL, { NULL }, THREADS_ONE, 1,
	    TX, TX, ENGINE_LITE },
	[LANE_DBW_LITE] = { "oltp_write_only", NULL, { NULL }, THREADS_ONE, 1,
	    TX, TX, ENGINE_LITE },
	/* The commands of cb-milkyway 092b840, src/common/resource.go. */
	[LANE_LEGACY + KIND_CPUS] = { "cpu", NULL, { "--cpu-max-prime=100000" },
	    THREADS_ONE, 1, RATE, NULL, 0 },
	[LANE_LEGACY + KIND_CPUM] = { "cpu", NULL, { "--cpu-max-prime=100000" },
	    THREADS_CPUS, 1, RATE, NULL, 0 },
	[LANE_LEGACY + KIND_MEMR] = { "memory", NULL, OLD_MEM_OWN("read"),
	    THREADS_UNSAID, KIB, MIB, NULL, 0 },
	[LANE_LEGACY + KIND_MEMW] = { "memory", NULL, OLD_MEM_OWN("write"),
	    THREADS_UNSAID, KIB, MIB, NULL, 0 },
	[LANE_LEGACY + KIND_FIOR] = { "fileio", NULL, OLD_FIO_OWN("rndrd"),
	    THREADS_UNSAID, 16 * KIB, RD, NULL, 0 },
	[LANE_LEGACY + KIND_FIOW] = { "fileio", NULL, OLD_FIO_OWN("rndwr"),
	    THREADS_UNSAID, 16 * KIB, WR, NULL, 0 },
	[LANE_LEGACY + KIND_DBR] = { "oltp_read_only", NULL, { NULL },
	    THREADS_UNSAID, 1, TX, NULL, ENGINE_MYSQL },
	[LANE_LEGACY + KIND_DBW] = { "oltp_write_only", NULL, { NULL },
	    THREADS_UNSAID, 1, TX, NULL, ENGINE_MYSQL },
};

static bool
of_kind(unsigned lane, enum kind a, enum kind b)
{
	return lane_info(lane)->kind == a || lane_info(lane)->kind == b;
}

static bool
is_mem(unsigned lane)
{
	return of_kind(lane, KIND_MEMR, KIND_MEMW);
}

static bool
is_legacy(unsigned lane)
{
	return lane >= LANE_LEGACY;
}

unsigned
sysbench_threads(const struct sysbench_plan *p)
{
	unsigned cpus = p->threads > 0 ? p->threads : 1;

	switch (rows[p->lane].threads) {
	case THREADS_CPUS: return cpus;
	case THREADS_CPUS_2: return 2 * cpus;
	case THREADS_FIO: return FIO_THREADS;
	case THREADS_ONE:
	case THREADS_UNSAID: break;
	}
	return 1;
}

static void mw_printf(2, 3)
    arg_add(struct sysbench_argv *a, const char *fmt, ...)
{
	va_list ap;
	int n;

	assert(a->n + 1 < SYSBENCH_ARGS);
	va_start(ap, fmt);
	n = vsnprintf(a->text + a->used, sizeof a->text - a->used, fmt, ap);
	va_end(ap);
	/* All arguments are ours and short; the socket path is checked. */
	assert(n >= 0 && (size_t)n < sizeof a->text - a->used);
	a->v[a->n++] = a->text + a->used;
	a->v[a->n] = NULL;
	a->used += (size_t)n + 1;
}

static void
args_of_db(const struct sysbench_plan *p, struct sysbench_argv *a)
{
	switch (rows[p->lane].engine) {
	case ENGINE_NONE: return;
	case ENGINE_MYSQL:
		arg_add(a, "--db-driver=mysql");
		arg_add(a, "--mysql-socket=%s", p->db_socket);
		arg_add(a, "--mysql-user=%s", p->db_user);
		arg_add(a, "--mysql-db=sbtest");
		break;
	case ENGINE_PGSQL:
		arg_add(a, "--db-driver=pgsql");
		arg_add(a, "--pgsql-host=%s", p->db_socket);
		arg_add(a, "--pgsql-user=%s", p->db_user);
		arg_add(a, "--pgsql-db=postgres");
		break;
	case ENGINE_LITE: arg_add(a, "--db-file=%s", p->db_socket); break;
	}
	if (!is_legacy(p->lane))
		arg_add(a, "--tables=%d", p->tables);
	arg_add(a, "--table-size=%d", p->table_rows);
}

static void
args_of_lane(const struct sysbench_plan *p, struct sysbench_argv *a)
{
	const struct row *r = &rows[p->lane];

	for (size_t i = 0; i < ARRAY_LEN(r->own) && r->own[i] != NULL; i++) {
		bool prepare = p->step == SYSBENCH_PREPARE;

		/* Files are made through the page cache and flushed, which is
		 * ten times faster; what counts is how they are used. */
		if (prepare &&
		    strcmp(r->own[i], "--file-extra-flags=direct") == 0)
			continue;
		arg_add(a, "%s", r->own[i]);
	}
	if (of_kind(p->lane, KIND_FIOR, KIND_FIOW) && !is_legacy(p->lane))
		arg_add(a, "--file-total-size=%" PRId64 "M", p->file_total_mib);
	if (is_mem(p->lane) && !is_legacy(p->lane))
		arg_add(a, "--memory-total-size=%" PRId64 "M",
		    p->events > 0 ? p->events * SYSBENCH_BLOCK_MIB
				  : INT64_C(100) * 1024 * 1024);
	args_of_db(p, a);
}

static void
args_of_run(const struct sysbench_plan *p, struct sysbench_argv *a)
{
	/* The memory test counts bytes, not events. 0.4.12 stops at 10,000
	 * requests unless told otherwise. */
	int64_t events = is_mem(p->lane) ? 0 : p->events;

	if (p->dialect == SYSBENCH_0_4) {
		arg_add(a, "--num-threads=%u", sysbench_threads(p));
		arg_add(a, "--max-requests=%" PRId64, events);
		arg_add(a, "--max-time=%" PRId64, p->seconds);
		return;
	}
	if (rows[p->lane].threads != THREADS_UNSAID)
		arg_add(a, "--threads=%u", sysbench_threads(p));
	if (is_legacy(p->lane))
		return;
	arg_add(a, "--events=%" PRId64, events);
	arg_add(a, "--time=%" PRId64, p->seconds);
	arg_add(a, "--percentile=99");
	arg_add(a, "--histogram");
}

bool
sysbench_argv(const struct sysbench_plan *p, struct sysbench_argv *out,
    struct mw_err *err)
{
	const struct row *r = &rows[p->lane];
	char name[LANE_NAME_MAX];

	assert(p->lane < LANE_COUNT && r->test_1_0 != NULL);
	memset(out, 0, sizeof *out);
	lane_name(p->lane, name);
	if (p->dialect == SYSBENCH_0_4 && r->test_0_4 == NULL)
		return err_set(err, MW_UNSUPPORTED, 0,
		    "%s needs sysbench 1.0 or later", name);
	if (r->engine != ENGINE_NONE &&
	    strlen(p->db_socket) + strlen(p->db_user) > 256)
		return err_set(err, MW_INVALID, 0, "socket path is too long");
	out->v[out->n++] = p->program;
	if (p->dialect == SYSBENCH_0_4)
		arg_add(out, "--test=%s", r->test_0_4);
	else
		arg_add(out, "%s", r->test_1_0);
	args_of_lane(p, out);
	if (p->step == SYSBENCH_RUN)
		args_of_run(p, out);
	arg_add(out, "%s", p->step == SYSBENCH_RUN ? "run" : "prepare");
	return true;
}

bool
sysbench_version(const char *p, size_t n, enum sysbench_dialect *dialect,
    char version[32], struct mw_err *err)
{
	static const char head[] = "sysbench ";
	size_t len = 0;

	if (n >= sizeof head && memcmp(p, head, sizeof head - 1) == 0) {
		p += sizeof head - 1;
		n -= sizeof head - 1;
		while (len < n && len < 31 &&
		    ((p[len] >= '0' && p[len] <= '9') || p[len] == '.'))
			len++;
	}
	if (len < 3 || (p[0] != '0' && p[0] != '1') || p[1] != '.')
		return err_set(err, MW_UNSUPPORTED, 0,
		    "unknown version of sysbench");
	memcpy(version, p, len);
	version[len] = '\0';
	*dialect = p[0] == '0' ? SYSBENCH_0_4 : SYSBENCH_1_0;
	return true;
}

/* Cuts the next line off s, without its newline and surrounding blanks. */
static bool
next_line(struct span *s, struct span *line)
{
	const char *nl;

	if (s->n == 0)
		return false;
	nl = memchr(s->p, '\n', s->n);
	line->p = s->p;
	line->n = nl != NULL ? (size_t)(nl - s->p) : s->n;
	s->p += line->n + (nl != NULL);
	s->n -= line->n + (nl != NULL);
	while (line->n > 0 && (line->p[0] == ' ' || line->p[0] == '\t')) {
		line->p++;
		line->n--;
	}
	while (line->n > 0 &&
	    (line->p[line->n - 1] == ' ' || line->p[line->n - 1] == '\r'))
		line->n--;
	return true;
}

static bool
has(const struct span *s, const char *text)
{
	return memmem(s->p, s->n, text, strlen(text)) != NULL;
}

/* The number after the key at the start of a line; suffix may follow it. */
static bool
number_after(const struct span *line, const char *key, const char *suffix,
    double *out)
{
	size_t k = strlen(key), len = 0, skip = k;
	size_t rest;

	if (line->n < k || memcmp(line->p, key, k) != 0)
		return false;
	while (skip < line->n && line->p[skip] == ' ')
		skip++;
	while (skip + len < line->n && line->p[skip + len] != ' ' &&
	    (suffix[0] == '\0' || line->p[skip + len] != suffix[0]))
		len++;
	rest = line->n - skip - len;
	if (rest < strlen(suffix) ||
	    memcmp(line->p + skip + len, suffix, strlen(suffix)) != 0)
		return false;
	return num_parse_f64(line->p + skip, len, 0, 1e15, out);
}

/* "   0.458 |****      12" */
static void
histogram_row(struct sysbench_hist *h, const struct span *line)
{
	const char *bar = memchr(line->p, '|', line->n);
	size_t vlen, clen = 0;
	double v;
	int64_t c;

	if (bar == NULL || h->n == SYSBENCH_HIST_ROWS)
		return;
	vlen = (size_t)(bar - line->p);
	while (vlen > 0 && line->p[vlen - 1] == ' ')
		vlen--;
	while (clen < line->n && line->p[line->n - 1 - clen] >= '0' &&
	    line->p[line->n - 1 - clen] <= '9')
		clen++;
	if (!num_parse_f64(line->p, vlen, 0, 1e12, &v) ||
	    !num_parse_i64(line->p + line->n - clen, clen, 0,
		INT64_C(1000000000000), &c))
		return;
	h->value[h->n] = v;
	h->count[h->n++] = c;
	h->total += c;
}

double
sysbench_hist_pct(const struct sysbench_hist *h, int pct)
{
	int64_t want = (h->total * pct + 99) / 100, seen = 0;

	for (size_t i = 0; h->total > 0 && i < h->n; i++) {
		seen += h->count[i];
		if (seen >= want)
			return h->value[i];
	}
	return NAN;
}

/* Buckets are the same in all runs of a program: rows of equal value. */
void
sysbench_hist_add(struct sysbench_hist *to, const struct sysbench_hist *h)
{
	struct sysbench_hist sum = { .n = 0 };
	size_t i = 0, k = 0;

	while ((i < to->n || k < h->n) && sum.n < SYSBENCH_HIST_ROWS) {
		bool a =
		    i < to->n && (k == h->n || to->value[i] <= h->value[k]);
		bool b =
		    k < h->n && (i == to->n || h->value[k] <= to->value[i]);

		sum.value[sum.n] = a ? to->value[i] : h->value[k];
		sum.count[sum.n] =
		    (a ? to->count[i] : 0) + (b ? h->count[k] : 0);
		sum.total += sum.count[sum.n++];
		i += a;
		k += b;
	}
	*to = sum;
}

static bool
parse_fatal(const struct span *line, struct mw_err *err)
{
	struct str s = STR_INIT;

	if (!has(line, "FATAL:") && !has(line, "Invalid value for the"))
		return true;
	str_add_escaped(&s, line->p, line->n, 160);
	err_set(err, MW_REMOTE, 0, "sysbench: %s", str_cstr(&s));
	str_free(&s);
	return false;
}

static void
parse_line(const struct span *line, const char *marker,
    struct sysbench_out *out, double *events, double *transactions)
{
	static const struct {
		const char *key;
		size_t offset;
	} lat[] = {
		{ "min:", offsetof(struct sysbench_out, min_ms) },
		{ "avg:", offsetof(struct sysbench_out, avg_ms) },
		{ "max:", offsetof(struct sysbench_out, max_ms) },
		{ "99th percentile:", offsetof(struct sysbench_out, p99_ms) },
	};
	double v;

	if (marker != NULL && has(line, marker))
		out->has_marker = true;
	if (number_after(line, "total time:", "s", &v))
		out->total_s = v;
	else if (number_after(line, "total number of events:", "", &v))
		*events = v;
	else if (number_after(line, "transactions:", "", &v))
		*transactions = v;
	for (size_t i = 0; i < ARRAY_LEN(lat); i++)
		if (number_after(line, lat[i].key, "ms", &v) ||
		    number_after(line, lat[i].key, "", &v))
			*(double *)(void *)((char *)out + lat[i].offset) = v;
}

bool
sysbench_parse(unsigned lane, enum sysbench_dialect dialect, const char *p,
    size_t n, struct sysbench_out *out, struct mw_err *err)
{
	const char *marker = dialect == SYSBENCH_1_0 ? rows[lane].marker_1_0
						     : rows[lane].marker_0_4;
	struct span all = { p, n }, line;
	struct sysbench_hist *h = &out->hist;
	double events = -1, transactions = -1;

	assert(lane < LANE_COUNT);
	*out = (struct sysbench_out){ .has_marker = marker == NULL,
		.min_ms = NAN,
		.avg_ms = NAN,
		.max_ms = NAN,
		.p99_ms = NAN };
	while (next_line(&all, &line)) {
		if (!parse_fatal(&line, err))
			return false;
		histogram_row(h, &line);
		parse_line(&line, marker, out, &events, &transactions);
	}
	if (rows[lane].engine != ENGINE_NONE)
		events = transactions;
	if (!out->has_marker || events < 1 || events > 1e12 ||
	    !(out->total_s > 0))
		return err_set(err, MW_PROTO, 0,
		    "sysbench printed no complete result for %s",
		    kind_info(lane_info(lane)->kind)->name);
	out->events = (int64_t)events;
	out->hist_p50_ms = sysbench_hist_pct(h, 50);
	out->hist_p95_ms = sysbench_hist_pct(h, 95);
	out->hist_p99_ms = sysbench_hist_pct(h, 99);
	return true;
}

/* "eps: 1905.41 lat": the number after a key inside a line. */
static bool
number_in(const struct span *line, const char *key, double *out)
{
	const char *at = memmem(line->p, line->n, key, strlen(key));
	const char *end = line->p + line->n;
	size_t n = 0;

	if (at == NULL)
		return false;
	at += strlen(key);
	while (at < end && *at == ' ')
		at++;
	while (at + n < end && at[n] != ' ')
		n++;
	return num_parse_f64(at, n, 0, 1e12, out);
}

size_t
sysbench_intervals(unsigned lane, const char *p, size_t n, double *rate,
    size_t max)
{
	const char *key = of_kind(lane, KIND_FIOR, KIND_FIOR) ? "reads:"
	    : of_kind(lane, KIND_FIOW, KIND_FIOW)             ? "writes:"
							      : "eps:";
	struct span all = { p, n }, line;
	size_t got = 0;

	while (got < max && next_line(&all, &line))
		if (line.n > 0 && line.p[0] == '[' &&
		    number_in(&line, key, &rate[got]))
			got++;
	return got;
}

double
sysbench_value(unsigned lane, const struct sysbench_out *out)
{
	return (double)out->events * rows[lane].unit / out->total_s;
}
