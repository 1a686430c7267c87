/* Whole files: read with a limit, written once and synced. Symbolic links are followed (only key files refuse them). */
#include "lg_files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct sg_fault *fault, int err, const char *path, const char *what)
{
    fault->err = err;
    snprintf(fault->text, sizeof(fault->text), "%s: %s", path, what);
    return err;
}

/* At most max bytes, whatever fstat has said: a file may grow while it is read. */
static int read_all(struct sg_buf *out, int fd, size_t max)
{
    uint8_t chunk[65536];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n == 0)
            return sg_buf_err(out);
        if (n < 0 && errno != EINTR)
            return SG_EIO;
        if (n > 0 && (size_t)n > max)
            return SG_ETOO_LARGE;
        if (n > 0) {
            sg_buf_put(out, chunk, (size_t)n);
            max -= (size_t)n;
        }
        if (sg_buf_err(out) != SG_OK)
            return sg_buf_err(out);
    }
}

int lg_file_read(struct sg_buf *out, const char *path, size_t max, struct sg_fault *fault)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return fail(fault, SG_EIO, path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fail(fault, SG_EIO, path, "not a regular file");
    }
    if (st.st_size > (off_t)max) {
        close(fd);
        return fail(fault, SG_ETOO_LARGE, path, "larger than this program reads");
    }
    int err = read_all(out, fd, max);
    close(fd);
    return err == SG_OK ? SG_OK : fail(fault, err, path, sg_err_text(err));
}

int lg_genesis_load(struct lg_genesis **out, const char *path, struct sg_fault *fault)
{
    struct sg_buf b;

    sg_buf_init(&b, LG_MAX_GENESIS_BYTES);
    int err = lg_file_read(&b, path, LG_MAX_GENESIS_BYTES, fault);
    if (err == SG_OK) {
        size_t len = b.len > 0 && b.p[b.len - 1] == '\n' ? b.len - 1 : b.len;
        err = lg_genesis_decode(out, b.p, len, &sg_crypto_openssl);
        if (err != SG_OK) {
            fault->err = SG_ECONFIG;
            snprintf(fault->text, sizeof(fault->text), "%s: not a valid genesis: %s (%s)", path,
                sg_err_code(err), sg_err_text(err));
            err = SG_ECONFIG;
        }
    }
    sg_buf_fini(&b);
    return err;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

static int sync_folder(const char *path)
{
    char copy[4096];

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return -1;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

int lg_file_create(const char *path, const void *bytes, size_t len, struct sg_fault *fault)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0)
        return fail(fault, SG_EIO, path, strerror(errno));
    if (write_all(fd, bytes, len) != 0 || sync_folder(path) != 0) {
        int saved = errno;
        close(fd);
        unlink(path);
        return fail(fault, SG_EIO, path, strerror(saved));
    }
    return close(fd) == 0 ? SG_OK : fail(fault, SG_EIO, path, strerror(errno));
}
