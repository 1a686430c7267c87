/* How fast a new node joins: all of it (asking, fetching, decoding, judging, storing), against the bare SHA-256 and Ed25519
 * verifications that its blocks cost at the least.
 *
 * A node in a process of its own serves a long chain over HTTP. Bare: over the same documents in memory, SHA-256 of each byte once,
 * and one verification for each signature. Joining: a new node on an empty folder, until it tells the height of the other. Three
 * runs alternate: bare on one processor, joining on that processor alone (the serving node has another), joining on all processors
 * (which the serving node shares). The medians of the ratios of neighbours are printed: what else the machine does hits all three.
 * Goals: one processor >= 0.85 of bare, two >= 1.6 times one.
 *
 *     bench_join [ROUNDS [BLOCKS]]     rounds (default 3) for each kind of chain; blocks with one statement (default 8000), a third as many
 *                                      usual ones */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sg_log.h"
#include "tests/lib/bench_kit.h"
#include "tests/lib/long_chain.h"

enum { ROUNDS_MAX = 33, NODE_CPU = 1, SERVER_CPU = 0, JOIN_S = 240 };

static struct lg_block **blocks;
static unsigned nblocks;

static void make_blocks(const struct long_chain_config *config, unsigned n)
{
    struct long_chain *c = long_chain_new(config);

    blocks = calloc(n, sizeof *blocks);
    nblocks = n;
    for (unsigned i = 0; i < n; i++) {
        struct lg_slice doc = long_chain_next(c);
        if (!blocks || lg_block_decode(&blocks[i], doc.p, doc.len) != SG_OK)
            bench_die("a block");
    }
    long_chain_free(c);
}

static void free_blocks(void)
{
    for (unsigned i = 0; i < nblocks; i++)
        lg_block_free(blocks[i]);
    free(blocks);
}

/* ---- bare ---- */

static void verify(const struct lg_genesis *g, lg_kid kid, const uint8_t *sig, const struct sg_buf *text)
{
    const struct lg_gateway *gw = lg_genesis_gateway(g, kid);
    if (!gw || sg_buf_err(text) != SG_OK || sg_verify(gw->key, sig, text->p, text->len) != SG_OK)
        bench_die("a signature");
}

static double run_bare(const struct lg_genesis *g)
{
    struct sg_buf text;
    struct lg_hash sum;
    double begin = bench_seconds();

    sg_buf_init(&text, 1u << 22);
    for (unsigned i = 0; i < nblocks; i++) {
        const struct lg_block *b = blocks[i];
        sg_sha256(sum.b, b->doc, b->doc_len);
        sg_buf_reset(&text);
        lg_header_signed_bytes(&text, b->header_doc.p, b->header_doc.len);
        verify(g, b->header.miner_kid, b->sig, &text);
        for (unsigned k = 0; k < b->nstatements; k++) {
            sg_buf_reset(&text);
            lg_statement_signed_bytes(&text, b->statements[k]);
            verify(g, b->statements[k]->gw, b->statements[k]->sig, &text);
        }
    }
    sg_buf_fini(&text);
    return bench_seconds() - begin;
}

/* ---- joining ---- */

/* Asked over HTTP only while it is not busy: answering costs the node time that is none of joining's. */
static bool has_joined(struct lg_node *node)
{
    struct lg_node_progress p;

    lg_node_progress(node, &p);
    return !p.running && bench_height(lg_node_port(node)) >= nblocks;
}

static double run_join(const struct lg_genesis *g, uint16_t from)
{
    char dir[64], data[80], url[64];
    const char *peer = url;
    struct sg_clock clock;
    struct lg_node *node = NULL;
    struct sg_fault fault = {0};

    bench_folder(dir, "join");
    (void)snprintf(data, sizeof data, "%s/data", dir);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", from);
    if (sg_clock_init(&clock, NULL, &fault) != SG_OK)
        bench_die(fault.text);
    struct lg_node_config config = {
        .bind = "127.0.0.1", .data_dir = data, .genesis = g, .peers = &peer, .npeers = 1, .clock = &clock};
    double begin = bench_seconds();
    if (lg_node_start(&node, &config, &fault) != SG_OK)
        bench_die(fault.text);
    while (!has_joined(node)) {
        const struct timespec rest = {.tv_nsec = 20000000};
        if (bench_seconds() - begin > JOIN_S)
            bench_die("the new node does not join");
        (void)nanosleep(&rest, NULL); /* sleep: the node does not tell when it is there */
    }
    double took = bench_seconds() - begin;
    lg_node_stop(node);
    bench_remove(dir);
    return took;
}

static void measure(const char *name, const struct long_chain_config *config, unsigned n, unsigned rounds)
{
    char dir[64];
    struct bench_server server;
    double one[ROUNDS_MAX], two[ROUNDS_MAX], cpu[ROUNDS_MAX], used[ROUNDS_MAX], sum[3] = {0};
    struct lg_genesis *g = NULL;

    bench_folder(dir, "chain");
    bench_use_all_processors();
    bench_write_chain(&g, dir, config, n);
    bool pairs = bench_use_processor(NODE_CPU);
    (void)bench_use_processor(SERVER_CPU);
    bench_serve(&server, dir, g);
    bench_use_all_processors();
    make_blocks(config, n);
    for (unsigned r = 0; r < rounds; r++) {
        (void)bench_use_processor(pairs ? NODE_CPU : SERVER_CPU);
        double start = bench_cpu_seconds(), bare = run_bare(g), middle = bench_cpu_seconds();
        double alone = run_join(g, server.port), end = bench_cpu_seconds();
        cpu[r] = (middle - start) / (end - middle);
        bench_use_all_processors();
        double both = run_join(g, server.port);
        used[r] = (bench_cpu_seconds() - end) / both;
        one[r] = bare / alone;
        two[r] = alone / both;
        sum[0] += bare;
        sum[1] += alone;
        sum[2] += both;
    }
    double blocks_in_all = (double)n * rounds;
    printf("join, %s: bare %.0f blocks/s, one processor %.0f, all %.0f; one/bare %.2f (median of %u; goal >= "
           "0.85; by processor time %.2f), all/one %.2f (goal >= 1.6 on two; %.2f processors used)\n",
        name, blocks_in_all / sum[0], blocks_in_all / sum[1], blocks_in_all / sum[2],
        bench_median(one, rounds), rounds, bench_median(cpu, rounds), bench_median(two, rounds),
        bench_median(used, rounds));
    free_blocks();
    bench_serve_end(&server);
    bench_remove(dir);
    lg_genesis_free(g);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 3, n = argc > 2 ? atoi(argv[2]) : 8000;

    if (rounds < 1 || rounds > ROUNDS_MAX || n < 3)
        bench_die("usage: bench_join [ROUNDS [BLOCKS]]");
    sg_log_init(NULL, SG_LOG_ERROR);
    measure("one statement a block", &(struct long_chain_config){.seed = 1}, (unsigned)n, (unsigned)rounds);
    measure("usual blocks", &(struct long_chain_config){.seed = 2, .usual = true}, (unsigned)n / 3,
        (unsigned)rounds);
    return 0;
}
