/*
 * test_cli_opt.c - the command line: commands and options are found, near
 * misses are named, every option is in the help of its command.
 */
#include "cli/cli.h"
#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

bool
cli_interrupted(void)
{
	return false;
}

static const struct cli_cmd cmd = { "test", "[OPTIONS] A", "a test", NULL, "" };

struct got {
	const char *text;
	int64_t n;
	double x;
	bool flag;
	struct cli c;
	char *err;
	char operands[64], line[256]; /* texts point into it */
};

static int
parse(struct got *g, const char *line)
{
	const struct cli_opt opts[] = {
		{ "text", 't', OPT_STR, &g->text },
		{ "number", 'n', OPT_INT, &g->n },
		{ "max-rtt", 0, OPT_NUM, &g->x },
		{ "flag", 0, OPT_FLAG, &g->flag },
	};
	char *rest = g->line, *argv[16], *out;
	int argc = 0, rc;

	memset(g, 0, sizeof *g);
	str_copy(g->line, sizeof g->line, line);
	while (argc < 15 && (argv[argc] = strsep(&rest, " ")) != NULL)
		argc++;
	argv[argc] = NULL;
	capture_begin();
	rc = cli_opts(&g->c, &cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 2);
	out = capture_end(&g->err);
	assert_string_equal(out, ""); /* complaints go to standard error */
	free(out);
	for (int i = 1; i <= rc; i++) {
		size_t n = strlen(g->operands);

		snprintf(g->operands + n, sizeof g->operands - n, "%s ",
		    argv[i]);
	}
	return rc;
}

static void
options_may_come_anywhere(void **state)
{
	struct got g;

	(void)state;
	assert_int_equal(
	    parse(&g, "test a --number=7 b -t word --flag --max-rtt 2.5"), 2);
	assert_string_equal(g.operands, "a b ");
	assert_string_equal(g.text, "word");
	assert_int_equal(g.n, 7);
	assert_true(g.flag && g.x > 2.49 && g.x < 2.51);
	free(g.err);
	assert_int_equal(parse(&g, "test a -o csv --ns x --timeout 3 -y"), 1);
	assert_int_equal(g.c.out, OUT_CSV);
	assert_string_equal(g.c.ns, "x");
	assert_int_equal(g.c.timeout_s, 3);
	assert_true(g.c.yes);
	free(g.err);
}

static void
wrong_lines_are_told(void **state)
{
	static const struct {
		const char *line, *says;
	} bad[] = {
		{ "test", "operand is missing" },
		{ "test a b c", "too many operands" },
		{ "test a --number 7x",
		    "--number: not a number that fits: 7x" },
		{ "test a --number -1", "--number: not a number" },
		{ "test a --number 99999999999999999999", "not a number" },
		{ "test a --max-rtt nan", "--max-rtt: not a number" },
		{ "test a --max-rtt", "--max-rtt needs a value" },
		{ "test a -n", "-n needs a value" },
		{ "test a --nubmer 3", "did you mean --number?" },
		{ "test a --max-rt=3 --maxrtt=3", "did you mean --max-rtt?" },
		{ "test a --zzzzzz", "option --zzzzzz is unknown" },
		{ "test a -z", "option -z is unknown" },
		{ "test a -o xml", "table, json or csv, not xml" },
	};
	struct got g;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int rc = parse(&g, bad[i].line);

		if (rc != -1 || strstr(g.err, bad[i].says) == NULL)
			fail_msg("%s: %d, %s", bad[i].line, rc, g.err);
		free(g.err);
	}
}

static void
distance_counts_slips(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} rows[] = {
		{ "", "", 0 },
		{ "place", "place", 0 },
		{ "plcae", "place", 1 },
		{ "pace", "place", 1 },
		{ "placce", "place", 1 },
		{ "plade", "place", 1 },
		{ "", "abc", 3 },
		{ "mcis crate", "mcis create", 1 },
		{ "abcdef", "uvwxyz", 6 },
	};
	char big[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(cli_distance(rows[i].a, rows[i].b), rows[i].d);
		assert_int_equal(cli_distance(rows[i].b, rows[i].a), rows[i].d);
	}
	memset(big, 'a', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_false(cli_near(big, "a"));
	assert_false(cli_near("a", big));
}

static void
commands_are_found_by_one_or_two_words(void **state)
{
	char *one[] = { (char *)"place", NULL };
	char *two[] = { (char *)"mcis", (char *)"create", (char *)"-f", NULL };
	char *half[] = { (char *)"mcis", NULL };
	int words = 0;

	(void)state;
	assert_string_equal(cli_find(1, one, &words)->name, "place");
	assert_int_equal(words, 1);
	assert_string_equal(cli_find(3, two, &words)->name, "mcis create");
	assert_int_equal(words, 2);
	assert_null(cli_find(1, half, &words));
	assert_null(cli_find(0, half, &words));
}

static void
unknown_commands_name_the_nearest(void **state)
{
	static const struct {
		const char *one, *two, *says;
	} rows[] = {
		{ "plcae", NULL, "did you mean \"place\"?" },
		{ "mcis", "crate", "did you mean \"mcis create\"?" },
		{ "mcis", NULL, "it takes: create, plan, scale" },
		{ "qqqqqqqqq", NULL, "try: milkyway help" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char one[32], two[32], *argv[] = { one, two, NULL };
		char *out, *err;

		str_copy(one, sizeof one, rows[i].one);
		str_copy(two, sizeof two, rows[i].two ? rows[i].two : "");
		capture_begin();
		assert_int_equal(cli_unknown(rows[i].two ? 2 : 1, argv), 2);
		out = capture_end(&err);
		assert_string_equal(out, "");
		assert_non_null(strstr(err, rows[i].says));
		free(out);
		free(err);
	}
}

/* That a command lists its options without doing anything shows too that it
 * goes through cli_opts() first; that it runs no further, that it fails. */
static void
every_option_is_in_its_help(void **state)
{
	static const char common[] = "--output --ns --url --token-file --dir "
				     "--timeout --no-wait --yes --help ";

	(void)state;
	for (const struct cli_room *r = cli_rooms; r->title; r++) {
		for (const struct cli_cmd *p = r->cmds; p->name; p++) {
			struct str list = STR_INIT;
			struct cli c = { .ns = "default",
				.dir = "/nonexistent",
				.describe = &list };
			char name[64], *argv[] = { name, NULL }, *rest, *word;

			str_copy(name, sizeof name, p->name);
			assert_int_equal(p->run(&c, 1, argv), 2);
			assert_non_null(strstr(str_cstr(&list), "--help\n"));
			for (rest = list.p; (word = strsep(&rest, "\n"));) {
				if (!word[0] || strstr(common, word))
					continue;
				if (!strstr(p->help, word))
					fail_msg("%s: no help for %s", p->name,
					    word);
			}
			str_free(&list);
		}
	}
}

static void
files_of_another_kind_are_told(void **state)
{
	static const struct {
		const char *text;
		enum cli_file kind;
		const char *says; /* NULL: accepted */
	} rows[] = {
		{ "{\"clouds\":[],\"name\":\"w\"}", FILE_WORLD, NULL },
		{ "{\"offers\":[]}", FILE_WORLD, NULL },
		{ "{\"clouds\":[]}", FILE_QUERY, "is a world, not" },
		{ "{\"mode\":\"place\",\"groups\":[]}", FILE_QUERY, NULL },
		{ "{\"groups\":[],\"constraints\":{}}", FILE_WORLD,
		    "is a placement query, not a world" },
		{ "{\"name\":\"x\",\"groups\":[]}", FILE_MCIS, NULL },
		{ "{\"name\":\"x\",\"groups\":[]}", FILE_QUERY,
		    "is a group of VMs to create" },
		{ "{\"groups\":[]}", FILE_MCIS, NULL },
		{ "[]", FILE_QUERY, NULL },
		{ "{", FILE_QUERY, "" },
	};
	char path[] = "/tmp/mw-test-cli-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mw_err err = MW_ERR_INIT;
		size_t n = strlen(rows[i].text);
		json_t *j;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, rows[i].text, n, 0), n);
		j = cli_load(path, rows[i].kind, 1000, &err);
		assert_true((j != NULL) == (rows[i].says == NULL));
		if (!j) {
			assert_int_equal(err.code, MW_INVALID);
			assert_non_null(strstr(err.msg, path));
			assert_non_null(strstr(err.msg, rows[i].says));
		}
		json_decref(j);
	}
	close(fd);
	unlink(path);
}

static void
missing_files_are_named(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_null(cli_load("/nonexistent/w.json", FILE_WORLD, 10, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_non_null(strstr(err.msg, "/nonexistent/w.json"));
	err = (struct mw_err)MW_ERR_INIT;
	assert_null(cli_load("/tmp", FILE_WORLD, 10, &err));
	assert_int_equal(err.code, MW_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_may_come_anywhere),
		cmocka_unit_test(wrong_lines_are_told),
		cmocka_unit_test(distance_counts_slips),
		cmocka_unit_test(commands_are_found_by_one_or_two_words),
		cmocka_unit_test(unknown_commands_name_the_nearest),
		cmocka_unit_test(every_option_is_in_its_help),
		cmocka_unit_test(files_of_another_kind_are_told),
		cmocka_unit_test(missing_files_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
