/* Blocks that wait for their parent or their time: what stands in the way of what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/waiting.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0   (MAKER_MINUTE + 10)
#define LATE ((S0 + 5) * SG_MINUTE_MS)

struct world {
    struct maker m;
    struct rig *r;
    const struct lg_statement *s[2];
    const struct lg_block *b[2];
};

/* Two blocks in a row, each of one statement. */
static void world_init(struct world *w)
{
    rig_begin(&w->m, &w->r, (struct maker_config){0});
    w->s[0] = make_statement(&w->m, &(struct maker_say){.slot = S0});
    w->b[0] = make_block(&w->m, &(struct maker_mine){.slot = S0, .statements = &w->s[0], .nstatements = 1});
    const struct lg_block_info at = make_info(&w->m, w->b[0], NULL);
    w->s[1] =
        make_statement(&w->m, &(struct maker_say){.slot = S0 + 1, .after = w->s[0], .tip = &w->b[0]->hash});
    w->b[1] = make_block(
        &w->m, &(struct maker_mine){.parent = &at, .slot = S0 + 1, .statements = &w->s[1], .nstatements = 1});
}

/* A copy of b, with its header and its seal, that carries s alone, or nothing. */
static int offer_copy(struct world *w, const struct lg_block *b, const struct lg_statement *s, sg_ms now)
{
    struct sg_buf doc;
    enum lg_block_verdict v;
    sg_buf_init(&doc, SIZE_MAX);
    const struct lg_slice st = s != NULL ? (struct lg_slice){s->doc, s->doc_len} : (struct lg_slice){0};
    lg_block_encode(&doc, b->header_doc, b->sig, &st, s != NULL ? 1 : 0, NULL, 0);
    assert_code(sg_buf_err(&doc), 0);
    const int err = lg_engine_pow.offer_block(w->r->engine, &v, doc.p, doc.len, now, -1);
    sg_buf_fini(&doc);
    return err;
}

/* An early copy with other documents than its header names is not held, and the good one is. */
static void waiting_early_copy_without_its_documents_is_not_held(void **state)
{
    (void)state;
    struct world w;
    enum lg_block_verdict v;
    world_init(&w);
    const sg_ms early = w.b[0]->header.time - 500;
    assert_code(offer_copy(&w, w.b[0], NULL, early), SG_EFUTURE);
    assert_code(offer_copy(&w, w.b[0], w.s[1], early), SG_EFUTURE);
    assert_int_equal(rig_state(w.r).held, 0);
    assert_code(rig_offer_block(w.r, &v, w.b[0], early), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    assert_int_equal(rig_state(w.r).held, 1);
    assert_code(rig_tick(w.r, w.b[0]->header.time), 0);
    assert_int_equal(rig_state(w.r).tip.height, 1);
    rig_end(&w.m, w.r);
}

/* An orphan with other documents than its header names is refused, and the good one waits for its parent. */
static void waiting_orphan_without_its_documents_is_refused(void **state)
{
    (void)state;
    struct world w;
    enum lg_block_verdict v;
    world_init(&w);
    assert_code(offer_copy(&w, w.b[1], NULL, LATE), SG_EEMPTY);
    assert_code(offer_copy(&w, w.b[1], w.s[0], LATE), SG_EROOT);
    assert_int_equal(rig_state(w.r).orphans, 0);
    assert_code(rig_offer_block(w.r, &v, w.b[1], LATE), 0);
    assert_int_equal(v, LG_BLOCK_ORPHAN);
    assert_code(rig_offer_block(w.r, &v, w.b[0], LATE), 0);
    assert_int_equal(rig_state(w.r).tip.height, 2);
    rig_end(&w.m, w.r);
}

/* Height 1 has one parent. On another it is refused by the first rule that it breaks there. */
static void waiting_first_block_of_another_chain_is_refused_as_such(void **state)
{
    (void)state;
    struct world w;
    struct maker other;
    enum lg_block_verdict v;
    world_init(&w);
    chain_maker_init(&other, &(struct maker_config){.nrelays = 2});
    const struct lg_statement *s = make_statement(&other, &(struct maker_say){.slot = S0});
    const struct lg_block *b =
        make_block(&other, &(struct maker_mine){.slot = S0, .statements = &s, .nstatements = 1});
    assert_code(rig_offer_block(w.r, &v, b, LATE), SG_ECHAIN);
    const struct lg_block_info below = {.hash = w.b[0]->hash, .slot = S0 - 1};
    b = make_block(
        &w.m, &(struct maker_mine){.parent = &below, .slot = S0, .statements = &w.s[0], .nstatements = 1});
    assert_int_equal(b->header.height, 1);
    assert_code(rig_offer_block(w.r, &v, b, LATE), SG_EPREV);
    chain_maker_fini(&other);
    rig_end(&w.m, w.r);
}

/* A block under another name that counts as so many bytes. */
static struct lg_block *block_of(const struct lg_block *like, uint8_t name, size_t len)
{
    struct lg_block *b = NULL;
    assert_code(lg_block_decode(&b, like->doc, like->doc_len), 0);
    memset(b->hash.b, name, sizeof b->hash.b);
    b->doc_len = len;
    return b;
}

static unsigned waiting_from(const struct lg_waiting *w, int from)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->n; i++)
        n += w->items[i].from == from;
    return n;
}

/* When bytes are short it is who holds most bytes that makes room, not who holds many small ones. */
static void waiting_room_is_made_by_who_holds_most_of_what_is_short(void **state)
{
    (void)state;
    struct world x;
    struct lg_waiting *w = calloc(1, sizeof *w);
    uint8_t name = 1;
    assert_non_null(w);
    world_init(&x);
    for (unsigned i = 0; i < 20; i++)
        lg_waiting_put(w, block_of(x.b[0], name++, 1000), 1, 0);
    lg_waiting_put(w, block_of(x.b[0], name++, LG_WAITING_MAX_BYTES / 4 - 100000), 2, 0); /* counted twice */
    lg_waiting_put(w, block_of(x.b[0], name++, LG_WAITING_MAX_BYTES / 4 - 100000), 3, 0);
    lg_waiting_put(w, block_of(x.b[0], name++, 500000), 4, 0);
    assert_int_equal(waiting_from(w, 1), 20);
    assert_int_equal(waiting_from(w, 2) + waiting_from(w, 3), 1);
    assert_int_equal(waiting_from(w, 4), 1);
    lg_waiting_fini(w);
    free(w);
    rig_end(&x.m, x.r);
}

/* One peer fills half of the bytes at most, its oldest block making room, while blocks of others stay. */
static void waiting_one_origin_has_half_of_the_bytes_and_loses_its_oldest(void **state)
{
    (void)state;
    struct world x;
    struct lg_waiting *w = calloc(1, sizeof *w);
    struct lg_hash first, second, third;
    assert_non_null(w);
    world_init(&x);
    memset(first.b, 1, sizeof first.b);
    memset(second.b, 2, sizeof second.b);
    memset(third.b, 3, sizeof third.b);
    lg_waiting_put(w, block_of(x.b[0], 1, LG_WAITING_MAX_BYTES / 10), 1, 0); /* counted twice */
    lg_waiting_put(w, block_of(x.b[0], 2, LG_WAITING_MAX_BYTES / 10), 1, 0);
    assert_int_equal(w->n, 2);
    lg_waiting_put(w, block_of(x.b[0], 3, LG_WAITING_MAX_BYTES / 10), 1, 0);
    assert_int_equal(w->n, 2);
    assert_null(lg_waiting_find(w, &first));
    assert_non_null(lg_waiting_find(w, &second));
    assert_non_null(lg_waiting_find(w, &third));
    lg_waiting_put(w, block_of(x.b[0], 4, LG_WAITING_MAX_BYTES / 10), 2, 0);
    assert_int_equal(waiting_from(w, 1), 2);
    assert_int_equal(waiting_from(w, 2), 1);
    lg_waiting_fini(w);
    free(w);
    rig_end(&x.m, x.r);
}

/* When a peer has as many early blocks held as it may, one more is refused, and none that is held goes for it. */
static void waiting_early_block_without_room_is_refused(void **state)
{
    (void)state;
    struct world w;
    enum lg_block_verdict v;
    world_init(&w);
    const sg_ms early = end_of(S0) - 100;
    const struct lg_block *b[LG_WAITING_MAX_ORIGIN + 1];
    for (unsigned i = 0; i <= LG_WAITING_MAX_ORIGIN; i++) {
        b[i] = make_block(
            &w.m, &(struct maker_mine){
                      .slot = S0, .time = end_of(S0) + i, .statements = &w.s[0], .nstatements = 1});
        assert_code(rig_offer_block(w.r, &v, b[i], early), i < LG_WAITING_MAX_ORIGIN ? 0 : SG_EFUTURE);
    }
    assert_int_equal(rig_state(w.r).held, LG_WAITING_MAX_ORIGIN);
    assert_code(rig_offer_block(w.r, &v, b[0], early), 0);
    assert_int_equal(v, LG_BLOCK_KNOWN);
    rig_end(&w.m, w.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_early_copy_without_its_documents_is_not_held),
        cmocka_unit_test(waiting_orphan_without_its_documents_is_refused),
        cmocka_unit_test(waiting_first_block_of_another_chain_is_refused_as_such),
        cmocka_unit_test(waiting_room_is_made_by_who_holds_most_of_what_is_short),
        cmocka_unit_test(waiting_one_origin_has_half_of_the_bytes_and_loses_its_oldest),
        cmocka_unit_test(waiting_early_block_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
