/*
 * cmd_matrix.c - the latency matrix: run a round, show it as a heat table, and
 * hold it against a known truth.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/quant.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

static const struct cli_cmd *self(const char *name);

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

/* Green below a few ms, then yellow, orange, red: 256-colour backgrounds. */
static int
heat(double ms)
{
	static const struct {
		double below;
		int color;
	} steps[] = { { 1, 22 }, { 5, 28 }, { 20, 34 }, { 40, 64 }, { 70, 100 },
		{ 100, 136 }, { 150, 166 }, { 200, 160 }, { 1e9, 124 } };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (ms < steps[i].below)
			return steps[i].color;
	return 124;
}

static void
grid(struct cli *c, const json_t *vms, double limit,
    double (*value)(const void *ctx, size_t i, size_t j), const void *ctx,
    int decimals, bool colored)
{
	size_t n = json_array_size(vms);

	printf("%3s %-34s", "", "");
	for (size_t j = 0; j < n; j++)
		printf(" %6zu", j + 1);
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		const json_t *vm = json_array_get(vms, i);

		printf("%3zu %-34.34s", i + 1,
		    js(vm, "site")[0] ? js(vm, "site") : js(vm, "vmId"));
		for (size_t j = 0; j < n; j++) {
			double v = value(ctx, i, j);
			char text[32];

			if (isnan(v))
				snprintf(text, sizeof text, "%6s",
				    i == j ? "." : "-");
			else
				snprintf(text, sizeof text, "%6.*f", decimals,
				    v);
			if (c->color && colored && !isnan(v))
				printf(" \033[48;5;%dm%s%s\033[0m", heat(v),
				    limit > 0 && v >= limit ? "\033[4m" : "",
				    text);
			else
				printf(" %s", text);
		}
		putchar('\n');
	}
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

	truth_error_of(v, &e);
	printf("\ntrue RTT of the emulated world, ms\n");
	grid(c, vms, 0, view_truth, v, 1, true);
	printf("\nerror of the measurement, us\n");
	grid(c, vms, 0, view_error_us, v, 0, false);
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

/* Directed pairs that are not under the limit, and those without a value. */
static void
breaches(const struct view *v, double limit, size_t *over, size_t *unknown)
{
	*over = *unknown = 0;
	for (size_t i = 0; i < v->n; i++)
		for (size_t j = 0; j < v->n; j++) {
			double x = view_measured(v, i, j);

			if (i != j && isnan(x))
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
	size_t over, unknown;

	printf("RTT %s, ms, measured %s by %s (row = source)\n", stat,
	    js(m, "measuredAt"), js(m, "method"));
	grid(c, vms, limit, view_measured, &v, 1, true);
	breaches(&v, limit, &over, &unknown);
	if (unknown)
		printf("%zu directed pairs are unknown (-o json says why)\n",
		    unknown);
	if (limit > 0)
		printf("%zu directed pairs are not under %.3f ms\n", over,
		    limit);
}

static int
run_matrix(struct cli *c, int argc, char **argv)
{
	const char *stat = "p50", *truth = NULL;
	bool fresh = false, check = false;
	int64_t k = 0, window = 0;
	double limit = 0;
	const struct cli_opt opts[] = {
		{ "stat", 0, OPT_STR, &stat },
		{ "limit", 0, OPT_NUM, &limit },
		{ "truth", 0, OPT_STR, &truth },
		{ "run", 0, OPT_FLAG, &fresh },
		{ "check", 0, OPT_FLAG, &check },
		{ "k", 0, OPT_INT, &k },
		{ "window", 0, OPT_INT, &window },
	};
	const struct cli_cmd *cmd = self("matrix");
	struct mw_err err = MW_ERR_INIT;
	json_t *m = NULL, *t = NULL, *body;
	size_t over, unknown;
	double *values = NULL;
	struct view v;
	char *path;
	int rc = 0;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (!stat_field(stat))
		return cli_usage(cmd, "--stat: min avg p50 p95 jitter loss");
	path = cli_mcis_path(c, argv[1], "/matrix");
	if (!path)
		return 2;
	if (fresh) {
		body = json_object();
		if (k)
			json_put_int(body, "k", k);
		if (window)
			json_put_int(body, "windowMs", window);
		rc = cli_act(c, "POST", path, body, NULL);
		if (rc && rc != EXIT_PARTIAL)
			goto out;
	}
	if (!cli_call(c, "GET", path, NULL, &m, &err) ||
	    (truth && !(t = truth_load(c, truth, &err)))) {
		rc = cli_fail(&err);
		goto out;
	}
	v = (struct view){ .matrix = m,
		.field = stat_field(stat),
		.n = json_array_size(ja(m, "vms")) };
	if (t)
		v.truth = values = truth_values(t, ja(m, "vms"), v.n);
	if (c->out == OUT_JSON) {
		if (t)
			json_put(m, "truth", truth_json(&v));
		cli_print_json(m);
	} else if (c->out == OUT_CSV) {
		matrix_csv(m, stat_field(stat));
	} else {
		matrix_table(c, m, stat, stat_field(stat), limit);
		if (t)
			truth_print(c, &v, ja(m, "vms"));
	}
	breaches(&v, limit, &over, &unknown);
	if (check && over + unknown)
		rc = EXIT_NO;
out:
	free(path);
	free(values);
	json_decref(m);
	json_decref(t);
	return rc;
}

static int
run_rtt(struct cli *c, int argc, char **argv)
{
	int64_t count = 5;
	const struct cli_opt opts[] = { { "count", 0, OPT_INT, &count } };
	struct mw_err err = MW_ERR_INIT;
	json_t *body, *list, *r = NULL;
	int n, rc;
	char *path;

	n = cli_opts(c, self("rtt"), argc, argv, opts, 1, 2, 33);
	if (n < 0)
		return 2;
	body = json_object();
	list = json_array();
	for (int i = 2; i <= n; i++)
		json_array_append_new(list, json_string(argv[i]));
	json_put(body, "targets", list);
	json_put_int(body, "count", count);
	path = cli_mcis_path(c, argv[1], "/rtt");
	if (!path) {
		json_decref(body);
		return 2;
	}
	rc = cli_act(c, "POST", path, body, NULL);
	free(path);
	if (rc && rc != EXIT_PARTIAL)
		return rc;
	path = cli_mcis_path(c, argv[1], "/results?kind=rtt&latest=1");
	if (cli_call(c, "GET", path, NULL, &r, &err))
		cli_print_json(r);
	else
		rc = cli_fail(&err);
	json_decref(r);
	free(path);
	return rc;
}

const struct cli_cmd cmds_matrix[] = {
	{ "matrix", "NAME", "VM-to-VM latency, both directions", run_matrix,
	    "  --run             measure a round now\n"
	    "  --k N --window MS probes per pair and the time they spread over\n"
	    "  --stat S          min avg p50 p95 jitter loss (p50)\n"
	    "  --limit MS        underline pairs that are not under it\n"
	    "  --check           exit status 4 unless every pair is known and under it\n"
	    "  --truth FILE      compare: the twin's socket, or its rtt --dump\n\n"
	    "A pair without a value is unknown, never 0; -o json gives the reason.\n\n"
	    "  milkyway matrix demo17 --run --limit 40\n" },
	{ "rtt", "NAME ADDRESS...", "RTT from every VM to addresses (ICMP)",
	    run_rtt, "  --count N   probes per address (5)\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const struct cli_cmd *
self(const char *name)
{
	const struct cli_cmd *p = cmds_matrix;

	while (p->name && !str_eq(p->name, name))
		p++;
	return p;
}
