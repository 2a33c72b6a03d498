/*
 * test_icmp.c - our ICMP echo messages, and what is not one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/icmp.h"

#include <string.h>

static void
round_trip(void **state)
{
	struct icmp_echo e = { true, 0x0123456789abcdef, 70001 }, back;
	uint8_t p[ICMP_BYTES];

	(void)state;
	icmp_build(&e, p);
	assert_int_equal(p[0], 0);
	assert_int_equal(p[6] << 8 | p[7], 70001 % 65536);
	assert_true(icmp_parse(p, sizeof p, &back));
	assert_true(back.reply);
	assert_int_equal(back.cookie, e.cookie);
	assert_int_equal(back.index, e.index);
	e.reply = false;
	icmp_build(&e, p);
	assert_int_equal(p[0], 8);
	/* Set by the kernel, not looked at. */
	p[2] = p[3] = p[4] = p[5] = 0xaa;
	assert_true(icmp_parse(p, sizeof p, &back));
	assert_false(back.reply);
}

static void
others_are_refused(void **state)
{
	struct icmp_echo e = { true, 1, 2 };
	uint8_t p[ICMP_BYTES + 1] = { 0 };

	(void)state;
	icmp_build(&e, p);
	assert_false(icmp_parse(p, ICMP_BYTES - 1, &e));
	assert_false(icmp_parse(p, ICMP_BYTES + 1, &e));
	assert_false(icmp_parse(p, 0, &e));
	p[0] = 3; /* destination unreachable */
	assert_false(icmp_parse(p, ICMP_BYTES, &e));
	p[0] = 0;
	p[1] = 1;
	assert_false(icmp_parse(p, ICMP_BYTES, &e));
	p[1] = 0;
	p[7] ^= 1; /* sequence number and index disagree */
	assert_false(icmp_parse(p, ICMP_BYTES, &e));
}

static void
pace(void **state)
{
	struct sample_conf c = { .n = 4, .count = 3, .gap_ns = 100 };

	(void)state;
	assert_int_equal(sample_due_ns(&c, 0), 0);
	assert_int_equal(sample_due_ns(&c, 3), 75);
	assert_int_equal(sample_due_ns(&c, 4), 100);
	assert_int_equal(sample_due_ns(&c, 11), 275);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
