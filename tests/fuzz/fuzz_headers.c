/* A page of headers is taken apart without harm, and what a run takes of it is a chain. */
#include "ledger/core/header_run.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/fuzz_world.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct lg_rules rules = {.crypto = &fuzz_crypto};
    struct lg_header_run *run = calloc(1, sizeof *run);
    struct lg_header_item item;
    struct lg_block_info parent;
    struct fuzz_world w;
    struct lg_header h;
    struct lg_c0 c;
    bool early = false;

    assert(run);
    fuzz_world_init(&w);
    rules.genesis = &w.g;
    if (lg_header_page_open(&c, data, len) == 0) {
        while (lg_header_page_next(&c, &item)) {
            if (run->n == 0 && lg_header_decode(&h, item.header.p, item.header.len) == 0) {
                fuzz_world_fit(&w, &parent, &h);
                lg_header_run_init(run, &parent);
            }
            lg_header_hash(&item.hash, item.header.p, item.header.len);
            unsigned before = run->n;
            int err = lg_header_run_take(run, &early, &rules, &item, -1);
            assert(run->n == before + (err == 0));
            assert(err != 0 || lg_hash_eq(&run->hashes[before], &item.hash));
        }
        assert(!lg_header_page_more(&c) || !c.bad);
    }
    free(run);
    return 0;
}
