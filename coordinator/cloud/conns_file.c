/*
 * conns_file.c - see conns_file.h. Owns a timer: many changes are one write.
 */
#include "coordinator/cloud/conns_file.h"

#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/cloud/conns_int.h"
#include "coordinator/coord.h"

#include <string.h>

#define SOON_NS (200 * NS_PER_MS)
#define FILE_MAX ((size_t)8 << 20)

struct conns_file {
	struct conns *cs;
	struct loop_timer *timer;
	bool due;
};

static char *
text_of(const struct conns *cs)
{
	json_t *j = json_object(), *a = json_array();
	char *text;

	for (size_t i = 0; i < conns_count(cs); i++) {
		const struct conn_row *r = conns_at(cs, i);
		json_t *o = json_object();

		json_put_str(o, "id", r->id);
		json_put_str(o, "driver", r->driver);
		json_put_str(o, "csp", r->csp);
		json_put_str(o, "region", r->region);
		json_put_str(o, "endpoint", r->endpoint);
		json_put_str(o, "credential", r->credential);
		json_put_str(o, "caFile", r->ca_file);
		json_array_append_new(a, o);
	}
	json_put_str(j, "deployment", cs->c->deployment);
	json_put(j, "connections", a);
	text = json_pretty(j);
	json_decref(j);
	return text;
}

char *
conns_file_path(const char *state_dir)
{
	return xasprintf("%s/connections.json", state_dir);
}

/* A disk without room is told elsewhere: the file is a help, no truth. */
static void
write_now(void *arg)
{
	struct conns_file *f = arg;
	char *text = text_of(f->cs);
	char *path = conns_file_path(f->cs->c->conf.state_dir);
	struct mw_err err = MW_ERR_INIT;
	struct str is = STR_INIT;

	f->due = false;
	if ((!file_read(path, FILE_MAX, &is, &err) ||
		strcmp(str_cstr(&is), text) != 0) &&
	    !file_write(path, text, strlen(text), 0600, &err))
		log_warn("conns", NULL, "cannot write %s: %s", path, err.msg);
	str_free(&is);
	free(path);
	free(text);
}

struct conns_file *
conns_file_new(struct conns *cs)
{
	struct conns_file *f = xcalloc(1, sizeof *f);

	f->cs = cs;
	f->timer = loop_timer_new(cs->c->loop, write_now, f);
	conns_file_changed(f);
	return f;
}

void
conns_file_free(struct conns_file *f)
{
	if (!f)
		return;
	if (f->due)
		write_now(f);
	loop_timer_free(f->timer);
	free(f);
}

void
conns_file_changed(struct conns_file *f)
{
	if (!f || f->due)
		return;
	f->due = true;
	loop_timer_set(f->timer, SOON_NS);
}
