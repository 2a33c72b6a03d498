/*
 * init_main.c - start of a VM's PID 1. Owns the channel to control; a VM whose
 * control is gone ends.
 */
#include "twin/init.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct list {
	const char **v;
	size_t n, cap;
};

static void conf_read(struct init_conf *c);
static void conf_set(struct init_conf *c, struct list lists[3], const char *key,
    const char *value);
static void list_add(struct list *l, const char *s);
static unsigned number(const char *s);
static void frame_text(struct vm_boot_frame *f, const char *fmt, va_list ap)
    mw_printf(2, 0);
static void groups_join(const struct init_conf *c);
static void network_set(void);

int
main(void)
{
	struct init_conf c = { 0 };
	struct rlimit files = { 1024, 65536 };
	struct stat st;

	if (getpid() != 1 || fstat(VM_BOOT_CONF, &st)) {
		fputs("milkyway-twin-init is PID 1 of an emulated VM; "
		      "milkyway-twin starts it\n",
		    stderr);
		return 2;
	}
	prctl(PR_SET_NAME, "twin-init");
	umask(022);
	setrlimit(RLIMIT_NOFILE, &files);
	conf_read(&c);
	groups_join(&c);
	if (unshare(CLONE_NEWCGROUP))
		init_die("cgroup namespace: %s", strerror(errno));
	if (sethostname(c.hostname, strlen(c.hostname)))
		init_die("host name: %s", strerror(errno));
	init_root(&c);
	network_set();
	init_files(&c);
	init_show_cpus(&c);
	init_show_memory(&c);
	init_serve(&c);
}

void
init_log(const char *fmt, ...)
{
	struct vm_boot_frame f = { .type = VM_BOOT_LOG };
	va_list ap;

	va_start(ap, fmt);
	frame_text(&f, fmt, ap);
	va_end(ap);
	init_send(&f);
}

void
init_die(const char *fmt, ...)
{
	struct vm_boot_frame f = { .type = VM_BOOT_LOG };
	va_list ap;

	va_start(ap, fmt);
	frame_text(&f, fmt, ap);
	va_end(ap);
	init_send(&f);
	_exit(1);
}

void
init_send(const struct vm_boot_frame *f)
{
	(void)!send(VM_BOOT_SOCK, f, VM_BOOT_FRAME_MIN + f->len,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}

const char *
init_home(const struct init_conf *c)
{
	static char home[80];

	if (strcmp(c->user, "root") == 0)
		return "/root";
	snprintf(home, sizeof home, "/home/%.64s", c->user);
	return home;
}

static void
conf_read(struct init_conf *c)
{
	struct list lists[3] = { { 0 } };
	struct stat st;
	const char *p, *end;
	char *eq;

	if (fstat(VM_BOOT_CONF, &st) || st.st_size <= 0)
		init_die("no configuration");
	/* private: keys are cut off their values in place */
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
	    VM_BOOT_CONF, 0);
	if (p == MAP_FAILED || p[st.st_size - 1] != '\0')
		init_die("broken configuration");
	close(VM_BOOT_CONF);
	for (end = p + st.st_size; p < end; p += strlen(p) + 1) {
		eq = strchr(p, '=');
		if (!eq)
			init_die("broken configuration: %.40s", p);
		*eq = '\0';
		conf_set(c, lists, p, eq + 1);
		p = eq + 1;
	}
	list_add(&lists[0], NULL);
	list_add(&lists[1], NULL);
	list_add(&lists[2], NULL);
	c->join = lists[0].v;
	c->cgroups = lists[1].v;
	c->files = lists[2].v;
	if (!c->hostname || !c->user || !c->boot_id || !c->json ||
	    !c->host_key || !c->host_key_pub || !c->authorized_keys ||
	    !c->dir || !c->template)
		init_die("incomplete configuration");
}

static void
conf_set(struct init_conf *c, struct list lists[3], const char *key,
    const char *value)
{
	const struct {
		const char *name;
		const char **to;
	} texts[] = {
		{ "hostname", &c->hostname },
		{ "user", &c->user },
		{ "bootId", &c->boot_id },
		{ "json", &c->json },
		{ "hostKey", &c->host_key },
		{ "hostKeyPub", &c->host_key_pub },
		{ "authorizedKeys", &c->authorized_keys },
		{ "dir", &c->dir },
		{ "template", &c->template },
	};
	static const char *const list_names[] = { "join", "cgroup", "file" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(key, texts[i].name) == 0) {
			*texts[i].to = value;
			return;
		}
	for (i = 0; i < ARRAY_LEN(list_names); i++)
		if (strcmp(key, list_names[i]) == 0) {
			list_add(&lists[i], value);
			return;
		}
	if (strcmp(key, "cpus") == 0)
		c->cpus = number(value);
	else if (strcmp(key, "memoryMiB") == 0)
		c->memory_mib = number(value);
	else
		init_die("unknown configuration key %.40s", key);
}

static void
list_add(struct list *l, const char *s)
{
	VEC_GROW(l->v, l->n, l->cap);
	l->v[l->n++] = s;
}

static unsigned
number(const char *s)
{
	int64_t v;

	if (!num_parse_i64(s, strlen(s), 0, 1 << 30, &v))
		init_die("not a number: %.40s", s);
	return (unsigned)v;
}

static void
frame_text(struct vm_boot_frame *f, const char *fmt, va_list ap)
{
	int n = vsnprintf(f->text, sizeof f->text, fmt, ap);

	if (n > 0)
		f->len = (uint32_t)n < sizeof f->text ? (uint32_t)n
						      : sizeof f->text - 1;
}

/* Before anything costs memory, so that all of it is accounted here. */
static void
groups_join(const struct init_conf *c)
{
	const char *const *p;

	for (p = c->join; *p; p++)
		if (!init_set(*p, "0"))
			init_die("%s: %s", *p, strerror(errno));
}

/* Values a kernel may lack are no reason to fail. */
static void
network_set(void)
{
	static const char *const values[][2] = {
		{ "/proc/sys/net/ipv4/ping_group_range", "0 2147483647" },
		/* windows for 1 Gbit/s over 250 ms */
		{ "/proc/sys/net/ipv4/tcp_rmem", "4096 131072 67108864" },
		{ "/proc/sys/net/ipv4/tcp_wmem", "4096 65536 67108864" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(values); i++)
		if (!init_set(values[i][0], values[i][1]))
			init_log("%s: %s", values[i][0], strerror(errno));
}
