/*
 * sysbench.c - argv tables and output parser for sysbench 1.0.x and 0.4.12.
 * Promises: never a value without a complete result in the output; foreign
 * bytes are only compared and converted, never trusted. Called by bench.c.
 */
#include "agent/sysbench.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HIST_ROWS 1024 /* buckets of sysbench's histogram */
#define FIO_THREADS 4

struct span {
	const char *p;
	size_t n;
};

/* What differs between kinds: test name, the kind's own options, the amount
 * of work in one event and the line that proves which test ran. */
static const struct kind_row {
	const char *test_1_0, *test_0_4; /* 0_4 NULL: not supported there */
	const char *own_1_0[7], *own_0_4[7];
	double unit; /* value per event/s */
	const char *marker_1_0, *marker_0_4; /* NULL: nothing specific */
} rows[] = {
	[KIND_CPUS] = { "cpu", "cpu", { "--cpu-max-prime=10000" },
	    { "--cpu-max-prime=10000" }, 1, "events per second:", NULL },
	[KIND_CPUM] = { "cpu", "cpu", { "--cpu-max-prime=10000" },
	    { "--cpu-max-prime=10000" }, 1, "events per second:", NULL },
	[KIND_MEMR] = { "memory", "memory",
	    { "--memory-block-size=64M", "--memory-scope=local",
		"--memory-oper=read" },
	    { "--memory-block-size=64M", "--memory-scope=local",
		"--memory-oper=read" },
	    SYSBENCH_BLOCK_MIB, "MiB transferred", "MB transferred" },
	[KIND_MEMW] = { "memory", "memory",
	    { "--memory-block-size=64M", "--memory-scope=local",
		"--memory-oper=write" },
	    { "--memory-block-size=64M", "--memory-scope=local",
		"--memory-oper=write" },
	    SYSBENCH_BLOCK_MIB, "MiB transferred", "MB transferred" },
	[KIND_FIOR] = { "fileio", "fileio",
	    { "--file-num=4", "--file-block-size=4K", "--file-io-mode=sync",
		"--file-extra-flags=direct", "--file-fsync-freq=0",
		"--file-test-mode=rndrd" },
	    { "--file-num=4", "--file-block-size=4K", "--file-io-mode=sync",
		"--file-extra-flags=direct", "--file-fsync-freq=0",
		"--file-test-mode=rndrd" },
	    4.0 / 1024, "read, MiB/s:", "Total transferred" },
	[KIND_FIOW] = { "fileio", "fileio",
	    { "--file-num=4", "--file-block-size=4K", "--file-io-mode=sync",
		"--file-extra-flags=direct", "--file-fsync-freq=0",
		"--file-test-mode=rndwr" },
	    { "--file-num=4", "--file-block-size=4K", "--file-io-mode=sync",
		"--file-extra-flags=direct", "--file-fsync-freq=0",
		"--file-test-mode=rndwr" },
	    4.0 / 1024, "written, MiB/s:", "Total transferred" },
	[KIND_DBR] = { "oltp_read_only", NULL, { NULL }, { NULL }, 1,
	    "transactions:", "transactions:" },
	[KIND_DBW] = { "oltp_write_only", NULL, { NULL }, { NULL }, 1,
	    "transactions:", "transactions:" },
};

static bool
is_fio(enum kind k)
{
	return k == KIND_FIOR || k == KIND_FIOW;
}

static bool
is_db(enum kind k)
{
	return k == KIND_DBR || k == KIND_DBW;
}

static bool
is_mem(enum kind k)
{
	return k == KIND_MEMR || k == KIND_MEMW;
}

unsigned
sysbench_threads(const struct sysbench_plan *p)
{
	if (is_fio(p->kind))
		return FIO_THREADS;
	if (p->kind == KIND_CPUM || is_db(p->kind))
		return p->threads > 0 ? p->threads : 1;
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
args_of_kind(const struct sysbench_plan *p, struct sysbench_argv *a)
{
	const struct kind_row *r = &rows[p->kind];
	const char *const *own =
	    p->dialect == SYSBENCH_1_0 ? r->own_1_0 : r->own_0_4;

	for (; *own != NULL; own++) {
		/* Files are made through the page cache and flushed, which is
		 * ten times faster; what counts is how they are used. */
		if (p->step == SYSBENCH_PREPARE &&
		    strcmp(*own, "--file-extra-flags=direct") == 0)
			continue;
		arg_add(a, "%s", *own);
	}
	if (is_fio(p->kind))
		arg_add(a, "--file-total-size=%" PRId64 "M", p->file_total_mib);
	if (is_mem(p->kind))
		arg_add(a, "--memory-total-size=%" PRId64 "M",
		    p->events > 0 ? p->events * SYSBENCH_BLOCK_MIB
				  : INT64_C(100) * 1024 * 1024);
	if (is_db(p->kind)) {
		arg_add(a, "--db-driver=mysql");
		arg_add(a, "--mysql-socket=%s", p->db_socket);
		arg_add(a, "--mysql-user=%s", p->db_user);
		arg_add(a, "--mysql-db=sbtest");
		arg_add(a, "--tables=%d", p->tables);
		arg_add(a, "--table-size=%d", p->table_rows);
	}
}

static void
args_of_run(const struct sysbench_plan *p, struct sysbench_argv *a)
{
	/* The memory test counts bytes, not events. 0.4.12 stops at 10,000
	 * requests unless told otherwise. */
	int64_t events = is_mem(p->kind) ? 0 : p->events;

	if (p->dialect == SYSBENCH_0_4) {
		arg_add(a, "--num-threads=%u", sysbench_threads(p));
		arg_add(a, "--max-requests=%" PRId64, events);
		arg_add(a, "--max-time=%" PRId64, p->seconds);
		return;
	}
	arg_add(a, "--threads=%u", sysbench_threads(p));
	arg_add(a, "--events=%" PRId64, events);
	arg_add(a, "--time=%" PRId64, p->seconds);
	arg_add(a, "--percentile=99");
	arg_add(a, "--histogram");
}

bool
sysbench_argv(const struct sysbench_plan *p, struct sysbench_argv *out,
    struct mw_err *err)
{
	const struct kind_row *r = &rows[p->kind];

	assert((size_t)p->kind < ARRAY_LEN(rows));
	memset(out, 0, sizeof *out);
	if (p->dialect == SYSBENCH_0_4 && r->test_0_4 == NULL)
		return err_set(err, MW_UNSUPPORTED, 0,
		    "%s needs sysbench 1.0 or later", kind_info(p->kind)->name);
	if (is_db(p->kind) && strlen(p->db_socket) + strlen(p->db_user) > 256)
		return err_set(err, MW_INVALID, 0, "socket path is too long");
	out->v[out->n++] = p->program;
	if (p->dialect == SYSBENCH_0_4)
		arg_add(out, "--test=%s", r->test_0_4);
	else
		arg_add(out, "%s", r->test_1_0);
	args_of_kind(p, out);
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

struct histogram {
	double value[HIST_ROWS];
	int64_t count[HIST_ROWS];
	size_t n;
	int64_t total;
};

/* "   0.458 |****      12" */
static void
histogram_row(struct histogram *h, const struct span *line)
{
	const char *bar = memchr(line->p, '|', line->n);
	size_t vlen, clen = 0;
	double v;
	int64_t c;

	if (bar == NULL || h->n == HIST_ROWS)
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

static double
histogram_pct(const struct histogram *h, int pct)
{
	int64_t want = (h->total * pct + 99) / 100, seen = 0;

	for (size_t i = 0; i < h->n; i++) {
		seen += h->count[i];
		if (seen >= want)
			return h->value[i];
	}
	return NAN;
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
sysbench_parse(enum kind kind, enum sysbench_dialect dialect, const char *p,
    size_t n, struct sysbench_out *out, struct mw_err *err)
{
	const char *marker = dialect == SYSBENCH_1_0 ? rows[kind].marker_1_0
						     : rows[kind].marker_0_4;
	struct span all = { p, n }, line;
	struct histogram h;
	double events = -1, transactions = -1;

	assert((size_t)kind < ARRAY_LEN(rows));
	h.n = 0;
	h.total = 0;
	*out = (struct sysbench_out){ .has_marker = marker == NULL,
		.min_ms = NAN,
		.avg_ms = NAN,
		.max_ms = NAN,
		.p99_ms = NAN };
	while (next_line(&all, &line)) {
		if (!parse_fatal(&line, err))
			return false;
		histogram_row(&h, &line);
		parse_line(&line, marker, out, &events, &transactions);
	}
	if (is_db(kind))
		events = transactions;
	if (!out->has_marker || events < 1 || events > 1e12 ||
	    !(out->total_s > 0))
		return err_set(err, MW_PROTO, 0,
		    "sysbench printed no complete result for %s",
		    kind_info(kind)->name);
	out->events = (int64_t)events;
	out->hist_p50_ms = h.total > 0 ? histogram_pct(&h, 50) : NAN;
	out->hist_p95_ms = h.total > 0 ? histogram_pct(&h, 95) : NAN;
	out->hist_p99_ms = h.total > 0 ? histogram_pct(&h, 99) : NAN;
	return true;
}

double
sysbench_value(enum kind kind, const struct sysbench_out *out)
{
	return (double)out->events * rows[kind].unit / out->total_s;
}
