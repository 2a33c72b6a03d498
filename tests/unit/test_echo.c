/*
 * test_echo.c - echo frames, their MAC, who is answered, the schedule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/echo.h"
#include "common/digest.h"
#include "common/pure/alloc.h"

#include <string.h>

static const uint8_t key_bytes[32] = { 1, 2, 3, 4, 5 };

static struct echo_frame
request(void)
{
	return (struct echo_frame){ .type = ECHO_REQUEST,
		.flags = 0,
		.src = 3,
		.dst = 1,
		.round = 0x0102030405060708,
		.seq = 2,
		.t1 = 1700000000123456789,
		.t2 = -5,
		.t3 = INT64_MAX };
}

static void
the_layout_is_as_documented(void **state)
{
	struct echo_key *k = echo_key_new(key_bytes);
	struct echo_frame f = request(), g;
	uint8_t b[ECHO_BYTES], md[32];

	(void)state;
	echo_seal(k, &f, b);
	assert_memory_equal(b,
	    "MWE1\x01\x01\0\0\0\0\0\x03\0\0\0\x01"
	    "\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x02"
	    "\0\0\0\0",
	    32);
	digest_hmac_sha256(key_bytes, 32, b, 56, md);
	assert_memory_equal(b + 56, md, 16);
	assert_true(echo_parse(b, sizeof b, &g));
	assert_true(echo_authentic(k, b));
	assert_int_equal(g.type, f.type);
	assert_int_equal(g.src, f.src);
	assert_int_equal(g.dst, f.dst);
	assert_int_equal(g.seq, f.seq);
	assert_true(
	    g.round == f.round && g.t1 == f.t1 && g.t2 == f.t2 && g.t3 == f.t3);
	echo_key_free(k);
}

static void
any_changed_bit_breaks_the_mac(void **state)
{
	struct echo_key *k = echo_key_new(key_bytes);
	struct echo_frame f = request();
	uint8_t b[ECHO_BYTES];

	(void)state;
	echo_seal(k, &f, b);
	for (size_t i = 0; i < 8 * sizeof b; i++) {
		b[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(echo_authentic(k, b));
		b[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_true(echo_authentic(k, b));
	echo_key_free(k);
}

static void
wrong_lengths_and_heads_are_refused(void **state)
{
	struct echo_key *k = echo_key_new(key_bytes);
	struct echo_frame f = request(), g;
	static const size_t fixed[] = { 0, 1, 2, 3, 4, 5, 28, 31 };
	uint8_t b[2 * ECHO_BYTES] = { 0 };

	(void)state;
	echo_seal(k, &f, b);
	for (size_t n = 0; n < sizeof b; n++)
		assert_int_equal(echo_parse(b, n, &g), n == ECHO_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		b[fixed[i]] ^= 0x40;
		assert_false(echo_parse(b, ECHO_BYTES, &g));
		b[fixed[i]] ^= 0x40;
	}
	echo_key_free(k);
}

/* One captured request is worth at most one packet of its own size. */
static void
each_request_is_answered_once(void **state)
{
	struct echo_frame f = request(), bad;
	struct echo_gate g;

	(void)state;
	echo_gate_init(&g, f.round, 1, 5, 4);
	bad = f;
	bad.round++;
	assert_false(echo_gate_pass(&g, &bad));
	bad = f;
	bad.dst = 2;
	assert_false(echo_gate_pass(&g, &bad));
	bad = f;
	bad.src = 5;
	assert_false(echo_gate_pass(&g, &bad));
	bad.src = 1; /* ourselves */
	assert_false(echo_gate_pass(&g, &bad));
	bad = f;
	bad.seq = 4;
	assert_false(echo_gate_pass(&g, &bad));
	bad = f;
	bad.type = ECHO_REPLY; /* two responders must not talk for ever */
	assert_false(echo_gate_pass(&g, &bad));
	assert_true(echo_gate_pass(&g, &f));
	assert_false(echo_gate_pass(&g, &f));
	f.seq = 3;
	assert_true(echo_gate_pass(&g, &f));
	f.src = 4;
	assert_true(echo_gate_pass(&g, &f));
	echo_gate_free(&g);
}

/* In each step everyone sends one and receives one; in each sweep every
 * directed pair comes once. */
static void
each_step_is_a_permutation(void **state)
{
	static const uint32_t sizes[] = { 2, 3, 17, 100 };

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct echo_plan p = { sizes[s], 3, 42, NS_PER_S };
		uint32_t *perm = xcalloc(p.n, sizeof *perm);
		bool *seen = xcalloc(p.n, sizeof *seen);
		uint32_t first[2] = { 0, 0 };

		for (uint32_t q = 0; q < p.sweeps; q++) {
			echo_perm(&p, q, perm);
			memset(seen, 0, p.n * sizeof *seen);
			for (uint32_t i = 0; i + 1 < p.n; i++) {
				assert_in_range(perm[i], 1, p.n - 1);
				assert_false(seen[perm[i]]);
				seen[perm[i]] = true;
			}
			if (q < 2)
				first[q] = perm[0];
		}
		if (p.n == 100)
			assert_int_not_equal(first[0], first[1]);
		free(perm);
		free(seen);
	}
}

static void
steps_fill_the_window_evenly(void **state)
{
	struct echo_plan p = { 17, 10, 7, 10 * NS_PER_S };
	int64_t gap = p.window_ns / 160, last = -1;

	(void)state;
	for (uint32_t m = 0; m < p.n; m++) {
		assert_in_range(echo_due_ns(&p, m, 0), 0, gap - 1);
		assert_true(echo_due_ns(&p, m, 159) < p.window_ns);
	}
	for (uint32_t i = 0; i < 160; i++) {
		int64_t due = echo_due_ns(&p, 4, i);

		if (last >= 0)
			assert_int_equal(due - last, gap);
		last = due;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_layout_is_as_documented),
		cmocka_unit_test(any_changed_bit_breaks_the_mac),
		cmocka_unit_test(wrong_lengths_and_heads_are_refused),
		cmocka_unit_test(each_request_is_answered_once),
		cmocka_unit_test(each_step_is_a_permutation),
		cmocka_unit_test(steps_fill_the_window_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
