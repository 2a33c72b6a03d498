/*
 * test_cli_report.c - the HTML report and its pictures: foreign text is
 * escaped wherever it comes from, and unknown is no number.
 */
#include "cli/cli.h"

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

#define EVIL "<script>alert('x')</script>\" onload=\"y"

static json_t *
parse(const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_parse(text, strlen(text), 100000, &err);

	if (j == NULL)
		fail_msg("%s", err.msg);
	return j;
}

/* Replaces every string in a document by hostile text, but for words that
 * choose what is drawn. */
static void
poison(json_t *j)
{
	static const char *const keep[] = { "kind", "state", "validity" };
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_array(j)) {
		json_array_foreach(j, i, v)
		{
			poison(v);
			if (json_is_string(v))
				json_string_set(v, EVIL);
		}
	} else if (json_is_object(j)) {
		json_object_foreach(j, key, v)
		{
			bool kept = false;

			for (i = 0; i < ARRAY_LEN(keep); i++)
				kept |= str_eq(key, keep[i]);
			poison(v);
			if (json_is_string(v) && !kept)
				json_string_set(v, EVIL);
		}
	}
}

static struct report_input
input(void)
{
	return (struct report_input){
		.mcis = parse(
		    "{\"vms\":[{\"vmId\":\"vm-1\",\"connection\":"
		    "\"c\",\"spec\":\"s\",\"status\":\"Running\","
		    "\"driver\":\"ec2\",\"nativeStatus\":\"running\",\"publicIp\":"
		    "\"10.0.0.1\",\"specId\":\"a+b+c\",\"lat\":37.5,"
		    "\"lon\":127.0,\"vcpu\":null,"
		    "\"costPerHourMicros\":null}]}"),
		.bench = parse(
		    "{\"results\":[{\"vmId\":\"vm-1\",\"specId\":\"a+b+c\","
		    "\"kind\":\"cpus\",\"unit\":\"events/s\",\"value\":null,"
		    "\"substatus\":\"TOOL_MISSING\",\"validity\":\"failed\"},"
		    "{\"vmId\":\"vm-2\",\"specId\":\"a+b+c\",\"kind\":\"cpus\","
		    "\"unit\":\"events/s\",\"value\":20.5,\"ciLow\":null,"
		    "\"ciHigh\":null,\"validity\":\"ok\"}]}"),
		.eval = parse(
		    "{\"items\":[],\"specs\":[{\"csp\":\"a\",\"region\":\"b\","
		    "\"spec\":\"c\",\"vcpu\":null,\"cores\":\"words\","
		    "\"effectiveCores\":null,\"costPerHourMicros\":null,"
		    "\"values\":{\"cpum\":{\"value\":123.4,\"flagged\":true,"
		    "\"nVms\":2},\"cpus\":{\"value\":null}}}],\"lemons\":[{"
		    "\"vmId\":\"vm-2\",\"spec\":\"c\",\"kinds\":[{\"kind\":"
		    "\"cpum\",\"value\":1.5,\"worsePct\":null}]}]}"),
		.matrix = parse(
		    "{\"measuredAt\":\"2026-01-01T00:00:00Z\",\"vms\":[{"
		    "\"vmId\":\"vm-1\",\"site\":\"x\"},{\"vmId\":\"vm-2\"}],"
		    "\"cells\":[[null,{\"rttMedianMs\":null,\"reason\":"
		    "\"timeout\"}],[{\"rttMedianMs\":57.671},null]]}"),
		.placements = parse(
		    "[{\"question\":\"five VMs\",\"answer\":{\"status\":"
		    "\"optimal\",\"ranking\":[{\"rank\":1,\"worstRttMs\":null,"
		    "\"slackMs\":null,\"costPerHourMicros\":null,\"members\":"
		    "[{\"site\":\"x\"}]}]}},{\"question\":\"no\",\"answer\":{"
		    "\"status\":\"infeasible\",\"relaxations\":[{\"pointer\":"
		    "\"/constraints/minCsps\",\"to\":null,\"above\":null}]}}]"),
		.chosen = parse("{\"vms\":[{\"vmId\":\"vm-1\",\"connection\":"
				"\"c\",\"lat\":1,\"lon\":2},{\"vmId\":\"vm-2\","
				"\"connection\":\"d\",\"lat\":3,\"lon\":4}]}"),
		.title = EVIL,
	};
}

static void
input_free(struct report_input *in)
{
	json_decref(in->mcis);
	json_decref(in->bench);
	json_decref(in->eval);
	json_decref(in->matrix);
	json_decref(in->placements);
	json_decref(in->chosen);
}

static void
foreign_text_is_escaped_everywhere(void **state)
{
	struct report_input in = input();
	struct str out = STR_INIT;

	(void)state;
	poison(in.mcis);
	poison(in.bench);
	poison(in.eval);
	poison(in.matrix);
	poison(in.placements);
	poison(in.chosen);
	report_html(&in, &out);
	assert_null(strstr(out.p, "<script"));
	assert_null(strstr(out.p, "onload=\"y"));
	assert_non_null(strstr(out.p, "&lt;script&gt;"));
	str_free(&out);
	input_free(&in);
}

static void
unknown_is_no_number(void **state)
{
	struct report_input in = input();
	struct str out = STR_INIT;

	(void)state;
	report_html(&in, &out);
	assert_null(strstr(out.p, "nan"));
	assert_null(strstr(out.p, "0.000"));
	assert_non_null(strstr(out.p, "TOOL_MISSING"));
	assert_non_null(strstr(out.p, "<td class=\"r\">123*</td>"));
	assert_non_null(strstr(out.p, "<h3>Lemons</h3>"));
	assert_non_null(strstr(out.p, "1 to 2: unknown"));
	assert_non_null(strstr(out.p, "2 to 1: 57.671 ms"));
	assert_non_null(strstr(out.p, "<td class=\"r\">-</td>"));
	assert_non_null(strstr(out.p, "minCsps</code> dropped"));
	assert_non_null(strstr(out.p, "</body></html>"));
	str_free(&out);
	input_free(&in);
}

static void
missing_parts_leave_a_whole_page(void **state)
{
	struct report_input in = { .title = "t" };
	struct str out = STR_INIT;

	(void)state;
	report_html(&in, &out);
	assert_non_null(strstr(out.p, "</body></html>"));
	assert_null(strstr(out.p, "nan"));
	str_free(&out);
}

/* Real clouds are not called emulated. */
static void
emulation_is_told_if_there_is_one(void **state)
{
	struct report_input in = input();
	struct str out = STR_INIT;

	(void)state;
	report_html(&in, &out);
	assert_null(strstr(out.p, "Emulated"));
	str_reset(&out);
	json_object_set_new(json_array_get(json_object_get(in.mcis, "vms"), 0),
	    "driver", json_string("twin"));
	report_html(&in, &out);
	assert_non_null(strstr(out.p, "Emulated"));
	str_free(&out);
	input_free(&in);
	in = input();
	json_object_set_new(json_array_get(json_object_get(in.bench, "results"),
				0),
	    "provenance", json_string("replay"));
	assert_true(report_emulated(&in));
	input_free(&in);
}

static void
bars_fit_their_picture(void **state)
{
	json_t *bench = parse(
	    "{\"items\":[{\"kind\":\"memR\",\"value\":0,\"unit\":\"MiB/s\","
	    "\"validity\":\"ok\"},{\"kind\":\"memR\",\"value\":100,\"unit\":"
	    "\"MiB/s\",\"ciLow\":90,\"ciHigh\":110,\"validity\":\"suspect\"},"
	    "{\"kind\":\"cpus\",\"value\":1}]}");
	struct str out = STR_INIT;

	(void)state;
	svg_bars(bench, "memR", &out);
	assert_non_null(strstr(out.p, "width=\"0.0\""));
	assert_non_null(strstr(out.p, "width=\"300.0\""));
	assert_non_null(strstr(out.p, "100*"));
	str_reset(&out);
	svg_bars(bench, "dbR", &out);
	assert_int_equal(out.len, 0);
	str_free(&out);
	json_decref(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_text_is_escaped_everywhere),
		cmocka_unit_test(unknown_is_no_number),
		cmocka_unit_test(missing_parts_leave_a_whole_page),
		cmocka_unit_test(emulation_is_told_if_there_is_one),
		cmocka_unit_test(bars_fit_their_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
