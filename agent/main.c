/*
 * main.c - sub-commands of milkyway-agent.
 */
#include "agent/agent.h"
#include "agent/bench/bench.h"
#include "agent/host/confine.h"
#include "agent/facade/facade.h"
#include "agent/link/identity.h"
#include "agent/bench/rules.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/proto.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIR_DEFAULT "/var/lib/milkyway-agent"
#define USER_DEFAULT "milkyway-agent"

struct options {
	const char *dir, *user, *profile, *log, *metrics;
	int64_t seed, facade_port, facade_seconds;
	const char *argv0, *facade_allow, *facade_address;
	bool accept, facade;
	char **rest;
	int nrest;
};

static int
fail(const struct mw_err *err)
{
	fprintf(stderr, "milkyway-agent: %s\n", err->msg);
	if (err->hint[0] != '\0')
		fprintf(stderr, "  %s\n", err->hint);
	return err_exit_status(err->code);
}

/* Whom root becomes. Not root: nobody else, uid 0. */
static bool
user_of(const struct options *o, uid_t *uid, gid_t *gid, struct mw_err *err)
{
	*uid = 0;
	*gid = 0;
	if (geteuid() != 0)
		return true;
	if (confine_user(o->user != NULL ? o->user : USER_DEFAULT, uid, gid,
		err))
		return true;
	return err_hint(err,
	    "make it: useradd --system %s, or name another "
	    "one with --user",
	    USER_DEFAULT);
}

static int
cmd_run(const struct options *o)
{
	struct mw_err err = MW_ERR_INIT;
	struct agent_conf conf = { .dir = o->dir ? o->dir : DIR_DEFAULT,
		.metrics = o->metrics };

	if (!user_of(o, &conf.uid, &conf.gid, &err) || !agent_run(&conf, &err))
		return fail(&err);
	return 0;
}

static int
cmd_enroll(const struct options *o)
{
	struct mw_err err = MW_ERR_INIT;
	const char *dir = o->dir ? o->dir : DIR_DEFAULT;

	if (!(o->accept ? identity_accept(dir, &err)
			: identity_print_csr(dir, &err)))
		return fail(&err);
	return 0;
}

static int
cmd_version(const struct options *o)
{
	(void)o;
	printf("milkyway-agent %s\n", MW_VERSION);
	return 0;
}

/* What an installation puts on a VM, in the order of removal. */
static int
cmd_uninstall_files(const struct options *o)
{
	static const char *const paths[] = {
		"/etc/systemd/system/milkyway-agent.service",
		"/etc/rc.local (the block between the milkyway-agent marks)",
		"/opt/milkyway/bin/supervise",
		"/opt/milkyway/bin/milkyway-ping",
		"/opt/milkyway/bin/milkyway-agent",
		"/opt/milkyway",
		"/var/lib/milkyway-agent",
		"/var/log/milkyway-agent.log",
		"/run/milkyway-agent.pid",
		"user and group milkyway-agent",
	};

	(void)o;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		puts(paths[i]);
	return 0;
}

struct local {
	struct loop *loop;
	struct bench *bench;
	json_t *results;
	size_t failed;
	struct mw_err end;
};

static void
local_step(void *arg, const char *text)
{
	(void)arg;
	if (isatty(2))
		fprintf(stderr, "%-30s\r", text);
}

static void
local_result(void *arg, const struct result *r)
{
	struct local *l = arg;

	struct result shown = *r;

	l->failed += !r->has_value;
	shown.raw.base64 = NULL; /* for the link only */
	json_array_append_new(l->results, proto_result_encode(&shown));
}

static void
local_end(void *arg, const struct mw_err *err)
{
	struct local *l = arg;

	l->end = *err;
	loop_stop(l->loop);
}

static void
local_signal(int sig, void *arg)
{
	struct local *l = arg;

	(void)sig;
	bench_cancel(l->bench);
}

static bool
kinds_of(const char *list, unsigned *kinds, struct mw_err *err)
{
	*kinds = 0;
	while (*list != '\0') {
		size_t n = strcspn(list, ",");
		char name[LANE_NAME_MAX];
		unsigned lane;

		snprintf(name, sizeof name, "%.*s", (int)n, list);
		if (!lane_parse(name, &lane) ||
		    !(LANES_BENCH & LANE_BIT(lane))) {
			err_set(err, MW_INVALID, 0, "unknown kind %s", name);
			return err_hint(err,
			    "kinds: cpus cpum memR memW fioR fioW dbR dbW, "
			    "a variant as in fioR.seq, or all");
		}
		*kinds |= LANE_BIT(lane);
		list += n + (list[n] == ',');
	}
	return true;
}

/* A database refuses to run as root, and nothing here needs it. */
static bool
local_user(const struct options *o, uid_t *uid, gid_t *gid, struct mw_err *err)
{
	*uid = 0;
	*gid = 0;
	return geteuid() != 0 ||
	    confine_user(o->user != NULL ? o->user : USER_DEFAULT, uid, gid,
		err) ||
	    (o->user == NULL && confine_user("nobody", uid, gid, err));
}

static bool
run_local(const struct options *o, struct local *l, struct mw_err *err)
{
	static const struct bench_ops ops = { local_step, local_result,
		local_end };
	struct sysinfo_facts facts;
	struct bench_conf conf = { .loop = l->loop,
		.facts = &facts,
		.dir = o->dir != NULL ? o->dir : "/var/tmp",
		.run_id = "local",
		.profile = o->profile != NULL ? o->profile : "quick",
		.seed = (uint64_t)o->seed,
		.deadline_ns = clock_mono_ns() + 7200 * NS_PER_S };
	uid_t uid;
	gid_t gid;
	bool ok;

	if (o->nrest != 1)
		return err_set(err, MW_INVALID, 0,
		    "name the kinds: cpus,memR or all");
	conf.kinds = lanes_default(conf.profile);
	if (strcmp(o->rest[0], "all") != 0 &&
	    !kinds_of(o->rest[0], &conf.kinds, err))
		return false;
	if (!local_user(o, &uid, &gid, err) ||
	    (geteuid() == 0 && !confine_drop(uid, gid, false, err)))
		return false;
	sysinfo_read(&facts, "");
	conf.monitor = sysinfo_monitor_new("");
	loop_on_signal(l->loop, local_signal, l);
	ok = bench_start(&conf, &ops, l, &l->bench, err);
	if (ok)
		loop_run(l->loop);
	sysinfo_monitor_free(conf.monitor);
	return ok;
}

static int
cmd_bench(const struct options *o)
{
	struct mw_err err = MW_ERR_INIT;
	struct local l = { .results = json_array(), .loop = loop_new() };
	bool ok = run_local(o, &l, &err);
	char *text;

	loop_free(l.loop);
	if (ok && l.end.code == MW_OK) {
		text = json_pretty(l.results);
		fputs(text, stdout);
		free(text);
	}
	json_decref(l.results);
	if (!ok)
		return fail(&err);
	if (l.end.code != MW_OK)
		return fail(&l.end);
	return l.failed > 0 ? 12 : 0;
}

/* The drop-in for CB-Milkyway: docs/facade.md. */
static int
run_facade(const struct options *o)
{
	struct mw_err err = MW_ERR_INIT;
	struct facade_conf conf = { .port = (uint16_t)o->facade_port,
		.address = o->facade_address,
		.seconds = o->facade_seconds,
		.dir = o->dir != NULL ? o->dir : "/var/tmp" };

	if (!facade_allow_find(o->facade_allow, o->argv0, &conf.allow, &err) ||
	    !local_user(o, &conf.uid, &conf.gid, &err) ||
	    !facade_run(&conf, &err))
		return fail(&err);
	return 0;
}

static const struct command {
	const char *name, *args, *text;
	int (*run)(const struct options *o);
} commands[] = {
	{ "run", "[--dir D] [--user U] [--metrics ADDRESS:PORT]",
	    "work for the coordinator named in D/agent.json", cmd_run },
	{ "enroll", "[--dir D] [--accept]",
	    "print a certificate request; --accept: take the answer on stdin",
	    cmd_enroll },
	{ "bench",
	    "KIND,..|all [--profile quick|standard|deep|legacy] [--seed N]",
	    "measure this machine once and print the results as JSON",
	    cmd_bench },
	{ "uninstall-files", "", "list what an installation put on this VM",
	    cmd_uninstall_files },
	{ "version", "", "print the version", cmd_version },
};

static int
usage(FILE *f, int status)
{
	fprintf(f, "usage: milkyway-agent COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(f, "  %s %s\n      %s\n", commands[i].name,
		    commands[i].args, commands[i].text);
	fprintf(f,
	    "\n  --dir D    default " DIR_DEFAULT "; bench: where its "
	    "files go, default /var/tmp\n"
	    "  --user U   whom root becomes, default " USER_DEFAULT "\n"
	    "  --metrics ADDRESS:PORT  run: serve GET /metrics there, e.g. "
	    "127.0.0.1:9470\n"
	    "  --log debug|info|warn|error\n\n"
	    "  --facade PORT [--facade-allow NETWORK,..] "
	    "[--facade-address A] [--facade-seconds N]\n"
	    "      instead of a command: be CB-Milkyway for a CB-Tumblebug "
	    "server (docs/facade.md);\n"
	    "      also without any argument, on port 1324, if the program's "
	    "file is named milkyway\n\n"
	    "example: milkyway-agent bench cpus,memR\n");
	return status;
}

/* The argument of the option that getopt has just read. */
static bool
number(int64_t min, int64_t max, int64_t *out)
{
	return num_parse_i64(optarg, strlen(optarg), min, max, out);
}

static bool
parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "user", required_argument, NULL, 'u' },
		{ "profile", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "log", required_argument, NULL, 'l' },
		{ "metrics", required_argument, NULL, 'm' },
		{ "accept", no_argument, NULL, 'a' },
		{ "facade", required_argument, NULL, 'f' },
		{ "facade-allow", required_argument, NULL, 'A' },
		{ "facade-address", required_argument, NULL, 'H' },
		{ "facade-seconds", required_argument, NULL, 'S' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'd': o->dir = optarg; break;
		case 'u': o->user = optarg; break;
		case 'p': o->profile = optarg; break;
		case 'l': o->log = optarg; break;
		case 'm': o->metrics = optarg; break;
		case 'a': o->accept = true; break;
		case 'A': o->facade_allow = optarg; break;
		case 'H': o->facade_address = optarg; break;
		case 'f':
			o->facade = number(0, UINT16_MAX, &o->facade_port);
			if (o->facade)
				break;
			return false;
		case 'S':
			if (number(1, FACADE_SECONDS_MAX, &o->facade_seconds))
				break;
			return false;
		case 's':
			if (number(0, INT64_C(1) << 53, &o->seed))
				break;
			return false;
		default: return false;
		}
	o->rest = argv + optind;
	o->nrest = argc - optind;
	return true;
}

/* CB-Tumblebug starts "~/milkyway", without arguments. */
static bool
named_milkyway(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return strcmp(slash != NULL ? slash + 1 : argv0, "milkyway") == 0;
}

static int
facade_main(int argc, char **argv, struct options *o)
{
	enum log_level level = LOG_INFO;

	if (!parse(argc, argv, o) || o->nrest > 0 ||
	    (o->log != NULL && !log_level_parse(o->log, &level)))
		return usage(stderr, 2);
	if (!o->facade)
		o->facade_port = FACADE_PORT;
	log_init("milkyway-agent", level);
	return run_facade(o);
}

int
main(int argc, char **argv)
{
	struct options o = { .seed = 1, .argv0 = argc > 0 ? argv[0] : "" };
	enum log_level level = LOG_INFO;

	if (argc == 1 && named_milkyway(argv[0]))
		return facade_main(argc, argv, &o);
	if (argc < 2)
		return usage(stderr, 2);
	if (str_starts(argv[1], "--facade"))
		return facade_main(argc, argv, &o);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "bench") == 0)
		level = LOG_WARN;
	if (!parse(argc - 1, argv + 1, &o) || o.facade ||
	    (o.log != NULL && !log_level_parse(o.log, &level)))
		return usage(stderr, 2);
	log_init("milkyway-agent", level);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(&o);
	return usage(stderr, 2);
}
