/* Writes the data directory of a node that has followed a long chain, for measurements: `make long-chain`.
 *
 *     long_chain DIR BLOCKS [usual [GATEWAYS [SEED]]]
 *
 * DIR/genesis.json and DIR/data. `ledger node` serves it, `ledger verify --genesis DIR/genesis.json --data DIR/data` judges it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/lib/long_chain.h"

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int write_genesis(const char *dir, const struct lg_genesis *g)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/genesis.json", dir);
    FILE *f = fopen(path, "wx");
    if (!f)
        return -1;
    size_t n = fwrite(g->doc, 1, g->doc_len, f);
    return fclose(f) == 0 && n == g->doc_len ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc < 3 || atoll(argv[2]) < 1) {
        (void)fprintf(stderr, "usage: long_chain DIR BLOCKS [minimal|usual [GATEWAYS [SEED]]]\n");
        return 2;
    }
    const char *dir = argv[1];
    char data[4096];
    struct long_chain_config config = {.usual = argc > 3 && strcmp(argv[3], "usual") == 0,
        .gateways = argc > 4 ? (unsigned)atoi(argv[4]) : 0,
        .seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1};
    struct long_chain *c = long_chain_new(&config);

    (void)snprintf(data, sizeof data, "%s/data", dir);
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || write_genesis(dir, long_chain_genesis(c)) != 0) {
        (void)fprintf(stderr, "long_chain: %s: %s\n", dir, strerror(errno));
        return 1;
    }
    double begin = seconds();
    long_chain_write(c, data, atoll(argv[2]));
    double took = seconds() - begin;
    printf("%s blocks in %.1f s, %.0f a second\n", argv[2], took, (double)atoll(argv[2]) / took);
    long_chain_free(c);
    return 0;
}
