/*
 * fuzz_json.c - any bytes as a document and as a request body: parse, ask for
 * typed fields, print, parse again: it must be the same document.
 */
#include "common/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask(const struct json_at *at)
{
	static const char *const known[] = { "id", "name", "n", "x", "on",
		"list", "child", NULL };
	struct json_at child;
	struct mw_err err = MW_ERR_INIT;
	const char *s;
	int64_t i;
	double d;
	json_t *a;
	bool b;

	(void)!json_no_others(at, known, &err);
	if (json_get_str(at, "name", false, 10, &s, &err) && s != NULL &&
	    strlen(s) > 10)
		abort();
	(void)!json_get_id(at, "id", true, &s, &err);
	if (json_get_int(at, "n", true, 5, 0, 9, &i, &err) && (i < 0 || i > 9))
		abort();
	if (json_get_num(at, "x", true, 0.5, 0, 1, &d, &err) &&
	    !(d >= 0 && d <= 1))
		abort();
	(void)!json_get_bool(at, "on", false, false, &b, &err);
	if (json_get_array(at, "list", false, 0, 5, &a, &err) && a != NULL)
		for (size_t k = 0; k < json_array_size(a) + 1; k++)
			(void)!json_at_index(&child, at, "list", k, &err);
	if (json_at_key(&child, at, "child", true, &err))
		ask(&child);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct json_at at;
	json_t *j, *again;
	char *text;

	j = json_parse((const char *)data, size, 65536, &err);
	if (j == NULL) {
		if (err.code == MW_OK || err.msg[0] == '\0')
			abort();
		return 0;
	}
	if (json_at_root(&at, j, &err))
		ask(&at);
	text = json_text(j, true);
	again = json_parse(text, strlen(text), SIZE_MAX, &err);
	if (again == NULL)
		abort();
	free(text);
	json_decref(j);
	json_decref(again);
	return 0;
}
