/*
 * cmd_host.c - how busy the VMs are: `top` shows the newest minute of each,
 * `metrics` what was kept.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/hostrec.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define VM_LEN 80
#define BUSY_PCT 90 /* red */
#define STEAL_PCT 5
#define POLL_NS (100 * 1000 * 1000)

/* "" for what is unknown. */
static void
add_num(struct cli_table *t, const json_t *o, const char *key, int decimals)
{
	double v = jnum(o, key, NAN);

	if (isnan(v))
		table_add(t, "%s", "");
	else
		table_add(t, "%.*f", decimals, v);
}

static void
add_high(struct cli_table *t, const json_t *o, const char *key, double high)
{
	table_color(t, jnum(o, key, 0) >= high ? 31 : 0);
	add_num(t, o, key, 1);
}

/* "12.3M": bytes a second of the time that is covered. */
static void
add_rate(struct cli_table *t, const json_t *p, const char *key)
{
	static const char units[] = "BKMGT";
	double v = jnum(p, key, NAN) / jnum(p, "coveredS", NAN);
	size_t u = 0;

	if (isnan(v)) {
		table_add(t, "%s", "");
		return;
	}
	while (v >= 1000 && u + 2 < sizeof units) {
		v /= 1024;
		u++;
	}
	table_add(t, "%.*f%c", u > 0 && v < 10 ? 1 : 0, v, units[u]);
}

static void
add_memory(struct cli_table *t, const json_t *p)
{
	double used = jnum(p, "memUsedMiB", NAN);
	double total = jnum(p, "memTotalMiB", NAN);

	if (isnan(used) || isnan(total) || total <= 0)
		table_add(t, "%s", "");
	else
		table_add(t, "%.0f/%.0f", used, total);
}

static void
add_age(struct cli_table *t, const json_t *p)
{
	int64_t age = ji(p, "ageS", -1);
	char text[WHEN_LEN] = "";

	if (age >= 0)
		when_age(age * NS_PER_S, text);
	table_color(t, age > 300 ? 33 : 0);
	table_add(t, "%s", text);
}

static void
add_load(struct cli_table *t, const json_t *p)
{
	add_high(t, p, "cpuPct", BUSY_PCT);
	add_num(t, p, "cpuMaxPct", 1);
	add_high(t, p, "stealPct", STEAL_PCT);
	add_num(t, p, "iowaitPct", 1);
	add_num(t, p, "load1", 2);
	add_memory(t, p);
	add_rate(t, p, "netRxBytes");
	add_rate(t, p, "netTxBytes");
	add_rate(t, p, "diskReadBytes");
	add_rate(t, p, "diskWriteBytes");
}

static void
top_row(struct cli_table *t, const json_t *vm)
{
	const json_t *p = json_object_get(vm, "latest");
	bool bench = jb(vm, "busy") || ji(p, "benchS", 0) > 0;

	table_add(t, "%s", js(vm, "vmId"));
	table_color(t, str_eq(js(vm, "agent"), "up") ? 0 : 31);
	table_add(t, "%s", js(vm, "agent"));
	add_load(t, p);
	table_color(t, bench ? 36 : 0);
	table_add(t, "%s", jb(vm, "busy") ? "now" : bench ? "yes" : "");
	table_add(t, "%s", js(p, "scope"));
	add_age(t, p);
}

static void
top_print(struct cli *c, const json_t *a)
{
	static const char *const heads[] = { "VM", "AGENT", ">CPU%", ">MAX%",
		">STEAL%", ">IOWAIT%", ">LOAD1", ">MEM MiB", ">RX/s", ">TX/s",
		">READ/s", ">WRITE/s", "BENCH", "SCOPE", ">AGE", NULL };
	struct cli_table *t;
	json_t *vm;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(a);
		return;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "items"), i, vm) top_row(t, vm);
	table_print(t, c);
}

static void
rest(int64_t seconds)
{
	const struct timespec slice = { 0, POLL_NS };
	int64_t until = clock_mono_ns() + seconds * NS_PER_S;

	while (clock_mono_ns() < until && !cli_interrupted())
		nanosleep(&slice, NULL);
}

static int
run_top(struct cli *c, int argc, char **argv)
{
	bool watch = false;
	int64_t every = 5;
	const struct cli_opt opts[] = { { "watch", 'w', OPT_FLAG, &watch },
		{ "every", 0, OPT_INT, &every } };
	const struct cli_cmd *cmd = cli_cmd(cmds_host, "top");
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL;
	char *path;
	int rc = 0;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (every < 1 || every > 3600)
		return cli_usage(cmd, "--every is 1..3600 seconds");
	path = cli_mcis_path(c, argv[1], "/metrics?latest=1");
	if (!path)
		return 2;
	do {
		if (!cli_call(c, "GET", path, NULL, &a, &err)) {
			rc = cli_interrupted() ? 0 : cli_fail(&err);
			break;
		}
		if (watch && c->width > 0)
			fputs("\033[H\033[J", stdout);
		top_print(c, a);
		fflush(stdout);
		json_decref(a);
		a = NULL;
		if (watch)
			rest(every);
	} while (watch && !cli_interrupted());
	free(path);
	return rc;
}

/* "90m", "1h", "7d" before now, or an RFC 3339 time, as the latter. */
static bool
time_of(const char *s, char out[WHEN_LEN])
{
	static const struct {
		char unit;
		int64_t ns;
	} units[] = { { 's', NS_PER_S }, { 'm', 60 * NS_PER_S },
		{ 'h', 3600 * NS_PER_S }, { 'd', 86400 * NS_PER_S } };
	size_t n = strlen(s);
	int64_t v;

	if (when_parse(s, &v)) {
		when_format(v, out);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (n > 1 && s[n - 1] == units[i].unit &&
		    num_parse_i64(s, n - 1, 0, 36500, &v)) {
			when_format(clock_wall_ns() - v * units[i].ns, out);
			return true;
		}
	return false;
}

/* Everything that is known of a point, in the order of the table of figures. */
static void
points_csv(const json_t *a)
{
	const json_t *vm, *p;
	size_t i, k;

	printf("vm,at,coveredS,benchS,scope");
	for (size_t f = 0; f < HOST_FIELDS; f++)
		printf(",%s", host_info((enum host_field)f)->name);
	putchar('\n');
	json_array_foreach(ja(a, "items"), i, vm)
	{
		json_array_foreach(ja(vm, "points"), k, p)
		{
			printf("%s,%s,%lld,%lld,%s", js(vm, "vmId"),
			    js(p, "at"), (long long)ji(p, "coveredS", 0),
			    (long long)ji(p, "benchS", 0), js(p, "scope"));
			for (size_t f = 0; f < HOST_FIELDS; f++) {
				double v = jnum(p,
				    host_info((enum host_field)f)->name, NAN);

				if (isnan(v))
					putchar(',');
				else
					printf(",%.12g", v);
			}
			putchar('\n');
		}
	}
}

static void
points_table(struct cli *c, const json_t *a)
{
	static const char *const heads[] = { "VM", "AT", ">CPU%", ">MAX%",
		">STEAL%", ">IOWAIT%", ">LOAD1", ">MEM MiB", ">RX/s", ">TX/s",
		">READ/s", ">WRITE/s", ">PSI CPU%", ">BENCH s", ">OF s", NULL };
	struct cli_table *t = table_new(heads);
	json_t *vm, *p;
	size_t i, k, n = 0;

	json_array_foreach(ja(a, "items"), i, vm)
	{
		json_array_foreach(ja(vm, "points"), k, p)
		{
			table_add(t, "%s", js(vm, "vmId"));
			table_add(t, "%.16s", js(p, "at"));
			add_load(t, p);
			add_num(t, p, "psiCpuPct", 1);
			table_color(t, ji(p, "benchS", 0) > 0 ? 36 : 0);
			table_add_int(t, p, "benchS");
			table_add_int(t, p, "coveredS");
			n++;
		}
	}
	table_print(t, c);
	if (n == 0)
		fprintf(stderr, "no %s of that time is known\n", js(a, "step"));
}

/* "/metrics?vm=..&since=..", or NULL after a message. */
static char *
points_path(struct cli *c, const struct cli_cmd *cmd, const char *name,
    const char *const opt[4])
{
	static const char *const keys[] = { "vm", "step", "since", "until" };
	struct str q = STR_INIT;
	char at[WHEN_LEN], *path;

	str_add(&q, "/metrics");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *v = opt[i];

		if (v == NULL)
			continue;
		if (i < 2 && !id_word_valid(v, VM_LEN - 1)) {
			cli_usage(cmd, "--%s is a plain word", keys[i]);
			str_free(&q);
			return NULL;
		}
		if (i >= 2 && !time_of(v, at)) {
			cli_usage(cmd,
			    "--%s is 90m, 1h, 7d, or 2026-01-05T03:00:00Z",
			    keys[i]);
			str_free(&q);
			return NULL;
		}
		str_addf(&q, "%c%s=%s", strchr(q.p, '?') ? '&' : '?', keys[i],
		    i < 2 ? v : at);
	}
	path = cli_mcis_path(c, name, str_cstr(&q));
	str_free(&q);
	return path;
}

static int
run_metrics(struct cli *c, int argc, char **argv)
{
	const char *opt[4] = { NULL }; /* vm, step, since, until */
	const struct cli_opt opts[] = { { "vm", 0, OPT_STR, &opt[0] },
		{ "step", 0, OPT_STR, &opt[1] },
		{ "since", 0, OPT_STR, &opt[2] },
		{ "until", 0, OPT_STR, &opt[3] } };
	const struct cli_cmd *cmd = cli_cmd(cmds_host, "metrics");
	json_t *a = NULL;
	char *path;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	path = points_path(c, cmd, argv[1], opt);
	rc = cli_get(c, path, &a);
	if (rc)
		return rc;
	switch (c->out) {
	case OUT_JSON: cli_print_json(a); break;
	case OUT_CSV: points_csv(a); break;
	case OUT_TFVARS: /* not of this command */
	case OUT_TABLE: points_table(c, a); break;
	}
	json_decref(a);
	return 0;
}

const struct cli_cmd cmds_host[] = {
	{ "top", "NAME", "how busy the VMs are: the newest minute of each",
	    run_top,
	    "  --watch, -w   again and again, until Ctrl-C\n"
	    "  --every S     with --watch: seconds between (5)\n\n"
	    "BENCH says that a benchmark of ours ran in that minute (now: at this\n"
	    "moment): such minutes say nothing of the VM's own load. SCOPE host:\n"
	    "figures of the whole kernel; cgroup, mixed: all or some are those of\n"
	    "the container alone. A cell without a figure is unknown, not 0.\n\n"
	    "  milkyway top demo17 --watch\n" },
	{ "metrics", "NAME", "host metrics of a time, by minute or hour",
	    run_metrics,
	    "  --vm VM       of this VM only\n"
	    "  --since T     90m, 1h, 7d before now, or 2026-01-05T03:00:00Z (1h;\n"
	    "                with --step hour 7d)\n"
	    "  --until T     (now)\n"
	    "  --step S      minute, hour (minute)\n\n"
	    "Minutes nobody reported are absent. -o csv and -o json hold every\n"
	    "figure, with units in the names.\n\n"
	    "  milkyway metrics demo17 --vm seoul-c5-xlarge-1 --since 1h\n"
	    "  milkyway metrics demo17 --step hour --since 7d -o csv >week.csv\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
