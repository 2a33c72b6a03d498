/*
 * test_cli_cmd.c - the commands against an API of fixed answers, instead of
 * cli/http.c: what they ask for, what they print, and their exit status.
 */
#include "cli/cli.h"
#include "common/pure/alloc.h"
#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NS "/v1/ns/default/mcis"
#define ACTION(id, more) \
	"{\"actionId\":\"" id "\",\"kind\":\"suspend\"," more "}"
#define STEPS                                                          \
	"\"steps\":[{\"target\":\"vm-2\",\"step\":\"stop\",\"state\":" \
	"\"failed\",\"message\":\"quota\"}]"
#define VM                                                                   \
	"{\"vmId\":\"vm-1\",\"connection\":\"aws-x\",\"spec\":\"c5\","       \
	"\"vcpu\":null,\"costPerHourMicros\":null,\"status\":\"Suspended\"," \
	"\"publicIp\":\"10.0.0.1\",\"agentState\":\"up\","                   \
	"\"billed\":{\"compute\":true}}"
#define HEALTH                                                              \
	"{\"connection\":\"aws-x\",\"driver\":\"aws\",\"calls\":5,"         \
	"\"failed\":1,\"throttled\":0,\"open\":0,\"queued\":null,"          \
	"\"ratePerS\":12.0,\"p50Ms\":3.5,\"p95Ms\":200.1,\"lastFailure\":{" \
	"\"at\":\"2026-01-01T00:00:00Z\",\"op\":\"verify\",\"class\":"      \
	"\"DEFINITE\",\"reason\":\"DENIED\",\"message\":\"no\","            \
	"\"requestId\":\"r-9\"}}"
#define MATRIX                                                           \
	"{\"measuredAt\":\"2026-01-01T00:00:00Z\",\"method\":\"udp\","   \
	"\"vms\":[{\"vmId\":\"vm-1\",\"site\":\"aws\"},{\"vmId\":"       \
	"\"vm-2\",\"site\":\"gcp\"}],\"cells\":[[null,{\"rttMedianMs\":" \
	"57.671}],[{\"rttMedianMs\":null,\"reason\":\"timeout\"},null]]}"

#define DRIFT_HERE \
	"\"connection\":\"aws-x\",\"spec\":\"c5\",\"image\":\"debian-12\""
#define DRIFT(state, move)                                                   \
	"{\"placementId\":\"pl-1\",\"rank\":2,\"state\":\"" state            \
	"\",\"since\":\"2026-01-01T00:00:00Z\",\"pairs\":[{\"a\":\"web-1\"," \
	"\"b\":\"web-2\",\"limitMs\":40,\"valueMs\":61.5,\"slackMs\":-21.5," \
	"\"relied\":null,\"state\":\"" state "\"}],\"move\":" move "}"
#define DRIFT_MOVE                                                              \
	"{\"vms\":[{\"vmId\":\"web-2\",\"role\":\"web\",\"from\":{\"site\":"    \
	"\"aws-x-c5\"},\"to\":{\"site\":\"gcp-y-e2\",\"connection\":\"gcp-y\"," \
	"\"spec\":\"e2\"}}],\"worstRttMs\":12,\"slackMs\":28,"                  \
	"\"costChangePerHourMicros\":-4000,\"commands\":[\"milkyway x\"]}"

/* code MW_OK: body is the answer; else the error. */
#define EVAL_ITEM(kind, value)                                               \
	"{\"csp\":\"aws\",\"region\":\"x\",\"spec\":\"c5\",\"kind\":\"" kind \
	"\",\"variant\":\"std\",\"profile\":\"quick\"," value                \
	",\"nVms\":5,\"nResults\":9,\"newestAt\":\"2026-01-05T03:00:00Z\"}"
#define EVAL                                                                                                           \
	"{\"evaluatedAt\":\"2026-01-05T05:00:00Z\",\"items\":[" EVAL_ITEM(                                             \
	    "cpus",                                                                                                    \
	    "\"value\":100,\"flags\":[\"mixedEnv\"]") "," EVAL_ITEM("cpum",                                            \
	    "\"value\":null,\"flaggedValue\":400") "],\"specs\":[{\"csp\":\"aws\",\"region\":\"x\",\"spec\":\"c5\","   \
						   "\"vcpu\":8,\"costPerHourMicros\":null,\"effectiveCores\":4,"       \
						   "\"efficiency\":0.5,\"cores\":\"8 vCPU here are 4 cores\","         \
						   "\"values\":{\"cpus\":{\"value\":100,\"flagged\":false},"           \
						   "\"cpum\":{\"value\":400,\"flagged\":true}}}],\"lemons\":[{"        \
						   "\"vmId\":\"vm-2\",\"specId\":\"aws+x+c5\",\"rerollCostMicros\":"   \
						   "170000,\"kinds\":[{\"kind\":\"cpum\",\"value\":70,"                \
						   "\"siblingsMedian\":101,\"worsePct\":30.7,\"z\":-14,\"nSiblings\":" \
						   "5,\"otherEnv\":true}]}]}"

static const struct {
	const char *method, *path;
	enum mw_code code;
	const char *body;
} api[] = {
	{ "GET", NS, MW_OK,
	    "{\"items\":[{\"name\":\"demo\",\"status\":\"Running-(2/2)\","
	    "\"statusCounts\":{\"total\":2},\"costPerHourMicros\":250000}]}" },
	{ "GET", NS "/demo", MW_OK,
	    "{\"name\":\"demo\",\"status\":\"Suspended-(1/1)\","
	    "\"costPerHourMicros\":null,\"vms\":[" VM "]}" },
	{ "GET", NS "/none", MW_NOT_FOUND, "no such group" },
	{ "PUT", NS "/demo", MW_OK, "{\"changed\":false}" },
	{ "PUT", NS "/demo?dryRun=1", MW_OK,
	    "{\"plan\":[{\"vmId\":\"vm-9\",\"change\":\"create\","
	    "\"connection\":\"aws-x\",\"spec\":\"c5\","
	    "\"costPerHourMicros\":250000,"
	    "\"answer\":\"go\",\"reason\":null}],"
	    "\"summary\":{\"create\":1,\"vmsAfter\":1},"
	    "\"costPerHourMicros\":250000,"
	    "\"before\":{\"vms\":0,\"costPerHourMicros\":0},"
	    "\"planRevision\":\"r7\"}" },
	{ "POST", NS, MW_OK, ACTION("a1", "\"state\":\"running\"") },
	{ "POST", NS "/demo/actions", MW_OK,
	    ACTION("a1", "\"state\":\"running\",\"target\":\"default/demo\"") },
	{ "POST", NS "/demo/vms/vm-1/actions", MW_OK,
	    ACTION("a1", "\"state\":\"done\"") },
	{ "POST", NS "/part/actions", MW_OK,
	    ACTION("a2", "\"state\":\"done\",\"outcome\":\"partial\"," STEPS) },
	{ "POST", NS "/bad/actions", MW_OK,
	    ACTION("a3",
		"\"state\":\"failed\",\"error\":{\"code\":\"REMOTE\","
		"\"message\":\"no\",\"hint\":\"ask\"}") },
	{ "POST", NS "/stopped/actions", MW_OK,
	    ACTION("a4", "\"state\":\"canceled\"") },
	{ "POST", NS "/busy/actions", MW_CONFLICT, "another action runs" },
	{ "GET", "/v1/actions/a1?waitS=1", MW_OK,
	    ACTION("a1", "\"state\":\"done\"") },
	{ "DELETE", NS "/demo", MW_OK, ACTION("a1", "\"state\":\"done\"") },
	{ "POST", NS "/demo/commands", MW_OK,
	    ACTION("a1", "\"state\":\"running\",\"commandId\":\"a1\"") },
	{ "GET", NS "/demo/commands/a1", MW_OK,
	    "{\"items\":[{\"vmId\":\"vm-1\",\"exitCode\":0,\"stdout\":"
	    "\"hello\\n\"},{\"vmId\":\"vm-2\",\"exitCode\":3}]}" },
	{ "POST", NS "/demo/benchmarks", MW_OK,
	    ACTION("a5", "\"state\":\"running\",\"runId\":\"r1\"") },
	{ "GET", "/v1/actions/a5?waitS=1", MW_OK,
	    ACTION("a5", "\"state\":\"done\",\"target\":\"x/benchmarks/r1\"") },
	{ "GET", NS "/demo/benchmarks/r1", MW_OK,
	    "{\"results\":[{\"vmId\":\"vm-1\",\"kind\":\"cpus\",\"value\":"
	    "20.51,\"validity\":\"ok\"},{\"vmId\":\"vm-1\",\"kind\":\"dbR\","
	    "\"value\":null,\"substatus\":\"TOOL_MISSING\"}]}" },
	{ "GET", NS "/demo/results?latest=1&limit=100000", MW_OK,
	    "{\"items\":[{\"vmId\":\"vm-1\",\"kind\":\"cpus\",\"value\":null,"
	    "\"valueReason\":\"late\"}]}" },
	{ "GET", NS "/demo/evaluations", MW_OK, EVAL },
	{ "GET", "/v1/evaluations?kind=cpum&csp=a%26b", MW_OK, EVAL },
	{ "GET", NS "/empty/evaluations", MW_OK,
	    "{\"items\":[],\"specs\":[],\"lemons\":[]}" },
	{ "GET", NS "/empty/matrix", MW_NOT_FOUND, "no matrix" },
	{ "GET", NS "/demo/matrix", MW_OK, MATRIX },
	{ "GET", NS "/demo/matrix?round=newest", MW_OK, MATRIX },
	{ "POST", NS "/demo/matrix", MW_OK,
	    ACTION("a1", "\"state\":\"done\"") },
	{ "GET", "/v1/agents", MW_OK,
	    "{\"items\":[{\"mcisId\":\"demo\",\"vmId\":\"vm-1\",\"state\":"
	    "\"silent\",\"missingTools\":[\"sysbench\"]}]}" },
	{ "PUT", "/v1/connections/aws-x", MW_OK,
	    ACTION("a1", "\"state\":\"done\"") },
	{ "POST", "/v1/connections/discover", MW_OK,
	    ACTION("a1", "\"state\":\"done\"") },
	{ "GET", "/v1/connections/aws-x", MW_OK,
	    "{\"id\":\"aws-x\",\"credential\":\"sealed:aws-x\",\"lat\":39.0,"
	    "\"lon\":-77.5,\"verified\":true,\"specs\":7,\"images\":2}" },
	{ "POST", "/v1/connections/aws-x/check", MW_OK,
	    "{\"connection\":\"aws-x\",\"ok\":true,\"tookMs\":120}" },
	{ "POST", "/v1/connections/bad/check", MW_OK,
	    "{\"connection\":\"bad\",\"ok\":false,\"detail\":\"may not "
	    "ec2:X\",\"hint\":\"give it\",\"requestId\":\"r-1\"}" },
	{ "GET", "/v1/connections/aws-x/health", MW_OK, HEALTH },
	{ "GET", "/v1/drivers/health", MW_OK, "{\"items\":[" HEALTH "]}" },
	{ "GET", "/v1/connections?limit=1000", MW_OK,
	    "{\"items\":[{\"id\":\"aws-x\",\"verified\":true}]}" },
	{ "GET", "/v1/specs?limit=1000", MW_OK,
	    "{\"items\":[{\"specId\":\"aws+x+c5\",\"vcpu\":4,"
	    "\"costPerHourMicros\":null}]}" },
	{ "GET", "/v1/events?limit=100&mcis=demo", MW_OK,
	    "{\"items\":[{\"at\":\"T\",\"type\":\"vm.state\",\"mcis\":\"demo\","
	    "\"vmId\":\"vm-1\",\"from\":\"A\",\"to\":\"B\"}]}" },
	{ "GET", "/v1/doctor", MW_OK,
	    "{\"items\":[{\"level\":\"fault\",\"check\":\"disk\",\"text\":"
	    "\"full\",\"fix\":\"free some\"}]}" },
	{ "GET", NS "/shop/placement", MW_OK, DRIFT("drifted", DRIFT_MOVE) },
	{ "GET", NS "/calm/placement", MW_OK, DRIFT("ok", "null") },
	{ "GET", NS "/demo/placement", MW_NOT_FOUND, "not from a placement" },
	{ "GET", NS "/shop", MW_OK,
	    "{\"name\":\"shop\",\"requireAgent\":true,\"vms\":["
	    "{\"vmId\":\"web-1\",\"group\":\"web\"," DRIFT_HERE "},"
	    "{\"vmId\":\"web-2\",\"group\":\"web\"," DRIFT_HERE "},"
	    "{\"vmId\":\"web-x2-1\",\"group\":\"web-x2\"," DRIFT_HERE "}]}" },
	{ "GET", "/v1/placements/pl-1", MW_OK,
	    "{\"placementId\":\"pl-1\",\"status\":\"infeasible\"}" },
	{ "POST", "/v1/placements", MW_OK,
	    "{\"placementId\":\"pl-2\",\"status\":\"optimal\",\"ranking\":[{"
	    "\"rank\":1,\"members\":[{\"site\":\"aws\"}]}]}" },
};

static char *sent; /* the last body */
static unsigned calls;

bool
cli_interrupted(void)
{
	return false;
}

bool
cli_call(struct cli *c, const char *method, const char *path, json_t *take_body,
    json_t **out, struct mw_err *err)
{
	(void)c;
	calls++;
	if (out)
		*out = NULL;
	if (take_body) {
		free(sent);
		sent = json_text(take_body, false);
		json_decref(take_body);
	}
	for (size_t i = 0; i < ARRAY_LEN(api); i++) {
		if (!str_eq(api[i].method, method) ||
		    !str_eq(api[i].path, path))
			continue;
		if (api[i].code != MW_OK)
			return err_set(err, api[i].code, 0, "%s", api[i].body);
		if (out)
			*out = json_parse(api[i].body, strlen(api[i].body),
			    100000, err);
		return !out || *out;
	}
	return err_set(err, MW_INTERNAL, 0, "test: no %s %s", method, path);
}

bool
cli_call_unix(struct cli *c, const char *socket, const char *method,
    const char *path, json_t *take_body, json_t **out, struct mw_err *err)
{
	(void)socket;
	return cli_call(c, method, path, take_body, out, err);
}

bool
cli_text(struct cli *c, const char *path, struct str *out, struct mw_err *err)
{
	(void)c;
	calls++;
	str_addf(out, "text of %s\n", path);
	return err->code == MW_OK;
}

bool
cli_download(struct cli *c, const char *path, int fd, struct mw_err *err)
{
	(void)c;
	calls++;
	return dprintf(fd, "file of %s\n", path) > 0 && err->code == MW_OK;
}

bool
cli_stream(struct cli *c, const char *path,
    bool (*fn)(const char *event, const char *data, void *arg), void *arg,
    struct mw_err *err)
{
	(void)c, (void)path, (void)err;
	calls++;
	return fn("vm.state", "{\"type\":\"vm.state\",\"reason\":\"why\"}",
	    arg);
}

void
cli_close(struct cli *c)
{
	(void)c;
}

/* Runs a line; words are split at single spaces; then "@" becomes name. */
static int
run_with(const char *line, char *name, char **out, char **err)
{
	struct cli c = { .ns = "default", .dir = "/nonexistent", .yes = true };
	char *copy = xstrdup(line), *rest = copy, *argv[20];
	const struct cli_cmd *cmd;
	int argc = 0, words = 0, rc;

	while (argc < 19 && (argv[argc] = strsep(&rest, " ")) != NULL)
		argc++;
	argv[argc] = NULL;
	for (int i = 0; i < argc; i++)
		if (str_eq(argv[i], "@"))
			argv[i] = name;
	free(sent);
	sent = NULL;
	capture_begin();
	cmd = cli_find(argc, argv, &words);
	rc = cmd ? cmd->run(&c, argc - words + 1, argv + words - 1) : -1;
	*out = capture_end(err);
	free(copy);
	return rc;
}

static int
run(const char *line, char **out, char **err)
{
	return run_with(line, NULL, out, err);
}

static const struct {
	const char *line;
	int status;
	const char *out, *err, *sent; /* parts; NULL: whatever */
} lines[] = {
	{ "mcis list", 0, "demo  Running-(2/2)    2  0.2500       -  -", NULL,
	    NULL },
	{ "mcis list -o csv", 0, "demo,Running-(2/2),2,0.2500,,\n", NULL,
	    NULL },
	{ "mcis show demo", 0, "still billed: compute", NULL, NULL },
	{ "mcis show demo", 0, "aws-x       c5       -      -  Susp", NULL,
	    NULL },
	{ "mcis show none", 3, NULL, "milkyway: no such group", NULL },
	{ "mcis show UP", 2, NULL, "not a name: UP", NULL },
	{ "mcis show", 2, NULL, "an operand is missing", NULL },
	{ "mcis suspend demo", 0, NULL, "demo", "{\"action\":\"suspend\"}" },
	{ "mcis suspend demo -o json", 0, "\"kind\": \"suspend\"", NULL, NULL },
	{ "mcis suspend demo --vm vm-1", 0, NULL, NULL, "suspend" },
	{ "mcis suspend demo --no-wait", 0, "a1\n", "action wait a1", NULL },
	{ "mcis suspend part", EXIT_PARTIAL, NULL,
	    "vm-2: stop failed: quota\nmilkyway: partly done", NULL },
	{ "mcis suspend bad", 9, NULL, "way out: ask", NULL },
	{ "mcis suspend stopped", EXIT_INTERRUPTED, NULL, "canceled", NULL },
	{ "mcis suspend busy", 5, NULL, "another action runs", NULL },
	{ "mcis delete demo", 0, NULL, NULL, NULL },
	{ "mcis create", 2, NULL, "give -f FILE", NULL },
	{ "mcis create --from-placement pl-1", 2, NULL, "needs --name", NULL },
	{ "mcis create --from-placement pl-1 --name demo --rank 2", 0,
	    "Suspended-(1/1)", NULL,
	    "\"fromPlacement\":\"pl-1\",\"name\":\"demo\",\"rank\":2" },
	{ "mcis create -f bench-data/mcis/demo17.json --name demo", 0, NULL,
	    "demo: nothing to change", "\"name\":\"demo\"" },
	{ "mcis create -f bench-data/mcis/demo17.json --name demo --dry-run", 0,
	    "vm-9  create  aws-x       c5    0.2500  -\n"
	    "create 1: 1 VM, 0.2500 USD/h (now 0 VMs, 0.0000 USD/h)\n"
	    "carry it out: milkyway mcis create -f "
	    "bench-data/mcis/demo17.json --name demo --plan r7\n",
	    NULL, NULL },
	{ "exec demo -- uname -r", EXIT_PARTIAL, "vm-1: ok\nhello\n", NULL,
	    "\"argv\":[\"uname\",\"-r\"]" },
	{ "exec demo -o csv -- uname -r", EXIT_PARTIAL,
	    "VM,EXIT CODE,STDOUT,STDERR,ERROR\nvm-1,0,\"hello\n\",,\nvm-2,3,",
	    NULL, NULL },
	{ "exec demo -l app=web -- date", EXIT_PARTIAL, "vm-2: exit status 3\n",
	    NULL, "\"command\":\"date\",\"selector\":{\"app\":\"web\"}" },
	{ "exec demo -l app -- date", 2, NULL, "KEY=VALUE", NULL },
	{ "exec demo", 2, NULL, "no command after --", NULL },
	{ "bench run demo --kind cpus,dbR", 0, "TOOL_MISSING", NULL,
	    "\"kinds\":[\"cpus\",\"dbR\"]" },
	{ "bench run demo --kind gpu", 2, NULL, "no benchmark kind \"gpu\"",
	    NULL },
	{ "bench show demo -o csv", 0, ",cpus,std,,,", NULL, NULL },
	{ "matrix demo --limit 40", 0, "!57.7", NULL, NULL },
	{ "matrix demo --limit 40", 0, "unknown directed pairs: 1", NULL,
	    NULL },
	{ "matrix demo -o csv", 0, "vm-1,,57.671\nvm-2,,\n", NULL, NULL },
	{ "matrix demo --check", EXIT_NO, NULL, NULL, NULL },
	{ "matrix demo --run --k 3", 0, NULL, NULL, "{\"k\":3}" },
	{ "matrix demo --stat mean", 2, NULL, "min avg p50", NULL },
	{ "agent list demo", 0, "sysbench", NULL, NULL },
	{ "agent list other", 0, "MCIS  VM", NULL, NULL },
	{ "connection list", 0, "yes", NULL, NULL },
	{ "connection add aws-x", 2, NULL, "--driver", NULL },
	{ "connection add aws-x --driver aws", 2, NULL, "--region", NULL },
	{ "connection add aws-x --driver aws --region r --all-regions", 2, NULL,
	    "--all-regions", NULL },
	{ "connection add aws-x --driver aws --region r --credential env: "
	  "--credential-stdin",
	    2, NULL, "either --credential", NULL },
	{ "connection add aws-x --driver aws --region r --credential env:", 0,
	    NULL, NULL,
	    "\"credential\":\"env:\",\"csp\":\"aws\",\"driver\":\"aws\","
	    "\"region\":\"r\"" },
	{ "connection add aws --driver aws --all-regions --credential "
	  "sealed:aws",
	    0, NULL, NULL, "\"credential\":\"sealed:aws\",\"driver\":\"aws\"" },
	{ "connection show aws-x", 0, "39.0, -77.5", NULL, NULL },
	{ "connection check aws-x", 0, "aws-x works", NULL, NULL },
	{ "connection check bad", 9, NULL, "way out: give it", NULL },
	{ "connection check bad", 9, NULL, "request id: r-1", NULL },
	{ "connection check bad -o json", 9, "\"ok\": false", NULL, NULL },
	{ "driver health", 0, "verify: DEFINITE DENIED: no, request id r-9",
	    NULL, NULL },
	{ "driver health aws-x -o csv", 0, "aws-x,aws,5,1,0,0,,12,3.5,200.1,",
	    NULL, NULL },
	{ "spec list", 0, "aws+x+c5     4    -", NULL, NULL },
	{ "events --mcis demo", 0, "demo/vm-1  A -> B", NULL, NULL },
	{ "events -f", 0, "(why)", NULL, NULL },
	{ "doctor", EXIT_NO, "free some", NULL, NULL },
	{ "placement pl-1", EXIT_NO, "pl-1  infeasible: proved", NULL, NULL },
	{ "drift shop", EXIT_NO,
	    "move web-2 from aws-x-c5 to gcp-y-e2 (gcp-y, e2)\nthen the worst "
	    "pair is 12.000 ms, 28.000 ms below its limit; -0.0040 USD/h\n",
	    NULL, NULL },
	{ "drift shop", EXIT_NO, "web-2    40.000  61.500", NULL, NULL },
	{ "drift calm", 0, "pl-1, rank 2: ok", NULL, NULL },
	{ "drift demo", 3, NULL, "not from a placement", NULL },
	/* one VM less in its group, and a new group of its role */
	{ "drift shop --file", 0, "\"name\": \"web\"", NULL, NULL },
	{ "drift shop --file", 0, "\"name\": \"web-x3\"", NULL, NULL },
	{ "drift shop --file", 0, "\"connection\": \"gcp-y\"", NULL, NULL },
	{ "drift shop --file", 0, "\"spec\": \"e2\"", NULL, NULL },
	{ "drift calm --file", 3, NULL, "no move for calm", NULL },
	{ "place --from demo,b --vms 3 --max-rtt 40 --csps 2 --top 3", 0,
	    "pl-2  optimal", "create it: milkyway mcis create",
	    "\"from\":{\"mcis\":[\"demo\",\"b\"],\"ns\":\"default\"}" },
	{ "place --from demo --groups --max-rtt 40", 0, NULL, NULL,
	    "\"groups\":[{\"name\":\"vm\"}],\"mode\":\"groups\"" },
	{ "place --from demo --groups --vms 2", 2, NULL, "takes no --vms",
	    NULL },
	{ "place --from demo --vms 2 --max-rtt 0", 2, NULL, "a limit of 0",
	    NULL },
	{ "place --from demo --vms 2 --csps 0", 2, NULL, "a limit of 0", NULL },
	{ "place --from demo", 2, NULL, "give --vms N", NULL },
	{ "report --mcis a", 2, NULL, "are needed", NULL },
	{ "eval demo", 0, "c5    aws-x      8  100.0~  400.0*    4.0     -",
	    NULL, NULL },
	{ "eval demo", 0, "aws-x c5: 8 vCPU here are 4 cores", NULL, NULL },
	{ "eval demo", 0, "5  2 h\n", NULL, NULL },
	{ "eval --kind cpum --csp a&b -o csv", 0,
	    "c5,aws-x,cpus,std,quick,100.0,", NULL, NULL },
	{ "eval empty", 0, NULL, "way out: milkyway bench run empty", NULL },
	{ "eval lemons demo", 0, "31  -14.0   5", "terminate demo --vm vm-2",
	    NULL },
	{ "eval lemons empty", 0, "no lemons", NULL, NULL },
	{ "eval a b", 2, NULL, NULL, NULL },
	{ "eval demo --max-age 1x", 2, NULL, "a duration is", NULL },
	{ "bench show demo --kind nope", 2, NULL, "no benchmark kind", NULL },
	{ "bench show demo b-1 --at 1h", 2, NULL, "not both", NULL },
	{ "bench show demo r1 --kind memR", 0, NULL, "no results", NULL },
	{ "matrix demo --k 3", 2, NULL, "go with --run", NULL },
	{ "matrix demo --at yesterday", 2, NULL, "a time is", NULL },
	{ "report tables", 2, NULL, "give an MCIS, or --deck", NULL },
	{ "report tables demo --deck", 2, NULL, "or --deck", NULL },
	{ "report tables --deck --table disk", 2, NULL, "cpu, rtt", NULL },
	{ "report tables --deck --table cpu", 0, "41.52  284.36", NULL, NULL },
	{ "report tables --deck --table rtt", 0,
	    "mean                                 119.18\n", NULL, NULL },
	{ "report tables --deck --table rtt", 0,
	    "m4.xlarge stands twice, rows 12 and 16: 210.729 and 222.144", NULL,
	    NULL },
	{ "report tables --deck", 0, "rtt: aws-us-east-1-m4.4xlarge is missing",
	    NULL, NULL },
	{ "report tables --deck", 0, "5 pairs differ by > 20 %", NULL, NULL },
	{ "report tables --deck --table rtt -o csv", 0,
	    "spec,rttMs\nazure-koreacentral-Standard_D11_v2,2.321\n", NULL,
	    NULL },
	{ "report tables --data /nowhere", 3, NULL, "/nowhere/deck-cpu.csv",
	    NULL },
	{ "report tables demo", 0, "aws-x-c5     8  100.00  400.00*    4.0",
	    NULL, NULL },
	{ "report tables demo --table matrix -o csv", 0,
	    "from,aws,gcp\naws,,57.671\ngcp,,\n", NULL, NULL },
	{ "report tables demo --from vm-9", 3, NULL, "no VM vm-9", NULL },
	{ "report tables empty", 0, "none: no matrix was measured yet", NULL,
	    NULL },
	{ "completion tcsh", 2, NULL, "no shell \"tcsh\"", NULL },
	{ "completion bash", 0, "complete -o default", NULL, NULL },
	{ "completion zsh", 0, "'mcis create '*) words='--file", NULL, NULL },
	{ "completion fish", 0, "-l max-rtt", NULL, NULL },
};

static void
lines_do_what_they_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char *out, *err;
		int rc = run(lines[i].line, &out, &err);

		if (rc != lines[i].status ||
		    (lines[i].out && !strstr(out, lines[i].out)) ||
		    (lines[i].err && !strstr(err, lines[i].err)) ||
		    (lines[i].sent && (!sent || !strstr(sent, lines[i].sent))))
			fail_msg("%s: %d\n%s\n%s\nsent %s", lines[i].line, rc,
			    out, err, sent ? sent : "nothing");
		free(out);
		free(err);
	}
	free(sent);
	sent = NULL;
}

static void
json_is_the_answer_itself(void **state)
{
	static const char *const all[] = { "mcis list -o json",
		"mcis show demo -o json", "bench show demo -o json",
		"matrix demo -o json", "agent list -o json",
		"connection list -o json", "connection show aws-x -o json",
		"driver health -o json", "placement pl-1 -o json",
		"drift shop -o json", "doctor -o json", "eval demo -o json",
		"eval lemons demo -o json", "report tables --deck -o json",
		"report tables demo -o json", "report tables empty -o json" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct mw_err e = MW_ERR_INIT;
		char *out, *err;
		json_t *j;

		run(all[i], &out, &err);
		j = json_parse(out, strlen(out), 100000, &e);
		if (!j)
			fail_msg("%s: %s", all[i], e.msg);
		json_decref(j);
		free(out);
		free(err);
	}
}

/* Whatever would name another resource is refused before any call. */
static void
names_never_become_paths(void **state)
{
	static const char *const names[] = { "../x", "../ns/default/mcis/shop",
		"a b", "a/b", "", "a?b", "a#b", "%2e%2e", "..", "A", "a-" };
	static const char *const commands[] = {
		"connection add @ --driver aws --region r",
		"connection add @ --driver aws --all-regions",
		"connection show @", "connection check @",
		"connection remove @", "driver health @", "action show @",
		"action wait @", "action cancel @", "placement @",
		"compare @ @", "compare pl-1 @", "quota show --ns @",
		"quota set --max-vms 3 --ns @", "bench raw @", "bench run @",
		"bench show @", "bench show demo @", "bench results @",
		"bench list @", "mcis list --ns @", "mcis show @",
		"mcis show demo --ns @", "mcis delete @", "mcis history @",
		"mcis history demo @", "mcis abort @", "mcis suspend @",
		"mcis resume @", "mcis reboot @", "mcis terminate @",
		"mcis suspend demo --vm @", "mcis terminate demo --group @",
		"mcis create --from-placement pl-1 --name @",
		"mcis create -f bench-data/mcis/demo17.json --name @",
		"exec @ -- date", "matrix @", "matrix @ --run",
		"matrix demo --round @", "agent install @", "agent uninstall @",
		"top @", "rtt @ 192.0.2.1", "mcis scale @ web=2",
		"mcis refine @", "mcis reconcile @", "schedule show @ s",
		"schedule show demo @", "schedule delete demo @",
		"schedule run demo @", "schedule defaults @", "eval @",
		"eval lemons @", "drift @", "metrics @", "schedule list @",
		"bundle export @ --out /nonexistent/x", "report tables @",
		"status --ns @"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			char *name = xstrdup(names[k]), *out, *err;
			int rc;

			calls = 0;
			rc = run_with(commands[i], name, &out, &err);
			if (rc != 2 || calls != 0 || !err[0] || out[0])
				fail_msg("%s with \"%s\": %d, %u calls\n%s%s",
				    commands[i], name, rc, calls, out, err);
			free(name);
			free(out);
			free(err);
		}
	}
}

static void
only_plain_paths_are_called(void **state)
{
	static const char *const good[] = { "/v1/agents", "/v1/ns/a/mcis/b-1",
		"/v1/events?type=vm.state&mcis=a%2Fb", "/v1/x.y/a?at=9:00/.." };
	static const char *const bad[] = { "", "v1", "/", "/v1/", "/v1//x",
		"/v1/../x", "/v1/..", "/v1/./x", "/v1/...", "/v1/%2e%2e/x",
		"/v1/a b", "/v1/a#b", "/v1/a?b c", "/v1/a?b#c", "/v1/a\nb",
		"/v1/?x=1", "/v1/a@b", "/v1/a:b", "/v1/\xc3\xa4" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!cli_path_clean(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (cli_path_clean(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_do_what_they_say),
		cmocka_unit_test(json_is_the_answer_itself),
		cmocka_unit_test(names_never_become_paths),
		cmocka_unit_test(only_plain_paths_are_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
