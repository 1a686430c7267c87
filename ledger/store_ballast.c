/* DIR/ballast: 8 MiB that belong to nobody, held so that a full disk can be left again.
 *
 * After SQLITE_FULL even a checkpoint fails, for the pages of the log must first be written into the database. Giving up the
 * ballast makes that room: the log, up to 8 MiB, is emptied and the ballast is taken back. Without it no transaction
 * begins. Refuses nothing else; its content means nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/store_db.h"

#define BALLAST_BYTES (8 << 20)

static int ballast_path(char **out, const char *dir)
{
    const size_t size = strlen(dir) + sizeof "/ballast";
    *out = malloc(size);
    if (*out == NULL)
        return SG_ENOMEM;
    snprintf(*out, size, "%s/ballast", dir);
    return 0;
}

static int fill(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == ENOSPC || errno == EDQUOT ? SG_ENOSPC : SG_EIO;
    const int rc = posix_fallocate(fd, 0, BALLAST_BYTES);
    close(fd);
    if (rc == 0)
        return 0;
    unlink(path);
    return rc == ENOSPC || rc == EDQUOT || rc == EFBIG ? SG_ENOSPC : SG_EIO;
}

int lg_ballast_hold(const char *dir)
{
    char *path;
    struct stat st;
    int err = ballast_path(&path, dir);
    if (err != 0)
        return err;
    if (lstat(path, &st) != 0 || st.st_blocks * 512 < BALLAST_BYTES)
        err = fill(path);
    free(path);
    return err;
}

void lg_ballast_release(const char *dir)
{
    char *path;
    if (ballast_path(&path, dir) == 0) {
        unlink(path);
        free(path);
    }
}
