/* How much of a bare echo server's rate the emulator reaches.
 *
 * Both are driven by the same client with the same frames: N connections, each sends its next request when it has the
 * whole answer to the last one. The bare server is the least that any epoll server does (wait, recv, send of as many
 * bytes from a constant buffer), so the ratio is what framing, checks and libmodbus cost. Runs alternate between the
 * two, and the median of the ratios of neighbours is printed: what else the machine does hits both.
 *
 *     bench_emulator [PAIRS [MS]]     pairs of runs a line (default 5), milliseconds a run (default 300)
 *
 * The emulator is $GRIDWITNESS_BIN/relay-emulator, else bin/relay-emulator. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sg_buf.h"

enum { CONNS_MAX = 100, A_SOURCE = 50, REQUEST = 12, ANSWER_MAX = 260, PAIRS_MAX = 99, EVENTS = 128 };

struct conn {
    int fd;
    size_t got; /* bytes of the answer */
};

struct target {
    pid_t pid;
    uint16_t port;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_emulator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        die("clock");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void watch(int epoll, int fd, void *who)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = who};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll_ctl");
}

/* --- the bare server --- */

static void bare_answer(int fd)
{
    static uint8_t answer[ANSWER_MAX];
    uint8_t request[ANSWER_MAX];
    ssize_t n = recv(fd, request, sizeof request, 0);
    if (n <= 0) {
        (void)close(fd);
        return;
    }
    for (ssize_t at = 0; at + REQUEST <= n; at += REQUEST) {
        size_t len = 9 + 2u * sg_get_be16(request + at + 10);
        memcpy(answer, request + at, 8);
        if (len > sizeof answer || send(fd, answer, len, MSG_NOSIGNAL) != (ssize_t)len)
            (void)close(fd);
    }
}

static void bare_serve(int listener)
{
    struct epoll_event events[EVENTS];
    static int fds[1024];
    int epoll = epoll_create1(0);
    watch(epoll, listener, &listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != &listener) {
                bare_answer(*(int *)events[i].data.ptr);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0 || fd >= 1024)
                continue;
            fds[fd] = fd;
            watch(epoll, fd, &fds[fd]);
        }
    }
}

static struct target start_bare(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 512) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        die("bare server");
    struct target t = {fork(), ntohs(a.sin_port)};
    if (t.pid < 0)
        die("fork");
    if (t.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* no orphan when the bench ends early */
        bare_serve(fd);
    }
    (void)close(fd);
    return t;
}

/* --- the emulator --- */

static void run_emulator(int out)
{
    char path[4096];
    const char *bin = getenv("GRIDWITNESS_BIN");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(path, sizeof path, "%s/relay-emulator", bin ? bin : "bin");
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0)
        _exit(127);
    (void)execl(path, path, "--port", "0", "--seed", "1", (char *)NULL);
    _exit(127);
}

static struct target start_emulator(void)
{
    struct target t = {0};
    int ends[2];
    char line[256] = "";
    if (pipe2(ends, O_CLOEXEC) != 0 || (t.pid = fork()) < 0)
        die("fork");
    if (t.pid == 0)
        run_emulator(ends[1]);
    (void)close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    const char *colon = f && fgets(line, sizeof line, f) ? strrchr(line, ':') : NULL;
    if (!colon)
        die("the emulator did not start (make it first, or set GRIDWITNESS_BIN)");
    t.port = (uint16_t)atoi(colon + 1);
    (void)fclose(f);
    return t;
}

static void stop(struct target t)
{
    (void)kill(t.pid, SIGTERM);
    (void)waitpid(t.pid, NULL, 0);
}

/* --- the client --- */

/* A few addresses, because the emulator takes only so many connections from one. */
static int connect_from(uint16_t port, int i)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i / A_SOURCE));
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    return fd;
}

static void ask(const struct conn *c, uint16_t address, uint16_t regs)
{
    uint8_t request[REQUEST] = {0, 1, 0, 0, 0, 6, 1, 3};
    sg_put_be16(request + 8, address);
    sg_put_be16(request + 10, regs);
    if (send(c->fd, request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request)
        die("send");
}

/* True when the answer is whole. */
static bool collect(struct conn *c, size_t answer_bytes)
{
    uint8_t buf[ANSWER_MAX];
    ssize_t n = recv(c->fd, buf, answer_bytes - c->got, 0);
    if (n <= 0)
        die("recv");
    if (c->got == 0 && n > 7 && buf[7] != 3)
        die("not a register answer");
    c->got += (size_t)n;
    if (c->got < answer_bytes)
        return false;
    c->got = 0;
    return true;
}

/* Answers a second. */
static double rate(uint16_t port, int conns, uint16_t address, uint16_t regs, double run_s)
{
    struct conn all[CONNS_MAX] = {0};
    struct epoll_event events[EVENTS];
    size_t answer_bytes = 9 + 2u * regs;
    uint64_t answers = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < conns; i++) {
        all[i].fd = connect_from(port, i);
        watch(epoll, all[i].fd, &all[i]);
    }
    double began = seconds(), passed = 0;
    for (int i = 0; i < conns; i++)
        ask(&all[i], address, regs);
    for (; passed < run_s; passed = seconds() - began) {
        int n = epoll_wait(epoll, events, EVENTS, 1000);
        if (n <= 0)
            die("no answer for a second");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!collect(c, answer_bytes))
                continue;
            answers++;
            ask(c, address, regs);
        }
    }
    for (int i = 0; i < conns; i++)
        (void)close(all[i].fd);
    (void)close(epoll);
    return (double)answers / passed;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, ascending);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void compare(struct target emulator, struct target bare, const char *what, uint16_t address,
    uint16_t regs, int conns, int pairs, double run_s)
{
    double mine[PAIRS_MAX], theirs[PAIRS_MAX], ratios[PAIRS_MAX];
    for (int i = 0; i < pairs; i++) {
        mine[i] = rate(emulator.port, conns, address, regs, run_s);
        theirs[i] = rate(bare.port, conns, address, regs, run_s);
        ratios[i] = mine[i] / theirs[i];
    }
    double ratio = median(ratios, pairs);
    (void)printf(
        "%-10s %3u registers %3d connections: emulator %7.0f/s  bare %7.0f/s  ratio %.2f  (goal 0.80: %s)\n",
        what, regs, conns, median(mine, pairs), median(theirs, pairs), ratio,
        ratio >= 0.8 ? "met" : "missed");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static const int conns[] = {10, 100};
    int pairs = argc > 1 ? atoi(argv[1]) : 5;
    double run_s = (argc > 2 ? atoi(argv[2]) : 300) / 1000.0;
    if (pairs < 1 || pairs > PAIRS_MAX || run_s <= 0) {
        (void)fputs("usage: bench_emulator [PAIRS 1..99 [MS]]\n", stderr);
        return 2;
    }
    struct target bare = start_bare();
    struct target emulator = start_emulator();
    for (size_t i = 0; i < sizeof conns / sizeof conns[0]; i++) {
        compare(emulator, bare, "live block", 200, 34, conns[i], pairs, run_s);
        compare(emulator, bare, "FRAME", 1000, 125, conns[i], pairs, run_s);
    }
    stop(emulator);
    stop(bare);
    return 0;
}
