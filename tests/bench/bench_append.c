/* A durable append to the store, against writing the same bytes to a file and calling fdatasync.
 *
 * Ours: one transaction appends a block of a long chain to the best branch, as an engine does, with all tables and indexes. Bare: a write of the
 * block's bytes to the end of a file, and fdatasync. Runs alternate on one disk; the median of the ratios of neighbours (bare time
 * by our time) is printed. Goal: >= 0.6.
 *
 *     bench_append [PAIRS [BLOCKS]]     pairs of runs (default 7), appends a run (default 200) */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger/store.h"
#include "tests/lib/bench_kit.h"

enum { PAIRS_MAX = 99, BLOCKS_MAX = 10000 };

static struct lg_block *blocks[BLOCKS_MAX];

static double run_bare(int fd, int first, int n)
{
    double begin = bench_seconds();

    for (int i = first; i < first + n; i++)
        if (write(fd, blocks[i]->doc, blocks[i]->doc_len) != (ssize_t)blocks[i]->doc_len ||
            fdatasync(fd) != 0)
            bench_die("a write");
    return bench_seconds() - begin;
}

static double run_ours(const struct lg_store *s, struct lg_block_info *tip, int first, int n)
{
    double begin = bench_seconds();

    for (int i = first; i < first + n; i++) {
        struct lg_block_info info;
        lg_block_info_of(&info, blocks[i], tip);
        if (s->begin(s->ctx) != SG_OK || s->append(s->ctx, blocks[i], &info) != SG_OK ||
            s->commit(s->ctx) != SG_OK)
            bench_die("a commit");
        *tip = info;
    }
    return bench_seconds() - begin;
}

static void measure(const char *name, bool usual, int pairs, int n)
{
    const struct long_chain_config config = {.seed = 5, .usual = usual};
    struct long_chain *c = long_chain_new(&config);
    struct lg_sqlite *sqlite = NULL;
    struct sg_fault fault = {0};
    struct lg_block_info tip;
    char dir[64], data[80], path[80];
    double ratios[PAIRS_MAX], ours = 0, bare = 0;

    bench_folder(dir, "append");
    (void)snprintf(data, sizeof data, "%s/data", dir);
    (void)snprintf(path, sizeof path, "%s/bare", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || lg_sqlite_open(&sqlite, data, long_chain_genesis(c), &fault) != SG_OK)
        bench_die(fault.text);
    for (int i = 0; i < pairs * n; i++) {
        struct lg_slice doc = long_chain_next(c);
        if (lg_block_decode(&blocks[i], doc.p, doc.len) != SG_OK)
            bench_die("a block");
    }
    lg_block_info_genesis(&tip, long_chain_genesis(c));
    for (int p = 0; p < pairs; p++) {
        double o = run_ours(lg_sqlite_store(sqlite), &tip, p * n, n), b = run_bare(fd, p * n, n);
        ratios[p] = b / o;
        ours += o;
        bare += b;
    }
    printf(
        "durable append, %s: ours %.2f ms, bare %.2f ms, bare/ours %.2f (median of %d pairs; goal >= 0.6)\n",
        name, ours * 1000 / pairs / n, bare * 1000 / pairs / n, bench_median(ratios, (unsigned)pairs), pairs);
    for (int i = 0; i < pairs * n; i++)
        lg_block_free(blocks[i]);
    (void)close(fd);
    lg_sqlite_close(sqlite);
    long_chain_free(c);
    bench_remove(dir);
}

int main(int argc, char **argv)
{
    int pairs = argc > 1 ? atoi(argv[1]) : 7, n = argc > 2 ? atoi(argv[2]) : 200;

    if (pairs < 1 || pairs > PAIRS_MAX || n < 1 || pairs * n > BLOCKS_MAX)
        bench_die("usage: bench_append [PAIRS [BLOCKS]]");
    measure("one statement a block", false, pairs, n);
    measure("usual blocks", true, pairs, n);
    return 0;
}
