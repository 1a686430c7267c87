/* What the engine does with blocks that are offered: order of arrival, orphans, early ones, invalid ones. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define LATE (MAKER_START + INT64_C(100000) * SG_MINUTE_MS) /* after everything */

/* ---- the worked vectors ---- */

/* An observer on a vector file's genesis, with Ed25519. */
static void vector_rig(struct maker *m, struct rig **r, const json_t *doc)
{
    memset(m, 0, sizeof *m);
    m->g = vec_genesis(vec_get(doc, "genesis"));
    m->crypto = &sg_crypto_openssl;
    *r = rig_new(m, UINT_MAX);
}

static void vector_rig_fini(struct maker *m, struct rig *r)
{
    rig_free(r);
    chain_maker_fini(m);
}

#define MAX_FORK 12

/* Offer the blocks in the order of perm; the tip that is left. */
static struct lg_hash tip_after(const json_t *doc, struct lg_block **blocks, const unsigned *perm, unsigned n)
{
    struct maker m;
    struct rig *r;
    vector_rig(&m, &r, doc);
    for (unsigned i = 0; i < n; i++) {
        enum lg_block_verdict v;
        assert_code(rig_offer_block(r, &v, blocks[perm[i]], LATE), 0);
    }
    assert_int_equal(rig_state(r).orphans, 0);
    struct lg_hash tip = rig_state(r).tip.hash;
    vector_rig_fini(&m, r);
    return tip;
}

static bool next_permutation(unsigned *p, unsigned n)
{
    unsigned i = n - 1;
    while (i > 0 && p[i - 1] >= p[i])
        i--;
    if (i == 0)
        return false;
    unsigned j = n - 1;
    while (p[j] <= p[i - 1])
        j--;
    unsigned t = p[i - 1];
    p[i - 1] = p[j];
    p[j] = t;
    for (unsigned a = i, b = n - 1; a < b; a++, b--) {
        t = p[a];
        p[a] = p[b];
        p[b] = t;
    }
    return true;
}

/* Both branches of a case without the blocks that they share. */
static unsigned fork_blocks(struct lg_block **out, const json_t *c)
{
    unsigned n = 0;
    const char *const sides[] = {"a", "b"};
    for (unsigned s = 0; s < 2; s++) {
        const json_t *side = vec_get(c, sides[s]);
        for (size_t i = 0; i < json_array_size(side); i++) {
            struct lg_block *b = vec_block(json_array_get(side, i));
            bool twice = false;
            for (unsigned k = 0; k < n; k++)
                twice = twice || lg_hash_eq(&out[k]->hash, &b->hash);
            if (twice)
                lg_block_free(b);
            else
                out[n++] = b;
        }
    }
    return n;
}

/* Whatever the order in which two branches arrive, orphans included, the better one is the tip. All orders are tried while they are at
 * most 720, otherwise every 97th. */
static void accept_forks_in_any_order_end_on_the_better_tip(void **state)
{
    (void)state;
    json_t *doc = vec_load("forks.json");
    json_t *cases = vec_get(doc, "cases");
    for (size_t c = 0; c < json_array_size(cases); c++) {
        struct lg_block *blocks[MAX_FORK];
        unsigned perm[MAX_FORK];
        const json_t *item = json_array_get(cases, c);
        unsigned n = fork_blocks(blocks, item);
        const json_t *side = vec_get(item, vec_text(item, "best"));
        struct lg_block *best = vec_block(json_array_get(side, json_array_size(side) - 1));
        for (unsigned i = 0; i < n; i++)
            perm[i] = i;
        unsigned turn = 0, tried = 0;
        do {
            if (n > 5 && turn++ % 97 != 0)
                continue;
            struct lg_hash tip = tip_after(doc, blocks, perm, n);
            assert_memory_equal(&tip, &best->hash, sizeof tip);
            tried++;
        } while (tried < 200 && next_permutation(perm, n));
        assert_true(tried > 5);
        lg_block_free(best);
        for (unsigned i = 0; i < n; i++)
            lg_block_free(blocks[i]);
    }
    json_decref(doc);
}

/* The worked chain is accepted block by block; each invalid variant of block 4 is refused with its code and changes nothing;
 * the good one is then still accepted, for a fault of one copy is not held against another. */
static void accept_invalid_blocks_are_refused_with_their_code(void **state)
{
    (void)state;
    json_t *chain = vec_load("chain.json"), *invalid = vec_load("invalid.json");
    const json_t *blocks = vec_get(chain, "blocks"), *cases = vec_get(invalid, "cases");
    struct maker m;
    struct rig *r;
    enum lg_block_verdict v;
    vector_rig(&m, &r, chain);
    size_t good = (size_t)json_integer_value(vec_get(invalid, "replaces_height"));
    for (size_t i = 0; i + 1 < good; i++) {
        struct lg_block *b = vec_block(vec_get(json_array_get(blocks, i), "block"));
        assert_code(rig_offer_block(r, &v, b, LATE), 0);
        lg_block_free(b);
    }
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        const char *want = vec_text(item, "code");
        size_t len;
        uint8_t *doc = vec_bytes(vec_get(item, "block"), &len);
        for (unsigned twice = 0; twice < 2; twice++) {
            v = LG_BLOCK_ACCEPTED;
            int err = lg_engine_pow.offer_block(r->engine, &v, doc, len, LATE, -1);
            bool orphan = err == 0 && v == LG_BLOCK_ORPHAN;
            if (strcmp(want, "prev") == 0 ? !(orphan || err == SG_EPREV)
                                          : strcmp(sg_err_code(err), want) != 0)
                fail_msg("%s: want %s, got %s", vec_text(item, "name"), want, sg_err_code(err));
        }
        free(doc);
    }
    assert_int_equal(rig_state(r).tip.height, good - 1);
    for (size_t i = good - 1; i < json_array_size(blocks); i++) {
        struct lg_block *b = vec_block(vec_get(json_array_get(blocks, i), "block"));
        assert_code(rig_offer_block(r, &v, b, LATE), 0);
        assert_int_equal(v, LG_BLOCK_ACCEPTED);
        assert_true(rig_tip_is(r, &b->hash));
        lg_block_free(b);
    }
    vector_rig_fini(&m, r);
    json_decref(chain);
    json_decref(invalid);
}

/* ---- made chains ---- */

struct made {
    struct maker m;
    struct rig *r;
    const struct lg_statement *last[4];
    const struct lg_block *blocks[80];
    struct lg_block_info info[81]; /* by height */
};

static void made_init(struct made *d, unsigned n)
{
    struct maker_config c = {.bits = 2};
    memset(d, 0, sizeof *d);
    chain_maker_init(&d->m, &c);
    d->r = rig_new(&d->m, UINT_MAX);
    lg_block_info_genesis(&d->info[0], d->m.g);
    for (unsigned h = 1; h <= n; h++) {
        d->last[0] = make_statement(
            &d->m, &(struct maker_say){
                       .gw = 0, .slot = MAKER_MINUTE + h, .after = d->last[0], .tip = &d->info[h - 1].hash});
        d->blocks[h - 1] = make_block(&d->m, &(struct maker_mine){.parent = &d->info[h - 1],
                                                 .slot = MAKER_MINUTE + h,
                                                 .statements = &d->last[0],
                                                 .nstatements = 1});
        d->info[h] = make_info(&d->m, d->blocks[h - 1], &d->info[h - 1]);
    }
}

static void made_fini(struct made *d)
{
    rig_free(d->r);
    chain_maker_fini(&d->m);
}

/* Sixty blocks that arrive newest first all wait, the missing parent is asked for each time, and the first one connects them
 * all in one go. */
static void accept_orphans_in_reverse_connect_when_the_first_comes(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 60);
    for (unsigned h = 60; h >= 2; h--) {
        assert_code(rig_offer_block(d.r, &v, d.blocks[h - 1], LATE), 0);
        assert_int_equal(v, LG_BLOCK_ORPHAN);
        assert_memory_equal(&rig_last(d.r, RIG_WANT)->hash, &d.info[h - 1].hash, sizeof(struct lg_hash));
    }
    assert_int_equal(rig_state(d.r).orphans, 59);
    assert_code(rig_offer_block(d.r, &v, d.blocks[59], LATE), 0);
    assert_int_equal(v, LG_BLOCK_ORPHAN);
    assert_memory_equal(&rig_last(d.r, RIG_WANT)->hash, &d.info[1].hash, sizeof(struct lg_hash));
    assert_int_equal(rig_count(d.r, RIG_BLOCK), 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    assert_int_equal(rig_state(d.r).tip.height, 60);
    assert_int_equal(rig_state(d.r).orphans, 0);
    assert_int_equal(rig_count(d.r, RIG_BLOCK), 60);
    made_fini(&d);
}

/* Ten thousand orphans of one origin hold at most LG_WAITING_MAX_ORIGIN places (P28), and those of another stay. */
static void accept_orphans_are_bounded_by_origin(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 3);
    assert_code(
        lg_engine_pow.offer_block(d.r->engine, &v, d.blocks[2]->doc, d.blocks[2]->doc_len, LATE, 7), 0);
    for (unsigned i = 0; i < 200; i++) {
        struct lg_block_info parent = d.info[2];
        parent.hash.b[0] = (uint8_t)i;
        const struct lg_block *b = make_block(&d.m,
            &(struct maker_mine){
                .parent = &parent, .slot = MAKER_MINUTE + 9, .statements = &d.last[0], .nstatements = 1});
        assert_code(rig_offer_block(d.r, &v, b, LATE), 0);
        assert_int_equal(v, LG_BLOCK_ORPHAN);
    }
    assert_int_equal(rig_state(d.r).orphans, 65);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], LATE), 0);
    assert_int_equal(rig_state(d.r).tip.height, 3);
    made_fini(&d);
}

/* An orphan whose own header is bad is refused at once: neither work nor signature can be had for nothing. */
static void accept_orphan_with_bad_signature_is_refused(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 1);
    struct lg_block_info parent = {.height = 5, .slot = MAKER_MINUTE + 5, .hash.b = {1}};
    const struct lg_block *b = make_block(&d.m, &(struct maker_mine){.parent = &parent,
                                                    .slot = MAKER_MINUTE + 9,
                                                    .statements = &d.last[0],
                                                    .nstatements = 1,
                                                    .bad_signature = true});
    assert_code(rig_offer_block(d.r, &v, b, LATE), SG_ESIGNATURE);
    parent.height = 0; /* P5: block 1 on something that is not the genesis */
    b = make_block(
        &d.m, &(struct maker_mine){
                  .parent = &parent, .slot = MAKER_MINUTE + 9, .statements = &d.last[0], .nstatements = 1});
    assert_code(rig_offer_block(d.r, &v, b, LATE), SG_EPREV);
    assert_int_equal(rig_state(d.r).orphans, 0);
    made_fini(&d);
}

/* The same block again is known, as often as it comes, and is told to nobody a second time (P27). */
static void accept_block_again_is_known(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 2);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
    uint64_t commits = mem_store_commits(d.r->store);
    for (unsigned i = 0; i < 1000; i++) {
        assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
        assert_int_equal(v, LG_BLOCK_KNOWN);
    }
    assert_int_equal(rig_count(d.r, RIG_BLOCK), 1);
    assert_int_equal(mem_store_commits(d.r->store), commits);
    made_fini(&d);
}

/* P1: a block early by at most max_future_ms is kept and judged at the very millisecond; nothing of it is adopted before. */
static void accept_early_block_is_held_until_due(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 2);
    sg_ms time = d.blocks[0]->header.time;
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], time - 5000), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    assert_int_equal(rig_state(d.r).held, 1);
    assert_int_equal(rig_state(d.r).tip.height, 0);
    assert_int_equal(rig_wake(d.r), time);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], time - 4999), 0);
    assert_int_equal(v, LG_BLOCK_KNOWN);
    assert_code(rig_tick(d.r, time - 1), 0);
    assert_int_equal(rig_state(d.r).tip.height, 0);
    assert_code(rig_tick(d.r, time), 0);
    assert_int_equal(rig_state(d.r).tip.height, 1);
    assert_int_equal(rig_state(d.r).held, 0);
    assert_int_equal(rig_wake(d.r), INT64_MAX);
    made_fini(&d);
}

/* P1: earlier than that it is refused as `future`, is not remembered as invalid, and is good later. */
static void accept_far_future_block_is_refused_and_good_later(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 2);
    sg_ms time = d.blocks[0]->header.time;
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], time - 5001), SG_EFUTURE);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], time - 7200000), SG_EFUTURE);
    assert_int_equal(rig_state(d.r).held, 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], time - 7200000), SG_EFUTURE); /* an orphan too */
    assert_int_equal(rig_state(d.r).orphans, 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], time), 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], LATE), 0);
    assert_int_equal(rig_state(d.r).tip.height, 2);
    made_fini(&d);
}

/* P2, P4, P5: times, heights and parents that do not fit, by the table. */
static void accept_misplaced_headers_are_refused(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 3);
    for (unsigned i = 0; i < 2; i++)
        assert_code(rig_offer_block(d.r, &v, d.blocks[i], LATE), 0);
    const struct {
        const char *what;
        int64_t height;
        sg_minute slot;
        sg_ms time;
        int want;
    } cases[] = {
        {"time of the parent", 2, MAKER_MINUTE + 3, d.info[2].time, SG_ETIME},
        {"time before the parent", 2, MAKER_MINUTE + 3, d.info[2].time - 1, SG_ETIME},
        {"time before the end of the slot", 2, MAKER_MINUTE + 3, (MAKER_MINUTE + 4) * SG_MINUTE_MS - 1,
            SG_ETIME},
        {"slot of the parent", 2, MAKER_MINUTE + 2, 0, SG_ESLOT},
        {"height of the parent", 1, MAKER_MINUTE + 3, 0, SG_EHEIGHT},
        {"height + 2", 3, MAKER_MINUTE + 3, 0, SG_EHEIGHT},
        {"height 2^31", (INT64_C(1) << 31) - 1, MAKER_MINUTE + 3, 0, SG_EHEIGHT},
    };
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct lg_block_info parent = d.info[2];
        parent.height = cases[i].height;
        const struct lg_block *b = make_block(&d.m, &(struct maker_mine){.parent = &parent,
                                                        .slot = cases[i].slot,
                                                        .time = cases[i].time,
                                                        .statements = &d.last[0],
                                                        .nstatements = 1});
        int err = rig_offer_block(d.r, &v, b, LATE);
        if (err != cases[i].want)
            fail_msg("%s: want %s, got %s", cases[i].what, sg_err_code(cases[i].want), sg_err_code(err));
    }
    assert_int_equal(rig_state(d.r).tip.height, 2);
    made_fini(&d);
}

/* P26c, P8, P9: a long branch that claims the greatest weights but is invalid in its first block is never adopted, and its
 * followers are refused, before and after it. */
static void accept_descendants_of_an_invalid_block_are_refused(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 4);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
    const struct lg_block *liar = make_block(&d.m, &(struct maker_mine){.parent = &d.info[1],
                                                       .slot = MAKER_MINUTE + 2,
                                                       .statements = &d.last[0],
                                                       .nstatements = 1,
                                                       .weight = 4});
    struct lg_block_info at = make_info(&d.m, liar, &d.info[1]);
    const struct lg_block *child = make_block(&d.m, &(struct maker_mine){.parent = &at,
                                                        .slot = MAKER_MINUTE + 8,
                                                        .statements = &d.last[0],
                                                        .nstatements = 1,
                                                        .weight = 4});
    struct lg_block_info child_at = make_info(&d.m, child, &at);
    const struct lg_block *grandchild = make_block(
        &d.m, &(struct maker_mine){
                  .parent = &child_at, .slot = MAKER_MINUTE + 9, .statements = &d.last[0], .nstatements = 1});
    assert_code(rig_offer_block(d.r, &v, child, LATE), 0);
    assert_int_equal(v, LG_BLOCK_ORPHAN);
    assert_code(rig_offer_block(d.r, &v, liar, LATE), SG_EWEIGHT);
    assert_int_equal(rig_state(d.r).orphans, 0);
    assert_code(rig_offer_block(d.r, &v, liar, LATE), SG_EWEIGHT);
    assert_code(rig_offer_block(d.r, &v, child, LATE), SG_EPREV);
    assert_code(rig_offer_block(d.r, &v, grandchild, LATE), SG_EPREV);
    assert_int_equal(rig_state(d.r).tip.height, 1);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], LATE), 0);
    assert_int_equal(rig_state(d.r).tip.height, 2);
    made_fini(&d);
}

/* A copy of a header: these documents, and another signature. */
struct copy {
    const struct lg_statement *st[3];
    unsigned n, flip;
    int err;
};

static int offer_copy(struct made *d, const struct lg_block *b, const struct copy *c)
{
    enum lg_block_verdict v;
    struct lg_slice docs[3];
    struct sg_buf doc;
    uint8_t sig[SG_SIGNATURE_BYTES];
    memcpy(sig, b->sig, sizeof sig);
    sig[0] ^= (uint8_t)c->flip;
    for (unsigned i = 0; i < c->n; i++)
        docs[i] = (struct lg_slice){c->st[i]->doc, c->st[i]->doc_len};
    sg_buf_init(&doc, SIZE_MAX);
    lg_block_encode(&doc, b->header_doc, sig, docs, c->n, NULL, 0);
    int err = lg_engine_pow.offer_block(d->r->engine, &v, doc.p, doc.len, LATE, -1);
    sg_buf_fini(&doc);
    return err;
}

/* A bad signature, no documents, too many bytes of them, in another order, or others than the header's: each is the fault of one copy, and
 * after all of them the same header with the right ones is accepted. */
static void accept_good_copy_after_a_bad_one(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    const struct lg_statement *s[5]; /* two small ones, and three that are too large together */
    made_init(&d, 0);
    for (unsigned i = 0; i < 5; i++)
        s[i] = make_statement(
            &d.m, &(struct maker_say){.gw = i % 3, .slot = MAKER_MINUTE + 1, .ngaps = i < 2 ? 0 : 1400});
    const struct lg_block *b =
        make_block(&d.m, &(struct maker_mine){.slot = MAKER_MINUTE + 1, .statements = s, .nstatements = 2});
    const struct copy copies[] = {{{s[0], s[1]}, 2, 1, SG_ESIGNATURE}, {{NULL}, 0, 0, SG_EEMPTY},
        {{s[2], s[3], s[4]}, 3, 0, SG_ESIZE}, {{s[1], s[0]}, 2, 0, SG_EORDER}, {{s[0]}, 1, 0, SG_EROOT}};
    for (unsigned i = 0; i < SG_ARRAY_LEN(copies); i++)
        assert_code(offer_copy(&d, b, &copies[i]), copies[i].err);
    assert_code(rig_offer_block(d.r, &v, b, LATE), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    made_fini(&d);
}

/* After a restart the engine stands where it stood. */
static void accept_reopened_engine_has_the_same_tip(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 5);
    for (unsigned i = 0; i < 4; i++)
        assert_code(rig_offer_block(d.r, &v, d.blocks[i], LATE), 0);
    rig_reopen(d.r);
    assert_true(rig_tip_is(d.r, &d.info[4].hash));
    assert_int_equal(rig_state(d.r).tip.weight_sum, d.info[4].weight_sum);
    assert_int_equal(rig_wake(d.r), 0); /* wants to be told the time */
    assert_code(rig_offer_block(d.r, &v, d.blocks[4], LATE), 0);
    assert_int_equal(rig_state(d.r).tip.height, 5);
    made_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_forks_in_any_order_end_on_the_better_tip),
        cmocka_unit_test(accept_invalid_blocks_are_refused_with_their_code),
        cmocka_unit_test(accept_orphans_in_reverse_connect_when_the_first_comes),
        cmocka_unit_test(accept_orphans_are_bounded_by_origin),
        cmocka_unit_test(accept_orphan_with_bad_signature_is_refused),
        cmocka_unit_test(accept_block_again_is_known),
        cmocka_unit_test(accept_early_block_is_held_until_due),
        cmocka_unit_test(accept_far_future_block_is_refused_and_good_later),
        cmocka_unit_test(accept_misplaced_headers_are_refused),
        cmocka_unit_test(accept_descendants_of_an_invalid_block_are_refused),
        cmocka_unit_test(accept_good_copy_after_a_bad_one),
        cmocka_unit_test(accept_reopened_engine_has_the_same_tip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
