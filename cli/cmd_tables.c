/*
 * cmd_tables.c - `report tables`: where the numbers of the tables come from,
 * files of published ones or what this coordinator has measured.
 */
#include "cli/tables.h"

#include "common/file.h"
#include "common/pure/alloc.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* From a checkout, from beside the program's folder, or installed. */
static char *
data_dir(struct mw_err *err)
{
	static const char *const beside[] = { "../../bench-data/deck",
		"../share/milkyway/bench-data/deck" };
	char here[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
	struct stat st;
	char *path;

	if (stat("bench-data/deck", &st) == 0)
		return xstrdup("bench-data/deck");
	here[n > 0 ? n : 0] = '\0';
	if (strrchr(here, '/'))
		*strrchr(here, '/') = '\0';
	for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
		path = xasprintf("%s/%s", here, beside[i]);
		if (stat(path, &st) == 0)
			return path;
		free(path);
	}
	err_set(err, MW_NOT_FOUND, 0, "the published tables are not here");
	err_hint(err, "--data FOLDER with deck-cpu.csv and the others");
	return NULL;
}

static struct deck_table *
load_one(const char *dir, const char *name, struct mw_err *err)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct str s = STR_INIT;
	struct deck_table *t = NULL;

	if (file_read(path, DECK_MAX_BYTES, &s, err)) {
		t = deck_parse(str_cstr(&s), s.len, err);
		if (!t)
			err_wrap(err, "%s", path);
	}
	str_free(&s);
	free(path);
	return t;
}

bool
tables_load(struct tables *t, const char *dir, struct mw_err *err)
{
	t->cpu = load_one(dir, "deck-cpu.csv", err);
	t->vcpu = t->cpu ? load_one(dir, "deck-vcpu.csv", err) : NULL;
	t->rtt = t->vcpu ? load_one(dir, "deck-rtt-korea.csv", err) : NULL;
	t->matrix = t->rtt ? load_one(dir, "deck-rtt-17x17.csv", err) : NULL;
	t->from = xstrdup("one address in Korea, ms");
	t->published = true;
	if (t->matrix && t->cpu->cols != 2)
		return err_set(err, MW_INVALID, 0,
		    "deck-cpu.csv must have the columns spec,cpus,cpum");
	return t->matrix != NULL;
}

/* From answers ------------------------------------------------------------ */

struct line {
	double key; /* rows ascend by it; NAN last */
	struct str cells;
};

static int
line_cmp(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	double x = isnan(a->key) ? INFINITY : a->key;
	double y = isnan(b->key) ? INFINITY : b->key;

	return x != y ? (x > y) - (x < y)
		      : strcmp(str_cstr(&a->cells), str_cstr(&b->cells));
}

/* The heading and the sorted lines as a table; frees the lines. */
static struct deck_table *
lines_table(const char *head, struct line *lines, size_t n, bool sort,
    struct mw_err *err)
{
	struct str s = STR_INIT;
	struct deck_table *t;

	if (sort && n)
		qsort(lines, n, sizeof *lines, line_cmp);
	str_addf(&s, "%s\n", head);
	for (size_t i = 0; i < n; i++) {
		str_addf(&s, "%s\n", str_cstr(&lines[i].cells));
		str_free(&lines[i].cells);
	}
	free(lines);
	t = deck_parse(s.p, s.len, err);
	str_free(&s);
	return t;
}

static void
add_num(struct str *s, double v, int decimals)
{
	if (isnan(v))
		str_addc(s, ',');
	else
		str_addf(s, ",%.*f", decimals, v);
}

static char *
spec_name(const json_t *s)
{
	return xasprintf("%s%s%s-%s", js(s, "csp"), js(s, "csp")[0] ? "-" : "",
	    js(s, "region"), js(s, "spec"));
}

static bool
make_cpu(struct tables *t, const json_t *eval, struct mw_err *err)
{
	static const char *const kinds[] = { "cpus", "cpum" };
	const json_t *specs = ja(eval, "specs");
	size_t i, n = json_array_size(specs);
	struct line *cpu = xcalloc(n + 1, sizeof *cpu);
	struct line *vcpu = xcalloc(n + 1, sizeof *vcpu);
	struct line *flags = xcalloc(n + 1, sizeof *flags);
	json_t *s;

	json_array_foreach(specs, i, s)
	{
		char *name = spec_name(s);

		str_add(&cpu[i].cells, name);
		str_addf(&flags[i].cells, "%s", name);
		str_addf(&vcpu[i].cells, "%s", name);
		add_num(&vcpu[i].cells, jnum(s, "vcpu", NAN), 0);
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			const json_t *x =
			    json_object_get(json_object_get(s, "values"),
				kinds[k]);

			cpu[i].key = jnum(x, "value", NAN);
			add_num(&cpu[i].cells, cpu[i].key, 2);
			str_add(&flags[i].cells,
			    jb(x, "flagged") ? ",1" : ",0");
		}
		free(name);
	}
	t->cpu = lines_table("spec,cpus,cpum", cpu, n, true, err);
	t->vcpu = lines_table("spec,vcpu", vcpu, n, false, err);
	t->flags = lines_table("spec,cpus,cpum", flags, n, false, err);
	return t->cpu && t->vcpu && t->flags;
}

/* The site if only one VM is there, else the VM. */
static const char *
vm_name(const json_t *vms, size_t i)
{
	const json_t *vm = json_array_get(vms, i);
	size_t n = 0;

	for (size_t k = 0; k < json_array_size(vms); k++)
		n += str_eq(js(json_array_get(vms, k), "site"), js(vm, "site"));
	return n == 1 && js(vm, "site")[0] ? js(vm, "site") : js(vm, "vmId");
}

static double
cell(const json_t *m, size_t i, size_t j)
{
	return jnum(json_array_get(json_array_get(ja(m, "cells"), i), j),
	    "rttMedianMs", NAN);
}

struct place {
	const char *name;
	size_t at; /* row of the answer */
};

static int
place_cmp(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;
	int d = strcmp(a->name, b->name);

	return d ? d : (a->at > b->at) - (a->at < b->at);
}

/* By name, as the published table: so two of them can be held side by side. */
static bool
make_matrix(struct tables *t, const json_t *m, struct mw_err *err)
{
	const json_t *vms = ja(m, "vms");
	size_t n = json_array_size(vms);
	struct line *lines = xcalloc(n + 1, sizeof *lines);
	struct place *order = xcalloc(n + 1, sizeof *order);
	struct str head = STR_INIT;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct place){ vm_name(vms, i), i };
	qsort(order, n, sizeof *order, place_cmp);
	str_add(&head, "from");
	for (size_t i = 0; i < n; i++) {
		str_addf(&head, ",%s", order[i].name);
		str_add(&lines[i].cells, order[i].name);
		for (size_t j = 0; j < n; j++)
			add_num(&lines[i].cells,
			    cell(m, order[i].at, order[j].at), 3);
	}
	t->matrix = lines_table(head.p, lines, n, false, err);
	str_free(&head);
	free(order);
	return t->matrix != NULL;
}

static bool
make_rtt(struct tables *t, const json_t *m, const char *from,
    struct mw_err *err)
{
	const json_t *vms = ja(m, "vms");
	size_t n = json_array_size(vms), row = 0, used = 0;
	struct line *lines;

	while (from && row < n &&
	    !str_eq(js(json_array_get(vms, row), "vmId"), from) &&
	    !str_eq(vm_name(vms, row), from))
		row++;
	if (row >= n) {
		err_set(err, MW_NOT_FOUND, 0, "no VM %s in the matrix", from);
		return err_hint(err, "its VMs: milkyway matrix NAME -o csv");
	}
	lines = xcalloc(n, sizeof *lines);
	for (size_t j = 0; j < n; j++) {
		struct line *l = &lines[used];

		if (j == row)
			continue;
		used++;
		l->key = cell(m, row, j);
		str_add(&l->cells, vm_name(vms, j));
		add_num(&l->cells, l->key, 3);
	}
	t->from = xasprintf("%s (%s), ms", js(json_array_get(vms, row), "vmId"),
	    vm_name(vms, row));
	t->rtt = lines_table("spec,rttMs", lines, used, true, err);
	return t->rtt != NULL;
}

bool
tables_make(struct tables *t, const json_t *eval, const json_t *matrix,
    const char *from, struct mw_err *err)
{
	json_t *x;
	size_t i;

	json_array_foreach(ja(eval, "items"), i, x) t->replay |=
	    str_eq(js(x, "provenance"), "replay");
	if (!make_cpu(t, eval, err))
		return err_wrap(err, "CPU table");
	if (json_array_size(ja(matrix, "vms"))) {
		if (!make_matrix(t, matrix, err))
			return err_wrap(err, "matrix");
		return make_rtt(t, matrix, from, err);
	}
	t->rtt_why = xstrdup("no matrix was measured yet (milkyway matrix "
			     "NAME --run)");
	t->matrix_why = xstrdup(t->rtt_why);
	return true;
}

/* The command ------------------------------------------------------------- */

/* A group without a matrix is fine: its CPU table is shown. */
static bool
ask(struct cli *c, const char *mcis, const char *from, struct tables *t,
    struct mw_err *err)
{
	char *path = cli_mcis_path(c, mcis, "/evaluations");
	char *mpath = cli_mcis_path(c, mcis, "/matrix");
	json_t *eval = NULL, *matrix = NULL;
	struct mw_err none = MW_ERR_INIT;
	bool ok = path && mpath;

	if (!ok)
		err_set(err, MW_INVALID, 0, "not a name: %s", mcis);
	ok = ok && cli_call(c, "GET", path, NULL, &eval, err);
	if (ok && !cli_call(c, "GET", mpath, NULL, &matrix, &none) &&
	    none.code != MW_NOT_FOUND) {
		*err = none;
		ok = false;
	}
	ok = ok && tables_make(t, eval, matrix, from, err);
	json_decref(eval);
	json_decref(matrix);
	free(path);
	free(mpath);
	return ok;
}

int
cli_report_tables(struct cli *c, int argc, char **argv)
{
	const char *from = NULL, *which = NULL, *data = NULL;
	bool deck = false, ok;
	const struct cli_opt opts[] = {
		{ "deck", 0, OPT_FLAG, &deck },
		{ "data", 0, OPT_STR, &data },
		{ "from", 0, OPT_STR, &from },
		{ "table", 0, OPT_STR, &which },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_report, "report tables");
	struct tables t = { .cpu = NULL };
	struct mw_err err = MW_ERR_INIT;
	char *dir = NULL;
	int n;

	n = cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 0, 1);
	if (n < 0)
		return 2;
	deck |= data != NULL;
	if (deck == (n == 1))
		return cli_usage(cmd, "give an MCIS, or --deck");
	if (which && !str_eq(which, "cpu") && !str_eq(which, "rtt") &&
	    !str_eq(which, "matrix"))
		return cli_usage(cmd, "--table: cpu, rtt or matrix");
	if (deck) {
		dir = data ? xstrdup(data) : data_dir(&err);
		ok = dir && tables_load(&t, dir, &err);
	} else {
		ok = ask(c, argv[1], from, &t, &err);
	}
	if (ok)
		tables_print(c, &t, which);
	tables_free(&t);
	free(dir);
	return ok ? 0 : cli_fail(&err);
}
