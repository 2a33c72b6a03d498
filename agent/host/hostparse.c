/*
 * hostparse.c - see hostparse.h. Used by hostmetrics.c and a fuzz target.
 */
#include "agent/host/hostparse.h"

#include "common/pure/num.h"

#include <string.h>

#define SECTOR 512 /* of /proc/diskstats, whatever the disk's own is */

struct word {
	const char *p;
	size_t n;
};

/* Cuts the next line off *p .. end, without its newline. */
static bool
next_line(const char **p, const char *end, struct word *out)
{
	const char *nl;

	if (*p >= end)
		return false;
	nl = memchr(*p, '\n', (size_t)(end - *p));
	out->p = *p;
	out->n = (size_t)((nl != NULL ? nl : end) - *p);
	*p = nl != NULL ? nl + 1 : end;
	return true;
}

/* Cuts the next word off the line. */
static bool
next_word(struct word *line, struct word *out)
{
	while (line->n > 0 && (*line->p == ' ' || *line->p == '\t')) {
		line->p++;
		line->n--;
	}
	out->p = line->p;
	while (line->n > 0 && *line->p != ' ' && *line->p != '\t') {
		line->p++;
		line->n--;
	}
	out->n = (size_t)(line->p - out->p);
	return out->n > 0;
}

static bool
number(const struct word *w, int64_t *out)
{
	return num_parse_i64(w->p, w->n, 0, INT64_MAX, out);
}

static bool
next_number(struct word *line, int64_t *out)
{
	struct word w;

	return next_word(line, &w) && number(&w, out);
}

static bool
is(const struct word *w, const char *text)
{
	return w->n == strlen(text) && memcmp(w->p, text, w->n) == 0;
}

static bool
starts(const struct word *w, const char *text)
{
	size_t n = strlen(text);

	return w->n >= n && memcmp(w->p, text, n) == 0;
}

/* False: the sum is not a count any more. */
static bool
add(int64_t *sum, int64_t v, int64_t times)
{
	return !__builtin_mul_overflow(v, times, &v) &&
	    !__builtin_add_overflow(*sum, v, sum);
}

bool
hostparse_stat(const char *p, size_t n, struct hostparse_cpu *out)
{
	int64_t v[8]; /* user nice system idle iowait irq softirq steal */
	struct word line, w;
	int64_t total = 0;

	if (!next_line(&p, p + n, &line) || !next_word(&line, &w) ||
	    !is(&w, "cpu"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (!next_number(&line, &v[i]) || !add(&total, v[i], 1))
			return false;
	*out = (struct hostparse_cpu){ total, v[3], v[4], v[7] };
	return true;
}

/* "sda1" after "sda", "nvme0n1p2" after "nvme0n1". */
static bool
is_part(const struct word *name, const struct word *disk)
{
	size_t i = disk->n;

	if (disk->n == 0 || name->n <= i || memcmp(name->p, disk->p, i) != 0)
		return false;
	i += name->p[i] == 'p' && i + 1 < name->n;
	while (i < name->n && name->p[i] >= '0' && name->p[i] <= '9')
		i++;
	return i == name->n;
}

/* What is not hardware of its own. */
static bool
is_virtual(const struct word *name)
{
	static const char *const prefixes[] = { "loop", "ram", "zram", "dm-",
		"md", "sr", "fd", "nbd" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (starts(name, prefixes[i]))
			return true;
	return false;
}

bool
hostparse_diskstats(const char *p, size_t n, int64_t *read, int64_t *written)
{
	const char *end = p + n;
	struct word line, name, disk = { NULL, 0 };
	bool any = false;

	*read = *written = 0;
	while (next_line(&p, end, &line)) {
		int64_t id, v[7]; /* reads merged sectors ms, writes .. */
		bool ok = next_number(&line, &id) && next_number(&line, &id) &&
		    next_word(&line, &name);

		for (size_t i = 0; ok && i < ARRAY_LEN(v); i++)
			ok = next_number(&line, &v[i]);
		if (!ok || is_virtual(&name) || is_part(&name, &disk))
			continue;
		if (!add(read, v[2], SECTOR) || !add(written, v[6], SECTOR))
			return false;
		disk = name;
		any = true;
	}
	return any;
}

bool
hostparse_iostat(const char *p, size_t n, int64_t *read, int64_t *written)
{
	const char *end = p + n;
	struct word line, w;

	*read = *written = 0;
	while (next_line(&p, end, &line)) {
		if (!next_word(&line, &w)) /* the device */
			continue;
		while (next_word(&line, &w)) {
			int64_t *sum = starts(&w, "rbytes=") ? read
			    : starts(&w, "wbytes=")          ? written
							     : NULL;
			int64_t v;

			if (sum == NULL)
				continue;
			w.p += strlen("rbytes=");
			w.n -= strlen("rbytes=");
			if (!number(&w, &v) || !add(sum, v, 1))
				return false;
		}
	}
	return true; /* an empty text: nothing was read or written yet */
}

bool
hostparse_blkio(const char *p, size_t n, int64_t *read, int64_t *written)
{
	const char *end = p + n;
	struct word line, device, op;
	bool any = false;

	*read = *written = 0;
	while (next_line(&p, end, &line)) {
		int64_t *sum, v;

		if (!next_word(&line, &device) || !next_word(&line, &op))
			continue;
		if (is(&device, "Total")) {
			any = true;
			continue;
		}
		sum = is(&op, "Read")  ? read
		    : is(&op, "Write") ? written
				       : NULL;
		if (sum == NULL)
			continue;
		if (!next_number(&line, &v) || !add(sum, v, 1))
			return false;
		any = true;
	}
	return any;
}

bool
hostparse_key(const char *p, size_t n, const char *key, int64_t *out)
{
	const char *end = p + n;
	struct word line, w;

	while (next_line(&p, end, &line))
		if (next_word(&line, &w) && is(&w, key))
			return next_number(&line, out);
	return false;
}
