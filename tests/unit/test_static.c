/*
 * Static hosts: the files, claims, and the driver as a whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/driver.h"
#include "drivers/static_hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	struct loop *loop;
	struct drv_conn *conn;
	char dir[64], *path;
	int listener;
	struct csp_answer *answer;
};

static void
must_parse(const char *text, bool good)
{
	struct static_world w = { .arena = arena_new() };
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_parse(text, strlen(text), 65536, &err);

	assert_non_null(j);
	assert_int_equal(static_hosts_parse(j, &w, &err), good);
	if (!good)
		assert_true(err.msg[0]);
	json_decref(j);
	static_world_free(&w);
}

static void
hosts_files_are_checked(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"hosts\":[{}]}",
		"{\"hosts\":[{\"name\":\"a\"}]}",
		"{\"hosts\":[{\"name\":\"a\",\"address\":\"host.example\"}]}",
		"{\"hosts\":[{\"name\":\"A b\",\"address\":\"10.0.0.1\"}]}",
		"{\"hosts\":[{\"name\":\"a\",\"address\":\"10.0.0.1\","
		"\"port\":0}]}",
		"{\"hosts\":[{\"name\":\"a\",\"address\":\"10.0.0.1\","
		"\"prot\":1}]}",
		"{\"hosts\":[{\"name\":\"a\",\"address\":\"10.0.0.1\","
		"\"user\":\"-x\"}]}",
		"{\"hosts\":[{\"name\":\"a\",\"address\":\"10.0.0.1\"},"
		"{\"name\":\"a\",\"address\":\"10.0.0.2\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		must_parse(bad[i], false);
	must_parse("{\"hosts\":[]}", true);
	must_parse("{\"hosts\":[{\"name\":\"a\",\"address\":\"10.0.0.1\"}]}",
	    true);
}

static int
set_up(void **state)
{
	static struct world world;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct drv_conf conf = { .id = "own", .driver = "static" };
	struct world *w = &world;
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	socklen_t len = sizeof sin;
	struct drv_env env;

	log_init("test", LOG_ERROR);
	*w = (struct world){ .loop = loop_new() };
	str_copy(w->dir, sizeof w->dir, "/tmp/mw-static-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->path = xasprintf("%s/hosts.json", w->dir);
	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(w->listener, 8), 0);
	getsockname(w->listener, (struct sockaddr *)&sin, &len);
	str_addf(&s,
	    "{\"hosts\":["
	    "{\"name\":\"a\",\"address\":\"127.0.0.1\",\"port\":%d,"
	    "\"user\":\"me\",\"region\":\"lab\",\"spec\":\"big\","
	    "\"vcpu\":4,\"memoryMiB\":8192,\"costPerHourMicros\":1000},"
	    "{\"name\":\"b\",\"address\":\"127.0.0.1\",\"port\":1,"
	    "\"region\":\"lab\",\"spec\":\"big\"},"
	    "{\"name\":\"c\",\"address\":\"127.0.0.1\",\"region\":\"far\"}]}",
	    ntohs(sin.sin_port));
	assert_true(file_write(w->path, s.p, s.len, 0600, &err));
	str_free(&s);
	env = (struct drv_env){ .loop = w->loop };
	conf.csp = "static";
	conf.region = "lab";
	conf.endpoint = w->path;
	assert_true(driver_find("static")->open(&env, &conf, &w->conn, &err));
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	struct mw_err err = MW_ERR_INIT;

	driver_find("static")->close(w->conn);
	loop_free(w->loop);
	close(w->listener);
	assert_true(file_remove_tree(w->dir, &err));
	free(w->path);
	return 0;
}

static void
done(struct csp_answer *a, void *arg)
{
	struct world *w = arg;

	assert_null(w->answer);
	w->answer = a;
	loop_stop(w->loop);
}

/* Runs one call; the answer is the caller's. */
static struct csp_answer *
call(struct world *w, struct csp_req *q)
{
	struct csp_answer *a;

	driver_find("static")->submit(w->conn, q, done, w);
	assert_null(w->answer); /* never from inside */
	loop_run(w->loop);
	a = w->answer;
	w->answer = NULL;
	return a;
}

static struct csp_req *
create(const char *token, const char *spec)
{
	struct csp_req *q = csp_req_new(CSP_VM_CREATE, "own");
	struct csp_tag *tag = arena_alloc(q->arena, sizeof *tag);

	tag->key = "mw-deployment";
	tag->value = "d1";
	q->token = arena_strdup(q->arena, token);
	q->name = "vm";
	q->spec = arena_strdup(q->arena, spec);
	q->tags = tag;
	q->ntags = 1;
	return q;
}

static struct csp_req *
with_id(enum csp_op op, const char *csp_id)
{
	struct csp_req *q = csp_req_new(op, "own");

	q->csp_id = arena_strdup(q->arena, csp_id);
	return q;
}

static void
must_end(struct world *w, struct csp_req *q, enum csp_class cls,
    enum csp_reason reason)
{
	struct csp_answer *a = call(w, q);

	assert_int_equal(a->cls, cls);
	assert_int_equal(a->reason, reason);
	csp_answer_free(a);
}

static void
hosts_are_claimed_once(void **state)
{
	struct world *w = *state;
	struct csp_answer *a = call(w, create("t1", "big")), *b;
	struct static_world files;
	struct mw_err err = MW_ERR_INIT;

	assert_int_equal(a->cls, CSP_OK);
	assert_string_equal(a->csp_id, "a.t1");
	b = call(w, create("t1", "big")); /* the same token: the same host */
	assert_string_equal(b->csp_id, "a.t1");
	csp_answer_free(b);
	must_end(w, create("t1", "small"), CSP_AMBIGUOUS, CSP_R_TOKEN_MISMATCH);
	b = call(w, create("t2", "big"));
	assert_string_equal(b->csp_id, "b.t2");
	csp_answer_free(b);
	must_end(w, create("t3", "big"), CSP_DEFINITE, CSP_R_CAPACITY);
	must_end(w, create("t3", "none"), CSP_DEFINITE, CSP_R_CAPACITY);
	/* claims survive: they are in the file */
	assert_true(static_load(w->path, &files, &err));
	assert_int_equal(files.nclaims, 2);
	static_world_free(&files);
	must_end(w, with_id(CSP_VM_TERMINATE, "a.t1"), CSP_OK, CSP_R_NONE);
	must_end(w, with_id(CSP_VM_TERMINATE, "a.t1"), CSP_NOT_FOUND,
	    CSP_R_NONE);
	b = call(w, create("t4", "big"));
	assert_string_equal(b->csp_id, "a.t4");
	csp_answer_free(b);
	/* the old id names nothing, though its host is claimed again */
	must_end(w, with_id(CSP_VM_TERMINATE, "a.t1"), CSP_NOT_FOUND,
	    CSP_R_NONE);
	csp_answer_free(a);
}

static void
greet(int listener)
{
	int fd = accept(listener, NULL, NULL);

	assert_true(file_write_all(fd, "SSH-2.0-test\r\n", 14));
	close(fd);
}

static void
on_greet(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	greet((int)fd);
}

static void
state_is_what_sshd_says(void **state)
{
	struct world *w = *state;
	struct event *ev = event_new(loop_base(w->loop), w->listener,
	    EV_READ | EV_PERSIST, on_greet, w);
	struct csp_answer *a;
	struct csp_req *q;

	csp_answer_free(call(w, create("t1", "big")));
	csp_answer_free(call(w, create("t2", "big")));
	event_add(ev, NULL);
	a = call(w, with_id(CSP_VM_GET, "a.t1"));
	assert_int_equal(a->cls, CSP_OK);
	assert_int_equal(a->nvms, 1);
	assert_string_equal(a->vms[0].native, "running");
	assert_string_equal(a->vms[0].public_ip, "127.0.0.1");
	assert_string_equal(a->vms[0].ssh_user, "me");
	csp_answer_free(a);
	q = csp_req_new(CSP_VM_LIST, "own");
	a = call(w, q);
	assert_int_equal(a->nvms, 2);
	assert_string_equal(a->vms[1].native, "unreachable");
	assert_string_equal(csp_tag_get(a->vms[1].tags, a->vms[1].ntags,
				"mw-deployment"),
	    "d1");
	csp_answer_free(a);
	event_free(ev);
}

static void
catalogue_comes_from_the_file(void **state)
{
	struct world *w = *state;
	struct csp_answer *a = call(w, csp_req_new(CSP_SPECS, "own"));

	assert_int_equal(a->nspecs, 1);
	assert_string_equal(a->specs[0].name, "big");
	assert_int_equal(a->specs[0].vcpu, 4);
	csp_answer_free(a);
	a = call(w, csp_req_new(CSP_REGIONS, "own"));
	assert_int_equal(a->nregions, 1);
	csp_answer_free(a);
	must_end(w, csp_req_new(CSP_VERIFY, "own"), CSP_OK, CSP_R_NONE);
	must_end(w, with_id(CSP_VM_SUSPEND, "a.t1"), CSP_DEFINITE,
	    CSP_R_UNSUPPORTED);
}

static void
broken_file_is_not_sent(void **state)
{
	struct world *w = *state;
	struct mw_err err = MW_ERR_INIT;

	assert_true(file_write(w->path, "{", 1, 0600, &err));
	must_end(w, create("t1", "big"), CSP_DEFINITE, CSP_R_UNSENT);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_files_are_checked),
		WITH_WORLD(hosts_are_claimed_once),
		WITH_WORLD(state_is_what_sshd_says),
		WITH_WORLD(catalogue_comes_from_the_file),
		WITH_WORLD(broken_file_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
