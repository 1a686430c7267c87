/* Headers of a peer: pages are taken apart, and one header after the other is taken or refused. The rules of headers one by one are tested
 * where peers are (test_peers_bad). */
#include "ledger/core/header_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/vectors.h"

#define BLOCKS 8

struct world {
    json_t *chain;
    struct lg_genesis *g;
    struct lg_block *blocks[BLOCKS];
    struct lg_block_info genesis;
    struct lg_rules rules;
    struct lg_header_run run;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->chain = vec_load("chain.json");
    w->g = vec_genesis(vec_get(w->chain, "genesis"));
    for (size_t i = 0; i < BLOCKS; i++)
        w->blocks[i] = vec_block(vec_get(json_array_get(vec_get(w->chain, "blocks"), i), "block"));
    lg_block_info_genesis(&w->genesis, w->g);
    w->rules = (struct lg_rules){.genesis = w->g, .crypto = &sg_crypto_openssl};
    lg_header_run_init(&w->run, &w->genesis);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < BLOCKS; i++)
        lg_block_free(w->blocks[i]);
    lg_genesis_free(w->g);
    json_decref(w->chain);
    free(w);
    return 0;
}

static struct lg_header_item item_of(const struct lg_block *b)
{
    struct lg_header_item item = {.hash = b->hash, .header = b->header_doc};
    memcpy(item.sig, b->sig, sizeof item.sig);
    return item;
}

static int take(struct world *w, unsigned i, bool *early, sg_ms now)
{
    const struct lg_header_item item = item_of(w->blocks[i]);
    return lg_header_run_take(&w->run, early, &w->rules, &item, now);
}

/* Headers that follow each other are taken with hash and signature, and no weight; the run goes on after its last. */
static void run_takes_what_follows_and_no_weight(void **state)
{
    struct world *w = *state;
    bool early = false;
    for (unsigned i = 0; i < 3; i++)
        assert_code(take(w, i, &early, INT64_MAX), 0);
    assert_false(early);
    assert_int_equal(w->run.first, 1);
    assert_int_equal(w->run.n, 3);
    assert_true(lg_hash_eq(&w->run.hashes[2], &w->blocks[2]->hash));
    assert_memory_equal(w->run.sigs[2], w->blocks[2]->sig, SG_SIGNATURE_BYTES);
    assert_int_equal(w->run.last.weight, 0);
    assert_int_equal(w->run.last.weight_sum, 0);
    lg_header_run_go_on(&w->run);
    assert_int_equal(w->run.first, 4);
    assert_int_equal(w->run.n, 0);
    assert_code(take(w, 3, &early, INT64_MAX), 0);
}

/* A refused header leaves the run as it was. */
static void run_refuses_gaps_and_lies(void **state)
{
    struct world *w = *state;
    bool early = false;
    struct lg_header_item item = item_of(w->blocks[0]);
    assert_code(take(w, 1, &early, INT64_MAX), SG_EHEIGHT);
    item.hash.b[31] ^= 1;
    assert_code(lg_header_run_take(&w->run, &early, &w->rules, &item, INT64_MAX), SG_EMALFORMED);
    item = item_of(w->blocks[0]);
    item.sig[0] ^= 1;
    assert_code(lg_header_run_take(&w->run, &early, &w->rules, &item, INT64_MAX), SG_ESIGNATURE);
    item.header = (struct lg_slice){(const uint8_t *)"{}", 2};
    assert_code(lg_header_run_take(&w->run, &early, &w->rules, &item, INT64_MAX), SG_ESHAPE);
    assert_int_equal(w->run.n, 0);
    assert_code(take(w, 0, &early, INT64_MAX), 0);
    w->run.n = LG_HEADER_RUN_MAX;
    assert_code(take(w, 1, &early, INT64_MAX), SG_EFULL);
}

/* P1: early by at most max_future_ms is taken and said to be early, to the millisecond; more is not. */
static void run_takes_early_headers_to_the_millisecond(void **state)
{
    struct world *w = *state;
    const sg_ms due = w->blocks[0]->header.time, most = w->g->policy.max_future_ms;
    bool early = false;
    assert_code(take(w, 0, &early, due - most - 1), SG_EFUTURE);
    assert_false(early);
    assert_code(take(w, 0, &early, due - most), 0);
    assert_true(early);
    early = false;
    lg_header_run_init(&w->run, &w->genesis);
    assert_code(take(w, 0, &early, due), 0);
    assert_false(early);
}

/* A page is {"headers":[…]} with or without "next"; anything else is found out, at once or at its end. */
static void page_of_another_shape_is_found_out(void **state)
{
    static const struct {
        const char *text;
        int open;
        bool more, bad;
    } cases[] = {
        {"{\"headers\":[]}", 0, false, false},
        {"{\"headers\":[],\"next\":7}", 0, true, false},
        {"{\"headers\":[],\"next\":0}", 0, false, true},
        {"{\"headers\":[],\"next\":\"7\"}", 0, false, true},
        {"{\"headers\":[],\"other\":7}", 0, false, true},
        {"{\"headers\":[{}]}", 0, false, true},
        {"{\"headers\":{}}", SG_ESHAPE, false, true},
        {"[]", SG_ESHAPE, false, true},
        {"{\"headers\": []}", SG_ECANONICAL, false, true},
        {"", SG_ECANONICAL, false, true},
    };
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct lg_header_item item;
        struct lg_c0 c;
        const size_t len = strlen(cases[i].text);
        assert_code(lg_header_page_open(&c, (const uint8_t *)cases[i].text, len), cases[i].open);
        if (cases[i].open != 0)
            continue;
        assert_false(lg_header_page_next(&c, &item));
        assert_int_equal(lg_header_page_more(&c), cases[i].more);
        assert_int_equal(c.bad, cases[i].bad);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(run_takes_what_follows_and_no_weight),
        TEST(run_refuses_gaps_and_lies),
        TEST(run_takes_early_headers_to_the_millisecond),
        TEST(page_of_another_shape_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
