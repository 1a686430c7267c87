/* The auditor's own branch, on the worked chain and its invalid variants: a refused block changes nothing. */
#include "ledger/core/audit.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct world {
    json_t *doc;
    struct lg_genesis *g;
    struct lg_audit *a;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->doc = vec_load("chain.json");
    w->g = vec_genesis(vec_get(w->doc, "genesis"));
    assert_code(lg_audit_new(&w->a, w->g, &sg_crypto_openssl, 7), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lg_audit_free(w->a);
    lg_genesis_free(w->g);
    json_decref(w->doc);
    free(w);
    return 0;
}

static int offer(struct world *w, const json_t *doc)
{
    size_t len = 0;
    uint8_t *bytes = vec_bytes(doc, &len);
    struct lg_block *b = NULL;
    int err = lg_block_decode(&b, bytes, len);
    if (err == 0)
        err = lg_audit_block(w->a, b);
    lg_block_free(b);
    free(bytes);
    return err;
}

static int offer_height(struct world *w, size_t height)
{
    return offer(w, vec_get(json_array_get(vec_get(w->doc, "blocks"), height - 1), "block"));
}

static void assert_tip(
    struct world *w, int64_t height, const struct lg_hash *hash, uint64_t statements, uint64_t bodies)
{
    uint64_t s = 0, b = 0;
    lg_audit_counts(w->a, &s, &b);
    assert_int_equal(lg_audit_tip(w->a)->height, height);
    assert_true(lg_hash_eq(&lg_audit_tip(w->a)->hash, hash));
    assert_int_equal(s, statements);
    assert_int_equal(b, bodies);
}

/* Before the first block the tip is the genesis; the worked chain is accepted whole, and its tip is the vectors' one. */
static void audit_worked_chain_is_valid(void **state)
{
    struct world *w = *state;
    json_t *blocks = vec_get(w->doc, "blocks");
    uint64_t statements = 0, bodies = 0;
    assert_tip(w, 0, &w->g->id, 0, 0);
    for (size_t h = 1; h <= json_array_size(blocks); h++) {
        json_t *entry = json_array_get(blocks, h - 1);
        struct lg_hash hash = vec_hash(vec_text(entry, "hash"));
        assert_code(offer_height(w, h), 0);
        statements += json_array_size(vec_get(vec_get(entry, "block"), "statements"));
        bodies += json_array_size(vec_get(vec_get(entry, "block"), "bodies"));
        assert_tip(w, (int64_t)h, &hash, statements, bodies);
    }
    assert_true(bodies > 0);
}

/* Each invalid variant is refused with its code in the place that it wants, the tip and the totals stay, and the chain goes on. */
static void audit_invalid_variant_is_refused_and_changes_nothing(void **state)
{
    struct world *w = *state;
    json_t *invalid = vec_load("invalid.json"), *cases = vec_get(invalid, "cases"), *one;
    const size_t height = (size_t)json_integer_value(vec_get(invalid, "replaces_height"));
    uint64_t statements = 0, bodies = 0;
    size_t i;
    for (size_t h = 1; h < height; h++)
        assert_code(offer_height(w, h), 0);
    const struct lg_hash tip = lg_audit_tip(w->a)->hash;
    lg_audit_counts(w->a, &statements, &bodies);
    json_array_foreach(cases, i, one)
    {
        const int err = offer(w, vec_get(one, "block"));
        if (strcmp(sg_err_code(err), vec_text(one, "code")) != 0)
            fail_msg("%s: %s instead of %s", vec_text(one, "name"), sg_err_code(err), vec_text(one, "code"));
        assert_tip(w, (int64_t)height - 1, &tip, statements, bodies);
    }
    assert_true(i >= 70);
    for (size_t h = height; h <= json_array_size(vec_get(w->doc, "blocks")); h++)
        assert_code(offer_height(w, h), 0);
    json_decref(invalid);
}

/* A block is taken once, in its turn: again, or out of turn, it is refused by its height. */
static void audit_block_out_of_turn_is_refused(void **state)
{
    struct world *w = *state;
    assert_code(offer_height(w, 2), SG_EHEIGHT);
    assert_code(offer_height(w, 1), 0);
    assert_code(offer_height(w, 1), SG_EHEIGHT);
    assert_code(offer_height(w, 3), SG_EHEIGHT);
    assert_code(offer_height(w, 2), 0);
}

/* Under another genesis the same block is of another chain. */
static void audit_block_of_another_chain_is_refused(void **state)
{
    struct world *w = *state;
    struct lg_genesis other = *w->g;
    struct lg_audit *a = NULL, *mine = w->a;
    other.id.b[31] ^= 1;
    assert_code(lg_audit_new(&a, &other, &sg_crypto_openssl, 7), 0);
    w->a = a;
    assert_code(offer_height(w, 1), SG_ECHAIN);
    lg_audit_free(a);
    w->a = mine;
    lg_audit_free(NULL);
}

/* An incarnation that began at the beginning of time is one like any other: engine and auditor agree on its second statement, and on one that repeats its
 * first number. */
static void audit_incarnation_zero_is_judged_as_by_the_engine(void **state)
{
    (void)state;
    struct maker m;
    struct rig *r;
    struct lg_audit *a;
    enum lg_block_verdict v;
    struct lg_block_info at;
    const sg_minute slot = MAKER_MINUTE + 10;
    const sg_ms late = (slot + 5) * SG_MINUTE_MS;
    rig_begin(&m, &r, (struct maker_config){0});
    assert_code(lg_audit_new(&a, m.g, m.crypto, 7), 0);
    const struct lg_statement *first =
        make_statement(&m, &(struct maker_say){.slot = slot, .zero_inc = true});
    const struct lg_statement *second =
        make_statement(&m, &(struct maker_say){.slot = slot + 1, .after = first});
    const struct lg_statement *again =
        make_statement(&m, &(struct maker_say){.slot = slot + 1, .zero_inc = true});
    const struct lg_block *b =
        make_block(&m, &(struct maker_mine){.slot = slot, .statements = &first, .nstatements = 1});
    at = make_info(&m, b, NULL);
    assert_code(rig_offer_block(r, &v, b, late), 0);
    assert_code(lg_audit_block(a, b), 0);
    struct maker_mine next = {.parent = &at, .slot = slot + 1, .statements = &again, .nstatements = 1};
    b = make_block(&m, &next);
    assert_code(rig_offer_block(r, &v, b, late), SG_ESTATEMENT_CHAIN);
    assert_code(lg_audit_block(a, b), SG_ESTATEMENT_CHAIN);
    next.statements = &second;
    b = make_block(&m, &next);
    assert_code(rig_offer_block(r, &v, b, late), 0);
    assert_code(lg_audit_block(a, b), 0);
    lg_audit_free(a);
    rig_end(&m, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(audit_worked_chain_is_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(
            audit_invalid_variant_is_refused_and_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(audit_block_out_of_turn_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(audit_block_of_another_chain_is_refused, setup, teardown),
        cmocka_unit_test(audit_incarnation_zero_is_judged_as_by_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
