/*
 * cmd_matrix.c - the latency matrix: run a round, show it as a heat table, and
 * hold it against a known truth.
 */
#include "cli/cli.h"
#include "cli/matrix_pairs.h"

#include "common/pure/alloc.h"
#include "common/pure/quant.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* "p95" to the name of the cell's field; NULL if there is none. */
static const char *
stat_field(const char *stat)
{
	static const char *const map[][2] = { { "min", "rttMinMs" },
		{ "avg", "rttAvgMs" }, { "p50", "rttMedianMs" },
		{ "median", "rttMedianMs" }, { "p95", "rttP95Ms" },
		{ "jitter", "jitterMs" }, { "loss", "lossPct" } };

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (str_eq(stat, map[i][0]))
			return map[i][1];
	return NULL;
}

static double
cell(const json_t *matrix, size_t i, size_t j, const char *field)
{
	return jnum(json_array_get(json_array_get(ja(matrix, "cells"), i), j),
	    field, NAN);
}

struct view {
	const json_t *matrix;
	const char *field;
	const double *truth; /* n x n, NAN unknown */
	size_t n;
};

static double
view_measured(const void *ctx, size_t i, size_t j)
{
	const struct view *v = ctx;

	return cell(v->matrix, i, j, v->field);
}

static double
view_truth(const void *ctx, size_t i, size_t j)
{
	const struct view *v = ctx;

	return i == j ? NAN : v->truth[i * v->n + j];
}

static double
view_error_us(const void *ctx, size_t i, size_t j)
{
	return (view_measured(ctx, i, j) - view_truth(ctx, i, j)) * 1000;
}

/* Row of a VM in the truth: by site, else by csp-region. */
static size_t
truth_row(const json_t *sites, const json_t *vm)
{
	char region[160];
	json_t *s;
	size_t i;

	snprintf(region, sizeof region, "%s-%s", js(vm, "csp"),
	    js(vm, "region"));
	json_array_foreach(sites, i, s)
	{
		const char *name =
		    json_is_string(s) ? json_string_value(s) : js(s, "site");

		if (str_eq(name, js(vm, "site")) || str_eq(name, region))
			return i;
	}
	return SIZE_MAX;
}

/* The true matrix from the twin's socket or a file made from it. */
static json_t *
truth_load(struct cli *c, const char *where, struct mw_err *err)
{
	struct stat st;
	json_t *t = NULL;

	if (stat(where, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (!cli_call_unix(c, where, "GET", "/v1/lab/wan", NULL, &t,
			err))
			return NULL;
		return t;
	}
	return json_load_path(where, 64u << 20, err);
}

static double *
truth_values(const json_t *truth, const json_t *vms, size_t n)
{
	double *v = xcalloc(n * n, sizeof *v);
	const json_t *rtt = ja(truth, "rttMs"), *sites = ja(truth, "sites");

	for (size_t i = 0; i < n; i++) {
		size_t a = truth_row(sites, json_array_get(vms, i));

		for (size_t j = 0; j < n; j++) {
			size_t b = truth_row(sites, json_array_get(vms, j));
			const json_t *x =
			    json_array_get(json_array_get(rtt, a), b);

			v[i * n + j] =
			    a != SIZE_MAX && b != SIZE_MAX && json_is_number(x)
			    ? json_number_value(x)
			    : NAN;
		}
	}
	return v;
}

/* Error of all known directed pairs, in us: signed median, and of |error|. */
struct truth_error {
	size_t pairs, unknown;
	double median, abs_median, abs_p95, abs_max;
};

static void
truth_error_of(const struct view *v, struct truth_error *out)
{
	double *e = xcalloc(v->n * v->n, sizeof *e);
	struct quant q;

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < v->n; i++)
		for (size_t j = 0; j < v->n; j++) {
			double x = view_error_us(v, i, j);

			if (i != j && isnan(x))
				out->unknown++;
			else if (i != j)
				e[out->pairs++] = x;
		}
	quant_of(e, out->pairs, &q);
	out->median = q.median;
	for (size_t i = 0; i < out->pairs; i++)
		e[i] = fabs(e[i]);
	quant_of(e, out->pairs, &q);
	out->abs_median = q.median;
	out->abs_p95 = q.p95;
	out->abs_max = q.max;
	free(e);
}

static void
truth_print(struct cli *c, const struct view *v, const json_t *vms)
{
	struct truth_error e;

	struct heat h = { .vms = vms,
		.ctx = v,
		.value = view_truth,
		.decimals = 1,
		.colored = true };

	truth_error_of(v, &e);
	printf("\ntrue RTT of the emulated world, ms\n");
	heat_print(c, &h);
	printf("\nerror of the measurement, us\n");
	h.value = view_error_us;
	h.decimals = 0;
	h.colored = false;
	heat_print(c, &h);
	printf("\nerror over %zu pairs: median %+.0f us, |error| median %.0f "
	       "us, p95 %.0f us, max %.0f us; %zu pairs without a value\n",
	    e.pairs, e.median, e.abs_median, e.abs_p95, e.abs_max, e.unknown);
}

/* The same as JSON, beside the measured cells. */
static json_t *
truth_json(const struct view *v)
{
	json_t *t = json_object(), *rows = json_array(), *err = json_object();
	struct truth_error e;

	truth_error_of(v, &e);
	for (size_t i = 0; i < v->n; i++) {
		json_t *row = json_array();

		for (size_t j = 0; j < v->n; j++) {
			double ms = view_truth(v, i, j);

			json_array_append_new(row,
			    isnan(ms) ? json_null() : json_real(ms));
		}
		json_array_append_new(rows, row);
	}
	json_put(t, "rttMs", rows);
	json_put_int(err, "pairs", (int64_t)e.pairs);
	json_put_int(err, "unknown", (int64_t)e.unknown);
	json_put_num(err, "medianUs", e.median);
	json_put_num(err, "absMedianUs", e.abs_median);
	json_put_num(err, "absP95Us", e.abs_p95);
	json_put_num(err, "absMaxUs", e.abs_max);
	json_put(t, "error", err);
	return t;
}

static void
matrix_csv(const json_t *m, const char *field)
{
	const json_t *vms = ja(m, "vms");
	size_t n = json_array_size(vms);

	printf("from");
	for (size_t j = 0; j < n; j++)
		printf(",%s", js(json_array_get(vms, j), "vmId"));
	for (size_t i = 0; i < n; i++) {
		printf("\n%s", js(json_array_get(vms, i), "vmId"));
		for (size_t j = 0; j < n; j++) {
			double v = cell(m, i, j, field);

			if (isnan(v))
				putchar(',');
			else
				printf(",%.3f", v);
		}
	}
	putchar('\n');
}

/* Not of its own: such a value satisfies no limit. */
static bool
inherited(const json_t *m, size_t i, size_t j)
{
	const json_t *c = json_array_get(json_array_get(ja(m, "cells"), i), j);
	json_t *q;
	size_t k;

	json_array_foreach(ja(c, "quality"), k, q)
	{
		if (str_eq(json_string_value(q), "inherited"))
			return true;
	}
	return false;
}

/* Directed pairs that are not under the limit, and those without a value. */
static void
breaches(const struct view *v, double limit, size_t *over, size_t *unknown)
{
	*over = *unknown = 0;
	for (size_t i = 0; i < v->n; i++)
		for (size_t j = 0; j < v->n; j++) {
			double x = view_measured(v, i, j);

			if (i != j && (isnan(x) || inherited(v->matrix, i, j)))
				++*unknown;
			else if (i != j && limit > 0 && x >= limit)
				++*over;
		}
}

static void
matrix_table(struct cli *c, const json_t *m, const char *stat,
    const char *field, double limit)
{
	const json_t *vms = ja(m, "vms");
	struct view v = { .matrix = m,
		.field = field,
		.n = json_array_size(vms) };
	struct heat h = { .vms = vms,
		.ctx = &v,
		.value = view_measured,
		.limit = limit,
		.decimals = 1,
		/* the colours are of times, not of per cent */
		.colored = !str_eq(stat, "loss") };
	size_t over, unknown;

	matrix_title(m, stat, h.colored ? "ms" : "%");
	heat_print(c, &h);
	breaches(&v, limit, &over, &unknown);
	if (unknown)
		printf("unknown directed pairs: %zu (-o json says why)\n",
		    unknown);
	if (limit > 0)
		printf("directed pairs not under %.3f ms: %zu\n", limit, over);
	matrix_findings(c, m);
}

struct wish {
	const char *stat, *truth, *round, *at, *pair, *since;
	bool fresh, fast, check;
	int64_t k, window;
	double limit;
};

/* In the form that was asked for; true if every pair is known and under the
 * limit. */
static bool
matrix_print(struct cli *c, const struct wish *q, json_t *m, json_t *truth)
{
	struct view v = { .matrix = m,
		.field = stat_field(q->stat),
		.n = json_array_size(ja(m, "vms")) };
	double *values = NULL;
	size_t over, unknown;

	if (truth)
		v.truth = values = truth_values(truth, ja(m, "vms"), v.n);
	if (c->out == OUT_JSON) {
		if (truth)
			json_put(m, "truth", truth_json(&v));
		cli_print_json(m);
	} else if (c->out == OUT_CSV) {
		matrix_csv(m, v.field);
	} else {
		matrix_table(c, m, q->stat, v.field, q->limit);
		if (truth)
			truth_print(c, &v, ja(m, "vms"));
	}
	breaches(&v, q->limit, &over, &unknown);
	free(values);
	return over + unknown == 0;
}

static int
measure(struct cli *c, const char *name, const struct wish *q)
{
	char *path = cli_mcis_path(c, name, "/matrix");
	json_t *body = json_object();
	int rc;

	if (q->fast)
		json_put(body, "fast", json_true());
	if (q->k >= 0)
		json_put_int(body, "k", q->k);
	if (q->window >= 0)
		json_put_int(body, "windowMs", q->window);
	rc = cli_act(c, "POST", path, body, NULL);
	free(path);
	return rc;
}

static void
pair_print(struct cli *c, const json_t *history)
{
	if (c->out == OUT_JSON)
		cli_print_json(history);
	else
		matrix_history(c, history);
}

static int
run_matrix(struct cli *c, int argc, char **argv)
{
	struct wish q = { .stat = "p50", .k = -1, .window = -1 };
	const struct cli_opt opts[] = {
		{ "stat", 0, OPT_STR, &q.stat },
		{ "limit", 0, OPT_NUM, &q.limit },
		{ "truth", 0, OPT_STR, &q.truth },
		{ "run", 0, OPT_FLAG, &q.fresh },
		{ "round", 0, OPT_STR, &q.round },
		{ "at", 0, OPT_STR, &q.at },
		{ "pair", 0, OPT_STR, &q.pair },
		{ "since", 0, OPT_STR, &q.since },
		{ "fast", 0, OPT_FLAG, &q.fast },
		{ "check", 0, OPT_FLAG, &q.check },
		{ "k", 0, OPT_INT, &q.k },
		{ "window", 0, OPT_INT, &q.window },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_matrix, "matrix");
	struct mw_err err = MW_ERR_INIT;
	json_t *m = NULL, *t = NULL;
	char *path, *rest;
	int rc = 0;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (!stat_field(q.stat))
		return cli_usage(cmd, "--stat: min avg p50 p95 jitter loss");
	if ((q.k >= 0 || q.window >= 0) && !q.fresh && !q.fast)
		return cli_usage(cmd, "--k and --window go with --run");
	if ((q.fresh || q.fast) && !q.round)
		q.round = "newest";
	rest = matrix_rest(cmd, q.round, q.at, q.pair, q.since);
	path = rest ? cli_mcis_path(c, argv[1], rest) : NULL;
	free(rest);
	if (!path)
		return 2;
	if (q.fresh || q.fast)
		rc = measure(c, argv[1], &q);
	if (rc && rc != EXIT_PARTIAL)
		goto out;
	if (!cli_call(c, "GET", path, NULL, &m, &err) ||
	    (q.truth && !(t = truth_load(c, q.truth, &err)))) {
		rc = cli_fail(&err);
		goto out;
	}
	if (q.pair)
		pair_print(c, m);
	else if (!matrix_print(c, &q, m, t) && q.check)
		rc = EXIT_NO;
out:
	free(path);
	json_decref(m);
	json_decref(t);
	return rc;
}

static void
rtt_print(struct cli *c, const json_t *results)
{
	static const char *const heads[] = { "VM", "TARGET", ">MEDIAN MS",
		">P95 MS", ">JITTER MS", ">LOSS %", ">N", "METHOD", "WHY",
		NULL };
	static const char *const numbers[] = { "rttMedianMs", "rttP95Ms",
		"jitterMs", "lossPct" };
	struct cli_table *t;
	json_t *r;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(results);
		return;
	}
	t = table_new(heads);
	json_array_foreach(ja(results, "items"), i, r)
	{
		table_add(t, "%s", js(r, "vmId"));
		table_add(t, "%s", js(r, "target"));
		for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
			double v = jnum(r, numbers[k], NAN);

			if (isnan(v))
				table_add(t, "%s", "");
			else
				table_add(t, "%.3f", v);
		}
		table_add(t, "%lld", (long long)ji(r, "n", 0));
		table_add(t, "%s", js(r, "method"));
		table_add(t, "%s", js(r, "valueReason"));
	}
	table_print(t, c);
}

/* What this run found, not what earlier ones said of other addresses. */
static bool
rtt_results(struct cli *c, const char *mcis, const json_t *end, json_t **out,
    struct mw_err *err)
{
	/* The action's target is the run: .../benchmarks/b-12 */
	const char *slash = strrchr(js(end, "target"), '/');
	char *rest, *path;
	json_t *run = NULL;
	bool ok;

	if (!slash || !js(end, "state")[0])
		return true; /* not waited for */
	rest = xasprintf("/benchmarks%s", slash);
	path = cli_mcis_path(c, mcis, rest);
	ok = cli_call(c, "GET", path, NULL, &run, err);
	if (ok)
		*out = json_pack("{s:O}", "items", ja(run, "results"));
	json_decref(run);
	free(rest);
	free(path);
	return ok;
}

static int
run_rtt(struct cli *c, int argc, char **argv)
{
	int64_t count = 5, port = -1;
	const char *method = NULL;
	const struct cli_opt opts[] = { { "count", 0, OPT_INT, &count },
		{ "method", 0, OPT_STR, &method },
		{ "tcp-port", 0, OPT_INT, &port } };
	struct mw_err err = MW_ERR_INIT;
	json_t *body, *list, *end = NULL, *r = NULL;
	int n, rc;
	char *path;

	n = cli_opts(c, cli_cmd(cmds_matrix, "rtt"), argc, argv, opts,
	    ARRAY_LEN(opts), 2, 33);
	if (n < 0)
		return 2;
	body = json_object();
	list = json_array();
	for (int i = 2; i <= n; i++)
		json_array_append_new(list, json_string(argv[i]));
	json_put(body, "targets", list);
	json_put_int(body, "count", count);
	if (method)
		json_put(body, "methods", json_pack("[s]", method));
	if (port >= 0)
		json_put_int(body, "tcpPort", port);
	path = cli_mcis_path(c, argv[1], "/rtt");
	if (!path) {
		json_decref(body);
		return 2;
	}
	rc = cli_act(c, "POST", path, body, &end);
	free(path);
	if (rc && rc != EXIT_PARTIAL) {
		json_decref(end);
		return rc;
	}
	if (!rtt_results(c, argv[1], end, &r, &err))
		rc = cli_fail(&err);
	else if (r)
		rtt_print(c, r);
	json_decref(r);
	json_decref(end);
	return rc;
}

const struct cli_cmd cmds_matrix[] = {
	{ "matrix", "NAME", "VM-to-VM latency, both directions", run_matrix,
	    "  --run             measure a round now, show it alone\n"
	    "  --round R         one round alone: newest, m-12\n"
	    "  --at TIME         what was known then: 2026-11-21T10:00:00Z, or 2h ago\n"
	    "  --pair FROM,TO    the history of one pair (to --at, from --since)\n"
	    "  --since TIME      of --pair: the same form\n"
	    "  --fast            with --run: 3 probes per pair within 1.5 s\n"
	    "  --k N --window MS probes per pair and the time they spread over\n"
	    "  --stat S          min avg p50 p95 jitter loss (p50)\n"
	    "  --limit MS        mark pairs that are not under it\n"
	    "  --check           exit status 4 unless every pair is known and under it\n"
	    "  --truth FILE      compare: the twin's socket, or its rtt --dump\n\n"
	    "Without --run and --round: the newest rounds of a day pooled, at most 24.\n"
	    "A pair without a value is unknown, never 0; -o json gives the reason.\n\n"
	    "  milkyway matrix demo17 --run --limit 40\n"
	    "  milkyway matrix demo17 --pair vm-1,vm-2\n" },
	{ "rtt", "NAME ADDRESS...", "RTT from every VM to addresses", run_rtt,
	    "  --count N     probes per address (5)\n"
	    "  --method M    only icmp, icmpRaw or tcpInfo; without it ICMP,\n"
	    "                then for those that do not answer the TCP handshake\n"
	    "  --tcp-port N  port of the handshake (22; 0: none)\n\n"
	    "  milkyway rtt demo17 1.1.1.1 8.8.8.8 --tcp-port 443\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
