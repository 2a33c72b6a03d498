/*
 * log.h - logfmt lines on standard error: ts level room obj=id msg="..." k=v.
 *
 * A line says what happened and what we do now. INFO = a state changed, WARN =
 * we cope, ERROR = someone must act. Text from peers goes through str_escape;
 * secrets never come here. A call site that repeats is limited to 20 lines in
 * 10 s; what was left out is counted in the next line.
 */
#ifndef MW_COMMON_LOG_H
#define MW_COMMON_LOG_H

#include "common/pure/mw.h"

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARN,
	LOG_ERROR
};

void log_init(const char *program, enum log_level min);
bool log_level_parse(const char *name, enum log_level *out) mw_must_check;
/* obj may be NULL. fmt gives msg="..." followed by further k=v if it holds a
 * tab: "agent is silent\tlate_ms=%d action=wait". */
void log_write(enum log_level level, const char *room, const char *obj,
    const char *file, int line, const char *fmt, ...) mw_printf(6, 7);

#define log_debug(room, obj, ...) \
	log_write(LOG_DEBUG, room, obj, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(room, obj, ...) \
	log_write(LOG_INFO, room, obj, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(room, obj, ...) \
	log_write(LOG_WARN, room, obj, __FILE__, __LINE__, __VA_ARGS__)
#define log_error(room, obj, ...) \
	log_write(LOG_ERROR, room, obj, __FILE__, __LINE__, __VA_ARGS__)

#endif
