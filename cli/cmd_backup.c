/*
 * cmd_backup.c - a backup of the coordinator's database, and putting one back.
 * The file is checked here before it is called a backup.
 */
#include "cli/cli.h"

#include "common/backupfile.h"
#include "common/pure/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Downloads to FILE.part, checks it, gives it its name. */
static bool
fetch(struct cli *c, const char *action, const char *file,
    struct backup_info *info, struct mw_err *err)
{
	char *part = xasprintf("%s.part", file);
	char *path = xasprintf("/v1/backups/%s", action);
	int fd = open(part,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0) {
		ok = err_set(err, errno == EACCES ? MW_DENIED : MW_INVALID,
		    errno, "%s: %s", part, strerror(errno));
		goto out;
	}
	ok = cli_download(c, path, fd, err);
	if (ok && fsync(fd) != 0)
		ok = err_set(err, MW_INTERNAL, errno, "%s: %s", part,
		    strerror(errno));
	close(fd);
	ok = ok && backupfile_read(part, -1, info, err);
	/* Never over a file that came meanwhile. */
	if (ok && link(part, file) != 0)
		ok = err_set(err, MW_EXISTS, errno, "%s: %s", file,
		    strerror(errno));
	unlink(part);
out:
	free(part);
	free(path);
	return ok;
}

static int
run_backup(struct cli *c, int argc, char **argv)
{
	const struct cli_cmd *cmd = cli_cmd(cmds_backup, "backup");
	struct mw_err err = MW_ERR_INIT;
	struct backup_info info;
	json_t *end = NULL, *j;
	int rc;

	if (cli_opts(c, cmd, argc, argv, NULL, 0, 1, 1) < 0)
		return 2;
	if (access(argv[1], F_OK) == 0) {
		err_set(&err, MW_EXISTS, 0, "%s is there already", argv[1]);
		err_hint(&err, "name another file");
		return cli_fail(&err);
	}
	c->no_wait = false;
	rc = cli_act(c, "POST", "/v1/backups", json_object(), &end);
	if (rc == 0 && !fetch(c, js(end, "actionId"), argv[1], &info, &err))
		rc = cli_fail(&err);
	json_decref(end);
	if (rc)
		return rc;
	if (c->out == OUT_JSON) {
		j = json_object();
		json_put_str(j, "file", argv[1]);
		json_put_str(j, "deployment", info.deployment);
		json_put_str(j, "madeAt", info.made_at);
		json_put_int(j, "dbBytes", info.db_bytes);
		json_put_str(j, "dbSha256", info.db_sha256);
		cli_print_json(j);
		json_decref(j);
	} else {
		printf("%s  deployment %s  %s  %.1f MiB\n", argv[1],
		    info.deployment, info.made_at,
		    (double)info.db_bytes / 1048576);
	}
	fprintf(stderr,
	    "keys and secrets are not in it: keep seal.key, credentials/, ca.* "
	    "and ssh/ of %s, too\n",
	    c->dir);
	return 0;
}

/* The coordinator knows databases; this program does not. */
static int
run_restore(struct cli *c, int argc, char **argv)
{
	bool replace = false;
	const struct cli_opt opts[] = { { "replace", 0, OPT_FLAG, &replace } };
	const struct cli_cmd *cmd = cli_cmd(cmds_backup, "restore");
	struct mw_err err = MW_ERR_INIT;
	struct backup_info info;
	char *prog;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (!backupfile_read(argv[1], -1, &info, &err))
		return cli_fail(&err);
	if (replace &&
	    !cli_confirm(c, "put deployment %s of %s into %s?", info.deployment,
		info.made_at, c->dir))
		return 2;
	prog = cli_beside("milkywayd");
	execlp(prog, "milkywayd", "--state-dir", c->dir, "--restore", argv[1],
	    replace ? "--replace" : NULL, NULL);
	err_set(&err, MW_INTERNAL, errno, "%s: %s", prog, strerror(errno));
	free(prog);
	return cli_fail(&err);
}

const struct cli_cmd cmds_backup[] = {
	{ "backup", "FILE", "a copy of the coordinator's database, as it works",
	    run_backup,
	    "Everything but keys and secrets (docs/backup.md). The file is checked\n"
	    "before it gets its name, and readable by you alone.\n\n"
	    "  milkyway backup milkyway-$(date +%F).tar\n" },
	{ "restore", "FILE", "put a backup into --dir", run_restore,
	    "The coordinator must not run. VMs that were made after the backup are\n"
	    "never ended on their own: milkyway orphans shows them, you decide.\n\n"
	    "  --replace    also over a database that is there; it is kept beside\n\n"
	    "  milkyway restore milkyway-2026-11-21.tar --dir /var/lib/milkyway\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
