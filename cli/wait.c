/*
 * wait.c - follows an action to its end: live progress on a terminal, a line
 * per change elsewhere. Ctrl-C stops the waiting, never the action.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define AWAY_NS (10 * NS_PER_S) /* a coordinator that starts again */
#define NAP_MIN_NS (100 * NS_PER_MS)
#define NAP_MAX_NS (2 * NS_PER_S)

static bool ask(struct cli *c, const char *path, json_t **out,
    struct mw_err *err);
static void say_goes_on(const char *id, struct mw_err *err);
static void show(struct cli *c, json_t *a, struct str *last);
static int verdict(json_t *a);

int
cli_get(struct cli *c, char *take_path, json_t **out)
{
	struct mw_err err = MW_ERR_INIT;
	int rc = 2;

	if (take_path)
		rc = cli_call(c, "GET", take_path, NULL, out, &err)
		    ? 0
		    : cli_fail(&err);
	free(take_path);
	return rc;
}

int
cli_act(struct cli *c, const char *method, const char *path, json_t *take_body,
    json_t **end)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL;
	int rc;

	if (end)
		*end = NULL;
	if (!cli_call(c, method, path, take_body, &a, &err))
		return cli_fail(&err);
	if (!js(a, "actionId")[0] || !js(a, "state")[0]) {
		/* nothing to do, or a plan (dry run) */
		if (end)
			*end = json_incref(a);
		json_decref(a);
		return 0;
	}
	if (c->no_wait) {
		printf("%s\n", js(a, "actionId"));
		fprintf(stderr, "follow it with: milkyway action wait %s\n",
		    js(a, "actionId"));
		json_decref(a);
		return 0;
	}
	rc = cli_wait(c, a, end);
	/* what only the first answer says: runId, commandId */
	if (end && *end)
		json_object_update_missing(*end, a);
	json_decref(a);
	return rc;
}

int
cli_verb(struct cli *c, const char *method, const char *path, json_t *take_body)
{
	json_t *end = NULL;
	int rc = cli_act(c, method, path, take_body, &end);

	if (end && c->out == OUT_JSON)
		cli_print_json(end);
	else if (end && !js(end, "state")[0])
		fprintf(stderr, "nothing to do\n");
	json_decref(end);
	return rc;
}

int
cli_wait(struct cli *c, json_t *action, json_t **end)
{
	int64_t until = c->timeout_s ? clock_mono_ns() + c->timeout_s * NS_PER_S
				     : INT64_MAX;
	char *id = xstrdup(js(action, "actionId")), *path;
	struct mw_err err = MW_ERR_INIT;
	struct str last = STR_INIT;
	json_t *a = json_incref(action);
	int rc = 0;

	path = xasprintf("/v1/actions/%s?waitS=1", id);
	while (str_eq(js(a, "state"), "pending") ||
	    str_eq(js(a, "state"), "running")) {
		show(c, a, &last);
		json_decref(a);
		a = NULL;
		if (clock_mono_ns() > until) {
			err_set(&err, MW_TIMEOUT, 0,
			    "%s still runs; follow it with: "
			    "milkyway action wait %s",
			    id, id);
			rc = cli_fail(&err);
			goto out;
		}
		if (cli_interrupted() || !ask(c, path, &a, &err)) {
			if (c->live)
				fputc('\n', stderr);
			if (!cli_interrupted()) {
				say_goes_on(id, &err);
				rc = cli_fail(&err);
				goto out;
			}
			fprintf(stderr,
			    "\n%s goes on. Follow it: milkyway action wait "
			    "%s\n  or stop it: milkyway action cancel %s\n",
			    id, id, id);
			rc = EXIT_INTERRUPTED;
			goto out;
		}
	}
	show(c, a, &last);
	if (c->live)
		fputc('\n', stderr);
	rc = verdict(a);
	if (end)
		*end = json_incref(a);
out:
	json_decref(a);
	str_free(&last);
	free(id);
	free(path);
	return rc;
}

/* The coordinator itself, or a proxy in front of it, is not there. */
static bool
is_away(const struct mw_err *err)
{
	return (err->code == MW_UNREACHABLE || err->code == MW_TIMEOUT) &&
	    !str_starts(err->msg, "rescue mode");
}

/* A coordinator that ends in the middle is started again by its service
 * manager, and goes on with the action. */
static bool
ask(struct cli *c, const char *path, json_t **out, struct mw_err *err)
{
	int64_t until = clock_mono_ns() + AWAY_NS, nap = NAP_MIN_NS;
	bool told = false;

	while (!cli_call(c, "GET", path, NULL, out, err)) {
		struct timespec t;
		uint8_t r;

		if (!is_away(err) || cli_interrupted() ||
		    clock_mono_ns() > until)
			return false;
		if (!told)
			fprintf(stderr,
			    "%sno answer from the coordinator, asking again\n",
			    c->live ? "\n" : "");
		told = true;
		clock_random(&r, sizeof r);
		nap += nap * (r % 64) / 256; /* jitter */
		t.tv_sec = nap / NS_PER_S;
		t.tv_nsec = nap % NS_PER_S;
		nanosleep(&t, NULL);
		nap = nap * 2 < NAP_MAX_NS ? nap * 2 : NAP_MAX_NS;
	}
	err->code = MW_OK;
	return true;
}

/* An action is on disk before its number is told. */
static void
say_goes_on(const char *id, struct mw_err *err)
{
	if (!is_away(err))
		return;
	fprintf(stderr,
	    "%s is on record: it goes on, or will as soon as the coordinator "
	    "runs again\n",
	    id);
	err_hint(err,
	    "milkyway up, or systemctl start milkywayd; then: milkyway action "
	    "wait %s",
	    id);
}

static void
show(struct cli *c, json_t *a, struct str *last)
{
	const json_t *p = json_object_get(a, "progress");
	const json_t *steps = ja(a, "steps");
	struct str line = STR_INIT;

	str_addf(&line, "%s %s", js(a, "kind"),
	    strrchr(js(a, "target"), '/') ? strrchr(js(a, "target"), '/') + 1
					  : js(a, "target"));
	if (ji(p, "total", 0) > 0)
		str_addf(&line, "  %lld/%lld", (long long)ji(p, "done", 0),
		    (long long)ji(p, "total", 0));
	for (size_t i = json_array_size(steps); i-- > 0;) {
		const json_t *s = json_array_get(steps, i);

		if (!str_eq(js(s, "state"), "running"))
			continue;
		str_addf(&line, "  %s %s", js(s, "target"), js(s, "step"));
		break;
	}
	if (!str_eq(js(a, "state"), "running") &&
	    !str_eq(js(a, "state"), "pending"))
		str_addf(&line, "  %s", js(a, "state"));
	if (last->p && str_eq(last->p, line.p)) {
		str_free(&line);
		return;
	}
	if (c->live)
		fprintf(stderr, "\r\033[K%.*s", 78, line.p);
	else
		fprintf(stderr, "%s\n", line.p);
	fflush(stderr);
	str_free(last);
	*last = line;
}

/* What an import has to say, e.g. how many prices it took. */
static void
say_imports(const json_t *a)
{
	size_t i;
	json_t *s;

	if (!str_eq(js(a, "kind"), "connect"))
		return;
	json_array_foreach(ja(a, "steps"), i, s)
	{
		if (str_eq(js(s, "state"), "done") && js(s, "message")[0])
			fprintf(stderr, "  %s: %s\n", js(s, "target"),
			    js(s, "message"));
	}
}

/* Prints what failed; never success over failed VMs. */
static int
verdict(json_t *a)
{
	const json_t *steps = ja(a, "steps"), *e = json_object_get(a, "error");
	bool partial = str_eq(js(a, "outcome"), "partial");
	size_t i;
	json_t *s;

	say_imports(a);
	if (str_eq(js(a, "state"), "done") && !partial)
		return 0;
	json_array_foreach(steps, i, s)
	{
		/* a step is a word of ours ("upload") or a VM's state */
		bool status =
		    js(s, "step")[0] >= 'A' && js(s, "step")[0] <= 'Z';

		if (str_eq(js(s, "state"), "failed"))
			fprintf(stderr, "  %s: %s%s%s%s\n", js(s, "target"),
			    js(s, "step"), status ? "" : " failed",
			    js(s, "message")[0] ? ": " : "", js(s, "message"));
	}
	if (partial) {
		/* what was dropped has no step any more */
		fprintf(stderr, "milkyway: partly done%s%s\n",
		    js(e, "message")[0] ? ": " : "", js(e, "message"));
		return EXIT_PARTIAL;
	}
	fprintf(stderr, "milkyway: %s %s", js(a, "kind"), js(a, "state"));
	if (js(e, "message")[0])
		fprintf(stderr, ": %s", js(e, "message"));
	fputc('\n', stderr);
	if (js(e, "hint")[0])
		fprintf(stderr, "  way out: %s\n", js(e, "hint"));
	if (str_eq(js(a, "state"), "canceled"))
		return err_exit_status(MW_CANCELED);
	return js(e, "code")[0] ? err_exit_status(err_code_parse(js(e, "code")))
				: 1;
}
