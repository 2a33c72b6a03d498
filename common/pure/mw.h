/*
 * mw.h - attributes and macros that every room uses. No functions, no state.
 */
#ifndef MW_COMMON_PURE_MW_H
#define MW_COMMON_PURE_MW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define mw_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define mw_must_check __attribute__((warn_unused_result))
#define mw_noreturn __attribute__((noreturn))
#define mw_unused __attribute__((unused))

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

#endif
