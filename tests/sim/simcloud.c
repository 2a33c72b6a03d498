/*
 * simcloud.c - a cloud without machines: the twin's control API
 * (docs/twin-api.md, the part of the clouds and the lab) on a unix socket,
 * for tests that kill the coordinator and need VMs that cost nothing. It
 * needs no root. What the twin's clouds do it does, because it is them.
 *
 * Promises: it outlives the coordinator; the log is written before a call has
 * an effect; GET /v1/lab/oracle tells of any two living VMs of one slot.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "tests/sim/simcloud_int.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLOTS 200000
#define BODY_MAX (1024 * 1024)
/* What is due within so long is done in one go: with 10,000 VMs a look at all
 * of them for each would be most of the work. */
#define GRAIN_NS (2 * NS_PER_MS)

struct sim {
	struct ctl ctl; /* what the handlers of the twin expect as context */
	struct loop *loop;
	struct world *world;
	struct vm_set *vms;
	struct loop_timer *due;
	struct sim_oracle *oracle;
	FILE *log;
	bool log_reads;
};

static void sim_status(struct httpd_req *req, void *ctx);
static void sim_oracle_get(struct httpd_req *req, void *ctx);
static void sim_shutdown(struct httpd_req *req, void *ctx);
static void sim_create(struct httpd_req *req, void *ctx);

static const struct httpd_route routes[] = {
	{ "GET", "/v1/status", sim_status, 0 },
	{ "POST", "/v1/shutdown", sim_shutdown, 0 },
	{ "GET", "/v1/clouds", ctl_clouds, 0 },
	{ "GET", "/v1/clouds/{c}/regions", ctl_regions, 0 },
	{ "GET", "/v1/clouds/{c}/specs", ctl_specs, 0 },
	{ "GET", "/v1/clouds/{c}/images", ctl_images, 0 },
	{ "PUT", "/v1/clouds/{c}/keys/{name}", ctl_key_put, 0 },
	{ "DELETE", "/v1/clouds/{c}/keys/{name}", ctl_key_delete, 0 },
	{ "POST", "/v1/clouds/{c}/vms", sim_create, 0 },
	{ "GET", "/v1/clouds/{c}/vms", ctl_vm_list, 0 },
	{ "GET", "/v1/clouds/{c}/vms/{id}", ctl_vm_get, 0 },
	{ "GET", "/v1/clouds/{c}/vms/{id}/console", ctl_vm_console, 0 },
	{ "POST", "/v1/clouds/{c}/vms/{id}/actions", ctl_vm_action, 0 },
	{ "DELETE", "/v1/clouds/{c}/vms/{id}", ctl_vm_delete, 0 },
	{ "GET", "/v1/lab/truth", ctl_truth, 0 },
	{ "GET", "/v1/lab/oracle", sim_oracle_get, 0 },
	{ "POST", "/v1/lab/vms/{id}/{verb}", ctl_lab_vm, 0 },
	{ "POST", "/v1/lab/faults", ctl_fault_add, 0 },
	{ "GET", "/v1/lab/faults", ctl_fault_list, 0 },
	{ "DELETE", "/v1/lab/faults/{id}", ctl_fault_delete, 0 },
};

static const char usage[] =
    "usage: simcloud --socket PATH [OPTION]...\n"
    "\n"
    "  --socket PATH     the control API; a connection of driver twin\n"
    "  --world FILE      a world file (docs/world-format.md), or:\n"
    "  --clouds LIST     csp:class:regions,...; default aws:T:2\n"
    "                    class T: tokens, N: unique names, L: neither\n"
    "  --regions N       instead: N regions over four clouds\n"
    "  --boot-ms N       create, stop, start, terminate; default 20\n"
    "  --late-s N        requests may land so late; default 0\n"
    "  --list-s N        lists may lag so long; default 0\n"
    "  --quota N         VMs of one cloud; default: no limit\n"
    "  --rate N          calls a second of one cloud; default: no limit\n"
    "  --page N          VMs in a page of a list, at most 1000; default 500\n"
    "  --seed N          of delays and faults; default 1\n"
    "  --log FILE        append each call that may change something\n"
    "  --log-reads       and the others\n"
    "  --with-parent     end when the parent process ends\n"
    "\n"
    "  curl --unix-socket PATH http://x/v1/lab/truth    all living VMs\n"
    "  curl --unix-socket PATH http://x/v1/lab/oracle   two of one slot\n";

static void
sim_status(struct httpd_req *req, void *ctx)
{
	struct sim *s = ctx;
	json_t *j = json_object();

	json_put_str(j, "twin", "simcloud");
	json_put_str(j, "version", MW_VERSION);
	json_put_str(j, "world", s->world->name);
	json_put_int(j, "pid", getpid());
	json_put_int(j, "vms", (int64_t)clouds_alive(s->ctl.conf.clouds));
	httpd_reply_json(req, 200, j);
}

static void
sim_oracle_get(struct httpd_req *req, void *ctx)
{
	struct sim *s = ctx;

	sim_oracle_look(s->oracle);
	httpd_reply_json(req, 200, sim_oracle_json(s->oracle));
}

static void
on_stop(void *arg)
{
	struct sim *s = arg;

	loop_stop(s->loop);
}

static void
sim_shutdown(struct httpd_req *req, void *ctx)
{
	struct sim *s = ctx;

	httpd_reply_json(req, 202, json_object());
	loop_timer_set(s->ctl.stop_timer, 50 * NS_PER_MS);
}

/* A line of the log. A create tells its body too: the token, the tags. */
static void
log_call(struct sim *s, struct httpd_req *req, bool body)
{
	const void *text;
	size_t n = 0;

	if (!s->log)
		return;
	text = body ? httpd_body(req, &n) : NULL;
	fprintf(s->log, "{\"atNs\":%lld,\"method\":\"%s\",\"path\":\"%s\"",
	    (long long)clock_mono_ns(), httpd_method(req), httpd_path(req));
	if (n > 0)
		fprintf(s->log, ",\"body\":%.*s", (int)n, (const char *)text);
	fputs("}\n", s->log);
	fflush(s->log);
}

static void
sim_create(struct httpd_req *req, void *ctx)
{
	struct sim *s = ctx;

	log_call(s, req, true);
	ctl_vm_create(req, ctx);
	sim_oracle_look(s->oracle);
}

static bool
admit(struct httpd_req *req, const struct httpd_route *route, void *ctx,
    struct mw_err *err)
{
	struct sim *s = ctx;

	(void)err;
	if (route->handler != sim_create &&
	    (s->log_reads || strcmp(route->method, "GET") != 0))
		log_call(s, req, false);
	return true;
}

static void
on_due(void *arg)
{
	struct sim *s = arg;
	int64_t now = clock_mono_ns();
	int64_t next = clouds_run(s->ctl.conf.clouds, now);

	sim_oracle_look(s->oracle);
	if (next < INT64_MAX)
		loop_timer_set(s->due,
		    next > now + GRAIN_NS ? next - now : GRAIN_NS);
}

static void
on_earlier(void *arg)
{
	struct sim *s = arg;

	loop_timer_set(s->due, GRAIN_NS);
}

static void
on_signal(int sig, void *arg)
{
	(void)sig;
	on_stop(arg);
}

enum {
	OPT_SOCKET = 256,
	OPT_WORLD,
	OPT_CLOUDS,
	OPT_REGIONS,
	OPT_BOOT,
	OPT_LATE,
	OPT_LIST,
	OPT_QUOTA,
	OPT_RATE,
	OPT_PAGE,
	OPT_SEED,
	OPT_LOG,
	OPT_LOG_READS,
	OPT_PARENT,
	OPT_HELP
};

static const struct option options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "world", required_argument, NULL, OPT_WORLD },
	{ "clouds", required_argument, NULL, OPT_CLOUDS },
	{ "regions", required_argument, NULL, OPT_REGIONS },
	{ "boot-ms", required_argument, NULL, OPT_BOOT },
	{ "late-s", required_argument, NULL, OPT_LATE },
	{ "list-s", required_argument, NULL, OPT_LIST },
	{ "quota", required_argument, NULL, OPT_QUOTA },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "page", required_argument, NULL, OPT_PAGE },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-reads", no_argument, NULL, OPT_LOG_READS },
	{ "with-parent", no_argument, NULL, OPT_PARENT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool
number(const char *text, int64_t min, int64_t *out)
{
	return num_parse_i64(text, strlen(text), min, 1000000000, out);
}

static bool
one_option(int opt, struct sim_options *o)
{
	switch (opt) {
	case OPT_SOCKET: o->socket = optarg; return true;
	case OPT_WORLD: o->world = optarg; return true;
	case OPT_CLOUDS: o->clouds = optarg; return true;
	case OPT_LOG: o->log = optarg; return true;
	case OPT_LOG_READS: return o->log_reads = true;
	case OPT_PARENT: return o->with_parent = true;
	case OPT_REGIONS: return number(optarg, 1, &o->regions);
	case OPT_BOOT: return number(optarg, 1, &o->boot_ms);
	case OPT_LATE: return number(optarg, 0, &o->late_s);
	case OPT_LIST: return number(optarg, 0, &o->list_s);
	case OPT_QUOTA: return number(optarg, 0, &o->quota);
	case OPT_RATE: return number(optarg, 0, &o->rate);
	case OPT_PAGE: return number(optarg, 1, &o->page);
	case OPT_SEED:
		return num_parse_i64(optarg, strlen(optarg), 0, INT64_MAX,
		    &o->seed);
	default: return false;
	}
}

static struct world *
make_world(const struct sim_options *o, struct mw_err *err)
{
	struct str text = STR_INIT;
	struct world *w = NULL;

	if (o->world)
		return world_load(o->world, err);
	if (sim_world_text(o, &text, err))
		w = world_parse(str_cstr(&text), text.len, err);
	str_free(&text);
	return w;
}

static bool
serve(struct sim *s, const struct sim_options *o, struct mw_err *err)
{
	struct httpd_conf hc = {
		.unix_path = o->socket,
		.routes = routes,
		.nroutes = ARRAY_LEN(routes),
		.ctx = s,
		.admit = admit,
		.body_max = BODY_MAX,
		.connections = 4096,
		.per_address = 4096,
	};

	unlink(o->socket);
	s->ctl.httpd = httpd_new(s->loop, &hc, err);
	return s->ctl.httpd != NULL;
}

static void
build(struct sim *s)
{
	struct clouds_conf cc = {
		.world = s->world,
		.slots = SLOTS,
		.cpus = 1,
		.host_id = "simcloud",
		.on_due = on_earlier,
		.arg = s,
	};
	struct ctl_conf *conf = &s->ctl.conf;

	s->loop = loop_new();
	s->vms = sim_machines_new(s->loop);
	s->due = loop_timer_new(s->loop, on_due, s);
	conf->loop = s->loop;
	conf->world = s->world;
	conf->vms = s->vms;
	conf->faults = faults_new(s->world, clock_mono_ns());
	cc.vms = s->vms;
	cc.faults = conf->faults;
	conf->clouds = clouds_new(&cc);
	s->oracle = sim_oracle_new(conf->clouds);
	s->ctl.start_ns = clock_mono_ns();
	LIST_INIT(&s->ctl.later);
	LIST_INIT(&s->ctl.undo);
	s->ctl.stop_timer = loop_timer_new(s->loop, on_stop, s);
	loop_on_signal(s->loop, on_signal, s);
}

static void
sim_end(struct sim *s, const struct sim_options *o)
{
	ctl_later_free_all(&s->ctl);
	loop_timer_free(s->ctl.stop_timer);
	if (s->ctl.httpd)
		httpd_free(s->ctl.httpd);
	loop_timer_free(s->due);
	sim_oracle_free(s->oracle);
	clouds_free(s->ctl.conf.clouds);
	faults_free(s->ctl.conf.faults);
	sim_machines_free(s->vms);
	loop_free(s->loop);
	world_free(s->world);
	unlink(o->socket);
}

static int
run(struct sim *s, const struct sim_options *o)
{
	struct mw_err err = MW_ERR_INIT;
	struct rlimit files;
	int status = 1;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (o->with_parent)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	s->log_reads = o->log_reads;
	s->log = o->log ? fopen(o->log, "ae") : NULL;
	if (o->log && !s->log)
		err_set(&err, MW_INTERNAL, 0, "cannot write %s", o->log);
	else
		s->world = make_world(o, &err);
	if (s->world) {
		build(s);
		if (serve(s, o, &err)) {
			loop_run(s->loop);
			status = 0;
		}
		sim_end(s, o);
	}
	if (s->log)
		fclose(s->log);
	if (err.code != MW_OK)
		fprintf(stderr, "simcloud: %s %s\n", err.pointer, err.msg);
	return status;
}

int
main(int argc, char **argv)
{
	struct sim_options o = {
		.clouds = "aws:T:2",
		.boot_ms = 20,
		.seed = 1,
	};
	static struct sim sim;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 0;
		}
		if (!one_option(opt, &o)) {
			fputs("simcloud: not a fitting value; try --help\n",
			    stderr);
			return 2;
		}
	}
	if (!o.socket || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	log_init("simcloud", LOG_WARN);
	return run(&sim, &o);
}
