/*
 * cmd_report.c - a page for people, from files of JSON.
 */
#include "cli/cli.h"

#include "common/file.h"

#include <string.h>

#define FILE_MAX (64u << 20)

static int
run_report(struct cli *c, int argc, char **argv)
{
	const char *mcis = NULL, *bench = NULL, *eval = NULL, *matrix = NULL,
		   *placements = NULL, *chosen = NULL, *out = NULL,
		   *title = "Milkyway report";
	const struct cli_opt opts[] = {
		{ "mcis", 0, OPT_STR, &mcis },
		{ "bench", 0, OPT_STR, &bench },
		{ "eval", 0, OPT_STR, &eval },
		{ "matrix", 0, OPT_STR, &matrix },
		{ "placements", 0, OPT_STR, &placements },
		{ "chosen", 0, OPT_STR, &chosen },
		{ "title", 0, OPT_STR, &title },
		{ "out", 0, OPT_STR, &out },
	};
	struct report_input in = { .title = NULL };
	const struct {
		const char **path;
		json_t **into;
	} files[] = { { &mcis, &in.mcis }, { &bench, &in.bench },
		{ &eval, &in.eval }, { &matrix, &in.matrix },
		{ &placements, &in.placements }, { &chosen, &in.chosen } };
	struct mw_err err = MW_ERR_INIT;
	struct str page = STR_INIT;
	bool ok = true;

	if (cli_opts(c, cmds_report, argc, argv, opts, ARRAY_LEN(opts), 0, 0) <
	    0)
		return 2;
	if (!mcis || !bench || !matrix || !out)
		return cli_usage(cmds_report,
		    "--mcis, --bench, --matrix and --out are needed");
	in.title = title;
	for (size_t i = 0; ok && i < ARRAY_LEN(files); i++)
		if (*files[i].path &&
		    !(*files[i].into =
			    json_load_path(*files[i].path, FILE_MAX, &err)))
			ok = false;
	if (ok) {
		report_html(&in, &page);
		ok = file_write(out, page.p, page.len, 0644, &err);
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		json_decref(*files[i].into);
	str_free(&page);
	return ok ? 0 : cli_fail(&err);
}

const struct cli_cmd cmds_report[] = {
	{ "report", "--mcis F --bench F --matrix F --out F.html",
	    "one HTML page with pictures", run_report,
	    "  --mcis F         milkyway mcis show NAME -o json\n"
	    "  --bench F        milkyway bench show NAME -o json\n"
	    "  --matrix F       milkyway matrix NAME -o json (with --truth, the\n"
	    "                   page tells the error too)\n"
	    "  --out F.html     the page\n"
	    "  --eval F         milkyway eval NAME -o json\n"
	    "  --placements F   [{\"question\",\"answer\"}, ...]\n"
	    "  --chosen F       mcis show of the group that was placed\n"
	    "  --title TEXT\n" },
	{ "report tables", "MCIS | --deck", "CPU, RTT and 17 x 17 tables",
	    cli_report_tables,
	    "  --deck          the published tables of 2020, without a coordinator\n"
	    "  --data FOLDER   tables of that form from a folder\n"
	    "  --from VM       whose row of the matrix is the RTT table (the first)\n"
	    "  --table T       only cpu, rtt or matrix\n\n"
	    "What is odd is told below the tables; nothing is mended.\n\n"
	    "  milkyway report tables --deck\n"
	    "  milkyway report tables demo17 --from seoul-c5-xlarge-1\n"
	    "  milkyway report tables demo17 --table matrix -o csv\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
