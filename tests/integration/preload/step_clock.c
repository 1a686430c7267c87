/* A wall clock that is wrong by as much as a file says: preloaded, it adds the 64-bit number of milliseconds in the file STEP_CLOCK to
 * CLOCK_REALTIME, at every call anew. The monotonic clock is left alone. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NS INT64_C(1000000000)

static const volatile int64_t *shift_ms; /* written by the test, 8 bytes at once */

__attribute__((constructor)) static void map_shift(void)
{
    const char *path = getenv("STEP_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift_ms, PROT_READ, MAP_SHARED, fd, 0);

    if (fd >= 0)
        (void)close(fd);
    if (p != MAP_FAILED)
        shift_ms = p;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int rc;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    rc = real(id, t);
    if (rc == 0 && id == CLOCK_REALTIME && shift_ms) {
        int64_t ns = (int64_t)t->tv_sec * NS + t->tv_nsec + *shift_ms * (NS / 1000);

        t->tv_sec = ns / NS;
        t->tv_nsec = ns % NS;
    }
    return rc;
}
