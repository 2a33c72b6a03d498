/*
 * test_cli_table.c - tables, CSV, wrapped text and heat tables: quoting,
 * widths, and that foreign text cannot steer the terminal.
 */
#include "cli/cli.h"
#include "tests/lib/capture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* main.c's; no signal comes here */
bool
cli_interrupted(void)
{
	return false;
}

static char *
table_text(enum cli_out form, int width, const char *const *cells, size_t n)
{
	static const char *const heads[] = { "NAME", ">VALUE", "NOTE", NULL };
	struct cli c = { .out = form, .width = width };
	struct cli_table *t = table_new(heads);

	for (size_t i = 0; i < n; i++)
		table_add(t, "%s", cells[i]);
	capture_begin();
	table_print(t, &c);
	return capture_end(NULL);
}

static void
csv_quotes_what_would_break_it(void **state)
{
	static const char *const cells[] = { "a,b", "1", "say \"no\"",
		"two\nlines", "", "plain" };
	char *text = table_text(OUT_CSV, 0, cells, 6);

	(void)state;
	assert_string_equal(text,
	    "NAME,VALUE,NOTE\n"
	    "\"a,b\",1,\"say \"\"no\"\"\"\n"
	    "\"two\nlines\",,plain\n");
	free(text);
}

static void
too_wide_a_table_loses_what_says_nothing(void **state)
{
	static const char *const cells[] = { "abcdefgh", "", "12345678", "b",
		"", "1234" };
	char *text = table_text(OUT_TABLE, 20, cells, 6);

	(void)state;
	assert_string_equal(text,
	    "NAME      NOTE\n"
	    "abcdefgh  12345678\n"
	    "b         1234\n");
	free(text);
	text = table_text(OUT_TABLE, 17, cells, 6);
	assert_string_equal(text,
	    "NAME     NOTE\n"
	    "abcdefgh 12345678\n"
	    "b        1234\n");
	free(text);
}

static void
table_aligns_and_marks_empty_cells(void **state)
{
	static const char *const cells[] = { "S\xc3\xa3o Paulo", "12", "x", "a",
		"", "" };
	char *text = table_text(OUT_TABLE, 0, cells, 6);

	(void)state;
	assert_string_equal(text,
	    "NAME       VALUE  NOTE\n"
	    "S\xc3\xa3o Paulo     12  x\n"
	    "a              -  -\n");
	free(text);
}

static void
foreign_text_cannot_steer_the_terminal(void **state)
{
	static const char *const cells[] = { "\033[2Jx", "1", "a\rb\n" };
	char *text = table_text(OUT_TABLE, 80, cells, 3);

	(void)state;
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\r'));
	assert_non_null(strstr(text, "?[2Jx"));
	free(text);
}

static void
last_column_breaks_at_the_terminal(void **state)
{
	static const char *const cells[] = { "n", "1",
		"one two three four five six seven" };
	char *text = table_text(OUT_TABLE, 34, cells, 3);

	(void)state;
	assert_string_equal(text,
	    "NAME  VALUE  NOTE\n"
	    "n         1  one two three four\n"
	    "             five six seven\n");
	free(text);
	text = table_text(OUT_TABLE, 0, cells, 3);
	assert_non_null(strstr(text, "one two three four five six seven\n"));
	free(text);
}

static void
long_words_have_their_own_lines(void **state)
{
	static const char *const cells[] = { "n", "1",
		"failed, request id req-0123456789-0123456789", "m", "2",
		"fine" };
	char *text = table_text(OUT_TABLE, 36, cells, 6);

	(void)state;
	assert_string_equal(text,
	    "NAME  VALUE  NOTE\n"
	    "n         1  \n"
	    "    failed, request id\n"
	    "    req-0123456789-0123456789\n"
	    "m         2  fine\n");
	free(text);
}

static double
some(const void *ctx, size_t i, size_t j)
{
	(void)ctx;
	return i == j || (i == 1 && j == 0) ? NAN
					    : (double)(40 * i + 10 * j) + 0.25;
}

static json_t *
vms(size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
		    json_pack("{s:s+}", "vmId", "vm-", i ? "b" : "a"));
	return list;
}

static char *
heat_text(size_t n, int width, bool color)
{
	struct cli c = { .width = width, .color = color };
	struct heat h = { .vms = vms(n),
		.value = some,
		.limit = 40,
		.decimals = 1,
		.colored = true };

	capture_begin();
	heat_print(&c, &h);
	json_decref((json_t *)(uintptr_t)h.vms);
	return capture_end(NULL);
}

static void
heat_table_marks_the_limit_and_the_unknown(void **state)
{
	char *text = heat_text(3, 0, false);

	(void)state;
	assert_string_equal(text,
	    "            1    2    3\n"
	    "  1 vm-a    . 10.2 20.2\n"
	    "  2 vm-b    -    .!60.2\n"
	    "  3 vm-b!80.2!90.2    .\n"
	    "! not under 40.000 ms   - unknown   . itself\n");
	free(text);
}

static void
heat_table_shrinks_then_gives_a_summary(void **state)
{
	char *text = heat_text(3, 16, false);

	(void)state;
	assert_non_null(strstr(text, "  2  -  .!60\n"));
	assert_non_null(strstr(text, "\n  3 vm-b\n"));
	free(text);
	text = heat_text(41, 0, false);
	assert_non_null(strstr(text, "-o csv"));
	assert_non_null(strstr(text, "1639 directed pairs"));
	free(text);
	text = heat_text(30, 80, false);
	assert_non_null(strstr(text, "-o csv"));
	free(text);
}

/* Relative luminance of a colour of the 6x6x6 cube, as WCAG has it. */
static double
luminance(int color)
{
	static const double level[] = { 0, 95, 135, 175, 215, 255 };
	double part[3] = { level[(color - 16) / 36],
		level[(color - 16) / 6 % 6], level[(color - 16) % 6] };

	for (int i = 0; i < 3; i++)
		part[i] = part[i] <= 10
		    ? part[i] / 255 / 12.92
		    : pow((part[i] / 255 + 0.055) / 1.055, 2.4);
	return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
}

static void
heat_colors_can_be_read(void **state)
{
	static const double ms[] = { 0, 0.5, 3, 10, 30, 50, 90, 120, 180, 500,
		1e12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ms); i++) {
		int back, fore;
		double a, b;

		heat_colors(ms[i], &back, &fore);
		a = luminance(back) + 0.05;
		b = luminance(fore) + 0.05;
		assert_true((a > b ? a / b : b / a) >= 4.5);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_quotes_what_would_break_it),
		cmocka_unit_test(too_wide_a_table_loses_what_says_nothing),
		cmocka_unit_test(table_aligns_and_marks_empty_cells),
		cmocka_unit_test(foreign_text_cannot_steer_the_terminal),
		cmocka_unit_test(last_column_breaks_at_the_terminal),
		cmocka_unit_test(long_words_have_their_own_lines),
		cmocka_unit_test(heat_table_marks_the_limit_and_the_unknown),
		cmocka_unit_test(heat_table_shrinks_then_gives_a_summary),
		cmocka_unit_test(heat_colors_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
