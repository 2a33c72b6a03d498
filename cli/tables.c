/*
 * tables.c - prints the tables of a survey, for people, as CSV and as JSON.
 */
#include "cli/tables.h"

#include "common/pure/alloc.h"

#include <math.h>
#include <string.h>

#define SHOWN 8 /* pairs that are named */

static const char title_cpu[] = "CPU rates, events/s (sysbench; one thread, "
				"all threads)";
static const char title_matrix[] = "RTT from each to each, ms (row = source)";

void
tables_free(struct tables *t)
{
	deck_free(t->cpu);
	deck_free(t->vcpu);
	deck_free(t->flags);
	deck_free(t->rtt);
	deck_free(t->matrix);
	free(t->from);
	free(t->rtt_why);
	free(t->matrix_why);
	memset(t, 0, sizeof *t);
}

static double
value(const struct deck_table *t, const char *name, size_t col)
{
	size_t row = t ? deck_row(t, name) : SIZE_MAX;

	return row == SIZE_MAX ? NAN : deck_at(t, row, col)->v;
}

/* Text as it stands; what is no number in red. */
static void
add_cell(struct cli_table *out, const struct deck_cell *c, bool flagged)
{
	if (c->text[0] && isnan(c->v))
		table_color(out, 31);
	else if (flagged)
		table_color(out, 33);
	table_add(out, "%s%s", c->text, flagged && c->text[0] ? "*" : "");
}

static void
add_mean(struct cli_table *out, const struct deck_table *t, size_t col)
{
	size_t n;
	double mean = deck_mean(t, col, &n);

	if (n)
		table_add(out, "%.2f", mean);
	else
		table_add(out, "%s", "");
}

static void
print_cpu(struct cli *c, const struct tables *t)
{
	static const char *const heads[] = { ">#", "SPEC", ">VCPU", ">CPUS",
		">CPUM", ">CORES", ">PER VCPU", NULL };
	struct cli_table *out = table_new(heads);
	bool starred = false;

	printf("%s\n", title_cpu);
	for (size_t i = 0; i < t->cpu->rows; i++) {
		const char *name = t->cpu->names[i];
		double vcpu = value(t->vcpu, name, 0);
		double cores =
		    deck_at(t->cpu, i, 1)->v / deck_at(t->cpu, i, 0)->v;

		table_add(out, "%zu", i + 1);
		table_add(out, "%s", name);
		if (isnan(vcpu))
			table_add(out, "%s", "");
		else
			table_add(out, "%.0f", vcpu);
		for (size_t k = 0; k < 2; k++) {
			bool f = value(t->flags, name, k) > 0;

			starred |= f;
			add_cell(out, deck_at(t->cpu, i, k), f);
		}
		if (isfinite(cores))
			table_add(out, "%.1f", cores);
		else
			table_add(out, "%s", "");
		if (isfinite(cores / vcpu))
			table_add(out, "%.2f", cores / vcpu);
		else
			table_add(out, "%s", "");
	}
	table_add(out, " ");
	table_add(out, "mean");
	table_add(out, " ");
	add_mean(out, t->cpu, 0);
	add_mean(out, t->cpu, 1);
	table_add(out, " ");
	table_add(out, " ");
	table_print(out, c);
	printf("CORES = CPUM / CPUS: how many cores the vCPUs do the work "
	       "of\n");
	if (starred)
		printf("* not fully valid (milkyway eval tells)\n");
	if (t->replay)
		printf("replayed numbers of an emulated cloud are among them, "
		       "no measurements\n");
}

static void
print_rtt(struct cli *c, const struct tables *t)
{
	static const char *const heads[] = { ">#", "SPEC", ">RTT MS", NULL };
	struct cli_table *out;

	printf("\nRTT from %s\n", t->from ? t->from : "one place");
	if (!t->rtt) {
		printf("none: %s\n", t->rtt_why);
		return;
	}
	out = table_new(heads);
	for (size_t i = 0; i < t->rtt->rows; i++) {
		table_add(out, "%zu", i + 1);
		table_add(out, "%s", t->rtt->names[i]);
		add_cell(out, deck_at(t->rtt, i, 0), false);
	}
	table_add(out, " ");
	table_add(out, "mean");
	add_mean(out, t->rtt, 0);
	table_print(out, c);
}

static double
heat_value(const void *ctx, size_t i, size_t j)
{
	return deck_at(ctx, i, j)->v;
}

static void
print_matrix(struct cli *c, const struct tables *t)
{
	json_t *names = json_array();
	struct heat h = { .vms = names,
		.ctx = t->matrix,
		.value = heat_value,
		.decimals = 1,
		.colored = true };

	printf("\n%s\n", title_matrix);
	if (!t->matrix) {
		printf("none: %s\n", t->matrix_why);
	} else if (t->matrix->rows != t->matrix->cols) {
		printf("none: it is not square\n");
	} else {
		for (size_t i = 0; i < t->matrix->rows; i++) {
			json_t *vm = json_object();

			json_put_str(vm, "site", t->matrix->names[i]);
			json_array_append_new(names, vm);
		}
		heat_print(c, &h);
	}
	json_decref(names);
}

/* Findings ---------------------------------------------------------------- */

static void
say_finding(const char *table, const struct deck_table *t,
    const struct deck_table *all, const struct deck_finding *f, struct str *out)
{
	const struct deck_cell *a, *b;

	switch (f->what) {
	case DECK_BAD_CELL:
		str_addf(out, "%s: row %zu, %s is no number: \"%s\"", table,
		    f->a + 1, t->heads[f->b], deck_at(t, f->a, f->b)->text);
		return;
	case DECK_DUPLICATE:
		a = deck_at(t, f->a, 0);
		b = deck_at(t, f->b, 0);
		str_addf(out,
		    "%s: %s stands twice, rows %zu and %zu: %s and %s; both "
		    "are kept",
		    table, t->names[f->a], f->a + 1, f->b + 1, a->text,
		    b->text);
		return;
	case DECK_MISSING:
		str_addf(out, "%s: %s is missing", table, all->names[f->a]);
		return;
	case DECK_NOT_SQUARE:
		str_addf(out, "%s: row and column %zu are not of one name",
		    table, f->a + 1);
		return;
	default:
		a = deck_at(t, f->a, f->b);
		b = deck_at(t, f->b, f->a);
		str_addf(out, "(%zu,%zu) %s there, %s back", f->a + 1, f->b + 1,
		    a->text, b->text);
	}
}

static json_t *
finding_json(const char *table, const struct deck_table *t,
    const struct deck_table *all, const struct deck_finding *f)
{
	json_t *j = json_object();
	struct str text = STR_INIT;
	bool cell = f->what == DECK_BAD_CELL || f->what >= DECK_ASYMMETRIC;
	const struct deck_table *of = f->what == DECK_MISSING ? all : t;

	say_finding(table, t, all, f, &text);
	json_put_str(j, "table", table);
	json_put_str(j, "what", deck_what_name(f->what));
	json_put_str(j, "name", f->a < of->rows ? of->names[f->a] : NULL);
	json_put(j, "row",
	    f->what == DECK_MISSING
		? json_null()
		: json_integer(
		      (json_int_t)(f->what == DECK_DUPLICATE ? f->b : f->a) +
		      1));
	json_put(j, "column",
	    cell ? json_integer((json_int_t)f->b + 1) : json_null());
	json_put_str(j, "text", str_cstr(&text));
	str_free(&text);
	return j;
}

static void
print_pairs(const struct deck_table *t, const struct deck_findings *f,
    enum deck_what what, const char *text)
{
	struct str s = STR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].what != what || n++ >= SHOWN)
			continue;
		str_add(&s, n > 1 ? "; " : "");
		say_finding("", t, NULL, &f->v[i], &s);
	}
	if (n)
		printf("matrix: %zu pairs differ by %s: %s%s\n", n, text,
		    str_cstr(&s), n > SHOWN ? "; ..." : "");
	str_free(&s);
}

static void
print_repeated(const struct deck_findings *f)
{
	size_t n = 0, lo[2] = { SIZE_MAX, SIZE_MAX }, hi[2] = { 0, 0 };

	for (size_t i = 0; i < f->n; i++) {
		size_t at[2] = { f->v[i].a, f->v[i].b };

		if (f->v[i].what != DECK_REPEATED)
			continue;
		n++;
		for (int k = 0; k < 2; k++) {
			lo[k] = at[k] < lo[k] ? at[k] : lo[k];
			hi[k] = at[k] > hi[k] ? at[k] : hi[k];
		}
	}
	if (n)
		printf("matrix: %zu cells hold a value that stands 4 times or "
		       "more in their row or column (rows %zu-%zu, columns "
		       "%zu-%zu): copied, not measured; they are kept\n",
		    n, lo[0] + 1, hi[0] + 1, lo[1] + 1, hi[1] + 1);
}

static void
print_plain(const char *table, const struct deck_table *t,
    const struct deck_table *all, const struct deck_findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct str s = STR_INIT;

		if (f->v[i].what >= DECK_ASYMMETRIC)
			continue;
		say_finding(table, t, all, &f->v[i], &s);
		printf("%s\n", str_cstr(&s));
		str_free(&s);
	}
}

/* Findings of the tables that are shown; as text, or into out. */
static void
findings(const struct tables *t, const char *which, json_t *out)
{
	/* What was measured here need not have all: it has no row of itself. */
	const struct deck_table *want = t->published ? t->cpu : NULL;
	const struct {
		const char *name;
		const struct deck_table *t, *all;
	} parts[] = { { "cpu", t->cpu, NULL }, { "rtt", t->rtt, want },
		{ "matrix", t->matrix, want } };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct deck_findings f = { 0 };
		const struct deck_table *all = parts[i].all;

		if (!parts[i].t || (which && !str_eq(which, parts[i].name)))
			continue;
		deck_check(parts[i].t, all, &f);
		if (i == 2)
			deck_check_matrix(parts[i].t, &f);
		for (size_t k = 0; out && k < f.n; k++)
			json_array_append_new(out,
			    finding_json(parts[i].name, parts[i].t, all,
				&f.v[k]));
		if (!out) {
			print_plain(parts[i].name, parts[i].t, all, &f);
			print_pairs(parts[i].t, &f, DECK_ASYMMETRIC,
			    "> 20 % and > 3 ms");
			print_pairs(parts[i].t, &f, DECK_ASYMMETRIC_MINOR,
			    "> 5 % and > 3 ms");
			print_repeated(&f);
		}
		deck_findings_free(&f);
	}
}

/* Forms ------------------------------------------------------------------- */

static void
print_csv(const struct deck_table *t)
{
	printf("%s", t->key);
	for (size_t j = 0; j < t->cols; j++)
		printf(",%s", t->heads[j]);
	for (size_t i = 0; i < t->rows; i++) {
		printf("\n%s", t->names[i]);
		for (size_t j = 0; j < t->cols; j++)
			printf(",%s", deck_at(t, i, j)->text);
	}
	putchar('\n');
}

static json_t *
table_json(const struct deck_table *t, const char *why)
{
	json_t *j = json_object(), *rows = json_array(), *mean = json_object();
	size_t n;

	json_put_str(j, "reason", t ? NULL : why);
	for (size_t i = 0; t && i < t->rows; i++) {
		json_t *row = json_object(), *v = json_object();

		json_put_str(row, "name", t->names[i]);
		for (size_t k = 0; k < t->cols; k++)
			json_put_num(v, t->heads[k], deck_at(t, i, k)->v);
		json_put(row, "values", v);
		json_array_append_new(rows, row);
	}
	for (size_t k = 0; t && k < t->cols; k++)
		json_put_num(mean, t->heads[k], deck_mean(t, k, &n));
	json_put(j, "rows", rows);
	json_put(j, "means", mean);
	return j;
}

static void
print_json(const struct tables *t, const char *which)
{
	json_t *j = json_object(), *list = json_array();
	const struct {
		const char *name, *why;
		const struct deck_table *t;
	} parts[] = { { "cpu", NULL, t->cpu }, { "rtt", t->rtt_why, t->rtt },
		{ "matrix", t->matrix_why, t->matrix } };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!which || str_eq(which, parts[i].name))
			json_put(j, parts[i].name,
			    table_json(parts[i].t, parts[i].why));
	json_put_str(j, "rttFrom", t->from);
	findings(t, which, list);
	json_put(j, "findings", list);
	cli_print_json(j);
	json_decref(j);
}

void
tables_print(struct cli *c, const struct tables *t, const char *which)
{
	const struct {
		const char *name;
		const struct deck_table *t;
		void (*print)(struct cli *c, const struct tables *t);
	} parts[] = { { "cpu", t->cpu, print_cpu },
		{ "rtt", t->rtt, print_rtt },
		{ "matrix", t->matrix, print_matrix } };
	bool any = false;

	if (c->out == OUT_JSON) {
		print_json(t, which);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (which && !str_eq(which, parts[i].name))
			continue;
		if (c->out == OUT_TABLE) {
			parts[i].print(c, t);
		} else if (parts[i].t) {
			fputs(any ? "\n" : "", stdout);
			print_csv(parts[i].t);
			any = true;
		}
	}
	if (c->out == OUT_TABLE) {
		putchar('\n');
		findings(t, which, NULL);
	}
}
