/*
 * cmd_destroy.c - ends every VM of one deployment, then its networks, groups
 * and keys, from credentials alone, and waits until each was seen to be gone.
 * Touches nothing that does not carry exactly this deployment's tag or a name
 * that is computed from it. May be stopped and repeated at any time.
 */
#include "cli/brake.h"
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TIMEOUT_S 900
#define NAP_MIN_NS (500 * NS_PER_MS)
#define NAP_MAX_NS (5 * NS_PER_S)

struct sum {
	size_t found, gone, left; /* VMs */
	size_t parts, parts_gone, parts_left;
};

static struct sum
count(const struct brake *b)
{
	struct sum s = { .found = b->nvms };

	for (size_t i = 0; i < b->nvms; i++)
		s.gone += b->vms[i]->gone;
	s.left = s.found - s.gone;
	s.parts = b->nparts;
	for (size_t i = 0; i < b->nparts; i++)
		s.parts_gone += b->parts[i]->gone;
	s.parts_left = s.parts - s.parts_gone;
	return s;
}

static void
say_vm(const struct brake_vm *v, const char *what)
{
	fprintf(stderr, "  %-16s %s %s%s%s\n", what, v->conn->id, v->id,
	    *v->name ? "  " : "", v->name);
}

static void
say_part(const struct brake_part *p, const char *what)
{
	fprintf(stderr, "  %-16s %s %s  %s%s%s\n", what, p->conn->id, p->id,
	    brake_part_kind(p), str_eq(p->id, p->key) ? "" : " of ",
	    str_eq(p->id, p->key) ? "" : p->key);
}

/* What changed since the last look. */
static void
say_changes(const struct brake *b)
{
	static const char *const words[] = { "", "found", "terminating",
		"gone" };

	for (size_t i = 0; i < b->nvms; i++) {
		struct brake_vm *v = b->vms[i];
		unsigned now = v->gone ? 3 : v->accepted ? 2 : 1;

		if (now > v->told)
			say_vm(v, words[v->told = now]);
	}
	for (size_t i = 0; i < b->nparts; i++) {
		struct brake_part *p = b->parts[i];
		unsigned now = p->gone ? 3 : 1;

		if (now > p->told)
			say_part(p, words[p->told = now]);
	}
}

/* A coordinator that still works here would go on making VMs. */
static void
warn_of_coordinator(const struct cli *c)
{
	char *path = xasprintf("%s/lock", c->dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		fprintf(stderr,
		    "milkyway: a coordinator works in %s; if it is this "
		    "deployment's, stop it first (milkyway down)\n",
		    c->dir);
	if (fd >= 0)
		close(fd);
	free(path);
}

static void
look(struct brake *b, const char *deployment)
{
	brake_list(b, deployment);
	brake_parts(b, deployment);
}

/* Rounds of: end what is left, wait, look. True if nothing is left. */
static bool
rounds(struct brake *b, const char *deployment, int64_t until,
    int64_t settle_ns)
{
	int64_t nap = NAP_MIN_NS, quiet = 0;
	bool done = false;
	struct sum s;

	while (!done && !cli_interrupted() && clock_mono_ns() < until) {
		say_changes(b);
		s = count(b);
		if (s.left + s.parts_left == 0 && brake_blind(b) == 0) {
			if (!quiet)
				quiet = clock_mono_ns();
			done = clock_mono_ns() - quiet >= settle_ns;
			if (done)
				break;
		} else {
			quiet = 0;
			if (s.left + s.parts_left == 0 && brake_stuck(b))
				break;
		}
		brake_end(b);
		brake_parts_end(b);
		if (!brake_nap(b, nap))
			break;
		nap = nap * 3 / 2 < NAP_MAX_NS ? nap * 3 / 2 : NAP_MAX_NS;
		look(b, deployment);
	}
	return done;
}

/* The longest time after which a lost create may still land. */
static int64_t
settle_of(const struct brake *b)
{
	int64_t s = 0;

	for (size_t i = 0; i < b->nconns; i++) {
		struct csp_caps caps = { 0 };

		if (b->conns[i]->dc && !b->conns[i]->expand)
			caps = b->conns[i]->drv->caps(b->conns[i]->dc);
		if (caps.late_apply_max_s + caps.list_visible_max_s > s)
			s = caps.late_apply_max_s + caps.list_visible_max_s;
	}
	return s;
}

static int
report(struct cli *c, const struct brake *b, const char *deployment,
    int64_t settle_s, bool settled)
{
	struct sum s = count(b);
	size_t blind = brake_blind(b);
	json_t *j;

	for (size_t i = 0; i < b->nvms; i++) {
		const struct brake_vm *v = b->vms[i];

		if (!v->gone)
			fprintf(stderr, "milkyway: left: %s %s (%s)%s%s\n",
			    v->conn->id, v->id, v->native,
			    v->said[0] ? ": " : "", v->said);
	}
	for (size_t i = 0; i < b->nparts; i++) {
		const struct brake_part *p = b->parts[i];

		if (!p->gone)
			fprintf(stderr, "milkyway: left: %s %s (%s)%s%s\n",
			    p->conn->id, p->id, brake_part_kind(p),
			    p->said[0] ? ": " : "", p->said);
	}
	cmds_say_blind(b);
	if (c->out == OUT_JSON) {
		j = json_object();
		json_put_str(j, "deployment", deployment);
		json_put_int(j, "found", (int64_t)s.found);
		json_put_int(j, "gone", (int64_t)s.gone);
		json_put_int(j, "left", (int64_t)s.left);
		json_put_int(j, "partsFound", (int64_t)s.parts);
		json_put_int(j, "partsGone", (int64_t)s.parts_gone);
		json_put_int(j, "partsLeft", (int64_t)s.parts_left);
		json_put_int(j, "notListed", (int64_t)blind);
		cli_print_json(j);
		json_decref(j);
	} else {
		printf("deployment %s: %zu VMs found, %zu gone, %zu left; "
		       "%zu networks, groups and keys found, %zu gone, %zu "
		       "left; %zu connections not listed\n",
		    deployment, s.found, s.gone, s.left, s.parts, s.parts_gone,
		    s.parts_left, blind);
	}
	if (!s.left && !s.parts_left && !blind && !settled && settle_s)
		fprintf(stderr,
		    "a create that was under way may land up to %lld s later: "
		    "look again then, or use --settle\n",
		    (long long)settle_s);
	if (cli_interrupted())
		return EXIT_INTERRUPTED;
	if (s.left || s.parts_left)
		return EXIT_PARTIAL;
	return blind ? err_exit_status(MW_REMOTE) : 0;
}

static bool
agreed(struct cli *c, const struct cli_cmd *cmd, const struct sum *s,
    const char *deployment)
{
	if (c->yes || s->left + s->parts_left == 0)
		return true;
	if (!isatty(0)) {
		cli_usage(cmd,
		    "%zu VMs and %zu networks, groups and keys would be ended; "
		    "say so with --yes",
		    s->left, s->parts_left);
		return false;
	}
	return cli_confirm(c,
	    "end %zu VMs and %zu networks, groups and keys of deployment %s?",
	    s->left, s->parts_left, deployment);
}

static int
run_destroy(struct cli *c, int argc, char **argv)
{
	const char *file = NULL, *deployment = NULL;
	bool dry = false, settle = false;
	const struct cli_opt opts[] = {
		{ "connections", 0, OPT_STR, &file },
		{ "deployment", 0, OPT_STR, &deployment },
		{ "dry-run", 0, OPT_FLAG, &dry },
		{ "settle", 0, OPT_FLAG, &settle },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_destroy, "destroy");
	struct mw_err err = MW_ERR_INIT;
	int64_t settle_s, limit;
	struct brake *b;
	struct sum s;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 0, 0) < 0)
		return 2;
	if (!file || !deployment)
		return cli_usage(cmd, "--deployment ID --connections FILE");
	/* An empty or half id must never be taken for all. */
	if (!id_valid(deployment) || strlen(deployment) != 36)
		return cli_usage(cmd,
		    "a deployment's id has 36 characters: milkyway orphans "
		    "--offline shows it");
	b = brake_open(file, &err);
	if (!b)
		return cli_fail(&err);
	look(b, deployment);
	settle_s = settle_of(b);
	if (dry || cli_interrupted()) {
		for (size_t i = 0; i < b->nvms; i++)
			if (!b->vms[i]->gone)
				say_vm(b->vms[i], "would end");
		for (size_t i = 0; i < b->nparts; i++)
			if (!b->parts[i]->gone)
				say_part(b->parts[i], "would end");
		rc = report(c, b, deployment, 0, true);
		if (dry && rc != EXIT_INTERRUPTED)
			rc = brake_blind(b) ? EXIT_NO : 0;
		brake_free(b);
		return rc;
	}
	warn_of_coordinator(c);
	s = count(b);
	if (!agreed(c, cmd, &s, deployment)) {
		brake_free(b);
		return 2;
	}
	limit = c->timeout_s ? c->timeout_s : TIMEOUT_S;
	if (settle && !c->timeout_s)
		limit += settle_s;
	settle = rounds(b, deployment, clock_mono_ns() + limit * NS_PER_S,
		     settle ? settle_s * NS_PER_S : 0) &&
	    settle;
	rc = report(c, b, deployment, settle_s, settle);
	brake_free(b);
	return rc;
}

const struct cli_cmd cmds_destroy[] = {
	{ "destroy", "--deployment ID --connections FILE",
	    "end all that a deployment has in clouds, from credentials alone",
	    run_destroy,
	    "Needs neither coordinator nor database: finds the VMs by their tag, and\n"
	    "the networks, groups, keys and addresses made for them; ends them in\n"
	    "order, and waits until each is seen to be gone. Nothing else is touched.\n"
	    "May be stopped and repeated. Stop the coordinator first.\n\n"
	    "  --deployment ID      of milkyway status, doctor, or orphans --offline\n"
	    "  --connections FILE   the clouds (DIR/connections.json, docs/backup.md)\n"
	    "  --dry-run            only show what would be ended\n"
	    "  --settle             look on for as long as a create that was lost on\n"
	    "                       its way may still land (minutes)\n"
	    "  --timeout S          give up then (900); --yes: do not ask\n\n"
	    "Exit status: 0 nothing is left, 12 something is, 9 a cloud could not be\n"
	    "asked; with --dry-run: 0 all clouds were asked, 4 not all, which are named.\n\n"
	    "  milkyway destroy --deployment a1b2c3d4-... --connections c.json\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
