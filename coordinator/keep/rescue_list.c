/*
 * rescue_list.c - see rescue_list.h. Owns the child and those that wait for it.
 * Called by rescue.c only.
 */
#include "coordinator/keep/rescue_list.h"

#include "common/child.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns_file.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MAX 16
#define FILE_MAX ((size_t)8 << 20)
#define OUTPUT_MAX ((size_t)16 << 20)
#define DEADLINE_MS 25000 /* a request waits for 30 s */

struct rescue_list {
	struct loop *loop;
	const char *hint;
	char *file, *program;
	struct child *child; /* NULL: none runs */
	json_t *out; /* the answer to be: of the file */
	struct httpd_req *waiting[WAITING_MAX];
	size_t nwaiting;
	bool ending;
};

static bool start(struct rescue_list *l, struct mw_err *err);
static char *beside_us(const char *name);
static void on_end(struct child *child, const struct child_end *end, void *arg);
static bool take_items(json_t *out, const struct child_end *end);

struct rescue_list *
rescue_list_new(struct loop *loop, const char *state_dir, const char *hint)
{
	struct rescue_list *l = xcalloc(1, sizeof *l);

	l->loop = loop;
	l->hint = hint;
	l->file = conns_file_path(state_dir);
	l->program = beside_us("milkyway");
	return l;
}

void
rescue_list_free(struct rescue_list *l)
{
	if (!l)
		return;
	l->ending = true;
	if (l->child)
		child_cancel(l->child);
	while (l->child) /* a child that was killed ends */
		event_base_loop(loop_base(l->loop), EVLOOP_ONCE);
	free(l->file);
	free(l->program);
	free(l);
}

void
rescue_list_answer(struct rescue_list *l, struct httpd_req *req)
{
	struct mw_err err = MW_ERR_INIT;

	if (l->nwaiting == WAITING_MAX) {
		err_set(&err, MW_LIMIT, 0, "%d wait for the list already",
		    WAITING_MAX);
	} else if (l->ending) {
		err_set(&err, MW_UNREACHABLE, 0, "milkywayd ends");
	} else if (l->child || start(l, &err)) {
		l->waiting[l->nwaiting++] = req;
		return;
	}
	err_hint(&err, "%s", l->hint);
	httpd_reply_err(req, &err);
}

/* The file is the coordinator's own: it says whose VMs to look for. */
static bool
start(struct rescue_list *l, struct mw_err *err)
{
	json_t *j = json_load_path(l->file, FILE_MAX, err);
	const char *id = json_string_value(json_object_get(j, "deployment"));
	const char *argv[] = { l->program, "orphans", "--offline", "-o", "json",
		"--connections", l->file, id ? "--deployment" : NULL, id,
		NULL };
	/* Credentials may lie in the environment. */
	const struct child_conf conf = { .argv = argv,
		.env = (const char *const *)environ,
		.output_max = OUTPUT_MAX,
		.deadline_ms = DEADLINE_MS,
		.pdeathsig = true };
	bool ok = j && child_start(l->loop, &conf, on_end, l, &l->child, err);

	if (ok) {
		l->out = json_object();
		json_put_str(l->out, "deployment", id);
		json_put_str(l->out, "warning",
		    id ? "rescue mode: all VMs of this deployment, explained "
			 "or not"
		       : "rescue mode: connections.json does not say which "
			 "deployment this is; VMs of all are listed");
	} else {
		err_wrap(err, "the clouds cannot be listed");
	}
	json_decref(j);
	return ok;
}

/* The command line lies where we lie. */
static char *
beside_us(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		return xstrdup(name);
	self[n] = 0;
	return xasprintf("%s/%s", dirname(self), name);
}

static void
on_end(struct child *child, const struct child_end *end, void *arg)
{
	struct rescue_list *l = arg;
	struct mw_err err = MW_ERR_INIT;
	struct str said = STR_INIT;
	bool ok = take_items(l->out, end);

	(void)child;
	str_add_escaped(&said, end->err.len ? end->err.p : "", end->err.len,
	    150);
	if (end->timed_out)
		err_set(&err, MW_TIMEOUT, 0,
		    "the clouds did not answer in time");
	else
		err_set(&err, MW_REMOTE, 0, "the clouds cannot be listed: %s",
		    str_cstr(&said));
	err_hint(&err, "%s", l->hint);
	for (size_t i = 0; i < l->nwaiting; i++) {
		if (ok)
			httpd_reply_json(l->waiting[i], 200,
			    json_incref(l->out));
		else
			httpd_reply_err(l->waiting[i], &err);
	}
	l->nwaiting = 0;
	l->child = NULL;
	json_decref(l->out);
	l->out = NULL;
	str_free(&said);
}

/* Some clouds may not have answered: they are named in notListed. */
static bool
take_items(json_t *out, const struct child_end *end)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j, *items, *kept, *o;
	size_t i;

	if (!end->exited || end->cut)
		return false;
	j = json_parse(end->out.p, end->out.len, OUTPUT_MAX, &err);
	items = json_object_get(j, "items");
	if (!json_is_array(items)) {
		json_decref(j);
		return false;
	}
	kept = json_array();
	json_array_foreach(items, i, o)
	{
		if (json_is_true(json_object_get(o, "gone")))
			continue;
		json_put_str(o, "decision", NULL);
		json_put_str(o, "decidedBy", NULL);
		json_put_str(o, "firstSeenAt", NULL);
		json_put_str(o, "lastSeenAt", NULL);
		json_array_append(kept, o);
	}
	json_put(out, "items", kept);
	json_put(out, "parts", json_incref(json_object_get(j, "parts")));
	json_put(out, "notListed",
	    json_incref(json_object_get(j, "notListed")));
	json_decref(j);
	return true;
}
