/*
 * test_xml.c - the reader of EC2's answers: what it finds, what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/str.h"
#include "drivers/xml.h"

#include <string.h>

static const struct xml_node *
parse(struct arena *a, const char *text, struct mw_err *err)
{
	const struct xml_node *root = NULL;

	err->code = MW_OK;
	return xml_parse(a, text, strlen(text), &root, err) ? root : NULL;
}

static void
finds_what_is_there(void **state)
{
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	const struct xml_node *root = parse(a,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<x:DescribeInstancesResponse xmlns:x=\"http://e/\">\n"
	    " <reservationSet><item><instancesSet>\n"
	    "  <item><instanceId> i-1\n</instanceId><tag a=\"b\"/></item>\n"
	    "  <other/>\n"
	    "  <item><instanceId>i-&lt;2&#62;</instanceId></item>\n"
	    " </instancesSet></item></reservationSet>\n"
	    "</x:DescribeInstancesResponse>",
	    &err);
	const struct xml_node *item =
	    xml_get(root, "reservationSet/item/instancesSet/item");

	(void)state;
	assert_non_null(root);
	assert_string_equal(root->name, "DescribeInstancesResponse");
	assert_string_equal(xml_text(item, "instanceId"), "i-1");
	assert_null(xml_text(item, "tag"));
	assert_non_null(xml_get(item, "tag"));
	assert_null(xml_get(item, "tag/none"));
	item = xml_next(item);
	assert_string_equal(xml_text(item, "instanceId"), "i-<2>");
	assert_null(xml_next(item));
	assert_string_equal(xml_find(root, "instanceId")->text, "i-1");
	assert_null(xml_find(root, "none"));
	assert_null(xml_get(NULL, "a"));
	arena_free(a);
}

static void
refuses_what_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"<a>",
		"<a></b>",
		"<a>&undefined;</a>",
		"<html><br></html>",
		"{\"a\":1}",
		"<a>\xff\xfe</a>",
		"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
		"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
		"<a/><a/>",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena *a = arena_new();
		struct mw_err err = MW_ERR_INIT;

		if (parse(a, bad[i], &err))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(err.code, MW_PROTO);
		arena_free(a);
	}
}

static void
depth_has_a_limit(void **state)
{
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;

	(void)state;
	for (int i = 0; i < XML_DEPTH_MAX; i++)
		str_add(&s, "<a>");
	for (int i = 0; i < XML_DEPTH_MAX; i++)
		str_add(&s, "</a>");
	assert_non_null(parse(a, str_cstr(&s), &err));
	str_reset(&s);
	for (int i = 0; i <= XML_DEPTH_MAX; i++)
		str_add(&s, "<a>");
	for (int i = 0; i <= XML_DEPTH_MAX; i++)
		str_add(&s, "</a>");
	assert_null(parse(a, str_cstr(&s), &err));
	assert_non_null(strstr(err.msg, "nested too deeply"));
	str_free(&s);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_there),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(depth_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
