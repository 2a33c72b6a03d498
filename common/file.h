/*
 * file.h - whole small files: read with a cap, write by rename.
 */
#ifndef MW_COMMON_FILE_H
#define MW_COMMON_FILE_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#include <sys/types.h>

bool file_read(const char *path, size_t max, struct str *out,
    struct mw_err *err) mw_must_check;
/* Writes path.tmp, fsync, rename, fsync of the directory. */
bool file_write(const char *path, const void *p, size_t n, mode_t mode,
    struct mw_err *err) mw_must_check;
bool file_mkdirs(const char *path, mode_t mode,
    struct mw_err *err) mw_must_check;
/* Removes a tree without following links or crossing mounts. */
bool file_remove_tree(const char *path, struct mw_err *err) mw_must_check;
/* write(2) until all is out. */
bool file_write_all(int fd, const void *p, size_t n);

#endif
