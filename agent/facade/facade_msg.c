/*
 * facade_msg.c - routes, arguments, answers and requests of the drop-in for
 * CB-Milkyway, from src/common/resource.go and src/apiserver/apiserver.go of
 * cb-milkyway 092b840. Called by facade.c, facade_bench.c and facade_rtt.c.
 */
#include "agent/facade/facade_msg.h"

#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "/milkyway/"
#define DB_DESC                                                    \
	" transactions by simulating transaction loads (OLTP) in " \
	"DB for 100000 records"

static const struct action {
	const char *name, *error;
	bool sysbench, db;
	const char *words[5]; /* of sysbench */
	bool all_cpus;
	int seconds; /* 0: sysbench's own limit */
	const char *mark; /* stands before the number */
	const char *unit, *desc; /* %C: CPUs, %T: seconds */
} actions[FACADE_ACTIONS] = {
	[FACADE_INSTALL] = { "install", "install", false, false, { NULL },
	    false, 0, "", "", "" },
	[FACADE_INIT] = { "init", "Init", true, false, { NULL }, false, 0, "",
	    "",
	    "128 files, 400Kb each, 50Mb total, 100000 records into "
	    "'sbtest1 are created" },
	[FACADE_CLEAN] = { "clean", "Clean", true, false, { NULL }, false, 0,
	    "", "", "The benchmark files and tables are removed" },
	[FACADE_CPUS] = { "cpus", "CPU", true, false,
	    { "cpu", "--cpu-max-prime=100000" }, false, 0,
	    "events per second:", "Executions/sec",
	    "Repeat the calculation (excution) for prime numbers in 100000 "
	    "using %Ccores" },
	[FACADE_CPUM] = { "cpum", "CPU", true, false,
	    { "cpu", "--cpu-max-prime=100000" }, true, 0,
	    "events per second:", "Executions/sec",
	    "Repeat the calculation (excution) for prime numbers in 100000 "
	    "using %Ccores" },
	[FACADE_MEMR] = { "memR", "MEMR", true, false,
	    { "memory", "--memory-block-size=1K", "--memory-scope=global",
		"--memory-total-size=10G", "--memory-oper=read" },
	    false, 0, " transferred (", "MiB/sec",
	    "Allocate 10G memory buffer and read (repeat reading a pointer)" },
	[FACADE_MEMW] = { "memW", "MEMW", true, false,
	    { "memory", "--memory-block-size=1K", "--memory-scope=global",
		"--memory-total-size=10G", "--memory-oper=write" },
	    false, 0, " transferred (", "MiB/sec",
	    "Allocate 10G memory buffer and write (repeat writing a "
	    "pointer)" },
	[FACADE_FIOR] = { "fioR", "FIOR", true, false,
	    { "fileio", "--file-total-size=50M", "--file-test-mode=rndrd",
		"--events=0" },
	    false, 30, "read, MiB/s:", "MiB/sec",
	    "Check read throughput by excuting random reads for files in "
	    "50MiB for %Ts" },
	[FACADE_FIOW] = { "fioW", "FIOW", true, false,
	    { "fileio", "--file-total-size=50M", "--file-test-mode=rndwr",
		"--events=0" },
	    false, 30, "written, MiB/s:", "MiB/sec",
	    "Check write throughput by excuting random writes for files in "
	    "50MiB for %Ts" },
	[FACADE_DBR] = { "dbR", "DBR", true, true,
	    { "oltp_read_only", "--table-size=100000" }, false, 0,
	    "transactions:", "Transactions/s", "Read" DB_DESC },
	[FACADE_DBW] = { "dbW", "DBW", true, true,
	    { "oltp_write_only", "--table-size=100000" }, false, 0,
	    "transactions:", "Transactions/s", "Write" DB_DESC },
	[FACADE_RTT] = { "rtt", "Ping", false, false, { NULL }, false, 0, "",
	    "ms", "" },
	[FACADE_MRTT] = { "mrtt", "Ping", false, false, { NULL }, false, 0, "",
	    "ms", "" },
};

bool
facade_action_find(const char *path, enum facade_action *out)
{
	if (!str_starts(path, PREFIX))
		return false;
	for (int i = 0; i < FACADE_ACTIONS; i++)
		if (strcmp(path + sizeof PREFIX - 1, actions[i].name) == 0) {
			*out = (enum facade_action)i;
			return true;
		}
	return false;
}

const char *
facade_action_path(enum facade_action a)
{
	static const char *const paths[FACADE_ACTIONS] = { PREFIX "install",
		PREFIX "init", PREFIX "clean", PREFIX "cpus", PREFIX "cpum",
		PREFIX "memR", PREFIX "memW", PREFIX "fioR", PREFIX "fioW",
		PREFIX "dbR", PREFIX "dbW", PREFIX "rtt", PREFIX "mrtt" };

	return paths[a];
}

const char *
facade_action_error(enum facade_action a)
{
	return actions[a].error;
}

bool
facade_needs_sysbench(enum facade_action a)
{
	return actions[a].sysbench;
}

bool
facade_needs_db(enum facade_action a)
{
	return actions[a].db;
}

/* The command line. */

static void
add_word(struct facade_argv *a, const char *word)
{
	if (a->n == FACADE_ARGS)
		abort();
	a->v[a->n++] = word;
	a->v[a->n] = NULL;
}

static void mw_printf(2, 3)
    add_text(struct facade_argv *a, const char *fmt, ...)
{
	char *at = a->text + a->used;
	size_t room = sizeof a->text - a->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		abort();
	a->used += (size_t)n + 1;
	add_word(a, at);
}

static void
add_db(struct facade_argv *a, const struct facade_params *p)
{
	add_word(a, "--db-driver=mysql");
	add_text(a, "--mysql-socket=%s", p->db_socket);
	add_text(a, "--mysql-user=%s", p->db_user);
	add_word(a, "--mysql-db=sbtest");
}

static void
add_run(struct facade_argv *out, const struct action *a,
    const struct facade_params *p)
{
	int64_t seconds = p->seconds > 0 ? p->seconds : a->seconds;

	for (size_t i = 0; i < ARRAY_LEN(a->words) && a->words[i] != NULL; i++)
		add_word(out, a->words[i]);
	if (a->db)
		add_db(out, p);
	if (strcmp(a->words[0], "cpu") == 0)
		add_text(out, "--threads=%u", a->all_cpus ? p->cpus : 1);
	if (seconds > 0)
		add_text(out, "--time=%lld", (long long)seconds);
	add_word(out, "run");
}

void
facade_argv(enum facade_action a, enum facade_command c,
    const struct facade_params *p, struct facade_argv *out)
{
	bool db = c == FACADE_DB_PREPARE || c == FACADE_DB_CLEANUP;

	out->n = out->used = 0;
	add_word(out, p->sysbench);
	if (c == FACADE_RUN) {
		add_run(out, &actions[a], p);
		return;
	}
	add_word(out, db ? "oltp_read_write" : "fileio");
	add_word(out, db ? "--table-size=100000" : "--file-total-size=50M");
	if (db)
		add_db(out, p);
	add_word(out,
	    c == FACADE_FILES_PREPARE || c == FACADE_DB_PREPARE ? "prepare"
								: "cleanup");
}

/* What sysbench printed. */

static size_t
number_length(const char *p, size_t n)
{
	size_t i = 0, digits = 0, dots = 0;

	for (; i < n; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			digits++;
		else if (p[i] == '.' && digits > 0 && dots == 0)
			dots++;
		else
			break;
	}
	return digits > 0 && p[i - 1] != '.' ? i : 0;
}

bool
facade_number(enum facade_action a, const char *text, size_t n, char out[32])
{
	const char *mark = actions[a].mark, *end = text + n;
	const char *p =
	    mark[0] != '\0' ? memmem(text, n, mark, strlen(mark)) : NULL;
	size_t len;

	if (p == NULL)
		return false;
	p += strlen(mark);
	/* "transactions:  3004   (2997.27 per sec.)" on one line. */
	if (actions[a].db) {
		while (p < end && *p != '(' && *p != '\n')
			p++;
		if (p == end || *p != '(')
			return false;
		p++;
	}
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	len = number_length(p, (size_t)(end - p));
	if (len == 0 || len >= 32)
		return false;
	memcpy(out, p, len);
	out[len] = '\0';
	return true;
}

/* Answers. */

static json_t *
answer(const char *result, const char *unit, const char *desc, double elapsed_s,
    const char *spec)
{
	json_t *j = json_object();
	char elapsed[40];

	snprintf(elapsed, sizeof elapsed, "%.6f", elapsed_s);
	json_put_str(j, "result", result);
	json_put_str(j, "unit", unit);
	json_put_str(j, "desc", desc);
	json_put_str(j, "elapsed", elapsed);
	json_put_str(j, "specid", spec);
	return j;
}

static void
expand(struct str *out, const struct action *a, const struct facade_params *p)
{
	for (const char *s = a->desc; *s != '\0'; s++) {
		if (*s == '%' && s[1] == 'C') {
			str_addf(out, "%u", a->all_cpus ? p->cpus : 1);
			s++;
		} else if (*s == '%' && s[1] == 'T') {
			str_addf(out, "%lld",
			    (long long)(p->seconds > 0 ? p->seconds
						       : a->seconds));
			s++;
		} else {
			str_addc(out, *s);
		}
	}
}

json_t *
facade_answer(enum facade_action a, const char *result,
    const struct facade_params *p, double elapsed_s)
{
	struct str desc = STR_INIT;
	json_t *j;

	expand(&desc, &actions[a], p);
	j = answer(result, actions[a].unit, str_cstr(&desc), elapsed_s, "");
	str_free(&desc);
	return j;
}

json_t *
facade_answer_rtt(const char *host, const char *spec, const char *result,
    double elapsed_s)
{
	struct str desc = STR_INIT;
	json_t *j;

	str_addf(&desc, "Average RTT to %s", host);
	j = answer(result, actions[FACADE_RTT].unit, str_cstr(&desc), elapsed_s,
	    spec);
	str_free(&desc);
	return j;
}

json_t *
facade_message(const char *text)
{
	json_t *j = json_object();

	json_put_str(j, "message", text);
	return j;
}

/* Requests. Fields that we do not know are passed over, as the original did. */

static bool
take_host(struct facade_host *h, const struct json_at *at, struct mw_err *err)
{
	const char *host, *spec = "";

	if (!json_get_str(at, "host", true, SIZE_MAX, &host, err))
		return false;
	if (json_object_get(at->obj, "spec") != NULL &&
	    !json_get_str(at, "spec", false, SIZE_MAX, &spec, err))
		return false;
	h->host = xstrdup(host);
	h->spec = xstrdup(spec != NULL ? spec : "");
	h->known = id_ipv4_parse(host, &h->ip);
	h->valid = h->known || id_host_valid(host);
	return true;
}

static bool
take_hosts(const struct json_at *at, struct facade_hosts *out,
    struct mw_err *err)
{
	json_t *list;
	size_t n;

	if (!json_get_array(at, "multihost", false, 0, FACADE_HOSTS_MAX, &list,
		err))
		return false;
	n = list != NULL ? json_array_size(list) : 0;
	out->v = xcalloc(n > 0 ? n : 1, sizeof *out->v);
	for (; out->n < n; out->n++) {
		struct json_at one;

		if (!json_at_index(&one, at, "multihost", out->n, err) ||
		    !take_host(&out->v[out->n], &one, err))
			return false;
	}
	return true;
}

bool
facade_parse_hosts(const char *body, size_t n, bool multi,
    struct facade_hosts *out, struct mw_err *err)
{
	json_t *j = json_parse(body, n, JSON_BODY_MAX, err);
	struct json_at at;
	bool ok = j != NULL && json_at_root(&at, j, err);

	*out = (struct facade_hosts){ NULL, 0 };
	if (ok && multi) {
		ok = take_hosts(&at, out, err);
	} else if (ok) {
		out->v = xcalloc(1, sizeof *out->v);
		ok = take_host(&out->v[0], &at, err);
		out->n = ok;
	}
	json_decref(j);
	return ok;
}

void
facade_hosts_free(struct facade_hosts *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].host);
		free(h->v[i].spec);
	}
	free(h->v);
	*h = (struct facade_hosts){ NULL, 0 };
}

bool
facade_parse_getent(const char *text, size_t n, uint32_t *ip)
{
	char word[16];
	size_t len = 0;

	while (len < n && text[len] != ' ' && text[len] != '\t' &&
	    text[len] != '\n')
		len++;
	if (len == 0 || len >= sizeof word)
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	return id_ipv4_parse(word, ip);
}

/* The allow list. */

static bool
allow_add(struct facade_allow *a, const char *word, size_t n,
    struct mw_err *err)
{
	char ip[32];
	const char *slash;
	int64_t bits = 32;
	uint32_t net;

	snprintf(ip, sizeof ip, "%.*s", (int)n, word);
	slash = strchr(ip, '/');
	if (slash != NULL) {
		ip[slash - ip] = '\0';
		if (!num_parse_i64(slash + 1, strlen(slash + 1), 0, 32, &bits))
			bits = -1;
	}
	if (n >= sizeof ip || bits < 0 || !id_ipv4_parse(ip, &net)) {
		err_set(err, MW_INVALID, 0,
		    "not an IPv4 network in the allow list: %.*s",
		    n < 40 ? (int)n : 40, word);
		return err_hint(err, "example: 192.0.2.7/32,10.0.0.0/8");
	}
	if (bits < 8)
		return err_set(err, MW_INVALID, 0,
		    "%.*s lets too much of the Internet in: /8 at most", (int)n,
		    word);
	if (a->n == FACADE_ALLOW_MAX)
		return err_set(err, MW_LIMIT, 0,
		    "more than %d networks in the allow list",
		    FACADE_ALLOW_MAX);
	a->v[a->n].mask = UINT32_MAX << (32 - bits);
	a->v[a->n].net = net & a->v[a->n].mask;
	a->n++;
	return true;
}

bool
facade_allow_parse(const char *text, struct facade_allow *out,
    struct mw_err *err)
{
	static const char blanks[] = ", \t\r\n";

	out->n = 0;
	for (text += strspn(text, blanks); *text != '\0';
	     text += strspn(text, blanks)) {
		size_t n = strcspn(text, ", \t\r\n#");

		if (*text == '#') {
			text += strcspn(text, "\n");
			continue;
		}
		if (!allow_add(out, text, n, err))
			return false;
		text += n;
	}
	return out->n > 0 ||
	    err_set(err, MW_INVALID, 0, "the allow list is empty");
}

bool
facade_allowed(const struct facade_allow *a, uint32_t ip)
{
	for (size_t i = 0; i < a->n; i++)
		if ((ip & a->v[i].mask) == a->v[i].net)
			return true;
	return false;
}

bool
facade_allow_local(const struct facade_allow *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].net >> 24 != 127)
			return false;
	return true;
}
