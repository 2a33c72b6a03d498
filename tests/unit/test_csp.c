/*
 * test_csp.c - cloud requests and answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/csp.h"

#include <stdio.h>

static void
copies_are_deep(void **state)
{
	static const struct csp_tag tags[] = { { "mw:dep", "d" },
		{ "mw:gen", "3" } };
	struct csp_req *q = csp_req_new(CSP_VM_CREATE, "aws-us"), *c;

	(void)state;
	q->id = 7;
	q->name = arena_strdup(q->arena, "vm-1");
	q->token = arena_strdup(q->arena, "tok");
	q->user_data = arena_strdup(q->arena, "#!");
	q->tags = tags;
	q->ntags = 2;
	q->deadline_ms = 5;
	c = csp_req_copy(q);
	csp_req_free(q);
	assert_int_equal(c->id, 7);
	assert_int_equal(c->op, CSP_VM_CREATE);
	assert_string_equal(c->connection, "aws-us");
	assert_string_equal(c->name, "vm-1");
	assert_string_equal(c->token, "tok");
	assert_string_equal(c->user_data, "#!");
	assert_null(c->zone);
	assert_ptr_not_equal(c->tags, tags);
	assert_string_equal(csp_tag_get(c->tags, c->ntags, "mw:gen"), "3");
	assert_null(csp_tag_get(c->tags, c->ntags, "other"));
	assert_int_equal(c->deadline_ms, 5);
	csp_req_free(c);
	csp_req_free(NULL);
}

static void
answers_start_ambiguous(void **state)
{
	struct csp_req *q = csp_req_new(CSP_VM_GET, "x");
	struct csp_answer *a;

	(void)state;
	q->id = 9;
	a = csp_answer_new(q);
	assert_int_equal(a->cls, CSP_AMBIGUOUS);
	assert_int_equal(a->id, 9);
	assert_int_equal(a->op, CSP_VM_GET);
	csp_req_free(q);
	csp_answer_free(a);
	csp_answer_free(NULL);
}

static void
everything_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CSP_OP_COUNT; i++)
		assert_non_null(csp_op_name((enum csp_op)i));
	for (unsigned i = 0; i < CSP_CLASS_COUNT; i++)
		assert_non_null(csp_class_name((enum csp_class)i));
	for (unsigned i = 0; i < CSP_REASON_COUNT; i++)
		assert_non_null(csp_reason_name((enum csp_reason)i));
	assert_string_equal(csp_op_name(CSP_VM_CREATE), "vm_create");
	assert_true(csp_op_mutates(CSP_VM_TERMINATE));
	assert_false(csp_op_mutates(CSP_VM_LIST));
}

static void
keys_are_compared_without_their_comment(void **state)
{
	(void)state;
	assert_true(csp_same_key("ssh-ed25519 AAAA me", "ssh-ed25519 AAAA"));
	assert_true(csp_same_key("ssh-ed25519 AAAA\n", "ssh-ed25519 AAAA x"));
	assert_false(csp_same_key("ssh-ed25519 AAAA", "ssh-ed25519 AAAB"));
	assert_false(csp_same_key("ssh-ed25519 AAAA", "ssh-ed25519 AAAAA"));
	assert_false(csp_same_key("ssh-ed25519 AAAA", "ssh-rsa AAAA"));
	assert_false(csp_same_key("ssh-ed25519", "ssh-ed25519"));
	assert_false(csp_same_key("", ""));
}

static void
test_parts(void **state)
{
	struct csp_req *q = csp_req_new(CSP_PART_LIST, "c");
	struct csp_answer *a = csp_answer_new(q);
	char id[16];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			snprintf(id, sizeof id, "k%d", i);
			csp_answer_part(a, CSP_NET_DELETE, id, id, NULL);
			csp_answer_part(a, CSP_SG_DELETE, id, id, "d");
		}
	}
	assert_int_equal(a->nparts, 200);
	assert_string_equal(a->parts[198].id, "k99");
	assert_null(a->parts[198].deployment);
	assert_string_equal(a->parts[199].deployment, "d");
	csp_answer_free(a);
	csp_req_free(q);
	assert_true(csp_is_key_name("mw-abcdefghijklmnopq237", 23));
	assert_true(csp_is_key_name("mw-abcdefghijklmnopq237.conn", 23));
	assert_false(csp_is_key_name("mw-abcdefghijklmnopq23", 22));
	assert_false(csp_is_key_name("mw-abcdefghijklmnopq231", 23));
	assert_false(csp_is_key_name("mx-abcdefghijklmnopq237", 23));
	assert_false(csp_is_key_name("", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_compared_without_their_comment),
		cmocka_unit_test(copies_are_deep),
		cmocka_unit_test(answers_start_ambiguous),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
