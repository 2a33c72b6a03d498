/*
 * cmd_show.c - commands that show: status ls truth console diff doctor sweep
 * world. Changes nothing but what sweep removes.
 */
#include "twin/cmd.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "twin/doctor.h"
#include "twin/vm.h"
#include "twin/world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static double
number(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

int
cmd_status(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j;

	if (!cmd_options(c, NULL, 0, false) || c->argc != 0)
		return cmd_usage("status [--json]");
	if (!cmd_call(c, "GET", "/v1/status", NULL, &j, &err))
		return cmd_fail(&err);
	if (c->json) {
		cmd_print_json(j);
	} else {
		printf("world %s, %.0f VMs, pid %.0f, up %.0f s\n",
		    cmd_field(j, "world"), number(j, "vms"), number(j, "pid"),
		    number(j, "uptimeS"));
		printf("RTT %s: own delay %.0f us per direction",
		    cmd_field(j, "rttQuality"), number(j, "compUs"));
		if (json_is_number(json_object_get(j, "errorP50Us")))
			printf(", error p50 %.0f us, p99 %.0f us",
			    number(j, "errorP50Us"), number(j, "errorP99Us"));
		printf("\nbenchmarks %s, cgroup %s, disks %s, coordinator %s\n",
		    cmd_field(j, "emulated"), cmd_field(j, "cgroup"),
		    cmd_field(j, "disk"),
		    cmd_field(json_object_get(j, "addresses"), "coordinator"));
		if (json_is_string(json_object_get(j, "rttQualityReason")))
			printf("note: %s\n", cmd_field(j, "rttQualityReason"));
	}
	json_decref(j);
	return 0;
}

int
cmd_truth(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j;

	if (!cmd_options(c, NULL, 0, false) || c->argc != 0)
		return cmd_usage("truth");
	if (!cmd_call(c, "GET", "/v1/lab/truth", NULL, &j, &err))
		return cmd_fail(&err);
	cmd_print_json(j);
	json_decref(j);
	return 0;
}

int
cmd_ls(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j, *v;
	size_t i;

	if (!cmd_options(c, NULL, 0, false) || c->argc != 0)
		return cmd_usage("ls [--json]");
	if (!cmd_call(c, "GET", "/v1/lab/truth", NULL, &j, &err))
		return cmd_fail(&err);
	if (c->json) {
		cmd_print_json(json_object_get(j, "items"));
		json_decref(j);
		return 0;
	}
	printf("%-15s %-20s %-28s %-24s %-13s %s\n", "ID", "NAME", "SITE",
	    "STATE", "ADDRESS", "MACHINE");
	json_array_foreach(json_object_get(j, "items"), i, v)
	{
		bool frozen = json_is_true(json_object_get(v, "frozen"));

		printf("%-15s %-20.20s %-28s %-24s %-13s %s\n",
		    cmd_field(v, "id"), cmd_field(v, "name"),
		    cmd_field(v, "site"), cmd_field(v, "nativeState"),
		    cmd_field(v, "publicIp"),
		    frozen ? "frozen" : cmd_field(v, "machine"));
	}
	json_decref(j);
	return 0;
}

/* Prints the "text" of a call about one VM. */
static int
print_text(struct cmd *c, const char *format_path)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *vm, *j = NULL;
	char *path;
	bool ok;

	vm = cmd_find_vm(c, c->argv[0], &err);
	if (!vm)
		return cmd_fail(&err);
	if (strcmp(format_path, "console") == 0)
		path = xasprintf("/v1/clouds/%s/vms/%s/console",
		    cmd_field(vm, "cloud"), cmd_field(vm, "id"));
	else
		path = xasprintf("/v1/lab/vms/%s/diff", cmd_field(vm, "id"));
	json_decref(vm);
	ok = cmd_call(c, "GET", path, NULL, &j, &err);
	free(path);
	if (!ok)
		return cmd_fail(&err);
	if (c->json)
		cmd_print_json(j);
	else
		fputs(cmd_field(j, "text"), stdout);
	json_decref(j);
	return 0;
}

int
cmd_console(struct cmd *c)
{
	if (!cmd_options(c, NULL, 0, false) || c->argc != 1)
		return cmd_usage("console VM");
	return print_text(c, "console");
}

int
cmd_diff(struct cmd *c)
{
	if (!cmd_options(c, NULL, 0, false) || c->argc != 1)
		return cmd_usage("diff VM");
	return print_text(c, "diff");
}

static void
print_item(const json_t *j)
{
	const char *fix = cmd_field(j, "fix");

	printf("%-8s %-12s %s\n", cmd_field(j, "level"), cmd_field(j, "check"),
	    cmd_field(j, "text"));
	if (strcmp(fix, "-") != 0)
		printf("%-8s %-12s -> %s\n", "", "", fix);
}

/* A running twin knows its calibration; else this process looks by itself. */
static json_t *
doctor_items(const struct cmd *c, const char *state_dir)
{
	struct doctor_conf conf = { .state_dir = state_dir, .vms = 100 };
	struct mw_err err = MW_ERR_INIT;
	struct doctor d;
	json_t *j, *items;

	if (access(c->socket, F_OK) == 0 &&
	    cmd_call(c, "GET", "/v1/doctor", NULL, &j, &err)) {
		items = json_incref(json_object_get(j, "items"));
		json_decref(j);
		return items;
	}
	doctor_run(&conf, &d);
	return doctor_json(&d);
}

/* 0: fine, 1: limited, 2: cannot. */
int
cmd_doctor(struct cmd *c)
{
	const char *state_dir = CMD_STATE_DIR;
	const struct cmd_opt opts[] = { { "--state", &state_dir, NULL } };
	json_t *items, *j;
	int worst = 0;
	size_t i;

	if (!cmd_options(c, opts, ARRAY_LEN(opts), false) || c->argc != 0)
		return cmd_usage("doctor [--state DIR] [--json]");
	items = doctor_items(c, state_dir);
	json_array_foreach(items, i, j)
	{
		const char *level = cmd_field(j, "level");

		if (strcmp(level, "fail") == 0)
			worst = 2;
		else if (strcmp(level, "limited") == 0 && worst == 0)
			worst = 1;
		if (!c->json)
			print_item(j);
	}
	if (c->json)
		cmd_print_json(items);
	json_decref(items);
	return worst;
}

/* The names that a twin leaves which did not end by itself. */
static void
sweep_names(const struct cmd *c, const char *state_dir)
{
	struct mw_err err = MW_ERR_INIT;
	char *log_path;
	json_t *j;

	if (cmd_call(c, "GET", "/v1/status", NULL, &j, &err)) {
		json_decref(j);
		return;
	}
	log_path = xasprintf("%s/twin.log", state_dir);
	unlink(c->socket);
	unlink(log_path);
	free(log_path);
}

int
cmd_sweep(struct cmd *c)
{
	const char *state_dir = CMD_STATE_DIR;
	const struct cmd_opt opts[] = { { "--state", &state_dir, NULL } };
	struct vm_leftovers left = { 0 };
	json_t *j;

	if (!cmd_options(c, opts, ARRAY_LEN(opts), false) || c->argc != 0)
		return cmd_usage("sweep [--state DIR] [--json]");
	vm_sweep(state_dir, true, &left);
	sweep_names(c, state_dir);
	if (c->json) {
		j = json_object();
		json_put_int(j, "cgroups", (int64_t)left.cgroups);
		json_put_int(j, "dirs", (int64_t)left.dirs);
		cmd_print_json(j);
		json_decref(j);
	} else {
		printf("removed %zu cgroups and %zu directories\n",
		    left.cgroups, left.dirs);
	}
	return 0;
}

int
cmd_world(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	struct world *w;
	size_t known = 0, regions = 0, specs = 0;

	if (!cmd_options(c, NULL, 0, false) || c->argc != 2 ||
	    strcmp(c->argv[0], "check") != 0)
		return cmd_usage("world check FILE");
	w = world_load(c->argv[1], &err);
	if (!w)
		return cmd_fail(&err);
	for (size_t i = 0; i < w->nsites * w->nsites; i++)
		known += w->rtt_us[i] >= 0;
	for (size_t i = 0; i < w->nclouds; i++) {
		regions += w->clouds[i].nregions;
		specs += w->clouds[i].nspecs;
	}
	printf("%s: %zu clouds, %zu regions, %zu specs, %zu sites, %zu of %zu "
	       "RTT cells known\n",
	    w->name, w->nclouds, regions, specs, w->nsites, known,
	    w->nsites * w->nsites);
	world_free(w);
	return 0;
}
