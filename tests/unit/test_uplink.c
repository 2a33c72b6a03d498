/*
 * test_uplink.c - how long the agent waits before it dials again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/link/uplink.h"

static void
full_jitter_between_one_second_and_sixty(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 100; n++) {
		int64_t low = uplink_backoff_ns(n, 0);
		int64_t high = uplink_backoff_ns(n, 0.999999);

		assert_int_equal(low, NS_PER_S);
		assert_true(high >= low && high <= 60 * NS_PER_S);
		if (n >= 6)
			assert_true(high > 59 * NS_PER_S);
	}
	assert_true(uplink_backoff_ns(1, 0.999) < 2 * NS_PER_S);
	assert_true(uplink_backoff_ns(3, 0.5) < 5 * NS_PER_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_jitter_between_one_second_and_sixty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
