/*
 * test_alloc.c - allocators and arenas.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "common/pure/arena.h"

#include <string.h>

static void
copies_strings(void **state)
{
	char *a = xstrdup("abc"), *b = xstrndup("abcdef", 2);
	char *c = xasprintf("%d-%s", 7, "x"), *d = xstrndup("ab", 10);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "7-x");
	assert_string_equal(d, "ab");
	assert_null(xstrdup(NULL));
	free(a);
	free(b);
	free(c);
	free(d);
}

static void
grows_vectors(void **state)
{
	size_t n = 0, cap = 0;
	int *v = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		VEC_GROW(v, n, cap);
		v[n++] = i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
	assert_true(cap >= 1000);
	free(v);
}

static void
arena_memory_is_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 500, 1025, 3000, 4096,
		4097, 100000, 0, 3 };
	struct arena *a = arena_new();
	unsigned char *p[200];
	size_t size[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		size[i] = sizes[i % ARRAY_LEN(sizes)];
		p[i] = arena_alloc(a, size[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		for (size_t j = 0; j < size[i]; j++)
			assert_int_equal(p[i][j], 0);
		memset(p[i], (int)i, size[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		for (size_t j = 0; j < size[i]; j++)
			assert_int_equal(p[i][j], (unsigned char)i);
	arena_free(a);
	arena_free(NULL);
}

static void
arena_makes_strings(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strndup(a, "abc", 1), "a");
	assert_string_equal(arena_printf(a, "%03d", 7), "007");
	assert_null(arena_strdup(a, NULL));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_strings),
		cmocka_unit_test(grows_vectors),
		cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(arena_makes_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
