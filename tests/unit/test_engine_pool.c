/* Which statements enter the engine's pool, with which code they are refused, and when they leave it. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0 (MAKER_MINUTE + 1500) /* far enough from the genesis for old minutes */

/* An accepted statement and its body are on disk before the answer, pooled, and passed on with each other, once. */
static void pool_good_statement_is_stored_and_announced(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_body *b = make_body(&m, 0, S0, 1);
    const struct lg_statement *s =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = &b, .nbodies = 1});
    assert_code(rig_say(r, s, &b, 1, end_of(S0) + 200), 0);
    assert_int_equal(rig_statement_state(r, s), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(r, b), LG_DOC_POOLED);
    assert_int_equal(rig_count(r, RIG_STATEMENTS), 1);
    assert_int_equal(rig_last(r, RIG_STATEMENTS)->nb, 1);
    assert_int_equal(mem_store_commits(r->store), 1);
    assert_code(rig_say(r, s, &b, 1, end_of(S0) + 300), SG_EKNOWN); /* P17 */
    assert_int_equal(rig_count(r, RIG_STATEMENTS), 1);
    assert_int_equal(mem_store_commits(r->store), 1);
    rig_reopen(r);
    assert_int_equal(rig_state(r).pool_statements, 1);
    assert_int_equal(rig_state(r).pool_bodies, 1);
    assert_code(rig_say(r, s, NULL, 0, end_of(S0) + 300), SG_EKNOWN);
    rig_end(&m, r);
}

/* What is not a request at all is refused as a whole; inside one, each statement stands alone and is answered by its index. */
static void pool_faults_are_answered_by_index(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    struct lg_offer offer;
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0) + 200;
    const char *const broken[] = {"", "[]", "{\"bodies\":[]}", "{\"bodies\":[],\"statements\":{}}",
        "{\"bodies\":[],\"statements\":[],\"x\":1}"};
    for (size_t i = 0; i < SG_ARRAY_LEN(broken); i++)
        assert_code(lg_engine_pow.offer_statements(
                        r->engine, &offer, (const uint8_t *)broken[i], strlen(broken[i]), now, -1),
            i == 0 ? SG_ECANONICAL : SG_ESHAPE);
    const char *spaced = "{\"bodies\": [],\"statements\":[]}";
    assert_code(
        lg_engine_pow.offer_statements(r->engine, &offer, (const uint8_t *)spaced, strlen(spaced), now, -1),
        SG_ECANONICAL);
    const struct lg_statement *good = make_statement(&m, &(struct maker_say){.slot = S0});
    const struct lg_statement *bad =
        make_statement(&m, &(struct maker_say){.gw = 1, .slot = S0, .bad_signature = true});
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    sg_buf_puts(&doc, "{\"bodies\":[],\"statements\":[7,");
    sg_buf_put(&doc, bad->doc, bad->doc_len);
    sg_buf_puts(&doc, ",");
    sg_buf_put(&doc, good->doc, good->doc_len);
    sg_buf_puts(&doc, "]}");
    assert_code(lg_engine_pow.offer_statements(r->engine, &offer, doc.p, doc.len, now, -1), 0);
    assert_int_equal(offer.nstatements, 3);
    assert_int_equal(offer.accepted, 1);
    assert_int_equal(offer.nrejected, 2);
    assert_int_equal(offer.rejected[0].index, 0);
    assert_code(offer.rejected[0].err, SG_ESHAPE);
    assert_int_equal(offer.rejected[1].index, 1);
    assert_code(offer.rejected[1].err, SG_ESTATEMENT_SIGNATURE);
    lg_offer_fini(&offer);
    sg_buf_fini(&doc);
    rig_end(&m, r);
}

/* The request may name the statements in any order: a later one finds the earlier one of the same request. */
static void pool_order_inside_a_request_does_not_matter(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    struct lg_offer offer;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_statement *s[3];
    s[2] = make_statement(&m, &(struct maker_say){.slot = S0});
    s[0] = make_statement(&m, &(struct maker_say){.slot = S0 + 1, .after = s[2]});
    s[1] = make_statement(&m, &(struct maker_say){.slot = S0 + 2, .after = s[0]});
    assert_code(rig_offer(r, &offer, s, 3, NULL, 0, end_of(S0 + 2) + 200), 0);
    assert_int_equal(offer.accepted, 3);
    lg_offer_fini(&offer);
    assert_int_equal(rig_last(r, RIG_STATEMENTS)->n, 3);
    rig_end(&m, r);
}

/* A statement is refused when its relay, its minutes, its bodies are wrong, each with its own code; nothing of it is kept. */
static void pool_branchless_faults_are_refused(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){.nrelays = 2});
    sg_ms now = end_of(S0) + 200;
    const struct lg_body *old = make_body(&m, 0, S0 - 1440, 1), *good = make_body(&m, 0, S0, 1);
    const struct lg_body *ahead = make_body(&m, 0, S0 + 1, 1);
    struct maker_say say = {.slot = S0, .bodies = &old, .nbodies = 1};
    assert_code(rig_say(r, make_statement(&m, &say), &old, 1, now), SG_EMINUTE); /* P20 */
    say.bodies = &ahead;
    assert_code(rig_say(r, make_statement(&m, &say), &ahead, 1, now), SG_EMINUTE); /* P19 */
    say.bodies = &good;
    say.bad_signature = true; /* the first code that applies */
    assert_code(rig_say(r, make_statement(&m, &say), NULL, 0, now), SG_ESTATEMENT_SIGNATURE);
    say.bad_signature = false;
    say.inc = now + 1000;
    assert_code(rig_say(r, make_statement(&m, &say), &good, 1, now), SG_ESTATEMENT_SLOT); /* inc > ts */
    say.inc = 0;
    assert_code(rig_say(r, make_statement(&m, &say), NULL, 0, now), SG_EMISSING_BODY);
    assert_int_equal(rig_state(r).pool_statements, 0);
    assert_int_equal(rig_state(r).pool_bodies, 0);
    assert_int_equal(mem_store_commits(r->store), 0);
    assert_code(rig_say(r, make_statement(&m, &say), &good, 1, now), 0);
    rig_end(&m, r);
}

/* A read of another relay's or minute's body is a mismatch, whether the body comes along, is pooled, or is on the branch; and
 * a body that does not recompute fails those that read it. */
static void pool_read_mismatch_and_bad_body_are_refused(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){.nrelays = 2});
    sg_ms now = end_of(S0) + 200;
    const struct lg_body *b = make_body(&m, 0, S0, 1);
    struct lg_body alias = *b;
    alias.min = S0 - 1; /* the statement will name another minute for this digest */
    const struct lg_body *lie = &alias;
    const struct lg_statement *s =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = &lie, .nbodies = 1});
    assert_code(rig_say(r, s, &b, 1, now), SG_EREAD_MISMATCH);
    const struct lg_statement *good =
        make_statement(&m, &(struct maker_say){.gw = 1, .slot = S0, .bodies = &b, .nbodies = 1});
    assert_code(rig_say(r, good, &b, 1, now), 0);
    assert_code(rig_say(r, s, NULL, 0, now), SG_EREAD_MISMATCH);
    uint8_t *bytes = malloc(b->doc_len);
    assert_non_null(bytes);
    memcpy(bytes, b->doc, b->doc_len);
    char *at = memmem(bytes, b->doc_len, "\"f\":[6,", 7);
    assert_non_null(at);
    at[5] = '5'; /* n of an aggregate */
    struct lg_body *wrong;
    assert_code(lg_body_decode(&wrong, bytes, b->doc_len), 0);
    const struct lg_body *w = wrong;
    s = make_statement(&m, &(struct maker_say){.gw = 2, .slot = S0, .bodies = &w, .nbodies = 1});
    assert_code(rig_say(r, s, &w, 1, now), SG_EAGGREGATE);
    assert_int_equal(rig_body_state(r, wrong), LG_DOC_NONE);
    lg_body_free(wrong);
    free(bytes);
    rig_end(&m, r);
}

/* Bodies that no accepted statement reads are not kept. */
static void pool_unread_bodies_are_not_kept(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_body *b[2] = {make_body(&m, 0, S0, 1), make_body(&m, 0, S0, 2)};
    const struct lg_statement *s =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = b, .nbodies = 1});
    assert_code(rig_say(r, s, b, 2, end_of(S0) + 200), 0);
    assert_int_equal(rig_body_state(r, b[0]), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(r, b[1]), LG_DOC_NONE);
    assert_int_equal(rig_state(r).pool_bodies, 1);
    rig_end(&m, r);
}

/* P1 for statements: early by more than max_future_ms is `future` and good later; early by less is on disk when it is acknowledged, but
 * is passed on at the very millisecond at which it is due. */
static void pool_early_statement_is_kept_and_held(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_statement *s = make_statement(&m, &(struct maker_say){.slot = S0});
    assert_code(rig_say(r, s, NULL, 0, s->ts - 5001), SG_EFUTURE);
    assert_int_equal(rig_statement_state(r, s), LG_DOC_NONE);
    assert_code(rig_say(r, s, NULL, 0, s->ts - 5000), 0);
    assert_int_equal(rig_statement_state(r, s), LG_DOC_POOLED);
    assert_int_equal(rig_count(r, RIG_STATEMENTS), 0);
    assert_int_equal(rig_wake(r), s->ts);
    assert_code(rig_tick(r, s->ts - 1), 0);
    assert_int_equal(rig_count(r, RIG_STATEMENTS), 0);
    rig_reopen(r); /* it stays early over a restart */
    assert_code(rig_tick(r, s->ts - 1), 0);
    assert_int_equal(rig_wake(r), s->ts);
    assert_code(rig_tick(r, s->ts), 0);
    assert_int_equal(rig_count(r, RIG_STATEMENTS), 1);
    assert_code(rig_tick(r, s->ts + 1), 0);
    assert_int_equal(rig_count(r, RIG_STATEMENTS), 1);
    rig_end(&m, r);
}

/* P18: the second statement with one (gw, inc, seq) is refused and kept as evidence; a third is refused and not kept. `future` comes
 * before, statement_chain after. */
static void pool_conflict_keeps_the_first_pair(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0) + 1000;
    const struct lg_statement *s[3];
    for (unsigned i = 0; i < 3; i++)
        s[i] = make_statement(&m, &(struct maker_say){.slot = S0, .ts = end_of(S0) + 100 + i});
    assert_code(rig_say(r, s[0], NULL, 0, now), 0);
    assert_code(rig_say(r, s[1], NULL, 0, now), SG_ECONFLICT);
    assert_int_equal(rig_statement_state(r, s[1]), LG_DOC_OVERTAKEN);
    assert_int_equal(mem_store_evidence(r->store, chain_maker_kid(&m, 0)), 1);
    assert_code(rig_say(r, s[2], NULL, 0, now), SG_ECONFLICT);
    assert_int_equal(rig_statement_state(r, s[2]), LG_DOC_NONE);
    assert_code(rig_say(r, s[1], NULL, 0, now), SG_ECONFLICT);
    assert_int_equal(mem_store_evidence(r->store, chain_maker_kid(&m, 0)), 1);
    assert_int_equal(rig_state(r).pool_statements, 1);
    const struct lg_statement *ahead = make_statement(&m, &(struct maker_say){.slot = S0, .ts = now + 5001});
    assert_code(rig_say(r, ahead, NULL, 0, now), SG_EFUTURE);
    rig_end(&m, r);
}

/* The predecessor must be pooled or the last one on the best branch, and its slot must be smaller. */
static void pool_gap_until_the_predecessor_is_known(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0 + 3);
    const struct lg_statement *a = make_statement(&m, &(struct maker_say){.slot = S0});
    const struct lg_statement *b = make_statement(&m, &(struct maker_say){.slot = S0 + 1, .after = a});
    const struct lg_statement *same = make_statement(&m, &(struct maker_say){.slot = S0, .after = a});
    struct lg_statement first = *b;
    first.seq = 0; /* what follows claims seq 1 with a prev that is not the chain id */
    const struct lg_statement *odd = make_statement(&m, &(struct maker_say){.slot = S0 + 2, .after = &first});
    assert_code(rig_say(r, b, NULL, 0, now), SG_EGAP);
    assert_code(rig_say(r, a, NULL, 0, now), 0);
    assert_code(rig_say(r, same, NULL, 0, now), SG_ESTATEMENT_SLOT);
    assert_code(rig_say(r, b, NULL, 0, now), 0);
    assert_code(rig_say(r, odd, NULL, 0, now), SG_ECONFLICT); /* (inc, 1) is taken */
    rig_end(&m, r);
}

static const struct lg_block *mine_on(struct maker *m, struct lg_block_info *at, sg_minute slot,
    const struct lg_statement *s, const struct lg_body *const *b, unsigned nb)
{
    const struct lg_block *block = make_block(m, &(struct maker_mine){.parent = at->height == 0 ? NULL : at,
                                                     .slot = slot,
                                                     .statements = &s,
                                                     .nstatements = 1,
                                                     .bodies = b,
                                                     .nbodies = nb});
    *at = make_info(m, block, at->height == 0 ? NULL : at);
    return block;
}

/* What the best branch has overtaken is refused as statement_chain; what is on it is known; what continues it is good. */
static void pool_overtaken_statement_is_refused(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    enum lg_block_verdict v;
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0 + 9);
    struct lg_block_info at;
    lg_block_info_genesis(&at, m.g);
    const struct lg_statement *a =
        make_statement(&m, &(struct maker_say){.slot = S0, .inc = MAKER_START + 50});
    const struct lg_statement *older =
        make_statement(&m, &(struct maker_say){.slot = S0 + 1, .inc = MAKER_START + 20});
    const struct lg_statement *other =
        make_statement(&m, &(struct maker_say){.slot = S0 - 1, .inc = MAKER_START + 50});
    struct lg_statement not_a = *a;
    not_a.leaf.b[0] ^= 1;
    const struct lg_statement *fork =
        make_statement(&m, &(struct maker_say){.slot = S0 + 1, .after = &not_a});
    const struct lg_statement *late =
        make_statement(&m, &(struct maker_say){.slot = S0, .inc = MAKER_START + 60});
    const struct lg_statement *next = make_statement(&m, &(struct maker_say){.slot = S0 + 1, .after = a});
    assert_code(rig_offer_block(r, &v, mine_on(&m, &at, S0, a, NULL, 0), now), 0);
    assert_code(rig_say(r, a, NULL, 0, now), SG_EKNOWN);
    assert_code(rig_say(r, older, NULL, 0, now), SG_ESTATEMENT_CHAIN);
    assert_code(rig_say(r, other, NULL, 0, now), SG_ECONFLICT);
    assert_code(rig_say(r, fork, NULL, 0, now), SG_ESTATEMENT_CHAIN);
    assert_code(rig_say(r, late, NULL, 0, now), SG_ESTATEMENT_SLOT);
    assert_code(rig_say(r, next, NULL, 0, now), 0);
    rig_end(&m, r);
}

/* A statement that the branch overtook stays pooled until the overtaking is confirm_depth (3) deep; then it and the body that nothing else
 * reads leave the pool and stay readable, while a body that another statement reads stays. */
static void pool_overtaken_leaves_when_confirmed(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    enum lg_block_verdict v;
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0 + 9);
    struct lg_block_info at;
    lg_block_info_genesis(&at, m.g);
    const struct lg_body *b[2] = {make_body(&m, 0, S0, 1), make_body(&m, 0, S0 - 1, 2)};
    const struct lg_statement *dead =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = b, .nbodies = 2});
    const struct lg_statement *dead2 = make_statement(&m, &(struct maker_say){.slot = S0 + 1, .after = dead});
    const struct lg_statement *other =
        make_statement(&m, &(struct maker_say){.gw = 1, .slot = S0, .bodies = b, .nbodies = 1});
    assert_code(rig_say(r, dead, b, 2, now), 0);
    assert_code(rig_say(r, dead2, b, 2, now), 0);
    assert_code(rig_say(r, other, b, 1, now), 0);
    const struct lg_statement *s = NULL;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_statement_state(r, dead), LG_DOC_POOLED);
        assert_int_equal(rig_state(r).pool_statements, 3);
        s = make_statement(&m, &(struct maker_say){.slot = S0 + i, .inc = now - 1000000, .after = s});
        assert_code(rig_offer_block(r, &v, mine_on(&m, &at, S0 + i, s, NULL, 0), now), 0);
    }
    assert_int_equal(rig_statement_state(r, dead), LG_DOC_OVERTAKEN);
    assert_int_equal(rig_statement_state(r, dead2), LG_DOC_OVERTAKEN);
    assert_int_equal(rig_statement_state(r, other), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(r, b[0]), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(r, b[1]), LG_DOC_OVERTAKEN);
    assert_int_equal(rig_state(r).pool_statements, 1);
    assert_int_equal(rig_state(r).pool_bodies, 1);
    assert_code(rig_say(r, dead, b, 2, now), SG_EKNOWN);
    const struct lg_body *again = b[1]; /* read again, it returns to the pool from the store */
    const struct lg_statement *reader =
        make_statement(&m, &(struct maker_say){.gw = 2, .slot = S0, .bodies = &again, .nbodies = 1});
    assert_code(rig_say(r, reader, NULL, 0, now), 0);
    assert_int_equal(rig_body_state(r, b[1]), LG_DOC_POOLED);
    rig_end(&m, r);
}

/* With its bodies a statement may fill half a block, exactly; what stands on the branch already weighs nothing. */
static void pool_too_large_counts_exactly(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    enum { LIMIT = 131072 / 2, MAX = 120 };
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0) + 200;
    const struct lg_body *b[MAX];
    size_t size = 0;
    unsigned n = 0;
    while (n < MAX) {
        b[n] = make_body(&m, 0, S0 - n, 1);
        size += b[n++]->doc_len;
        struct maker_say say = {.slot = S0, .bodies = b, .nbodies = n, .inc = MAKER_START + n};
        const struct lg_statement *s = make_statement(&m, &say);
        if (size + s->doc_len > LIMIT)
            break;
    }
    assert_true(n < MAX);
    const struct lg_statement *large =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = b, .nbodies = n});
    const struct lg_statement *fits =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = b, .nbodies = n - 1});
    assert_code(rig_say(r, large, b, n, now), SG_ETOO_LARGE);
    assert_int_equal(rig_state(r).pool_bodies, 0);
    assert_code(rig_say(r, fits, b, n - 1, now), 0);
    rig_end(&m, r);
}

/* P18b, P18c, P14 are refused before anything is stored: a statement of a key, a chain or a relay that is not its own. */
static void pool_strangers_are_refused(void **state)
{
    (void)state;
    struct maker m, foreign;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    chain_maker_init(&foreign, &(struct maker_config){.ngateways = 6, .bits = 1});
    sg_ms now = end_of(S0) + 200;
    for (unsigned i = 0; i < 6; i++) {
        const struct lg_statement *s = make_statement(&foreign, &(struct maker_say){.gw = i, .slot = S0});
        bool member = lg_genesis_gateway(m.g, s->gw) != NULL;
        assert_code(rig_say(r, s, NULL, 0, now), member ? SG_ESTATEMENT_CHAIN : SG_EUNKNOWN_GATEWAY);
    }
    assert_int_equal(rig_state(r).pool_statements, 0);
    chain_maker_fini(&foreign);
    rig_end(&m, r);
}

/* A statement that is known only from a side branch enters the pool when it is offered: the best branch still lacks it. */
static void pool_side_statement_becomes_pooled(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    enum lg_block_verdict v;
    rig_begin(&m, &r, (struct maker_config){0});
    sg_ms now = end_of(S0 + 9);
    struct lg_block_info best, side;
    lg_block_info_genesis(&best, m.g);
    side = best;
    const struct lg_body *b = make_body(&m, 0, S0, 1);
    const struct lg_statement *a[2] = {make_statement(&m, &(struct maker_say){.gw = 0, .slot = S0}),
        make_statement(&m, &(struct maker_say){.gw = 1, .slot = S0})};
    const struct lg_statement *s =
        make_statement(&m, &(struct maker_say){.gw = 2, .slot = S0, .bodies = &b, .nbodies = 1});
    const struct lg_block *heavy =
        make_block(&m, &(struct maker_mine){.slot = S0, .statements = a, .nstatements = 2});
    assert_code(rig_offer_block(r, &v, heavy, now), 0);
    assert_code(rig_offer_block(r, &v, mine_on(&m, &side, S0, s, &b, 1), now), 0);
    assert_true(rig_tip_is(r, &heavy->hash));
    assert_int_equal(rig_statement_state(r, s), LG_DOC_SIDE);
    assert_code(rig_say(r, s, NULL, 0, now), 0);
    assert_int_equal(rig_statement_state(r, s), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(r, b), LG_DOC_POOLED);
    assert_int_equal(rig_state(r).pool_bodies, 1);
    rig_end(&m, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_good_statement_is_stored_and_announced),
        cmocka_unit_test(pool_faults_are_answered_by_index),
        cmocka_unit_test(pool_order_inside_a_request_does_not_matter),
        cmocka_unit_test(pool_branchless_faults_are_refused),
        cmocka_unit_test(pool_read_mismatch_and_bad_body_are_refused),
        cmocka_unit_test(pool_unread_bodies_are_not_kept),
        cmocka_unit_test(pool_early_statement_is_kept_and_held),
        cmocka_unit_test(pool_conflict_keeps_the_first_pair),
        cmocka_unit_test(pool_gap_until_the_predecessor_is_known),
        cmocka_unit_test(pool_overtaken_statement_is_refused),
        cmocka_unit_test(pool_overtaken_leaves_when_confirmed),
        cmocka_unit_test(pool_too_large_counts_exactly),
        cmocka_unit_test(pool_strangers_are_refused),
        cmocka_unit_test(pool_side_statement_becomes_pooled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
