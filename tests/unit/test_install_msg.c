/*
 * What install.sh says, read strictly; and the scripts themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/remote/exec.sh.h"
#include "coordinator/remote/exec_text.h"
#include "coordinator/remote/install.sh.h"
#include "coordinator/remote/install_msg.h"
#include "coordinator/remote/tools.sh.h"
#include "coordinator/remote/uninstall.sh.h"

#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GOOD                                                             \
	"mw probe arch=x86_64 gzip=1 systemd=0 freeKiB=1000 stateKiB=7 " \
	"agent=" HEX " ping=- stamp=- cert=0 up=1 now=1767225600"

static void
probes_are_read(void **state)
{
	struct install_probe p;
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_true(install_probe_parse(GOOD, &p, &err));
	assert_string_equal(p.arch, "x86_64");
	assert_true(p.gzip && p.up && !p.systemd && !p.cert);
	assert_int_equal(p.free_kib, 1000);
	assert_string_equal(p.agent, HEX);
	assert_string_equal(p.ping, "-");
	assert_true(install_probe_parse(GOOD " more=1", &p, &err));
}

static void
lies_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"mw probe ",
		"probe arch=x86_64",
		"mw probe arch=x86_64",
		GOOD " gzip=2",
		GOOD " freeKiB=-1",
		GOOD " freeKiB=99999999999999999999",
		GOOD " agent=xyz",
		GOOD " agent=" HEX "0",
		GOOD " arch=0123456789abcdef",
		GOOD " arch=",
		GOOD " arch=\x1b[2J",
	};
	struct install_probe p;
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(install_probe_parse(bad[i], &p, &err));
}

static void
tools_are_read(void **state)
{
	static const char *const bad[] = { "", "mw tools",
		"mw tools sysbench=1 mariadb=0",
		"mw tools sysbench=2 mariadb=0 lite=-",
		"mw tools sysbench=1 mariadb=0 lite=abc",
		"mw probe sysbench=1 mariadb=0 lite=-" };
	struct mw_err err = MW_ERR_INIT;
	struct tools_probe p;
	const char *name;

	(void)state;
	assert_true(tools_probe_parse("mw tools sysbench=1 mariadb=0 lite=-",
	    &p, &err));
	assert_true(p.sysbench && !p.mariadb);
	assert_string_equal(p.lite, "-");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(tools_probe_parse(bad[i], &p, &err));
	assert_true(install_package_parse("mw added libc6", "added", &name));
	assert_string_equal(name, "libc6");
	assert_false(install_package_parse("mw kept libc6", "added", &name));
	assert_false(install_package_parse("mw added", "added", &name));
	assert_false(install_package_parse("mw added ", "added", &name));
	assert_false(install_package_parse("mw added a b", "added", &name));
	assert_false(install_package_parse("mw added \x1b[2J", "added", &name));
}

static void
failures_have_codes(void **state)
{
	const char *text;
	char code[32];

	(void)state;
	assert_true(install_fail_parse("mw fail noSpace no room", code, &text));
	assert_string_equal(code, "noSpace");
	assert_string_equal(text, "no room");
	assert_true(install_fail_parse("mw fail x", code, &text));
	assert_string_equal(text, "");
	assert_false(install_fail_parse("mw fail ", code, &text));
	assert_false(install_fail_parse("mw failed x", code, &text));
	assert_true(install_fail_definite("noSpace"));
	assert_false(install_fail_definite("cut"));
}

/* They travel between single quotes, in one packet of 32 KiB. */
static void
scripts_fit_between_quotes(void **state)
{
	static const char *const texts[] = { install_sh, uninstall_sh, exec_sh,
		tools_sh };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_null(strchr(texts[i], '\''));
		assert_true(strlen(texts[i]) < 30000);
	}
}

static void
templates_are_filled_in(void **state)
{
	const struct exec_vars v = { "10.0.0.1", "us-east-1", "web-3", 3 };
	const struct exec_vars evil = { "10.0.0.1", "a;reboot", "web-3", 3 };
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;

	(void)state;
	assert_true(exec_expand(&s,
	    "{{publicIp}} {{region}}/{{index}} {{vmId}} {{.Names}} {{", &v,
	    &err));
	assert_string_equal(str_cstr(&s),
	    "10.0.0.1 us-east-1/3 web-3 {{.Names}} {{");
	str_reset(&s);
	assert_false(exec_expand(&s, "echo {{region}}", &evil, &err));
	str_reset(&s);
	exec_quote(&s, "it's $HOME");
	assert_string_equal(str_cstr(&s), "'it'\\''s $HOME'");
	str_free(&s);
}

static void
output_becomes_utf8(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "plain\n", "plain\n" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct str s = STR_INIT;

		exec_add_utf8(&s, t[i].in, strlen(t[i].in));
		assert_string_equal(str_cstr(&s), t[i].want);
		str_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_are_read),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(tools_are_read),
		cmocka_unit_test(failures_have_codes),
		cmocka_unit_test(scripts_fit_between_quotes),
		cmocka_unit_test(templates_are_filled_in),
		cmocka_unit_test(output_becomes_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
