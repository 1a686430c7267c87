/* What one gateway can make a node keep: bounded memory, bounded evidence. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/pool_intake.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0 (MAKER_MINUTE + 1500) /* far enough from the genesis for old minutes */

/* At most 64 pairs a gateway are kept. */
static void pool_evidence_is_bounded(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    rig_begin(&m, &r, (struct maker_config){0});
    for (unsigned i = 0; i < 70; i++) {
        struct maker_say say = {.slot = S0, .inc = MAKER_START + 10 + i};
        sg_ms now = end_of(S0) + 1000;
        assert_code(rig_say(r, make_statement(&m, &say), NULL, 0, now), 0);
        say.ts = end_of(S0) + 101;
        assert_code(rig_say(r, make_statement(&m, &say), NULL, 0, now), SG_ECONFLICT);
    }
    assert_int_equal(mem_store_evidence(r->store, chain_maker_kid(&m, 0)), 64);
    rig_end(&m, r);
}

/* Beyond the bound on memory a gateway that floods is refused as overloaded, and the others still get in. */
static void pool_flood_of_one_gateway_leaves_room_for_others(void **state)
{
    (void)state;
    struct maker m;
    chain_maker_init(&m, &(struct maker_config){0});
    struct rig *r = rig_new(&m, UINT_MAX);
    lg_engine_pow.close(r->engine);
    struct lg_engine_config c = {.genesis = m.g,
        .crypto = m.crypto,
        .store = mem_store_vtable(r->store),
        .host = &r->host,
        .max_pool_bytes = 64 << 10};
    assert_code(lg_engine_pow.open(&r->engine, &c), 0);
    const struct lg_statement *s = NULL;
    unsigned n = 0;
    int err = 0;
    for (; err == 0 && n < 400; n++) {
        s = make_statement(&m, &(struct maker_say){.slot = S0 + n, .after = s});
        err = rig_say(r, s, NULL, 0, end_of(S0 + 500));
    }
    assert_code(err, SG_EOVERLOADED);
    assert_true(rig_state(r).pool_bytes <= 48 << 10);
    assert_int_equal(rig_statement_state(r, s), LG_DOC_NONE);
    const struct lg_statement *other = make_statement(&m, &(struct maker_say){.gw = 1, .slot = S0});
    assert_code(rig_say(r, other, NULL, 0, end_of(S0 + 500)), 0);
    rig_end(&m, r);
}

static const struct sg_crypto *crypto;
static unsigned verified;

static int counted(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    verified++;
    return crypto->verify(pub, sig, msg, len);
}

enum { FORGED = 40, SHARE = 8 };

/* An offer of so many forged statements and, behind them, a good one: accepted, or refused as overloaded; at most SHARE of the forged are
 * verified, and told what they are, by index. */
static void offer_forged(struct rig *r, const struct lg_statement *const *s, unsigned forged)
{
    struct lg_offer offer;
    const unsigned judged = forged < SHARE ? forged : SHARE;

    verified = 0;
    (void)rig_offer(r, &offer, s + FORGED - forged, forged + 1, NULL, 0, end_of(S0 + FORGED));
    assert_int_equal(offer.accepted, forged < SHARE);
    assert_int_equal(offer.nrejected, forged + (forged >= SHARE));
    for (unsigned i = 0; i < offer.nrejected; i++) {
        assert_int_equal(offer.rejected[i].index, i);
        assert_code(offer.rejected[i].err, i < judged ? SG_ESTATEMENT_SIGNATURE : SG_EOVERLOADED);
    }
    assert_int_equal(verified, judged + (forged < SHARE));
    lg_offer_fini(&offer);
}

/* Whoever has no key makes a node verify a few signatures an offer and no more; a good statement that came with fewer of them is taken. */
static void pool_forged_statements_of_one_offer_are_verified_up_to_a_bound(void **state)
{
    (void)state;
    struct maker m;
    const struct lg_statement *s[FORGED + 1];
    chain_maker_init(&m, &(struct maker_config){0});
    crypto = m.crypto;
    const struct sg_crypto counting = {counted, crypto->public_key_check};
    m.crypto = &counting;
    struct rig *r = rig_new(&m, UINT_MAX);
    for (unsigned i = 0; i < FORGED; i++)
        s[i] = make_statement(&m, &(struct maker_say){.slot = S0 + i, .bad_signature = true});
    s[FORGED] = make_statement(&m, &(struct maker_say){.slot = S0 + FORGED});
    offer_forged(r, s, FORGED);
    offer_forged(r, s, SHARE);
    offer_forged(r, s, SHARE - 1);
    rig_end(&m, r);
}

/* A body of a request that no statement of it reads costs its hash and no more: it is neither decoded nor indexed. */
static void pool_offer_looks_only_into_bodies_that_are_read(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    struct sg_buf doc;
    struct lg_offer offer = {0};
    struct lg_intake_body *ib;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_body *b[3];
    for (unsigned i = 0; i < 3; i++)
        b[i] = make_body(&m, 0, S0, (int64_t)i);
    const struct lg_statement *s =
        make_statement(&m, &(struct maker_say){.slot = S0, .bodies = &b[1], .nbodies = 1});
    sg_buf_init(&doc, SIZE_MAX);
    make_offer(&doc, &s, 1, b, 3);
    struct lg_intake in = {.e = r->engine};
    assert_code(lg_intake_parse(&in, &offer, doc.p, doc.len), 0);
    assert_int_equal(in.parts.nbodies, 3);
    assert_int_equal(in.nbodies, 0);
    assert_code(lg_intake_offered(&in, &ib, &b[1]->digest), 0);
    assert_code(lg_intake_offered(&in, &ib, &s->leaf), SG_ENOT_FOUND);
    assert_int_equal(in.nbodies, 1);
    lg_intake_fini(&in);
    lg_offer_fini(&offer);
    assert_code(rig_say(r, s, b, 3, end_of(S0) + 200), 0);
    assert_int_equal(rig_state(r).pool_bodies, 1);
    assert_int_equal(rig_body_state(r, b[1]), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(r, b[0]), LG_DOC_NONE);
    sg_buf_fini(&doc);
    rig_end(&m, r);
}

static int offer_text(struct rig *r, struct lg_offer *offer, const struct sg_buf *doc)
{
    assert_code(sg_buf_err(doc), 0);
    int err =
        lg_engine_pow.offer_statements(r->engine, offer, doc->p, doc->len, end_of(S0) + 200, LG_FROM_OUTSIDE);
    if (err != 0)
        assert_null(offer->rejected);
    return err;
}

static void put_digits(struct sg_buf *doc, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sg_buf_puts(doc, i == 0 ? "0" : ",0");
}

/* A few elements that are too short for any document are answered by their index, with a good one among them; more, in both lists together, refuse
 * the request as a whole. */
static void pool_offer_of_many_short_elements_is_refused(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    struct sg_buf doc;
    struct lg_offer offer;
    rig_begin(&m, &r, (struct maker_config){0});
    const struct lg_statement *good = make_statement(&m, &(struct maker_say){.slot = S0});
    for (unsigned more = 0; more < 2; more++) {
        for (unsigned bodies = 0; bodies <= LG_OFFER_SHORT; bodies += LG_OFFER_SHORT / 4) {
            sg_buf_init(&doc, SIZE_MAX);
            sg_buf_puts(&doc, "{\"bodies\":[");
            put_digits(&doc, bodies);
            sg_buf_puts(&doc, "],\"statements\":[");
            sg_buf_put(&doc, good->doc, good->doc_len);
            for (unsigned i = bodies; i < LG_OFFER_SHORT + more; i++)
                sg_buf_puts(&doc, ",0");
            sg_buf_puts(&doc, "]}");
            assert_code(offer_text(r, &offer, &doc), more == 0 ? 0 : SG_ESHAPE);
            assert_int_equal(offer.accepted + offer.known, more == 0);
            assert_int_equal(offer.nrejected, more == 0 ? LG_OFFER_SHORT - bodies : 0);
            for (unsigned i = 0; i < offer.nrejected; i++) {
                assert_int_equal(offer.rejected[i].index, i + 1);
                assert_code(offer.rejected[i].err, SG_ESHAPE);
            }
            lg_offer_fini(&offer);
            sg_buf_fini(&doc);
        }
    }
    rig_end(&m, r);
}

/* What a request repeats is decoded and judged once; each copy is answered by its own index, as the first is, or as known. */
static void pool_copies_in_one_offer_are_judged_once(void **state)
{
    (void)state;
    struct maker m;
    struct lg_offer offer = {0};
    struct sg_buf doc;
    chain_maker_init(&m, &(struct maker_config){0});
    crypto = m.crypto;
    const struct sg_crypto counting = {counted, crypto->public_key_check};
    m.crypto = &counting;
    struct rig *r = rig_new(&m, UINT_MAX);
    const struct lg_statement *first = make_statement(&m, &(struct maker_say){.slot = S0 - 1});
    const struct lg_statement *good = make_statement(&m, &(struct maker_say){.gw = 1, .slot = S0});
    const struct lg_statement *gap = make_statement(&m, &(struct maker_say){.slot = S0, .after = first});
    const struct lg_statement *forged =
        make_statement(&m, &(struct maker_say){.gw = 2, .slot = S0, .bad_signature = true});
    const struct lg_statement *s[40];
    for (unsigned i = 0; i < 40; i++)
        s[i] = i % 4 == 0 ? good : i % 4 == 1 ? forged : gap;
    sg_buf_init(&doc, SIZE_MAX);
    make_offer(&doc, s, 40, NULL, 0);
    struct lg_intake in = {.e = r->engine};
    assert_code(lg_intake_parse(&in, &offer, doc.p, doc.len), 0);
    assert_int_equal(in.nstatements, 3);
    assert_int_equal(in.ncopies, 37);
    lg_intake_fini(&in);
    lg_offer_fini(&offer);
    verified = 0;
    assert_code(offer_text(r, &offer, &doc), 0);
    assert_int_equal(verified, 3);
    assert_int_equal(offer.accepted, 1);
    assert_int_equal(offer.known, 9);
    assert_int_equal(offer.nrejected, 30);
    for (unsigned i = 0; i < offer.nrejected; i++) {
        assert_int_equal(offer.rejected[i].index, i / 3 * 4 + i % 3 + 1);
        assert_code(offer.rejected[i].err, i % 3 == 0 ? SG_ESTATEMENT_SIGNATURE : SG_EGAP);
    }
    lg_offer_fini(&offer);
    sg_buf_fini(&doc);
    rig_end(&m, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_evidence_is_bounded),
        cmocka_unit_test(pool_flood_of_one_gateway_leaves_room_for_others),
        cmocka_unit_test(pool_forged_statements_of_one_offer_are_verified_up_to_a_bound),
        cmocka_unit_test(pool_offer_looks_only_into_bodies_that_are_read),
        cmocka_unit_test(pool_offer_of_many_short_elements_is_refused),
        cmocka_unit_test(pool_copies_in_one_offer_are_judged_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
