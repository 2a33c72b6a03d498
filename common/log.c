/*
 * log.c - logfmt lines on standard error, limited per call site. A line is
 * one write(2), so lines of several processes do not mix.
 */
#include "common/log.h"

#include "common/clock.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BURST 20
#define WINDOW_NS (10 * NS_PER_S)
#define SITES 256 /* sites that fall together share their limit */

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

static struct {
	pthread_mutex_t lock;
	char program[32];
	enum log_level min;
	struct site {
		int64_t from_ns;
		unsigned lines, dropped;
	} sites[SITES];
} logger = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.program = "milkyway",
	.min = LOG_INFO,
};

void
log_init(const char *program, enum log_level min)
{
	str_copy(logger.program, sizeof logger.program, program);
	logger.min = min;
}

bool
log_level_parse(const char *name, enum log_level *out)
{
	for (unsigned i = 0; i < ARRAY_LEN(level_names); i++)
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

/* May this call site write now? *dropped: lines left out before this one. */
static bool
site_admit(const char *file, int line, unsigned *dropped)
{
	uint64_t h = rng_mix((uint64_t)(uintptr_t)file ^ (uint64_t)line << 48);
	struct site *s = &logger.sites[h % SITES];
	int64_t now = clock_mono_ns();
	bool ok;

	pthread_mutex_lock(&logger.lock);
	if (s->lines == 0 || now - s->from_ns >= WINDOW_NS ||
	    now < s->from_ns) {
		s->from_ns = now;
		s->lines = 0;
	}
	ok = s->lines < BURST;
	*dropped = 0;
	if (ok) {
		s->lines++;
		*dropped = s->dropped;
		s->dropped = 0;
	} else {
		s->dropped++;
	}
	pthread_mutex_unlock(&logger.lock);
	return ok;
}

/* One line stays one line: control bytes become blanks, and inside quotes a
 * bare quote becomes a single one. */
static void
add_clean(struct str *out, const char *s, size_t n, bool quoted)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if ((unsigned char)c < 0x20 || c == 0x7f)
			c = ' ';
		else if (quoted && c == '"' && (i == 0 || s[i - 1] != '\\'))
			c = '\'';
		str_addc(out, c);
	}
}

static void
emit(const struct str *line)
{
	size_t done = 0;

	while (done < line->len) {
		ssize_t n =
		    write(STDERR_FILENO, line->p + done, line->len - done);

		if (n <= 0)
			return; /* nobody listens; nothing to tell it to */
		done += (size_t)n;
	}
}

void
log_write(enum log_level level, const char *room, const char *obj,
    const char *file, int line, const char *fmt, ...)
{
	struct str text = STR_INIT, out = STR_INIT;
	char ts[WHEN_LEN];
	unsigned dropped;
	const char *tab;
	va_list ap;
	size_t n;

	if (level < logger.min || !site_admit(file, line, &dropped))
		return;
	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	tab = strchr(str_cstr(&text), '\t');
	n = tab != NULL ? (size_t)(tab - text.p) : text.len;

	when_format(clock_wall_ns(), ts);
	str_addf(&out, "%s %s %s/%s", ts, level_names[level], logger.program,
	    room);
	if (obj != NULL) {
		str_add(&out, " obj=");
		add_clean(&out, obj, strlen(obj), true);
	}
	str_add(&out, " msg=\"");
	add_clean(&out, str_cstr(&text), n, true);
	str_addc(&out, '"');
	if (tab != NULL) {
		str_addc(&out, ' ');
		add_clean(&out, tab + 1, text.len - n - 1, false);
	}
	if (dropped > 0)
		str_addf(&out, " lines_left_out=%u", dropped);
	str_addc(&out, '\n');
	emit(&out);
	str_free(&text);
	str_free(&out);
}
