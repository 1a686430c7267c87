/* Files that hold a private key.
 *
 * Invariant: a key is read only from a regular file that nobody but its owner (this user or root) can read, and
 * the file that was checked is the file that is read (checks by fstat on the open descriptor).
 * Refuses: symbolic links, devices and pipes, other owners, modes beyond 0600, any content but one key; to
 * write over anything. The text of a fault names the file and never shows content. */
#include "sg_key.h"
#include "sg_text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any key needs (119 bytes), so that "something follows the key" is seen. */
#define READ_BYTES 512

static int SG_PRINTF(4, 5) failed(struct sg_fault *fault, int err, const char *path, const char *fmt, ...)
{
    va_list ap;
    int n = snprintf(fault->text, sizeof fault->text, "%.300s: ", path);

    fault->err = err;
    va_start(ap, fmt);
    (void)vsnprintf(fault->text + n, sizeof fault->text - (size_t)n, fmt, ap);
    va_end(ap);
    return err;
}

static int check_file(int fd, const char *path, struct sg_fault *fault)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return failed(fault, SG_ECONFIG, path, "%s", strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return failed(fault, SG_ECONFIG, path, "not a regular file");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return failed(fault, SG_ECONFIG, path, "belongs to user %u, not to this user or root", st.st_uid);
    if (st.st_mode & 07777 & ~(mode_t)0600)
        return failed(fault, SG_ECONFIG, path, "mode is %04o; a private key must be 0600 or stricter",
            (unsigned)(st.st_mode & 07777));
    return 0;
}

/* At most size bytes; -1 with errno. */
static ssize_t read_all(int fd, char *dst, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, dst + have, size - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int load_fd(struct sg_key **out, int fd, const char *path, struct sg_fault *fault)
{
    char text[READ_BYTES];
    ssize_t len;
    int err = check_file(fd, path, fault);

    if (err)
        return err;
    len = read_all(fd, text, sizeof text);
    if (len < 0)
        return failed(fault, SG_ECONFIG, path, "%s", strerrordesc_np(errno));
    err = sg_key_of_pem(out, text, (size_t)len);
    OPENSSL_cleanse(text, sizeof text);
    if (err == SG_ENOMEM)
        return failed(fault, err, path, "%s", sg_err_text(err));
    if (err)
        return failed(fault, err, path,
            "not exactly one Ed25519 private key as `openssl genpkey -algorithm ed25519` writes it");
    return 0;
}

int sg_key_load(struct sg_key **out, const char *path, struct sg_fault *fault)
{
    /* O_NONBLOCK: opening a FIFO must not hang before fstat can refuse it */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int err;

    if (fd < 0 && errno == ELOOP)
        return failed(fault, SG_ECONFIG, path, "a symbolic link; name the key file itself");
    if (fd < 0)
        return failed(fault, SG_ECONFIG, path, "%s", strerrordesc_np(errno));
    err = load_fd(out, fd, path, fault);
    (void)close(fd);
    return err;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* The name of a new file is on disk only when its directory is. */
static bool sync_directory_of(const char *path)
{
    char *copy = strdup(path);
    bool ok;
    int fd;

    if (!copy)
        return false;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return false;
    ok = fsync(fd) == 0;
    (void)close(fd);
    return ok;
}

static int write_file(const char *path, const char *text, size_t len, struct sg_fault *fault)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok;
    int why;

    if (fd < 0 && errno == EEXIST)
        return failed(fault, SG_ECONFIG, path, "exists; a key is never written over");
    if (fd < 0)
        return failed(fault, SG_ECONFIG, path, "%s", strerrordesc_np(errno));
    ok = write_all(fd, text, len) && fsync(fd) == 0;
    why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok && !sync_directory_of(path)) {
        ok = false;
        why = errno;
    }
    if (ok)
        return 0;
    (void)unlink(path); /* ours: O_EXCL made it */
    return failed(fault, SG_EIO, path, "%s", strerrordesc_np(why));
}

/* The PEM text of a new random key; text holds READ_BYTES. Returns its length, 0 without randomness. */
static size_t make_pem(char *text)
{
    /* RFC 8410 section 7, see key.c */
    uint8_t der[48] = {
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
    char base64[SG_BASE64_LEN(sizeof der) + 1];
    int n = 0;

    if (RAND_priv_bytes(der + 16, 32) == 1) {
        sg_base64_encode(base64, der, sizeof der);
        n = snprintf(
            text, READ_BYTES, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", base64);
    }
    OPENSSL_cleanse(der, sizeof der);
    OPENSSL_cleanse(base64, sizeof base64);
    return (size_t)n;
}

int sg_key_create(struct sg_key **out, const char *path, struct sg_fault *fault)
{
    char text[READ_BYTES];
    size_t len = make_pem(text);
    struct sg_key *k = NULL;
    int err;

    if (len == 0)
        return failed(fault, SG_EIO, path, "the system gives no random bytes");
    err = sg_key_of_pem(&k, text, len);
    if (err)
        err = failed(fault, err, path, "%s", sg_err_text(err));
    else
        err = write_file(path, text, len, fault);
    OPENSSL_cleanse(text, sizeof text);
    if (err) {
        sg_key_free(k);
        return err;
    }
    *out = k;
    return 0;
}
