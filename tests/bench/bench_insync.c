/* What it costs to find that a node is in sync, at heights 1 000, 10 000 and 100 000, with three peers.
 *
 * First: from the moment at which a started node runs until each of three peers has been asked and found to have the same tip. Opening the
 * store is not in it: files up to 32 MiB are checked as a whole then, larger ones are not, so 10k takes longest. Check: three GET /v1/status at once and a look at the own store for the tip that they name, which is what the
 * peers' thread does every two seconds. Heights take turns; printed are medians, and the medians of the ratios of neighbours to the lowest
 * height. Goal: <= 1.5, for a cost that grew with the height would be a hundred times as much at the last.
 *
 *     bench_insync [ROUNDS]     rounds (default 31) over all heights; chains are kept below build/bench-chains/ for the next time */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ledger/store.h"
#include "lg_client.h"
#include "sg_log.h"
#include "tests/lib/bench_kit.h"

enum { HEIGHTS = 3, PEERS = 3, ROUNDS_MAX = 99, CHECKS = 20, READY_S = 60 };

#define FOLDER "build/bench-chains"

static const int64_t heights[HEIGHTS] = {1000, 10000, 100000};

struct place {
    char served[64], own[64];
    struct bench_server server;
    double first[ROUNDS_MAX], check[ROUNDS_MAX];
};

static struct lg_genesis *genesis; /* one seed: one genesis for all heights */

static void copy(const char *from, const char *to)
{
    char command[512];
    (void)snprintf(command, sizeof command, "rm -rf '%.64s' && cp -r '%.64s' '%.64s'", to, from, to);
    if (system(command) != 0)
        bench_die("a chain cannot be copied");
}

/* A chain that was made before is taken when its writer finished: the mark is made last. */
static void prepare(struct place *p, int64_t height)
{
    const struct long_chain_config config = {.seed = 3};
    char mark[80];
    struct lg_genesis *g = NULL;

    (void)mkdir("build", 0777);
    (void)mkdir(FOLDER, 0777);
    (void)snprintf(mark, sizeof mark, FOLDER "/%lld.done", (long long)height);
    (void)snprintf(p->served, sizeof p->served, FOLDER "/%lld-served", (long long)height);
    (void)snprintf(p->own, sizeof p->own, FOLDER "/%lld-own", (long long)height);
    struct long_chain *c = long_chain_new(&config);
    if (!genesis && lg_genesis_decode(&genesis, long_chain_genesis(c)->doc, long_chain_genesis(c)->doc_len,
                        &sg_crypto_openssl) != SG_OK)
        bench_die("the genesis");
    long_chain_free(c);
    if (access(mark, F_OK) == 0)
        return;
    if (access(p->served, F_OK) == 0)
        bench_remove(p->served);
    bench_write_chain(&g, p->served, &config, height);
    lg_genesis_free(g);
    copy(p->served, p->own);
    FILE *f = fopen(mark, "w");
    if (!f || fclose(f) != 0)
        bench_die("the mark of a finished chain");
}

/* ---- first ---- */

static unsigned peers_in_sync(struct sg_http_client *http, uint16_t port)
{
    char url[64];
    struct sg_http_answer answer = {0};
    unsigned n = 0;

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/status", port);
    struct sg_http_call call = {.url = url, .max_answer = 1u << 20};
    if (sg_http_client_call(http, &call, &answer) == SG_OK) {
        static const char ok[] = "\"state\":\"ok\"";
        const uint8_t *p = answer.body.p, *end = p + answer.body.len;
        while ((p = memmem(p, (size_t)(end - p), ok, sizeof ok - 1)) != NULL) {
            n++;
            p++;
        }
    }
    sg_buf_fini(&answer.body);
    return n;
}

static double run_first(const struct place *p, struct sg_http_client *http)
{
    char url[64];
    const char *urls[PEERS] = {url, url, url};
    struct sg_clock clock;
    struct sg_fault fault = {0};
    struct lg_node *node = NULL;

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", p->server.port);
    if (sg_clock_init(&clock, NULL, &fault) != SG_OK)
        bench_die(fault.text);
    struct lg_node_config config = {.bind = "127.0.0.1",
        .data_dir = p->own,
        .genesis = genesis,
        .peers = urls,
        .npeers = PEERS,
        .clock = &clock};
    if (lg_node_start(&node, &config, &fault) != SG_OK)
        bench_die(fault.text);
    double begin = bench_seconds();
    while (peers_in_sync(http, lg_node_port(node)) < PEERS)
        if (bench_seconds() - begin > READY_S)
            bench_die("the node is not in sync");
    double took = bench_seconds() - begin;
    lg_node_stop(node);
    return took;
}

/* ---- check ---- */

struct round {
    int left;
    struct lg_hash tip;
};

static void answered(void *ctx, struct sg_http_answer *answer)
{
    struct round *r = ctx;
    struct lg_client_status status;

    if (lg_client_status_parse(&status, answer) != SG_OK)
        bench_die("a status");
    r->tip = status.tip;
    r->left--;
}

static double run_checks(const struct place *p, struct sg_http_client *http)
{
    struct lg_reader *reader = NULL;
    struct sg_fault fault = {0};
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/status", p->server.port);
    if (lg_reader_open(&reader, p->own, genesis, &fault) != SG_OK)
        bench_die(fault.text);
    double begin = bench_seconds();
    for (int i = 0; i < CHECKS; i++) {
        struct round r = {.left = PEERS};
        struct lg_block_info info;
        bool best = false;
        for (int k = 0; k < PEERS; k++) {
            struct sg_http_call call = {.url = url, .max_answer = LG_CLIENT_MAX_STATUS};
            if (sg_http_client_start(http, &call, answered, &r) != SG_OK)
                bench_die("a call");
        }
        while (r.left > 0)
            sg_http_client_run(http, 1000);
        if (lg_reader_block_info(reader, &info, &best, &r.tip) != SG_OK || !best)
            bench_die("the tip is not known");
    }
    double took = (bench_seconds() - begin) / CHECKS;
    lg_reader_close(reader);
    return took;
}

static double ratio_to_lowest(const double *v, const double *lowest, unsigned rounds)
{
    double ratios[ROUNDS_MAX];
    for (unsigned r = 0; r < rounds; r++)
        ratios[r] = v[r] / lowest[r];
    return bench_median(ratios, rounds);
}

/* v: of each height, by round. */
static void tell(const char *what, double *const v[HEIGHTS], unsigned rounds)
{
    double middle = ratio_to_lowest(v[1], v[0], rounds), top = ratio_to_lowest(v[2], v[0], rounds);
    double ms[HEIGHTS];

    for (int i = 0; i < HEIGHTS; i++)
        ms[i] = 1000 * bench_median(v[i], rounds); /* sorts: the ratios come first */
    printf("in sync with 3 peers, %s: %.2f ms at 1k, %.2f ms at 10k, %.2f ms at 100k blocks; 10k/1k %.2f, "
           "100k/1k "
           "%.2f (medians of %u; goal <= 1.5)\n",
        what, ms[0], ms[1], ms[2], middle, top, rounds);
}

int main(int argc, char **argv)
{
    static struct place places[HEIGHTS];
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 31;
    struct sg_http_client *http = NULL;
    double *first[HEIGHTS], *check[HEIGHTS];

    if (rounds < 1 || rounds > ROUNDS_MAX)
        bench_die("usage: bench_insync [ROUNDS]");
    sg_log_init(NULL, SG_LOG_ERROR);
    for (int i = 0; i < HEIGHTS; i++)
        prepare(&places[i], heights[i]);
    for (int i = 0; i < HEIGHTS; i++)
        bench_serve(&places[i].server, places[i].served, genesis);
    if (sg_http_client_new(&http) != SG_OK)
        bench_die("the client");
    for (unsigned r = 0; r < rounds; r++)
        for (int i = 0; i < HEIGHTS; i++) {
            places[i].first[r] = run_first(&places[i], http);
            places[i].check[r] = run_checks(&places[i], http);
        }
    for (int i = 0; i < HEIGHTS; i++) {
        first[i] = places[i].first;
        check[i] = places[i].check;
        bench_serve_end(&places[i].server);
    }
    tell("the first time", first, rounds);
    tell("one check", check, rounds);
    sg_http_client_free(http);
    lg_genesis_free(genesis);
    return 0;
}
