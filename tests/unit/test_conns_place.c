/*
 * test_conns_place.c - places of regions: plausible, each once, far apart where
 * continents are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/cloud/conns_place.h"

#include <math.h>

static void
test_known(void **state)
{
	static const char *const regions[] = { "us-east-1", "us-west-2",
		"eu-central-1", "eu-west-2", "ap-northeast-1", "ap-southeast-2",
		"sa-east-1", "af-south-1", "ap-southeast-6", "cn-north-1" };

	(void)state;
	for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
		const struct conns_place *p =
		    conns_place_find("aws", regions[i]);

		assert_non_null(p);
		assert_string_equal(p->region, regions[i]);
		assert_true(fabs(p->lat) <= 60 && fabs(p->lon) <= 180);
		assert_true(p->city[0] >= 'A' && p->city[0] <= 'Z');
	}
	assert_string_equal(conns_place_find("aws", "eu-central-1")->city,
	    "Frankfurt");
	/* signs: south and west are negative */
	assert_true(conns_place_find("aws", "sa-east-1")->lat < 0);
	assert_true(conns_place_find("aws", "us-west-2")->lon < -100);
	assert_true(conns_place_find("aws", "ap-northeast-1")->lon > 100);
}

static void
test_unknown(void **state)
{
	(void)state;
	assert_null(conns_place_find("aws", "us-east-9"));
	assert_null(conns_place_find("gcp", "us-east-1"));
	assert_null(conns_place_find(NULL, NULL));
	assert_null(conns_place_find("aws", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
