/*
 * Which package holds a program, by distribution.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/tools.h"

#include <string.h>

static void
os_of(const char *text, struct tools_os *os)
{
	tools_os_parse(text, strlen(text), os);
}

static void
os_release_is_read(void **state)
{
	struct tools_os os;

	(void)state;
	os_of("PRETTY_NAME=\"x\"\nID=debian\nVERSION_ID=\"12\"\n", &os);
	assert_string_equal(os.id, "debian");
	assert_string_equal(os.version, "12");
	assert_string_equal(os.like, "");
	os_of("ID_LIKE='rhel centos fedora'\nID=\"rocky\"", &os);
	assert_string_equal(os.id, "rocky");
	assert_string_equal(os.like, "rhel centos fedora");
}

static void
strange_os_release_is_empty(void **state)
{
	static const char *const bad[] = { "", "ID", "ID=", "ID=\"", "ID=\"\"",
		"ID=$(reboot)", "ID=a;b", "ID=\x1b[2J",
		"ID=0123456789012345678901234567890123456789", "XID=debian",
		"\n\n\n", "ID=d\te" };
	struct tools_os os;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		os_of(bad[i], &os);
		assert_string_equal(os.id, "");
		assert_null(tools_distro(&os));
	}
}

static void
packages_by_distribution(void **state)
{
	static const struct {
		const char *os, *manager, *sysbench, *mariadb;
	} t[] = {
		{ "ID=debian\nVERSION_ID=\"12\"", "apt-get", "sysbench",
		    "mariadb-server-core" },
		{ "ID=debian\nVERSION_ID=\"11\"", "apt-get", "sysbench",
		    "mariadb-server-core-10.5" },
		{ "ID=debian", "apt-get", "sysbench", "mariadb-server-core" },
		{ "ID=ubuntu\nVERSION_ID=\"22.04\"", "apt-get", "sysbench",
		    "mariadb-server-core-10.6" },
		{ "ID=ubuntu\nVERSION_ID=\"24.04\"", "apt-get", "sysbench",
		    "mariadb-server-core" },
		/* its own versions, so the newest row of what it is like */
		{ "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=20.3",
		    "apt-get", "sysbench", "mariadb-server-core" },
		{ "ID=rocky\nVERSION_ID=9.4", "dnf", "sysbench",
		    "mariadb-server" },
		{ "ID=centos\nVERSION_ID=7", "yum", "sysbench",
		    "mariadb-server" },
		{ "ID=newel\nID_LIKE=\"strange rhel fedora\"", "dnf",
		    "sysbench", "mariadb-server" },
		{ "ID=amzn\nVERSION_ID=2023", "dnf", NULL,
		    "mariadb105-server" },
		{ "ID=alpine\nVERSION_ID=3.20.1", "apk", "sysbench",
		    "mariadb" },
		{ "ID=opensuse-leap", "zypper", "sysbench", "mariadb" },
	};
	const struct tools_distro *d;
	struct tools_os os;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		os_of(t[i].os, &os);
		d = tools_distro(&os);
		assert_non_null(d);
		assert_string_equal(d->manager, t[i].manager);
		assert_string_equal(d->package[TOOL_MARIADB], t[i].mariadb);
		if (t[i].sysbench)
			assert_string_equal(d->package[TOOL_SYSBENCH],
			    t[i].sysbench);
		else
			assert_null(d->package[TOOL_SYSBENCH]);
		/* the one whose installation starts a service */
		if (strcmp(d->manager, "apt-get") == 0)
			assert_non_null(
			    strstr(d->package[TOOL_MARIADB], "-core"));
	}
}

static void
the_hint_can_be_typed(void **state)
{
	struct tools_os os;
	char text[200];

	(void)state;
	os_of("ID=debian\nVERSION_ID=\"12\"", &os);
	tools_missing(TOOL_SYSBENCH, &os, text, sizeof text);
	assert_string_equal(text,
	    "sysbench is not installed: apt-get install sysbench, or "
	    "milkyway agent install NAME --install-tools");
	tools_missing(TOOL_MARIADB, &os, text, sizeof text);
	assert_non_null(strstr(text, "apt-get install mariadb-server-core,"));
	/* Debian's package starts a server: not ours to install */
	tools_missing(TOOL_POSTGRES, &os, text, sizeof text);
	assert_null(strstr(text, "--install-tools"));
	os_of("ID=rocky\nVERSION_ID=9", &os);
	tools_missing(TOOL_SYSBENCH, &os, text, sizeof text);
	assert_non_null(strstr(text, "dnf install sysbench (it is in EPEL"));
	os_of("ID=amzn\nVERSION_ID=2023", &os);
	tools_missing(TOOL_SYSBENCH, &os, text, sizeof text);
	assert_non_null(strstr(text, "no package"));
	os_of("", &os);
	tools_missing(TOOL_MARIADB, &os, text, sizeof text);
	assert_non_null(strstr(text, "by hand"));
	tools_missing(TOOL_DBLITE, &os, text, sizeof text);
	assert_non_null(strstr(text, "--install-tools"));
}

/* Every hint fits into a result's detail, for every row of the table. */
static void
hints_are_whole(void **state)
{
	static const char *const all[] = { "ID=debian\nVERSION_ID=10",
		"ID=ubuntu\nVERSION_ID=20.04", "ID=rhel", "ID=alpine",
		"ID=sles", "ID=amzn\nVERSION_ID=2023", "ID=ol", "ID=zzz" };
	struct tools_os os;
	char text[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (unsigned t = 0; t < TOOL_COUNT; t++) {
			os_of(all[i], &os);
			tools_missing((enum tool)t, &os, text, sizeof text);
			assert_in_range(strlen(text), 20, 199);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(os_release_is_read),
		cmocka_unit_test(strange_os_release_is_empty),
		cmocka_unit_test(packages_by_distribution),
		cmocka_unit_test(the_hint_can_be_typed),
		cmocka_unit_test(hints_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
