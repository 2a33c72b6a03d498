/*
 * main.c - milkywayd: options, configuration, signals.
 */
#include "common/conf.h"
#include "common/log.h"
#include "common/proto.h"
#include "common/pure/alloc.h"
#include "coordinator/api/api.h"
#include "coordinator/keep/backup.h"
#include "coordinator/ca.h"
#include "coordinator/coord.h"
#include "coordinator/keep/rescue.h"

#include <getopt.h>
#include <libgen.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(field) offsetof(struct coord_conf, field)

static const struct conf_key keys[] = {
	{ "state.dir", CONF_STR, AT(state_dir), 0, 0, "/var/lib/milkyway",
	    "database, CA, keys and the first token; mode 0700" },
	{ "api.address", CONF_STR, AT(api_address), 0, 0, "127.0.0.1",
	    "numeric address of the HTTP API; plain HTTP" },
	{ "api.port", CONF_INT, AT(api_port), 0, 65535, "7470",
	    "port of the HTTP API; 0: any" },
	{ "api.connections", CONF_INT, AT(api_connections), 1, 65536, "1024",
	    "connections at a time" },
	{ "api.per_address", CONF_INT, AT(api_per_address), 1, 65536, "64",
	    "connections at a time from one address" },
	{ "api.rate", CONF_INT, AT(api_rate), 1, 1000000000, "500",
	    "requests a second with one token" },
	{ "api.behind_proxy", CONF_BOOL, AT(api_behind_proxy), 0, 0, "false",
	    "a proxy speaks TLS for us: allows an api.address that is not "
	    "local" },
	{ "link.address", CONF_STR, AT(link_address), 0, 0, "0.0.0.0",
	    "numeric address where agents dial in" },
	{ "link.port", CONF_INT, AT(link_port), 0, 65535, "7471",
	    "port where agents dial in; 0: any" },
	{ "link.advertise", CONF_STR, AT(advertise), 0, 0, "",
	    "numeric address that agents are told; empty: as the VM's SSH "
	    "sees us" },
	{ "agent.dir", CONF_STR, AT(agent_dir), 0, 0, "",
	    "where milkyway-agent and milkyway-ping lie; empty: beside "
	    "milkywayd" },
	{ "agent.install", CONF_BOOL, AT(agent_install), 0, 0, "true",
	    "install the agent on VMs; false: VMs only, nothing is measured" },
	{ "agent.ttl_ms", CONF_INT, AT(agent_ttl_ms), 100, 600000, "5000",
	    "agents beat so often; three missed beats make one silent" },
	{ "log.level", CONF_STR, AT(log_level), 0, 0, "info",
	    "debug, info, warn or error" },
	{ "cloud.ssh_from", CONF_STR, AT(ssh_from), 0, 0, "auto",
	    "from where VMs let SSH in: a network, e.g. 203.0.113.7/32; auto: "
	    "from the address that reaches their cloud; any: everywhere" },
	{ "cloud.late_apply_s", CONF_INT, AT(late_apply_s), -1, 86400, "-1",
	    "a cloud may still carry out a request whose answer was lost for "
	    "so long; -1: what its driver assumes" },
	{ "cloud.list_visible_s", CONF_INT, AT(list_visible_s), -1, 86400, "-1",
	    "a new VM may be missing in a cloud's lists for so long; -1: what "
	    "its driver assumes" },
	{ "credentials.exec", CONF_BOOL, AT(cred_exec), 0, 0, "false",
	    "connections may name programs (exec:) that are run as this user" },
	{ "credentials.dir", CONF_STR, AT(cred_dir), 0, 0,
	    "/etc/milkyway/credentials",
	    "files that connections name (file:) must lie here; /: anywhere" },
	{ "cloud.rate", CONF_INT, AT(cloud_rate), 0, 1000000, "0",
	    "calls a second of one connection to its cloud at most; 0: what "
	    "its driver asks for" },
	{ "cloud.rate_percent", CONF_INT, AT(cloud_rate_percent), 1, 10000,
	    "100",
	    "of the rates that drivers ask for; more for accounts whose limits "
	    "their cloud has raised" },
	{ "ssh.max", CONF_INT, AT(ssh_max), 1, 4096, "128",
	    "SSH connections at a time" },
	{ "ssh.kex_max", CONF_INT, AT(ssh_kex_max), 1, 256, "16",
	    "SSH key exchanges at a time" },
	{ "place.hold_ms", CONF_INT, AT(place_hold_ms), 0, 25000, "25000",
	    "placements that take longer are answered with 202 and a number; "
	    "0: all of them" },
	{ "lifecycle.sweep_s", CONF_INT, AT(sweep_s), 1, 86400, "300",
	    "how often all clouds are searched for VMs that nobody explains" },
	{ "lifecycle.poll_ms", CONF_INT, AT(poll_ms), 10, 600000, "300",
	    "status poll while something is pending" },
	{ "lifecycle.create_s", CONF_INT, AT(create_s), 0, 86400, "0",
	    "deadline of a create; 0: what the driver says, else 600" },
	{ "lifecycle.power_s", CONF_INT, AT(power_s), 5, 86400, "600",
	    "deadline of suspend and resume" },
	{ "lifecycle.reboot_s", CONF_INT, AT(reboot_s), 5, 86400, "300",
	    "deadline of a reboot" },
	{ "lifecycle.terminate_s", CONF_INT, AT(terminate_s), 5, 86400, "900",
	    "a terminate that takes longer is overdue: an alert, and it is "
	    "tried for ever" },
	{ "lifecycle.install_s", CONF_INT, AT(install_s), 5, 86400, "300",
	    "deadline of an agent's installation" },
	{ "metrics.per_vm", CONF_INT, AT(metrics_per_vm), 0, 10000, "1000",
	    "VMs that have series of their own in /metrics; the others are "
	    "counted" },
	{ "metrics.pairs", CONF_BOOL, AT(metrics_pairs), 0, 0, "false",
	    "a series for each pair of a matrix of up to 50 VMs; else only "
	    "with ?pairs=1" },
	{ "matrix.k", CONF_INT, AT(matrix_k), 1, 32, "10",
	    "probes of each pair in a round, unless the request says" },
	{ "matrix.window_ms", CONF_INT, AT(matrix_window_ms), 100, 600000,
	    "5000", "length of a round, unless the request says" },
	{ "schedule.defaults", CONF_STR, AT(schedule_defaults), 0, 0, "matrix",
	    "schedules of a new MCIS: matrix, all or none" },
	{ "matrix.full_max", CONF_INT, AT(matrix_full_max), 2, 1000, "300",
	    "with more VMs not all pairs are probed: representatives of zones "
	    "and rings" },
	{ "rtt.max_bytes_per_round", CONF_INT, AT(rtt_round_bytes), 1000,
	    INT64_MAX / 1000, "200000000",
	    "what one matrix round may send; schedules reduce k to fit" },
	{ "rtt.max_bytes_per_day", CONF_INT, AT(rtt_day_bytes), 1000,
	    INT64_MAX / 1000, "500000000",
	    "over it, scheduled matrix rounds of that MCIS are skipped" },
	{ "retention.matrix_days", CONF_INT, AT(retain.matrix_days), 1, 3650,
	    "7", "days that matrix rounds are kept; then they are folded" },
	{ "retention.matrix_fold_days", CONF_INT, AT(retain.fold_days), 1,
	    36500, "730", "days that folded days of the matrix are kept" },
	{ "retention.samples_days", CONF_INT, AT(retain.samples_days), 1, 36500,
	    "30", "days that results keep their repetitions" },
	{ "retention.raw_days", CONF_INT, AT(retain.raw_days), 1, 36500, "30",
	    "days that the output of benchmark programs is kept" },
	{ "retention.host_minute_days", CONF_INT, AT(retain.host_min_days), 1,
	    36500, "30", "days that host metrics of each minute are kept" },
	{ "retention.host_hour_days", CONF_INT, AT(retain.host_hour_days), 1,
	    36500, "400", "days that host metrics of each hour are kept" },
	{ "retention.actions", CONF_INT, AT(retain.actions), 100, 1000000,
	    "2000", "newest actions that are kept" },
};

static const char usage[] =
    "usage: milkywayd [--config FILE] [--state-dir DIR] [--set KEY=VALUE]...\n"
    "\n"
    "The coordinator of Milkyway: HTTP API, agent link, database. It stays in\n"
    "the foreground and ends on SIGTERM.\n"
    "\n"
    "  --config FILE     read this file (INI); see --print-config\n"
    "  --state-dir DIR   same as --set state.dir=DIR\n"
    "  --set KEY=VALUE   one setting, e.g. --set api.port=7480\n"
    "  --restore FILE    put this backup into the state directory, then end\n"
    "  --replace         with --restore: also over a database that is there\n"
    "  --unseal KEY      print a private key, ca.key or ssh/NAME, then end\n"
    "  --print-config    show all settings with their meaning, then end\n"
    "  --print-routes    show method, path and role of every route, then end\n"
    "  --foreground      stay in the foreground (always so)\n"
    "  --version, --help\n";

enum {
	OPT_CONFIG = 256,
	OPT_STATE,
	OPT_SET,
	OPT_PRINT,
	OPT_ROUTES,
	OPT_FOREGROUND,
	OPT_RESTORE,
	OPT_REPLACE,
	OPT_UNSEAL,
	OPT_VERSION,
	OPT_HELP
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "state-dir", required_argument, NULL, OPT_STATE },
	{ "set", required_argument, NULL, OPT_SET },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "print-routes", no_argument, NULL, OPT_ROUTES },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "restore", required_argument, NULL, OPT_RESTORE },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "unseal", required_argument, NULL, OPT_UNSEAL },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static const char *restore_file, *unseal_what;
static bool restore_replace;

/* What the command line asks for besides the settings. */
enum task {
	TASK_RUN,
	TASK_PRINT,
	TASK_RESTORE,
	TASK_UNSEAL,
	TASK_END,
	TASK_WRONG
};

static enum task parse(int argc, char **argv, struct coord_conf *conf,
    struct mw_err *err);
static bool one_option(int opt, struct coord_conf *conf, enum task *task,
    struct mw_err *err);
static void fill_in(struct coord_conf *conf);
static int restore(const struct coord_conf *conf);
static int unseal(const struct coord_conf *conf);
static void harden(void);
static void footprint(void);
static int run(const struct coord_conf *conf);
static void on_signal(int sig, void *arg);
static int fail(const struct mw_err *err);

int
main(int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	struct coord_conf conf = { 0 };
	enum log_level level;
	int status = 0;

	conf_defaults(keys, ARRAY_LEN(keys), &conf);
	switch (parse(argc, argv, &conf, &err)) {
	case TASK_WRONG: status = fail(&err); break;
	case TASK_PRINT: conf_print(keys, ARRAY_LEN(keys), &conf); break;
	case TASK_RESTORE: status = restore(&conf); break;
	case TASK_UNSEAL: status = unseal(&conf); break;
	case TASK_END: break;
	case TASK_RUN:
		if (!log_level_parse(conf.log_level, &level)) {
			err_set(&err, MW_INVALID, 0,
			    "log.level is debug, info, warn or error");
			status = fail(&err);
			break;
		}
		log_init("milkywayd", level);
		fill_in(&conf);
		harden();
		footprint();
		status = run(&conf);
	}
	conf_free(keys, ARRAY_LEN(keys), &conf);
	return status;
}

static enum task
parse(int argc, char **argv, struct coord_conf *conf, struct mw_err *err)
{
	enum task task = TASK_RUN;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!one_option(opt, conf, &task, err))
			return TASK_WRONG;
	if (optind < argc) {
		err_set(err, MW_INVALID, 0, "what is \"%s\"?", argv[optind]);
		err_hint(err, "milkywayd --help");
		return TASK_WRONG;
	}
	return task;
}

static bool
one_option(int opt, struct coord_conf *conf, enum task *task,
    struct mw_err *err)
{
	char *set;
	bool ok = true;

	switch (opt) {
	case OPT_CONFIG:
		return conf_load(keys, ARRAY_LEN(keys), conf, optarg, err);
	case OPT_SET: return conf_set(keys, ARRAY_LEN(keys), conf, optarg, err);
	case OPT_STATE:
		set = xasprintf("state.dir=%s", optarg);
		ok = conf_set(keys, ARRAY_LEN(keys), conf, set, err);
		free(set);
		return ok;
	case OPT_PRINT: *task = TASK_PRINT; return true;
	case OPT_ROUTES:
		api_print_routes();
		*task = TASK_END;
		return true;
	case OPT_FOREGROUND: return true;
	case OPT_RESTORE:
		restore_file = optarg;
		*task = TASK_RESTORE;
		return true;
	case OPT_REPLACE: restore_replace = true; return true;
	case OPT_UNSEAL:
		unseal_what = optarg;
		*task = TASK_UNSEAL;
		return true;
	case OPT_VERSION:
		puts("milkywayd " MW_VERSION);
		*task = TASK_END;
		return true;
	case OPT_HELP:
		fputs(usage, stdout);
		*task = TASK_END;
		return true;
	default:
		err_set(err, MW_INVALID, 0, "unknown option");
		return err_hint(err, "milkywayd --help");
	}
}

/* The binaries for VMs lie where we lie, unless the settings say otherwise. */
static void
fill_in(struct coord_conf *conf)
{
	char self[4096];
	ssize_t n;

	if (*conf->agent_dir)
		return;
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		return;
	self[n] = 0;
	free(conf->agent_dir);
	conf->agent_dir = xstrdup(dirname(self));
}

static int
restore(const struct coord_conf *conf)
{
	struct mw_err err = MW_ERR_INIT;
	struct backup_info info;

	umask(0077);
	if (!restore_run(conf->state_dir, restore_file, restore_replace, &info,
		&err))
		return fail(&err);
	printf("deployment %s of %s is in %s\n"
	       "VMs that were made after it are left alone until you decide: "
	       "milkyway orphans\n",
	    info.deployment, info.made_at, conf->state_dir);
	return 0;
}

/* For ssh -i, and to put a key back elsewhere. */
static int
unseal(const struct coord_conf *conf)
{
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	bool ok;

	harden();
	ok = ca_unseal(conf->state_dir, unseal_what, &text, &err) &&
	    (fwrite(text.p, 1, text.len, stdout) == text.len ||
		err_set(&err, MW_INTERNAL, 0, "cannot write the key"));
	if (text.p)
		explicit_bzero(text.p, text.cap);
	str_free(&text);
	return ok ? 0 : fail(&err);
}

/* Keys are in memory: no core file, no tracing by equals; files are ours
 * alone. Many agents need many descriptors. */
static void
harden(void)
{
	struct rlimit none = { 0, 0 }, files;

	umask(0077);
#ifndef __SANITIZE_ADDRESS__ /* its leak check traces the process */
	prctl(PR_SET_DUMPABLE, 0);
#endif
	setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Large blocks go back to the system when they are freed, also after larger
 * ones were: glibc raises the threshold with each of them, and then the rows
 * of one large group leave holes for good. */
static void
footprint(void)
{
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 4);
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}

static int
run(const struct coord_conf *conf)
{
	struct mw_err err = MW_ERR_INIT;
	struct coord *c = coord_new(conf, &err);

	if (!c && err.sys == RESCUE_DAMAGED)
		return rescue_run(conf, &err);
	if (!c)
		return fail(&err);
	loop_on_signal(c->loop, on_signal, c);
	loop_run(c->loop);
	log_info("main", NULL, "stopping");
	coord_free(c);
	return 0;
}

static void
on_signal(int sig, void *arg)
{
	struct coord *c = arg;

	(void)sig;
	loop_stop(c->loop);
}

static int
fail(const struct mw_err *err)
{
	fprintf(stderr, "milkywayd: %s\n", err->msg);
	if (*err->hint)
		fprintf(stderr, "milkywayd: hint: %s\n", err->hint);
	return err_exit_status(err->code);
}
