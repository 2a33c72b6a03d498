/*
 * conf.c - configuration from one table of keys, over inih.
 */
#include "common/conf.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	bool value;
} bool_words[] = {
	{ "true", true },
	{ "yes", true },
	{ "on", true },
	{ "1", true },
	{ "false", false },
	{ "no", false },
	{ "off", false },
	{ "0", false },
};

static bool
set_value(const struct conf_key *k, void *conf, const char *text,
    struct mw_err *err)
{
	void *at = (char *)conf + k->offset;
	int64_t number;

	switch (k->type) {
	case CONF_STR: {
		char **s = at;

		free(*s);
		*s = xstrdup(text);
		return true;
	}
	case CONF_INT:
		if (!num_parse_i64(text, strlen(text), k->min, k->max, &number))
			return err_set(err, MW_INVALID, 0,
			    "%s must be in %" PRId64 "..%" PRId64, k->name,
			    k->min, k->max);
		*(int64_t *)at = number;
		return true;
	case CONF_BOOL:
		for (size_t i = 0; i < ARRAY_LEN(bool_words); i++)
			if (strcmp(text, bool_words[i].word) == 0) {
				*(bool *)at = bool_words[i].value;
				return true;
			}
		return err_set(err, MW_INVALID, 0, "%s must be true or false",
		    k->name);
	}
	abort();
}

static const struct conf_key *
find_key(const struct conf_key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static bool
unknown_key(const char *name, struct mw_err *err)
{
	struct str shown = STR_INIT;

	str_add_escaped(&shown, name, strlen(name), 80);
	err_set(err, MW_INVALID, 0, "unknown key %s", str_cstr(&shown));
	str_free(&shown);
	return err_hint(err, "--print-config lists all keys");
}

void
conf_defaults(const struct conf_key *keys, size_t n, void *conf)
{
	struct mw_err err;

	for (size_t i = 0; i < n; i++) {
		if (keys[i].type == CONF_STR)
			*(char **)(void *)((char *)conf + keys[i].offset) =
			    NULL;
		if (!set_value(&keys[i], conf, keys[i].def, &err))
			abort(); /* the table is wrong */
	}
}

struct loading {
	const struct conf_key *keys;
	size_t n;
	void *conf;
	bool *seen;
	struct mw_err *err;
	bool failed;
};

/* inih: 1 is success; it remembers the line of the first failure. */
static int
on_pair(void *arg, const char *section, const char *key, const char *value)
{
	struct loading *l = arg;
	const struct conf_key *k;
	char *name;
	bool ok;

	if (l->failed)
		return 0;
	name = xasprintf("%s%s%s", section, section[0] != '\0' ? "." : "", key);
	k = find_key(l->keys, l->n, name);
	if (k == NULL)
		ok = unknown_key(name, l->err);
	else if (l->seen[k - l->keys])
		ok = err_set(l->err, MW_INVALID, 0, "%s is set twice", k->name);
	else
		ok = set_value(k, l->conf, value != NULL ? value : "", l->err);
	if (ok)
		l->seen[k - l->keys] = true;
	free(name);
	l->failed = !ok;
	return ok;
}

bool
conf_load(const struct conf_key *keys, size_t n, void *conf, const char *path,
    struct mw_err *err)
{
	struct loading l = { .keys = keys, .n = n, .conf = conf, .err = err };
	int line;

	l.seen = xcalloc(n, sizeof *l.seen);
	line = ini_parse(path, on_pair, &l);
	free(l.seen);
	if (line == 0)
		return true;
	if (line < 0)
		return err_set(err, MW_NOT_FOUND, 0, "cannot read %s", path);
	if (!l.failed)
		err_set(err, MW_INVALID, 0, "not key = value");
	return err_wrap(err, "%s:%d", path, line);
}

bool
conf_set(const struct conf_key *keys, size_t n, void *conf,
    const char *assignment, struct mw_err *err)
{
	size_t len = strcspn(assignment, "=");
	const struct conf_key *k;
	char *name;
	bool ok;

	if (assignment[len] != '=')
		return err_set(err, MW_INVALID, 0,
		    "a setting is section.key=value");
	name = xstrndup(assignment, len);
	k = find_key(keys, n, name);
	ok = k != NULL ? set_value(k, conf, assignment + len + 1, err)
		       : unknown_key(name, err);
	free(name);
	return ok;
}

static void
print_value(const struct conf_key *k, const void *conf)
{
	const char *at = (const char *)conf + k->offset;

	switch (k->type) {
	case CONF_STR: printf("%s", *(char *const *)(const void *)at); break;
	case CONF_INT:
		printf("%" PRId64, *(const int64_t *)(const void *)at);
		break;
	case CONF_BOOL:
		printf("%s",
		    *(const bool *)(const void *)at ? "true" : "false");
		break;
	}
}

void
conf_print(const struct conf_key *keys, size_t n, const void *conf)
{
	size_t section_len = 0;
	const char *section = "";

	for (size_t i = 0; i < n; i++) {
		const char *dot = strchr(keys[i].name, '.');
		size_t len = dot != NULL ? (size_t)(dot - keys[i].name) : 0;

		if (len != section_len ||
		    strncmp(section, keys[i].name, len) != 0) {
			section = keys[i].name;
			section_len = len;
			printf("%s[%.*s]\n", i > 0 ? "\n" : "", (int)len,
			    section);
		}
		printf("# %s", keys[i].text);
		if (keys[i].type == CONF_INT)
			printf(" (%" PRId64 "..%" PRId64 ")", keys[i].min,
			    keys[i].max);
		printf("\n%s = ", dot != NULL ? dot + 1 : keys[i].name);
		print_value(&keys[i], conf);
		putchar('\n');
	}
}

void
conf_free(const struct conf_key *keys, size_t n, void *conf)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i].type == CONF_STR) {
			char **s = (void *)((char *)conf + keys[i].offset);

			free(*s);
			*s = NULL;
		}
}
