/*
 * root.h - what VMs share of the file system, and what control sees of it: the
 * lower layers that all VMs have in common, one VM's disk, and the difference
 * a VM made to /usr and /etc.
 */
#ifndef MW_TWIN_ROOT_H
#define MW_TWIN_ROOT_H

#include "common/pure/err.h"
#include "common/pure/str.h"

/* Makes dir/etc (an allow-list of the host's world-readable files, system
 * users only) and dir/usr (reboot and poweroff for a VM without systemd). */
bool root_template(const char *dir, struct mw_err *err) mw_must_check;

/* Makes the directory of a VM's disk; size_mib > 0: as a tmpfs. */
bool root_disk_make(const char *dir, uint32_t size_mib,
    struct mw_err *err) mw_must_check;
/* Makes a tmpfs as small as what is in it. */
bool root_disk_fill(const char *dir, struct mw_err *err) mw_must_check;
/* Takes a tmpfs away; files are the guard's business. */
void root_disk_drop(const char *dir);

/* Moves the process into its own mount namespace. */
bool root_private_mounts(struct mw_err *err) mw_must_check;

#define ROOT_DIFF_MAX 10000

/* A sorted list of changes; opaque lines, made by root_changes(). */
struct root_changes {
	char **line;
	size_t n, cap;
};

void root_changes(const char *disk, const char *template_dir,
    struct root_changes *out);
/* Lines "A /path", "M /path", "D /path" of now that are not in base. */
void root_changes_diff(const struct root_changes *base,
    const struct root_changes *now, struct str *out);
void root_changes_free(struct root_changes *c);

#endif
