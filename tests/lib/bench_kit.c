#include "tests/lib/bench_kit.h"

#include <dirent.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lg_client.h"
#include "sg_log.h"

_Noreturn void bench_die(const char *what)
{
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

double bench_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double bench_median(double *v, unsigned n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* ---- processors ---- */

static const cpu_set_t *all_processors(void)
{
    static cpu_set_t all;
    static bool known;

    if (!known && sched_getaffinity(0, sizeof all, &all) != 0)
        bench_die("sched_getaffinity");
    known = true;
    return &all;
}

bool bench_use_processor(unsigned n)
{
    const cpu_set_t *all = all_processors();

    for (unsigned i = 0, k = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, all) || k++ != n)
            continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0)
            bench_die("sched_setaffinity");
        return true;
    }
    return false;
}

void bench_use_all_processors(void)
{
    const cpu_set_t *all = all_processors();
    if (sched_setaffinity(0, sizeof *all, all) != 0)
        bench_die("sched_setaffinity");
}

/* ---- nodes ---- */

void bench_write_chain(
    struct lg_genesis **g, const char *data_dir, const struct long_chain_config *config, int64_t blocks)
{
    struct long_chain *c = long_chain_new(config);
    const struct lg_genesis *made = long_chain_genesis(c);

    if (lg_genesis_decode(g, made->doc, made->doc_len, &sg_crypto_openssl) != SG_OK)
        bench_die("the genesis");
    long_chain_write(c, data_dir, blocks);
    long_chain_free(c);
}

static _Noreturn void serve(int report, const char *data_dir, const struct lg_genesis *g)
{
    struct sg_clock clock;
    struct lg_node *node = NULL;
    struct sg_fault fault = {0};
    sigset_t end;
    int sig = 0;

    (void)sigemptyset(&end);
    (void)sigaddset(&end, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &end, NULL);
    if (sg_clock_init(&clock, NULL, &fault) != SG_OK)
        bench_die(fault.text);
    struct lg_node_config config = {.bind = "127.0.0.1", .data_dir = data_dir, .genesis = g, .clock = &clock};
    if (lg_node_start(&node, &config, &fault) != SG_OK)
        bench_die(fault.text);
    uint16_t port = lg_node_port(node);
    if (write(report, &port, sizeof port) != sizeof port)
        bench_die("a pipe");
    (void)sigwait(&end, &sig);
    lg_node_stop(node);
    _exit(0);
}

void bench_serve(struct bench_server *s, const char *data_dir, const struct lg_genesis *g)
{
    int ends[2];

    if (pipe(ends) != 0 || (s->pid = fork()) < 0)
        bench_die("a process");
    if (s->pid == 0)
        serve(ends[1], data_dir, g);
    (void)close(ends[1]);
    if (read(ends[0], &s->port, sizeof s->port) != sizeof s->port)
        bench_die("the serving node did not start");
    (void)close(ends[0]);
}

void bench_serve_end(struct bench_server *s)
{
    int status = 0;
    if (kill(s->pid, SIGTERM) != 0 || waitpid(s->pid, &status, 0) != s->pid || status != 0)
        bench_die("the serving node failed");
}

int64_t bench_height(uint16_t port)
{
    static struct sg_http_client *http;
    struct lg_client_status status;
    char url[64];

    if (!http && sg_http_client_new(&http) != SG_OK)
        bench_die("the client");
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    return lg_client_status(http, url, &status) == SG_OK ? status.height : -1;
}

/* ---- folders ---- */

void bench_folder(char path[static 64], const char *name)
{
    (void)snprintf(path, 64, "/tmp/bench-%s-XXXXXX", name);
    if (!mkdtemp(path))
        bench_die("a folder below /tmp");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void bench_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_die("a folder cannot be removed");
}
