/*
 * ping_main.c - milkyway-ping: ICMP echo by liboping, in a process of its own
 * because it needs a raw socket, blocks for a whole round, and aborts on a
 * descriptor over 1023.
 *
 * Reads lines from standard input, answers on standard output:
 *	round ID TIMEOUT_MS COUNT GAP_MS ADDR...
 *	    sample ID ADDR SEQ MICROSECONDS|-	one per address and sweep
 *	    end ID
 *	    error ID TEXT			instead of end
 * At start: "ready" or "error - TEXT". Ends with standard input.
 *
 * Known traps of liboping 1.10: it matches replies by (ident, seq) without
 * the address, so idents must differ; ping_send() blocks the whole timeout if
 * one host is dead, and its sign says nothing; the first round also pays for
 * neighbour discovery and is thrown away.
 */
#include "agent/host/confine.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <oping.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX 64
#define LINE_MAX_BYTES 4096
#define IDENT_TRIES 64

struct round {
	char id[64];
	int64_t timeout_ms, count, gap_ms;
	size_t n;
	char addr[HOSTS_MAX][16];
};

static bool
next_number(char **rest, int64_t min, int64_t max, int64_t *out)
{
	const char *w = strsep(rest, " ");

	return w != NULL && num_parse_i64(w, strlen(w), min, max, out);
}

static bool
parse_round(char *line, struct round *r, struct mw_err *err)
{
	char *rest = line;
	const char *w = strsep(&rest, " ");
	uint32_t ip;

	memset(r, 0, sizeof *r);
	str_copy(r->id, sizeof r->id, "-");
	if (strcmp(w, "round") != 0)
		return err_set(err, MW_INVALID, 0, "unknown word");
	w = strsep(&rest, " ");
	if (w == NULL || !id_word_valid(w, sizeof r->id - 1))
		return err_set(err, MW_INVALID, 0, "bad round id");
	str_copy(r->id, sizeof r->id, w);
	if (!next_number(&rest, 10, 10000, &r->timeout_ms) ||
	    !next_number(&rest, 1, 100, &r->count) ||
	    !next_number(&rest, 0, 60000, &r->gap_ms))
		return err_set(err, MW_INVALID, 0, "bad timeout, count or gap");
	while ((w = strsep(&rest, " ")) != NULL) {
		if (r->n == HOSTS_MAX || !id_ipv4_parse(w, &ip) ||
		    id_ipv4_refused(ip))
			return err_set(err, MW_INVALID, 0, "bad address");
		id_ipv4_format(ip, r->addr[r->n++]);
	}
	if (r->n == 0)
		return err_set(err, MW_INVALID, 0, "no address");
	return true;
}

static bool
ident_of(pingobj_t *obj, const char *addr, int *ident, bool *unique)
{
	int seen[HOSTS_MAX], own = -1;
	size_t n = 0;

	for (pingobj_iter_t *it = ping_iterator_get(obj); it != NULL;
	     it = ping_iterator_next(it)) {
		char name[64];
		size_t len = sizeof name, size = sizeof(int);
		int id = 0; /* liboping 1.10 writes two bytes */

		if (n == HOSTS_MAX ||
		    ping_iterator_get_info(it, PING_INFO_HOSTNAME, name,
			&len) != 0 ||
		    ping_iterator_get_info(it, PING_INFO_IDENT, &id, &size) !=
			0)
			return false;
		if (strcmp(name, addr) == 0)
			own = id;
		else
			seen[n++] = id;
	}
	*ident = own;
	*unique = own >= 0;
	for (size_t i = 0; i < n; i++)
		if (seen[i] == own)
			*unique = false;
	return own >= 0;
}

/* Adds an address; again and again until its ident is its own. */
static bool
add_host(pingobj_t *obj, const char *addr, struct mw_err *err)
{
	int ident;
	bool unique = false;

	for (int i = 0; i < IDENT_TRIES; i++) {
		if (ping_host_add(obj, addr) != 0 ||
		    !ident_of(obj, addr, &ident, &unique))
			break;
		if (unique)
			return true;
		ping_host_remove(obj, addr);
	}
	return err_set(err, MW_INTERNAL, 0, "cannot add %s: %s", addr,
	    ping_get_error(obj));
}

static void
print_sweep(pingobj_t *obj, const char *id, int64_t seq)
{
	for (pingobj_iter_t *it = ping_iterator_get(obj); it != NULL;
	     it = ping_iterator_next(it)) {
		char name[64];
		size_t len = sizeof name, size = sizeof(double);
		double ms = -1;
		int64_t us;

		if (ping_iterator_get_info(it, PING_INFO_HOSTNAME, name,
			&len) != 0)
			continue;
		if (ping_iterator_get_info(it, PING_INFO_LATENCY, &ms, &size) ==
			0 &&
		    ms >= 0 && num_ms_to_us(ms, true, &us))
			printf("sample %s %s %lld %lld\n", id, name,
			    (long long)seq, (long long)us);
		else
			printf("sample %s %s %lld -\n", id, name,
			    (long long)seq);
	}
	fflush(stdout);
}

static void
sleep_until(const struct timespec *t)
{
	while (
	    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, t, NULL) == EINTR)
		;
}

static bool
run_round(const struct round *r, struct mw_err *err)
{
	pingobj_t *obj = ping_construct();
	double timeout_s = (double)r->timeout_ms / 1000;
	int family = AF_INET;
	bool ok = true;

	if (obj == NULL)
		return err_set(err, MW_INTERNAL, ENOMEM, "out of memory");
	if (ping_setopt(obj, PING_OPT_TIMEOUT, &timeout_s) != 0 ||
	    ping_setopt(obj, PING_OPT_AF, &family) != 0)
		ok = err_set(err, MW_INTERNAL, 0, "%s", ping_get_error(obj));
	for (size_t i = 0; ok && i < r->n; i++)
		ok = add_host(obj, r->addr[i], err);
	for (int64_t i = -1; ok && i < r->count; i++) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		ping_send(obj);
		if (i >= 0) /* the first sweep warms the path up */
			print_sweep(obj, r->id, i);
		t.tv_nsec += (long)(r->gap_ms % 1000) * 1000000;
		t.tv_sec += (time_t)(r->gap_ms / 1000) + t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		if (i + 1 < r->count)
			sleep_until(&t);
	}
	ping_destroy(obj);
	return ok;
}

static void
serve_line(char *line)
{
	struct mw_err err = MW_ERR_INIT;
	struct round r;

	if (parse_round(line, &r, &err) && run_round(&r, &err))
		printf("end %s\n", r.id);
	else
		printf("error %s %s\n", r.id, err.msg);
	fflush(stdout);
}

/* --uid N --gid N: whom to become, keeping the right to open raw sockets. */
static bool
confine(int argc, char **argv, struct mw_err *err)
{
	int64_t uid, gid;

	if (argc == 1)
		return true;
	if (argc != 5 || strcmp(argv[1], "--uid") != 0 ||
	    strcmp(argv[3], "--gid") != 0 ||
	    !num_parse_i64(argv[2], strlen(argv[2]), 1, UINT32_MAX - 1, &uid) ||
	    !num_parse_i64(argv[4], strlen(argv[4]), 1, UINT32_MAX - 1, &gid))
		return err_set(err, MW_INVALID, 0,
		    "usage: milkyway-ping [--uid N --gid N]");
	return geteuid() != 0 ||
	    confine_drop((uid_t)uid, (gid_t)gid, true, err);
}

int
main(int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	char line[LINE_MAX_BYTES];
	int fd;

	for (int i = 3; i < 1024; i++)
		close(i); /* liboping aborts on high descriptors */
	if (!confine(argc, argv, &err)) {
		printf("error - %s\n", err.msg);
		return 1;
	}
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0) {
		printf("error - raw socket: %s\n", strerror(errno));
		return 1;
	}
	close(fd);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		size_t n = strcspn(line, "\n");

		if (line[n] != '\n') {
			printf("error - line too long\n");
			return 1;
		}
		line[n] = '\0';
		serve_line(line);
	}
	return 0;
}
