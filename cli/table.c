/*
 * table.c - tables for people and CSV for programs, from the same cells; and
 * small getters for values in answers.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct cell {
	char *text;
	int color;
};

struct cli_table {
	const char *const *heads;
	size_t cols, n, cap;
	struct cell *cells;
	int color;
};

struct cli_table *
table_new(const char *const *heads)
{
	struct cli_table *t = xcalloc(1, sizeof *t);

	t->heads = heads;
	while (heads[t->cols])
		t->cols++;
	return t;
}

void
table_color(struct cli_table *t, int color)
{
	t->color = color;
}

void
table_add(struct cli_table *t, const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	VEC_GROW(t->cells, t->n, t->cap);
	t->cells[t->n].text = str_take(&s);
	t->cells[t->n++].color = t->color;
	t->color = 0;
}

void
table_add_int(struct cli_table *t, const json_t *o, const char *key)
{
	if (json_is_integer(json_object_get(o, key)))
		table_add(t, "%lld", (long long)ji(o, key, 0));
	else
		table_add(t, "%s", "");
}

void
table_add_at(struct cli_table *t, const struct cli *c, const json_t *o,
    const char *key)
{
	table_add(t, "%.*s", c->out == OUT_TABLE ? 19 : 64, js(o, key));
}

static const char *
cell_text(const struct cell *c)
{
	return c->text && c->text[0] ? c->text : "-";
}

/* Columns of UTF-8 text on a terminal, as long as no letter is wide. */
static size_t
columns(const char *p)
{
	size_t n = 0;

	for (; *p; p++)
		n += ((unsigned char)*p & 0xc0) != 0x80;
	return n;
}

/* Foreign text must not steer the terminal. */
static void
put_plain(const char *p, size_t n)
{
	for (; n && *p; n--, p++)
		putchar((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p);
}

static void
put_spaces(size_t n)
{
	while (n--)
		putchar(' ');
}

void
cli_wrap(const char *text, int indent, int width)
{
	const char *p = text, *e;
	int at = indent;

	while (*p) {
		int n;

		e = strchr(p, ' ');
		e = e ? e : p + strlen(p);
		n = (int)(e - p);
		if (p != text && at + 1 + n > width && width > indent) {
			putchar('\n');
			put_spaces((size_t)indent);
			at = indent;
		} else if (p != text) {
			putchar(' ');
			at++;
		}
		put_plain(p, (size_t)n);
		at += n;
		p = *e ? e + 1 : e;
	}
}

static void
print_csv(const struct cli_table *t)
{
	for (size_t i = 0; i < t->cols; i++)
		printf("%s%s", i ? "," : "",
		    t->heads[i] + (t->heads[i][0] == '>'));
	putchar('\n');
	for (size_t i = 0; i < t->n; i++) {
		const char *text = cell_text(&t->cells[i]);
		/* what is unknown is "-" for people, empty for programs */
		const char *p = str_eq(text, "-") ? "" : text;
		bool quote = strpbrk(p, ",\"\n") != NULL;

		if (i % t->cols)
			putchar(',');
		if (quote)
			putchar('"');
		for (; *p; p++) {
			if (*p == '"')
				putchar('"');
			putchar(*p);
		}
		if (quote)
			putchar('"');
		if (i % t->cols == t->cols - 1)
			putchar('\n');
	}
}

static size_t *
widths(const struct cli_table *t)
{
	size_t *w = xcalloc(t->cols, sizeof *w);

	for (size_t i = 0; i < t->cols; i++)
		w[i] = strlen(t->heads[i]) - (t->heads[i][0] == '>');
	for (size_t i = 0; i < t->n; i++) {
		size_t n = columns(cell_text(&t->cells[i]));

		if (n > w[i % t->cols])
			w[i % t->cols] = n;
	}
	return w;
}

/* True if no row says anything in this column. */
static bool
says_nothing(const struct cli_table *t, size_t col)
{
	for (size_t i = col; i < t->n; i += t->cols)
		if (!str_eq(cell_text(&t->cells[i]), "-"))
			return false;
	return t->n > 0;
}

static size_t
total(const size_t *w, size_t n, size_t gap)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += w[i] ? w[i] + gap : 0;
	return sum;
}

/* A table too wide for the terminal loses its columns that say nothing (their
 * width becomes 0), then half of its gaps. Returns the gap. */
static size_t
fit(const struct cli_table *t, size_t *w, int width)
{
	size_t room = (size_t)width + 2;

	if (width <= 0 || total(w, t->cols, 2) <= room)
		return 2;
	for (size_t i = 1; i < t->cols; i++)
		if (says_nothing(t, i))
			w[i] = 0;
	/* the last one is wrapped in the room that is left for it */
	return total(w, t->cols - 1, 2) + 20 <= room ||
		total(w, t->cols, 2) <= room
	    ? 2
	    : 1;
}

static size_t
longest_word(const char *text)
{
	size_t most = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (n > most)
			most = n;
		text += n + (text[n] == ' ');
	}
	return most;
}

/* The last cell of a row goes on below itself; if there is no room for its
 * words, e.g. a request id, it has lines of its own. */
static void
put_last(const char *text, size_t indent, int width)
{
	size_t room = width > (int)indent ? (size_t)width - indent : 0;

	if (width < 30 || columns(text) <= room) {
		put_plain(text, strlen(text));
	} else if (room > 20 && longest_word(text) <= room) {
		cli_wrap(text, (int)indent, width);
	} else {
		putchar('\n');
		put_spaces(4);
		cli_wrap(text, 4, width);
	}
}

static void
print_people(const struct cli_table *t, const struct cli *c)
{
	size_t *w = widths(t), gap = fit(t, w, c->width), end = t->cols;
	size_t indent;

	while (end > 1 && !w[end - 1])
		end--;
	indent = total(w, end - 1, gap);
	for (size_t i = 0; i < t->cols + t->n; i++) {
		size_t col = i % t->cols;
		bool right = t->heads[col][0] == '>', last = col + 1 == end;
		const struct cell *x =
		    i < t->cols ? NULL : &t->cells[i - t->cols];
		const char *text = x ? cell_text(x) : t->heads[col] + right;
		int color = x ? x->color : 1;
		size_t pad;

		if (!w[col])
			continue;
		pad = w[col] - columns(text);
		if (right)
			put_spaces(pad);
		if (c->color && color)
			printf("\033[%dm", color);
		if (last && !right)
			put_last(text, indent, c->width);
		else
			put_plain(text, strlen(text));
		if (c->color && color)
			printf("\033[0m");
		if (!right && !last)
			put_spaces(pad);
		if (last)
			putchar('\n');
		else
			put_spaces(gap);
	}
	free(w);
}

void
table_print(struct cli_table *t, const struct cli *c)
{
	if (c->out == OUT_CSV)
		print_csv(t);
	else
		print_people(t, c);
	table_free(t);
}

void
table_free(struct cli_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

void
cli_print_json(const json_t *j)
{
	char *text = json_pretty(j);

	fputs(text, stdout);
	if (!text[0] || text[strlen(text) - 1] != '\n')
		putchar('\n');
	free(text);
}

void
cli_money(int64_t micros, char out[32])
{
	if (micros < 0)
		snprintf(out, 32, "-");
	else
		snprintf(out, 32, "%.4f", (double)micros / 1e6);
}

void
cli_short(double v, char out[32])
{
	if (isnan(v))
		snprintf(out, 32, "-");
	else if (fabs(v) >= 1000)
		snprintf(out, 32, "%.0f", v);
	else
		snprintf(out, 32, fabs(v) >= 100 ? "%.1f" : "%.2f", v);
}

const char *
js(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

double
jnum(const json_t *o, const char *key, double unknown)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : unknown;
}

int64_t
ji(const json_t *o, const char *key, int64_t unknown)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : unknown;
}

bool
jb(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

json_t *
ja(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_array(v) ? v : NULL;
}

bool
jflag(const json_t *o, const char *name)
{
	json_t *f;
	size_t i;

	json_array_foreach(ja(o, "flags"), i, f)
	{
		if (str_eq(json_string_value(f), name))
			return true;
	}
	return false;
}
