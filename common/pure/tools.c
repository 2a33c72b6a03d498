/*
 * tools.c - see tools.h.
 */
#include "common/pure/tools.h"

#include "common/pure/str.h"

#include <stdio.h>
#include <string.h>

#define EPEL "it is in EPEL, which must be enabled first"
#define NOT_THERE "the distribution has no package of sysbench: copy a binary"

/* The row with a version stands before the one for all others. */
static const struct tools_distro distros[] = {
	{ "debian", "10", "apt-get",
	    { "sysbench", "mariadb-server-core-10.3", "postgresql", NULL },
	    NULL },
	{ "debian", "11", "apt-get",
	    { "sysbench", "mariadb-server-core-10.5", "postgresql", NULL },
	    NULL },
	{ "debian", "", "apt-get",
	    { "sysbench", "mariadb-server-core", "postgresql", NULL }, NULL },
	{ "ubuntu", "18.", "apt-get",
	    { "sysbench", "mariadb-server-core-10.1", "postgresql", NULL },
	    NULL },
	{ "ubuntu", "20.", "apt-get",
	    { "sysbench", "mariadb-server-core-10.3", "postgresql", NULL },
	    NULL },
	{ "ubuntu", "22.", "apt-get",
	    { "sysbench", "mariadb-server-core-10.6", "postgresql", NULL },
	    NULL },
	{ "ubuntu", "", "apt-get",
	    { "sysbench", "mariadb-server-core", "postgresql", NULL }, NULL },
	{ "fedora", "", "dnf",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, NULL },
	{ "centos", "7", "yum",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "rhel", "7", "yum",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "rhel", "", "dnf",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "centos", "", "dnf",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "rocky", "", "dnf",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "almalinux", "", "dnf",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "ol", "", "dnf",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "amzn", "2023", "dnf",
	    { NULL, "mariadb105-server", "postgresql15-server", NULL },
	    NOT_THERE },
	{ "amzn", "", "yum",
	    { "sysbench", "mariadb-server", "postgresql-server", NULL }, EPEL },
	{ "alpine", "", "apk", { "sysbench", "mariadb", "postgresql", NULL },
	    "it is in the community repository" },
	{ "sles", "", "zypper",
	    { "sysbench", "mariadb", "postgresql-server", NULL },
	    "it is in the repository \"benchmark\" or in PackageHub" },
	{ "opensuse", "", "zypper",
	    { "sysbench", "mariadb", "postgresql-server", NULL }, NULL },
	{ "opensuse-leap", "", "zypper",
	    { "sysbench", "mariadb", "postgresql-server", NULL }, NULL },
	{ "opensuse-tumbleweed", "", "zypper",
	    { "sysbench", "mariadb", "postgresql-server", NULL }, NULL },
	{ "suse", "", "zypper",
	    { "sysbench", "mariadb", "postgresql-server", NULL }, NULL },
};

static const char *const names[TOOL_COUNT] = { "sysbench", "mariadbd",
	"postgres", "milkyway-dblite" };

static bool
plain(const char *p, size_t n, bool blanks)
{
	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '.' && c != '-' &&
		    c != '_' && !(blanks && c == ' '))
			return false;
	}
	return n > 0;
}

/* KEY=value, KEY="value" or KEY='value' of one line. */
static void
take(const char *line, size_t n, const char *key, char *out, size_t size)
{
	size_t k = strlen(key);

	if (n <= k || memcmp(line, key, k) != 0)
		return;
	line += k;
	n -= k;
	if (n >= 2 && (line[0] == '"' || line[0] == '\'') &&
	    line[n - 1] == line[0]) {
		line++;
		n -= 2;
	}
	if (n >= size || !plain(line, n, true))
		return;
	memcpy(out, line, n);
	out[n] = '\0';
}

void
tools_os_parse(const char *p, size_t n, struct tools_os *out)
{
	memset(out, 0, sizeof *out);
	while (n > 0) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl != NULL ? (size_t)(nl - p) : n;

		take(p, len, "ID=", out->id, sizeof out->id);
		take(p, len, "VERSION_ID=", out->version, sizeof out->version);
		take(p, len, "ID_LIKE=", out->like, sizeof out->like);
		n -= len + (nl != NULL);
		p += len + (nl != NULL);
	}
}

static const struct tools_distro *
find(const char *id, size_t n, const char *version)
{
	for (size_t i = 0; i < ARRAY_LEN(distros); i++)
		if (strlen(distros[i].id) == n &&
		    memcmp(distros[i].id, id, n) == 0 &&
		    str_starts(version, distros[i].version))
			return &distros[i];
	return NULL;
}

const struct tools_distro *
tools_distro(const struct tools_os *os)
{
	const struct tools_distro *d =
	    find(os->id, strlen(os->id), os->version);

	/* A derivative counts its versions by itself. */
	for (const char *p = os->like; d == NULL && *p != '\0';) {
		size_t n = strcspn(p, " ");

		d = find(p, n, "");
		p += n + strspn(p + n, " ");
	}
	return d;
}

const char *
tools_name(enum tool t)
{
	return names[t];
}

/* "apt-get install"; for a person. */
static const char *
tools_install_words(const char *manager)
{
	static const struct {
		const char *manager, *words;
	} verbs[] = {
		{ "apt-get", "apt-get install" },
		{ "dnf", "dnf install" },
		{ "yum", "yum install" },
		{ "apk", "apk add" },
		{ "zypper", "zypper install" },
	};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].manager, manager) == 0)
			return verbs[i].words;
	return "install";
}

void
tools_missing(enum tool t, const struct tools_os *os, char *text, size_t size)
{
	const struct tools_distro *d = tools_distro(os);
	const char *package = d != NULL ? d->package[t] : NULL;
	bool note = d != NULL && d->note != NULL && t == TOOL_SYSBENCH;

	if (t == TOOL_DBLITE)
		snprintf(text, size,
		    "%s is not here: milkyway agent install NAME "
		    "--install-tools brings it",
		    names[t]);
	else if (d == NULL)
		snprintf(text, size,
		    "%s is not installed, and this distribution (%s) is not "
		    "known here: install it by hand",
		    names[t], os->id[0] != '\0' ? os->id : "without a name");
	else if (package == NULL)
		snprintf(text, size, "%s is not installed: %s", names[t],
		    d->note);
	else
		snprintf(text, size, "%s is not installed: %s %s%s%s%s%s",
		    names[t], tools_install_words(d->manager), package,
		    note ? " (" : "", note ? d->note : "", note ? ")" : "",
		    t == TOOL_POSTGRES
			? ""
			: ", or milkyway agent install NAME --install-tools");
}
