/*
 * test_prober.c - cells from samples, and whole rounds between meshes in this
 * process over the loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/prober.h"
#include "common/clock.h"
#include "common/pure/str.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMBERS 4
#define SWEEPS 3
#define DEADLINE_NS (20 * NS_PER_S)

struct member {
	struct mesh *mesh;
	struct matrix_cell cells[MEMBERS];
	bool done, busy;
	int holds;
};

static struct member members[MEMBERS];
static struct mesh_arm wish; /* options of the next arm_from() */
static struct loop *loop;

static void
cell_statistics(void **state)
{
	int64_t rtt[] = { 10001, 30000, 20000, 50000 };
	struct matrix_cell c = { .why = MATRIX_NEVER };

	(void)state;
	prober_cell(&c, rtt, 4);
	assert_int_equal(c.why, MATRIX_KNOWN);
	assert_int_equal(c.n, 4);
	assert_int_equal(c.min_us, 11); /* measured values round up */
	assert_int_equal(c.avg_us, 28);
	assert_int_equal(c.p50_us, 20);
	assert_int_equal(c.p95_us, 50);
	assert_int_equal(c.jitter_us, 20); /* (19999 + 10000 + 30000) / 3 */
	prober_cell(&c, rtt, 1);
	assert_int_equal(c.jitter_us, 0);
	assert_int_equal(c.p95_us, 11);
}

static void
on_row(void *arg, const struct proto_row *row)
{
	struct member *m = arg;

	assert_int_equal(row->n, MEMBERS);
	memcpy(m->cells, row->cells, sizeof m->cells);
	m->done = true;
}

static void
on_hold(void *arg, bool hold)
{
	((struct member *)arg)->holds += hold ? 1 : -1;
}

static bool
is_busy(void *arg)
{
	return ((struct member *)arg)->busy;
}

static const struct mesh_ops ops = { on_row, on_hold, is_busy };

static int
open_all(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	loop = loop_new();
	memset(members, 0, sizeof members);
	memset(&wish, 0, sizeof wish);
	for (int i = 0; i < MEMBERS; i++)
		if (!mesh_new(loop, 0, &ops, &members[i], &members[i].mesh,
			&err))
			return -1;
	return 0;
}

static int
close_all(void **state)
{
	(void)state;
	for (int i = 0; i < MEMBERS; i++)
		mesh_free(members[i].mesh);
	loop_free(loop);
	return 0;
}

static void
arm_from(uint32_t first, const char *name)
{
	struct mesh_member list[MEMBERS];

	for (uint32_t i = 0; i < MEMBERS; i++)
		list[i] = (struct mesh_member){ .ip = INADDR_LOOPBACK,
			.port = mesh_port(members[i].mesh) };
	for (uint32_t i = first; i < MEMBERS; i++) {
		struct mesh_arm a = { .key = { 7 },
			.self = i,
			.n = MEMBERS,
			.sweeps = SWEEPS,
			.members = list,
			.window_ns = 150 * NS_PER_MS,
			.late_ns = 200 * NS_PER_MS,
			.seed = 5,
			.half = wish.half,
			.targets = wish.targets,
			.ntargets = wish.ntargets };

		if (i == 0 && wish.targets != NULL)
			a.targets = NULL; /* probes everybody */
		str_copy(a.round_id, sizeof a.round_id, name);
		mesh_arm(members[i].mesh, &a);
		assert_int_equal(members[i].holds, 1);
	}
}

static void
stop(void *arg)
{
	(void)arg;
	fail_msg("the round did not end");
}

static void
check(void *arg)
{
	struct loop_timer **t = arg;

	for (int i = 0; i < MEMBERS; i++)
		if (mesh_active(members[i].mesh)) {
			loop_timer_set(*t, 5 * NS_PER_MS);
			return;
		}
	loop_stop(loop);
}

static void
go_from(uint32_t first, const char *name)
{
	struct loop_timer *t = NULL, *limit;
	struct mw_err err = MW_ERR_INIT;

	for (uint32_t i = first; i < MEMBERS; i++)
		assert_true(mesh_go(members[i].mesh, name, 0, &err));
	t = loop_timer_new(loop, check, &t);
	limit = loop_timer_new(loop, stop, NULL);
	loop_timer_set(t, 0);
	loop_timer_set(limit, DEADLINE_NS);
	loop_run(loop);
	loop_timer_free(t);
	loop_timer_free(limit);
}

static void
a_full_round_has_no_holes(void **state)
{
	(void)state;
	arm_from(0, "r1");
	go_from(0, "r1");
	for (int i = 0; i < MEMBERS; i++) {
		assert_true(members[i].done);
		assert_int_equal(members[i].holds, 0);
		for (int j = 0; j < MEMBERS; j++) {
			struct matrix_cell *c = &members[i].cells[j];

			if (i == j) {
				assert_int_equal(c->why, MATRIX_NEVER);
				continue;
			}
			assert_int_equal(c->why, MATRIX_KNOWN);
			assert_int_equal(c->n, SWEEPS);
			assert_int_equal(c->lost, 0);
			assert_in_range(c->p50_us, 1, 1000000);
		}
	}
}

/* Member 0 has a socket but no round: silence, so a hole with a reason. */
static void
a_member_that_is_not_armed_is_a_hole(void **state)
{
	(void)state;
	arm_from(1, "r2");
	go_from(1, "r2");
	for (int i = 1; i < MEMBERS; i++) {
		assert_int_equal(members[i].cells[0].why, MATRIX_NO_ANSWER);
		assert_int_equal(members[i].cells[0].lost, SWEEPS);
		assert_int_equal(members[i].cells[i == 1 ? 2 : 1].why,
		    MATRIX_KNOWN);
	}
}

static void
busy_ends_are_not_measured(void **state)
{
	(void)state;
	members[1].busy = true;
	arm_from(0, "r3");
	go_from(0, "r3");
	assert_int_equal(members[0].cells[1].why, MATRIX_BUSY);
	/* Neither a sample nor a loss, on both sides. */
	assert_int_equal(members[0].cells[1].n, 0);
	assert_int_equal(members[0].cells[1].lost, 0);
	assert_int_equal(members[0].cells[1].flags, MATRIX_F_BUSY);
	assert_int_equal(members[1].cells[2].why, MATRIX_BUSY);
	assert_int_equal(members[1].cells[2].lost, 0);
	assert_int_equal(members[2].cells[3].why, MATRIX_KNOWN);
}

static void
a_closed_port_is_refused(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct mesh_member list[MEMBERS];
	struct mesh_arm a = { .round_id = "r4",
		.n = MEMBERS,
		.sweeps = SWEEPS,
		.members = list,
		.window_ns = 60 * NS_PER_MS,
		.late_ns = 300 * NS_PER_MS };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sin;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd); /* nobody listens there now */
	for (int i = 0; i < MEMBERS; i++)
		list[i] = (struct mesh_member){ .ip = INADDR_LOOPBACK,
			.port = ntohs(sin.sin_port) };
	mesh_arm(members[0].mesh, &a);
	assert_true(mesh_go(members[0].mesh, "r4", 0, &err));
	go_from(MEMBERS, "r4"); /* waits for the end */
	assert_true(members[0].done);
	for (int i = 1; i < MEMBERS; i++) {
		assert_int_equal(members[0].cells[i].why, MATRIX_REFUSED);
		assert_int_equal(members[0].cells[i].n, 0);
	}
}

/* Each pair is probed once in a sweep, by one end and then by the other. */
static void
half_rounds_take_turns(void **state)
{
	(void)state;
	wish.half = true;
	arm_from(0, "r7");
	go_from(0, "r7");
	for (int i = 0; i < MEMBERS; i++)
		for (int j = 0; j < i; j++) {
			const struct matrix_cell *a = &members[i].cells[j];
			const struct matrix_cell *b = &members[j].cells[i];

			assert_int_equal(a->n + b->n, SWEEPS);
			assert_in_range(a->n, SWEEPS / 2, SWEEPS / 2 + 1);
			assert_int_equal(a->lost + b->lost, 0);
		}
}

static void
only_targets_are_probed(void **state)
{
	uint32_t targets[] = { 0 };

	(void)state;
	wish.targets = targets;
	wish.ntargets = 1;
	arm_from(0, "r8");
	go_from(0, "r8");
	for (int i = 1; i < MEMBERS; i++) {
		assert_int_equal(members[0].cells[i].n, SWEEPS);
		assert_int_equal(members[i].cells[0].n, SWEEPS);
		assert_int_equal(members[i].cells[i == 1 ? 2 : 1].why,
		    MATRIX_NEVER);
	}
}

/* UDP reaches nobody, the port of sshd is open: another method, and it says
 * so; but not for whom the coordinator calls absent. */
static void
another_method_where_udp_is_blocked(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct mesh_member list[MEMBERS];
	struct mesh_arm a = { .round_id = "r9",
		.n = MEMBERS,
		.sweeps = SWEEPS,
		.members = list,
		.window_ns = 60 * NS_PER_MS,
		.late_ns = 50 * NS_PER_MS,
		.extra_ns = 2 * NS_PER_S };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY) };
	socklen_t len = sizeof sin;
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	int tcp = socket(AF_INET, SOCK_STREAM, 0);
	uint32_t absent = 2;

	(void)state;
	assert_int_equal(bind(udp, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(getsockname(udp, (struct sockaddr *)&sin, &len), 0);
	for (uint32_t i = 0; i < MEMBERS; i++) /* it never answers */
		list[i] = (struct mesh_member){ .ip = INADDR_LOOPBACK + i,
			.port = ntohs(sin.sin_port) };
	sin.sin_port = 0;
	assert_int_equal(bind(tcp, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(tcp, 16), 0);
	assert_int_equal(getsockname(tcp, (struct sockaddr *)&sin, &len), 0);
	for (uint32_t i = 0; i < MEMBERS; i++)
		list[i].ssh_port = ntohs(sin.sin_port);
	mesh_arm(members[0].mesh, &a);
	mesh_absent(members[0].mesh, "r9", &absent, 1);
	assert_true(mesh_go(members[0].mesh, "r9", 0, &err));
	go_from(MEMBERS, "r9"); /* waits for the end */
	assert_true(members[0].done);
	assert_int_equal(members[0].holds, 0);
	for (uint32_t i = 1; i < MEMBERS; i++) {
		const struct matrix_cell *c = &members[0].cells[i];

		if (i == absent) {
			assert_int_equal(c->why, MATRIX_NO_ANSWER);
			assert_int_equal(c->lost, SWEEPS);
			continue;
		}
		assert_int_equal(c->why, MATRIX_KNOWN);
		assert_int_equal(c->n, SWEEPS);
		assert_int_equal(c->lost, 0);
		assert_true(c->flags & MATRIX_F_UDP_BLOCKED);
		/* The kernel may permit ICMP sockets here or not. */
		assert_true(
		    c->method == MATRIX_ICMP || c->method == MATRIX_TCP_INFO);
	}
	close(udp);
	close(tcp);
}

/* The coordinator restarted in the middle of a round. */
static void
a_new_round_replaces_one_under_way(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	arm_from(0, "old");
	for (int i = 0; i < MEMBERS; i++)
		assert_true(mesh_go(members[i].mesh, "old", 0, &err));
	arm_from(0, "new");
	go_from(0, "new");
	for (int i = 0; i < MEMBERS; i++) {
		assert_true(members[i].done);
		assert_int_equal(members[i].holds, 0);
		assert_int_equal(members[i].cells[(i + 1) % MEMBERS].n, SWEEPS);
	}
}

static void
the_order_of_messages_is_checked(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_false(mesh_go(members[0].mesh, "r5", 0, &err));
	arm_from(0, "r5");
	assert_false(mesh_go(members[0].mesh, "r6", 0, &err));
	mesh_disarm(members[0].mesh, "r5");
	assert_int_equal(members[0].holds, 0);
	assert_false(mesh_go(members[0].mesh, "r5", 0, &err));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cell_statistics),
		CASE(a_full_round_has_no_holes),
		CASE(a_member_that_is_not_armed_is_a_hole),
		CASE(busy_ends_are_not_measured),
		CASE(a_closed_port_is_refused),
		CASE(half_rounds_take_turns),
		CASE(only_targets_are_probed),
		CASE(another_method_where_udp_is_blocked),
		CASE(a_new_round_replaces_one_under_way),
		CASE(the_order_of_messages_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
