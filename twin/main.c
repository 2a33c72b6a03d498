/*
 * main.c - milkyway-twin: finds the sub-command. "wan" and "guard" are the
 * twin's own child processes; everything else is for people.
 */
#include "twin/cmd.h"
#include "twin/vm.h"
#include "twin/wan.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "milkyway-twin: emulated clouds on one Linux machine\n"
    "\n"
    "  milkyway-twin up [--world FILE|NAME] [--detach]   start it (as root)\n"
    "  milkyway-twin down                                stop it, remove all\n"
    "  milkyway-twin status | ls | truth                 what runs\n"
    "  milkyway-twin doctor                              can this machine?\n"
    "  milkyway-twin rtt A B                             round-trip time\n"
    "  milkyway-twin rtt A B 120 --jitter 2 --loss 1 --rate 50 --for 30\n"
    "  milkyway-twin rtt A B --reset                     the world's again\n"
    "  milkyway-twin rtt --dump                          all pairs, as CSV\n"
    "  milkyway-twin partition X [Y] [off]               cut a site or VM off\n"
    "  milkyway-twin panic|freeze|thaw|vanish VM         hurt a VM\n"
    "  milkyway-twin hostkey|fill-disk VM\n"
    "  milkyway-twin fault add KIND [cloud=aws op=create p=0.5 count=3 ...]\n"
    "  milkyway-twin fault ls | fault rm ID\n"
    "  milkyway-twin ssh [-i KEY] VM [COMMAND...]        log in\n"
    "  milkyway-twin console VM | diff VM                boot log, changes\n"
    "  milkyway-twin world check FILE                    is it a world?\n"
    "  milkyway-twin sweep                               after a crash\n"
    "\n"
    "A VM is named by its id or its name; A, B, X, Y are sites, VMs,\n"
    "coordinator or '*'. up also takes --state DIR, --vms N (addresses,\n"
    "1024), --bench replay|measured, --time-scale X, --disk tmpfs|dir,\n"
    "--no-calibrate, --log FILE, --debug. All take --socket PATH (or $MILKYWAY_TWIN_SOCKET) and --json.\n";

static int
panic_vm(struct cmd *c)
{
	return cmd_vm_verb(c, "panic");
}

static int
freeze_vm(struct cmd *c)
{
	return cmd_vm_verb(c, "freeze");
}

static int
thaw_vm(struct cmd *c)
{
	return cmd_vm_verb(c, "thaw");
}

static int
vanish_vm(struct cmd *c)
{
	return cmd_vm_verb(c, "vanish");
}

static int
host_key(struct cmd *c)
{
	return cmd_vm_verb(c, "hostkey");
}

static int
fill_disk(struct cmd *c)
{
	return cmd_vm_verb(c, "fillDisk");
}

static const struct {
	const char *name;
	int (*run)(struct cmd *c);
} commands[] = {
	{ "up", cmd_up },
	{ "down", cmd_down },
	{ "status", cmd_status },
	{ "ls", cmd_ls },
	{ "truth", cmd_truth },
	{ "world", cmd_world },
	{ "doctor", cmd_doctor },
	{ "sweep", cmd_sweep },
	{ "rtt", cmd_rtt },
	{ "partition", cmd_partition },
	{ "panic", panic_vm },
	{ "freeze", freeze_vm },
	{ "thaw", thaw_vm },
	{ "vanish", vanish_vm },
	{ "hostkey", host_key },
	{ "fill-disk", fill_disk },
	{ "fault", cmd_fault },
	{ "ssh", cmd_ssh },
	{ "console", cmd_console },
	{ "diff", cmd_diff },
};

static int
run(const char *name, int argc, char **argv)
{
	const char *env = getenv("MILKYWAY_TWIN_SOCKET");
	struct cmd c = {
		.socket = env && *env ? env : CMD_STATE_DIR "/ctl.sock",
		.argc = argc,
		.argv = argv,
	};
	int status;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		curl_global_init(CURL_GLOBAL_DEFAULT);
		status = commands[i].run(&c);
		curl_global_cleanup();
		return status;
	}
	fprintf(stderr, "milkyway-twin: no command %.40s; try --help\n", name);
	return 2;
}

int
main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "wan") == 0)
		return wan_main(argc, argv);
	if (argc >= 2 && strcmp(argv[1], "guard") == 0)
		return guard_main(argc, argv);
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		puts("milkyway-twin " MW_VERSION);
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		fputs(help, argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	return run(argv[1], argc - 2, argv + 2);
}
