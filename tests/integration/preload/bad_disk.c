/* A disk that fails on command, for programs of others' making: LD_PRELOAD of test_disk.py. While the file that BAD_DISK names exists and
 * holds "NAME CALL FAULT", each CALL (write, sync) on a file whose path holds NAME fails:
 *   EIO ENOSPC EROFS   with this error, for ever
 *   EINTR              with this error, every second time
 *   SHORT              (write) half of the bytes are written
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at);
int fsync(int fd);
int fdatasync(int fd);

/* The fault that this call of this file has now; NULL: none. */
static const char *fault_of(int fd, const char *call, char line[static 128])
{
    const char *control = getenv("BAD_DISK");
    char name[64], path[512], *at;
    const int file = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return NULL;
    const ssize_t n = read(file, line, 127);
    close(file);
    if (n <= 0)
        return NULL;
    line[n] = '\0';
    const char *match = strtok_r(line, " \n", &at), *which = strtok_r(NULL, " \n", &at);
    const char *fault = strtok_r(NULL, " \n", &at);
    if (!fault || strcmp(which, call) != 0)
        return NULL;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    const ssize_t len = readlink(name, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    return strstr(path, match) ? fault : NULL;
}

/* -1 with errno, or 0: let it pass; *n may become less. */
static int fail(int fd, const char *call, size_t *n)
{
    static atomic_uint turn;
    char line[128];
    const int before = errno;
    const char *fault = fault_of(fd, call, line);
    errno = before;
    if (!fault)
        return 0;
    if (strcmp(fault, "SHORT") == 0) {
        *n = *n > 1 ? *n / 2 : *n;
        return 0;
    }
    if (strcmp(fault, "EINTR") == 0 && atomic_fetch_add(&turn, 1) % 2)
        return 0;
    errno = strcmp(fault, "EIO") == 0      ? EIO
            : strcmp(fault, "ENOSPC") == 0 ? ENOSPC
            : strcmp(fault, "EROFS") == 0  ? EROFS
                                           : EINTR;
    return -1;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    return fail(fd, "write", &n) ? -1 : real(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite64(fd, p, n, at);
}

int fsync(int fd)
{
    static int (*real)(int);
    size_t none = 0;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    return fail(fd, "sync", &none) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    size_t none = 0;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    return fail(fd, "sync", &none) ? -1 : real(fd);
}
