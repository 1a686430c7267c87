/* What every program's command line and life have in common.
 *
 * Invariant: after sg_cli_init descriptors 0, 1, 2 are open (no data file can become standard error), a closed
 * socket is an error code and not a signal, and no descriptor is >= 1000.
 * Refuses: numbers with blanks, signs or leading zeros; hosts and URLs with anything that could change meaning. */
#include "sg_cli.h"
#include "sg_text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* FD_SET of a descriptor >= FD_SETSIZE (1024) aborts the process; libmodbus calls it. */
#define MAX_DESCRIPTORS 1000

/* Of memory: what is larger is given back to the system when it is freed, and so is more than that at the end of a heap. Without a fixed value
 * the C library of GNU raises both with each page of blocks, and the heap of each thread keeps what its largest document once took. */
#define KEPT_BYTES (64 * 1024)

static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

static void keep_memory_small(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
}

void sg_cli_init(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct rlimit limit;

    keep_memory_small();
    open_standard_descriptors();
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        assert(!"SIGPIPE can be ignored");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > MAX_DESCRIPTORS) {
        limit.rlim_cur = MAX_DESCRIPTORS;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            assert(!"a soft limit can be lowered");
    }
    (void)umask(077);
}

/* poll(2): POLLERR is set for the writing end of a pipe when its reading end has been closed. */
static bool reader_has_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

int sg_cli_end(const char *program, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (!reader_has_gone())
        (void)fprintf(stderr, "%s: standard output: write failed\n", program);
    return code == SG_EXIT_GOOD ? SG_EXIT_FAILED : code;
}

static void stop_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
}

void sg_cli_block_signals(void)
{
    sigset_t set;

    stop_signals(&set);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        assert(!"the set is valid");
}

static sg_ms mono_ms(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        assert(!"the monotonic clock exists");
    return (sg_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool sg_cli_wait_signal(sg_ms wait_ms)
{
    sg_ms start = mono_ms();
    sigset_t set;

    stop_signals(&set);
    for (;;) {
        sg_ms passed = mono_ms() - start;
        sg_ms left = wait_ms > passed ? wait_ms - passed : 0;
        struct timespec t = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        int got = wait_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &t);

        if (got > 0)
            return true;
        if (errno != EINTR) /* EINTR: another signal, or a stop and continue, came between */
            return false;
    }
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A host name (RFC 1123 letters, and '_' as containers use it) or an IPv4 address. */
static bool host_ok(const char *host)
{
    struct in_addr v4;
    size_t len = strlen(host);

    if (len == 0 || len > 253 || host[0] == '.' || host[0] == '-' || strstr(host, ".."))
        return false;
    for (const char *p = host; *p; p++) {
        if (!is_alnum(*p) && !strchr("-._", *p))
            return false;
    }
    /* digits and dots alone are an address, and then a whole one: "1.2.3" is none of the two */
    return strspn(host, "0123456789.") != len || inet_pton(AF_INET, host, &v4) == 1;
}

static bool v6_ok(const char *host)
{
    struct in6_addr v6;

    return inet_pton(AF_INET6, host, &v6) == 1;
}

/* src[0..len) as a string into dst; false when it does not fit or holds a NUL. */
static bool copy_text(char *dst, size_t size, const char *src, size_t len)
{
    if (len >= size || memchr(src, 0, len))
        return false;
    memcpy(dst, src, len);
    dst[len] = 0;
    return true;
}

int sg_cli_host_port(char *host, size_t size, uint16_t *port, const char *text)
{
    const char *colon = strrchr(text, ':');
    bool v6 = text[0] == '[';
    char name[256];
    size_t len;
    int64_t n;

    if (!colon || sg_i64_parse(&n, colon + 1, strlen(colon + 1), 1, UINT16_MAX))
        return SG_EUSAGE;
    len = (size_t)(colon - text);
    if (v6 && (len < 2 || text[len - 1] != ']'))
        return SG_EUSAGE;
    if (!copy_text(name, sizeof name, v6 ? text + 1 : text, v6 ? len - 2 : len))
        return SG_EUSAGE;
    if (!(v6 ? v6_ok(name) : host_ok(name)) || !copy_text(host, size, name, strlen(name)))
        return SG_EUSAGE;
    *port = (uint16_t)n;
    return 0;
}

int sg_cli_int(int64_t *out, const char *text, int64_t min, int64_t max)
{
    return sg_i64_parse(out, text, strlen(text), min, max) ? SG_EUSAGE : 0;
}

/* "/a/b": unreserved characters (RFC 3986 2.3), no empty or dotted-only segment, no slash at the end. */
static bool path_ok(const char *path)
{
    while (*path == '/') {
        const char *segment = path + 1;
        size_t len = strcspn(segment, "/");

        for (size_t i = 0; i < len; i++) {
            if (!is_alnum(segment[i]) && !strchr("-._~", segment[i]))
                return false;
        }
        if (len == 0 || strspn(segment, ".") >= len)
            return false;
        path = segment + len;
    }
    return *path == 0;
}

static bool authority_ok(const char *src, size_t len)
{
    char text[264], host[256];
    uint16_t port;

    if (!copy_text(text, sizeof text, src, len))
        return false;
    if (sg_cli_host_port(host, sizeof host, &port, text) == 0)
        return true;
    if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
        text[len - 1] = 0;
        return v6_ok(text + 1);
    }
    return host_ok(text); /* the default port of the scheme */
}

int sg_cli_url_check(const char *url)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < SG_ARRAY_LEN(schemes); i++) {
        size_t head = strlen(schemes[i]);

        if (strncmp(url, schemes[i], head) == 0) {
            const char *authority = url + head;
            size_t len = strcspn(authority, "/");

            return authority_ok(authority, len) && path_ok(authority + len) ? 0 : SG_ECONFIG;
        }
    }
    return SG_ECONFIG;
}
