/*
 * test_msg.c - messages of the coordinator: what is taken, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/link/msg.h"
#include "common/pure/result.h"

#include <stdio.h>
#include <string.h>

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ARM                                                     \
	"{\"type\":\"arm\",\"roundId\":\"r-1\",\"index\":1,"    \
	"\"key\":\"" KEY "\",\"members\":[[\"10.0.0.1\",7472]," \
	"[\"10.0.0.2\",7473]],\"k\":10,\"windowMs\":1000,"      \
	"\"lateMs\":100,\"seed\":9}"
#define BENCH                                                   \
	"{\"type\":\"job\",\"jobId\":\"j\",\"kind\":\"bench\"," \
	"\"runId\":\"b\",\"kinds\":[\"cpus\",\"dbW\"],"         \
	"\"profile\":\"quick\",\"seed\":7,\"deadlineMs\":60000}"
#define RTT                                                    \
	"{\"type\":\"job\",\"jobId\":\"j\",\"kind\":\"rtt\","  \
	"\"targets\":[{\"target\":\"a\",\"ip\":\"10.0.0.9\"}," \
	"{\"target\":\"m\",\"ip\":\"169.254.169.254\"}],"      \
	"\"count\":3,\"gapMs\":50,\"timeoutMs\":100,"          \
	"\"deadlineMs\":1000}"

static bool
parse(const char *text, struct msg *m)
{
	struct mw_err err = MW_ERR_INIT;

	return msg_parse(text, strlen(text), m, &err);
}

/* What a newer coordinator may add to arm, go and rtt. */
static void
options_of_rounds(void **state)
{
	static const char head[] =
	    "{\"type\":\"arm\",\"roundId\":\"r-1\",\"index\":1,\"key\":\"" KEY
	    "\",\"members\":[[\"10.0.0.1\",7472],[\"10.0.0.2\",7473],"
	    "[\"10.0.0.3\",7472]],\"k\":10,\"windowMs\":1000,\"lateMs\":100,"
	    "\"seed\":9,";
	static const char *const bad[] = { "\"half\":1}", "\"extraMs\":-1}",
		"\"sshPorts\":[22]}", "\"sshPorts\":[22,22,65536]}",
		"\"targets\":[3]}", "\"targets\":[1]}", "\"targets\":[2,0]}",
		"\"targets\":[0,0]}", "\"targets\":[\"0\"]}",
		"\"targets\":[0.5]}" };
	char text[1024];
	struct msg m;

	(void)state;
	snprintf(text, sizeof text, "%s%s", head,
	    "\"half\":true,\"extraMs\":1500,\"targets\":[0,2],"
	    "\"sshPorts\":[22,0,2222]}");
	assert_true(parse(text, &m));
	assert_true(m.arm.half);
	assert_int_equal(m.arm.extra_ns, 1500 * NS_PER_MS);
	assert_int_equal(m.arm.ntargets, 2);
	assert_int_equal(m.arm.targets[1], 2);
	assert_int_equal(m.arm.members[1].ssh_port, 0);
	assert_int_equal(m.arm.members[2].ssh_port, 2222);
	msg_free(&m);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof text, "%s%s", head, bad[i]);
		assert_false(parse(text, &m));
	}
	assert_true(parse("{\"type\":\"go\",\"roundId\":\"r-1\","
			  "\"absent\":[0,7]}",
	    &m));
	assert_int_equal(m.nabsent, 2);
	assert_int_equal(m.absent[1], 7);
	msg_free(&m);
	assert_false(parse("{\"type\":\"go\",\"roundId\":\"r-1\","
			   "\"absent\":[7,0]}",
	    &m));
}

static void
methods_of_targets(void **state)
{
	static const char head[] = "{\"type\":\"job\",\"jobId\":\"j\","
				   "\"kind\":\"rtt\",\"deadlineMs\":1000,"
				   "\"targets\":[{\"target\":\"a\","
				   "\"ip\":\"10.0.0.9\"";
	static const char *const bad[] = { ",\"tcpPort\":65536}]}",
		",\"tcpPort\":\"22\"}]}", ",\"methods\":[]}]}",
		",\"methods\":[\"udpEcho\"]}]}", ",\"methods\":[7]}]}",
		",\"methods\":\"icmp\"}]}" };
	char text[512];
	struct msg m;

	(void)state;
	snprintf(text, sizeof text, "%s}]}", head);
	assert_true(parse(text, &m));
	assert_int_equal(m.targets[0].tcp_port, 22);
	assert_int_equal(m.targets[0].methods, REACH_ALL);
	msg_free(&m);
	snprintf(text, sizeof text,
	    "%s,\"tcpPort\":443,\"methods\":[\"tcpInfo\",\"icmp\"]}]}", head);
	assert_true(parse(text, &m));
	assert_int_equal(m.targets[0].tcp_port, 443);
	assert_int_equal(m.targets[0].methods, REACH_TCP | REACH_ICMP);
	msg_free(&m);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof text, "%s%s", head, bad[i]);
		assert_false(parse(text, &m));
	}
}

static void
good_messages(void **state)
{
	struct msg m;

	(void)state;
	assert_true(parse("{\"type\":\"welcome\",\"agentId\":\"a\","
			  "\"vmId\":\"v\",\"ttlMs\":5000,\"notBeforeMs\":10,"
			  "\"serverAt\":\"x\"}",
	    &m));
	assert_int_equal(m.ttl_ms, 5000);
	msg_free(&m);
	assert_true(parse("{\"type\":\"ack\",\"boot\":\"ab\",\"seq\":7}", &m));
	assert_int_equal(m.seq, 7);
	msg_free(&m);
	assert_true(parse(BENCH, &m));
	assert_int_equal(m.kinds, 1u << KIND_CPUS | 1u << KIND_DBW);
	msg_free(&m);
	assert_true(parse(RTT, &m));
	assert_int_equal(m.ntargets, 2);
	assert_false(m.targets[0].refused);
	assert_true(m.targets[1].refused);
	msg_free(&m);
	assert_true(parse(ARM, &m));
	assert_int_equal(m.arm.n, 2);
	assert_int_equal(m.arm.members[1].ip, 0x0a000002);
	assert_int_equal(m.arm.key[31], 0x1f);
	assert_null(m.arm.targets); /* everybody */
	assert_int_equal(m.arm.members[0].ssh_port, 22);
	msg_free(&m);
	assert_true(parse("{\"type\":\"bye\",\"code\":\"DENIED\","
			  "\"message\":\"revoked\"}",
	    &m));
	assert_int_equal(m.reconnect_after_ms, -1);
	msg_free(&m);
}

/* One field of a good message replaced. */
static void
assert_refused(const char *good, const char *old, const char *new, bool has_id)
{
	const char *at = strstr(good, old);
	char text[1024];
	struct msg m;

	assert_non_null(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, new,
	    at + strlen(old));
	if (parse(text, &m))
		fail_msg("accepted: %s", text);
	assert_int_equal(m.id[0] != '\0', has_id);
}

static void
fields_out_of_range_are_refused(void **state)
{
	(void)state;
	assert_refused(BENCH, "\"dbW\"", "\"dbW;id\"", true);
	assert_refused(BENCH, "\"dbW\"", "\"rtt\"", true);
	assert_refused(BENCH, "quick", "turbo", true);
	assert_refused(BENCH, "60000", "0", true);
	assert_refused(BENCH, "60000", "99999999999", true);
	assert_refused(BENCH, "\"j\"", "\"a b\"", false);
	assert_refused(BENCH, "\"j\"", "\"-x\"", false);
	assert_refused(BENCH, "\"bench\"", "\"shell\"", true);
	assert_refused(RTT, "10.0.0.9", "example.org", true);
	assert_refused(RTT, "10.0.0.9", "010.0.0.9", true);
	assert_refused(RTT, "\"gapMs\":50", "\"gapMs\":49", true);
	assert_refused(RTT, "\"count\":3", "\"count\":101", true);
	assert_refused(ARM, "10.0.0.2", "127.0.0.1", false);
	assert_refused(ARM, "10.0.0.2", "224.0.0.1", false);
	assert_refused(ARM, "7473", "65536", false);
	assert_refused(ARM, "\"index\":1", "\"index\":2", false);
	assert_refused(ARM, "\"k\":10", "\"k\":33", false);
	assert_refused(ARM, "0001", "00zz", false);
	/* 10 probes in 1 ms would be 10,000 a second. */
	assert_refused(ARM, "\"windowMs\":1000", "\"windowMs\":1", false);
}

static void
what_is_no_message_is_refused(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "null", "{",
		"{\"type\":\"exec\"}", "{\"type\":7}", "{\"type\":\"cancel\"}",
		"{\"type\":\"ack\",\"type\":\"ack\"}" };
	struct msg m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i], &m))
			fail_msg("accepted: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_messages),
		cmocka_unit_test(options_of_rounds),
		cmocka_unit_test(methods_of_targets),
		cmocka_unit_test(fields_out_of_range_are_refused),
		cmocka_unit_test(what_is_no_message_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
