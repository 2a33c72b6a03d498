/*
 * heat.c - a square of numbers on a terminal, coloured by size. It takes the
 * widest form that fits: names and decimals, numbers of rows only, three
 * letters a cell; else a summary and the way to the whole.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/quant.h"

#include <math.h>
#include <string.h>

#define N_MAX 40 /* more is no table for eyes */
#define NAME_MAX_COLS 36

/* Green below a few ms, then yellow, orange, red. */
static const struct {
	double below;
	const char *text;
	int background;
} steps[] = {
	{ 1, "< 1", 22 },
	{ 5, "< 5", 28 },
	{ 20, "< 20", 34 },
	{ 40, "< 40", 112 },
	{ 70, "< 70", 184 },
	{ 100, "< 100", 214 },
	{ 150, "< 150", 208 },
	{ 200, "< 200", 160 },
	{ INFINITY, "more", 88 },
};

struct form {
	bool names; /* of the rows, in front of them; else below */
	bool brief; /* three letters a cell */
	int name_width, cell_width;
};

static bool form_fit(const struct cli *c, const struct heat *h,
    struct form *out);
static void print_rows(const struct cli *c, const struct heat *h,
    const struct form *f);
static void print_names(const struct heat *h);
static void print_legend(const struct cli *c, const struct heat *h);
static void print_summary(const struct cli *c, const struct heat *h);

void
heat_print(const struct cli *c, const struct heat *h)
{
	struct form f;

	if (!form_fit(c, h, &f)) {
		print_summary(c, h);
		return;
	}
	print_rows(c, h, &f);
	if (!f.names)
		print_names(h);
	print_legend(c, h);
}

/* Black or white, by the luminance of a colour of the 6x6x6 cube. */
static int
ink_on(int background)
{
	static const double level[] = { 0, 0.115, 0.242, 0.429, 0.679, 1 };
	int v = background - 16;
	double y = 0.2126 * level[v / 36] + 0.7152 * level[v / 6 % 6] +
	    0.0722 * level[v % 6];

	/* where both have the same contrast, WCAG 2.1 */
	return y > 0.179 ? 16 : 231;
}

void
heat_colors(double ms, int *background, int *foreground)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(steps) && !(ms < steps[i].below))
		i++;
	*background = steps[i].background;
	*foreground = ink_on(*background);
}

/* The site, as in published tables; the VM's own name where several are of
 * one site. */
static const char *
name_of(const struct heat *h, size_t i)
{
	const json_t *vm = json_array_get(h->vms, i), *other;
	const char *site = js(vm, "site");

	for (size_t j = 0; *site && j < json_array_size(h->vms); j++) {
		other = json_array_get(h->vms, j);
		if (j != i && js(vm, "vmId")[0] &&
		    str_eq(js(other, "site"), site))
			return js(vm, "vmId");
	}
	return *site ? site : js(vm, "vmId");
}

static void
cell_text(const struct heat *h, bool brief, size_t i, size_t j, char out[32])
{
	double v = h->value(h->ctx, i, j);

	if (isnan(v))
		snprintf(out, 32, "%s", i == j ? "." : "-");
	else if (!brief)
		snprintf(out, 32, "%.*f", h->decimals, v);
	else
		snprintf(out, 32, "%.*f",
		    fabs(v) < 9.95 && h->decimals > 0 ? 1 : 0, v);
}

static int
cells_width(const struct heat *h, bool brief)
{
	size_t n = json_array_size(h->vms), w = n > 9 ? 2 : 1;
	char text[32];

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			cell_text(h, brief, i, j, text);
			if (strlen(text) > w)
				w = strlen(text);
		}
	return (int)w;
}

static bool
form_fit(const struct cli *c, const struct heat *h, struct form *out)
{
	size_t n = json_array_size(h->vms), longest = 1;

	if (n > N_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t w = strlen(name_of(h, i));

		longest = w > longest ? w : longest;
	}
	for (int k = 0; k < 3; k++) {
		*out = (struct form){ .names = k == 0, .brief = k == 2 };
		out->cell_width = cells_width(h, out->brief);
		out->name_width = !out->names ? 0
		    : longest < NAME_MAX_COLS ? (int)longest
					      : NAME_MAX_COLS;
		if (c->width == 0 ||
		    3 + out->names + out->name_width +
			    (int)n * (out->cell_width + 1) <=
			c->width)
			return true;
	}
	return false;
}

static void
print_cell(const struct cli *c, const struct heat *h, const struct form *f,
    size_t i, size_t j)
{
	double v = h->value(h->ctx, i, j);
	int background, foreground;
	char text[32];

	cell_text(h, f->brief, i, j, text);
	putchar(h->limit > 0 && v >= h->limit ? '!' : ' ');
	if (c->color && h->colored && !isnan(v)) {
		heat_colors(v, &background, &foreground);
		printf("\033[48;5;%d;38;5;%dm%*s\033[0m", background,
		    foreground, f->cell_width, text);
	} else {
		printf("%*s", f->cell_width, text);
	}
}

static void
print_rows(const struct cli *c, const struct heat *h, const struct form *f)
{
	size_t n = json_array_size(h->vms);

	printf("%*s", 3 + f->names + f->name_width, "");
	for (size_t j = 0; j < n; j++)
		printf(" %*zu", f->cell_width, j + 1);
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		printf("%3zu", i + 1);
		if (f->names)
			printf(" %-*.*s", f->name_width, f->name_width,
			    name_of(h, i));
		for (size_t j = 0; j < n; j++)
			print_cell(c, h, f, i, j);
		putchar('\n');
	}
}

static void
print_names(const struct heat *h)
{
	putchar('\n');
	for (size_t i = 0; i < json_array_size(h->vms); i++)
		printf("%3zu %s\n", i + 1, name_of(h, i));
}

static void
print_legend(const struct cli *c, const struct heat *h)
{
	int background, foreground;

	if (c->color && h->colored) {
		printf("ms:");
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			heat_colors(i ? steps[i - 1].below : 0, &background,
			    &foreground);
			printf(" \033[48;5;%d;38;5;%dm%s\033[0m", background,
			    foreground, steps[i].text);
		}
		putchar('\n');
	}
	if (h->limit > 0)
		printf("! not under %.3f ms   ", h->limit);
	printf("- unknown   . itself\n");
}

static void
print_summary(const struct cli *c, const struct heat *h)
{
	size_t n = json_array_size(h->vms), known = 0, from = 0, to = 0;
	double *v = xcalloc(n * n, sizeof *v);
	struct str s = STR_INIT;
	struct quant q;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			double x = h->value(h->ctx, i, j);

			if (i == j || isnan(x))
				continue;
			if (!known || x > h->value(h->ctx, from, to)) {
				from = i;
				to = j;
			}
			v[known++] = x;
		}
	}
	str_addf(&s,
	    "%zu VMs do not fit here as a table: -o csv has all values, "
	    "milkyway report a picture",
	    n);
	cli_wrap(str_cstr(&s), 0, c->width);
	putchar('\n');
	str_reset(&s);
	if (known) {
		quant_of(v, known, &q);
		str_addf(&s,
		    "%zu directed pairs: min %.3f, median %.3f, p95 %.3f, max "
		    "%.3f (%s to %s)",
		    known, q.min, q.median, q.p95, q.max, name_of(h, from),
		    name_of(h, to));
		cli_wrap(str_cstr(&s), 0, c->width);
		putchar('\n');
	}
	str_free(&s);
	free(v);
}
