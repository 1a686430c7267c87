/* Evidence at the engine: which pairs are kept, which are not, and that keeping one changes nothing else. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"

#define S0 (MAKER_MINUTE + 10)

#define assert_code(got, want) assert_string_equal(sg_err_code(got), sg_err_code(want))

struct world {
    struct maker m;
    struct rig *r;
    sg_ms now;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    chain_maker_init(&w->m, &(struct maker_config){0});
    w->r = rig_new(&w->m, UINT_MAX);
    w->now = (S0 + 5) * SG_MINUTE_MS;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    rig_free(w->r);
    chain_maker_fini(&w->m);
    free(w);
    return 0;
}

static unsigned evidence(struct world *w)
{
    return mem_store_evidence(w->r->store, chain_maker_kid(&w->m, 0));
}

/* A statement of gateway 0 whose predecessor nobody has: it has no place on any branch. */
static const struct lg_statement *nowhere(struct world *w, sg_ms ts, bool bad_signature)
{
    static const struct lg_statement before = {.seq = 8, .inc = MAKER_START + 5, .leaf = {{7}}};
    return make_statement(&w->m, &(struct maker_say){.slot = S0,
                                     .after = &before,
                                     .ts = (S0 + 1) * SG_MINUTE_MS + ts,
                                     .bad_signature = bad_signature});
}

static int offer(struct world *w, const struct lg_statement *a, const struct lg_statement *b)
{
    struct lg_offer o;
    const struct lg_statement *both[] = {a, b};
    const int err = rig_offer(w->r, &o, both, 2, NULL, 0, w->now);
    lg_offer_fini(&o);
    return err;
}

/* Two statements of one number in one offer are a pair wherever they belong; offered again they are no more; a third adds nothing. */
static void evidence_pair_without_a_place_is_kept(void **state)
{
    struct world *w = *state;
    const struct lg_statement *a = nowhere(w, 1, false), *b = nowhere(w, 2, false);
    assert_code(offer(w, a, b), SG_EGAP);
    assert_int_equal(evidence(w), 1);
    assert_int_equal(rig_statement_state(w->r, a), LG_DOC_OVERTAKEN);
    assert_int_equal(rig_statement_state(w->r, b), LG_DOC_OVERTAKEN);
    assert_int_equal(rig_state(w->r).pool_statements, 0);
    assert_int_equal(rig_count(w->r, RIG_STATEMENTS), 0);
    assert_code(offer(w, b, a), SG_ECONFLICT);
    assert_code(offer(w, a, nowhere(w, 3, false)), SG_EGAP);
    assert_int_equal(evidence(w), 1);
    assert_false(w->r->in_call);
}

/* One that is held and one that comes are a pair, although the one that comes has no place. */
static void evidence_second_without_a_place_is_kept(void **state)
{
    struct world *w = *state;
    const struct lg_statement *first = make_statement(&w->m, &(struct maker_say){.slot = S0});
    const struct lg_statement *next =
        make_statement(&w->m, &(struct maker_say){.slot = S0 + 1, .after = first});
    const struct lg_statement *other =
        make_statement(&w->m, &(struct maker_say){.slot = S0 + 2, .after = first});
    assert_code(rig_say(w->r, first, NULL, 0, w->now), 0);
    assert_code(rig_say(w->r, next, NULL, 0, w->now), 0);
    assert_code(rig_say(w->r, other, NULL, 0, w->now), SG_ECONFLICT);
    assert_int_equal(evidence(w), 1);
    assert_int_equal(rig_state(w->r).pool_statements, 2);
}

/* A pair of which one signature is bad is no pair, in either order: nothing is kept, nothing changes. */
static void evidence_forged_changes_nothing(void **state)
{
    struct world *w = *state;
    for (unsigned k = 0; k < 2; k++) {
        const struct lg_statement *good = nowhere(w, 1, false), *bad = nowhere(w, 2, true);
        const int err = k == 0 ? offer(w, good, bad) : offer(w, bad, good);
        assert_code(err, k == 0 ? SG_EGAP : SG_ESTATEMENT_SIGNATURE);
        assert_int_equal(evidence(w), 0);
        assert_int_equal(rig_statement_state(w->r, good), LG_DOC_NONE);
        assert_int_equal(rig_statement_state(w->r, bad), LG_DOC_NONE);
    }
    const struct lg_statement *held = make_statement(&w->m, &(struct maker_say){.slot = S0});
    assert_code(rig_say(w->r, held, NULL, 0, w->now), 0);
    const struct lg_statement *forged = make_statement(
        &w->m, &(struct maker_say){.slot = S0, .ts = (S0 + 1) * SG_MINUTE_MS + 7, .bad_signature = true});
    assert_code(rig_say(w->r, forged, NULL, 0, w->now), SG_ESTATEMENT_SIGNATURE);
    assert_int_equal(evidence(w), 0);
}

/* What is early is not kept, and can be offered again when it is due. */
static void evidence_early_waits_to_be_offered_again(void **state)
{
    struct world *w = *state;
    const struct lg_statement *a = nowhere(w, 1, false), *b = nowhere(w, 2, false);
    const sg_ms later = w->now;
    w->now = a->ts - 5001;
    assert_code(offer(w, a, b), SG_EFUTURE);
    assert_int_equal(evidence(w), 0);
    w->now = later;
    assert_code(offer(w, a, b), SG_EGAP);
    assert_int_equal(evidence(w), 1);
}

/* The same bytes twice are no pair. */
static void evidence_needs_two_different_statements(void **state)
{
    struct world *w = *state;
    const struct lg_statement *a = nowhere(w, 1, false);
    assert_code(offer(w, a, a), SG_EGAP);
    assert_int_equal(evidence(w), 0);
}

/* A pair that was learned before its first statement came does not keep that statement off the chain; the second one stays out. */
static void evidence_learned_first_leaves_the_first_mineable(void **state)
{
    struct world *w = *state;
    const struct lg_body *body = make_body(&w->m, 0, S0, 1);
    const struct lg_statement *a =
        make_statement(&w->m, &(struct maker_say){.slot = S0, .bodies = &body, .nbodies = 1});
    const struct lg_statement *b = make_statement(
        &w->m, &(struct maker_say){.slot = S0, .ts = a->ts + 1, .bodies = &body, .nbodies = 1});
    assert_code(offer(w, a, b), SG_EMISSING_BODY); /* pairs travel without bodies */
    assert_int_equal(evidence(w), 1);
    assert_code(rig_say(w->r, a, &body, 1, w->now), 0);
    assert_code(rig_say(w->r, b, &body, 1, w->now), SG_ECONFLICT);
    assert_int_equal(rig_statement_state(w->r, a), LG_DOC_POOLED);
    assert_int_equal(evidence(w), 1);
    rig_reopen(w->r);
    assert_int_equal(rig_state(w->r).pool_statements, 1);
}

/* A store that fails at its n-th call, for every n, while a pair is kept: all of it or nothing of it is there, and again it is kept. */
static void evidence_with_a_store_that_fails_is_whole_or_absent(void **state)
{
    struct world *w = *state;
    bool failed = true;
    uint64_t n = 1;
    for (; failed; n++) {
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
        w = *state;
        const struct lg_statement *a = nowhere(w, 1, false), *b = nowhere(w, 2, false);
        mem_store_fail(w->r->store, n, SG_EIO, false);
        const int err = offer(w, a, b);
        failed = mem_store_failures(w->r->store) > 0;
        mem_store_fail(w->r->store, 0, 0, false);
        assert_code(err, failed ? SG_EIO : SG_EGAP);
        assert_false(mem_store_in_transaction(w->r->store));
        if (failed) {
            assert_int_equal(evidence(w), 0);
            assert_int_equal(rig_statement_state(w->r, a), LG_DOC_NONE);
            assert_code(offer(w, a, b), SG_EGAP);
        }
        assert_int_equal(evidence(w), 1);
    }
    assert_true(n > 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(evidence_pair_without_a_place_is_kept),
        TEST(evidence_second_without_a_place_is_kept),
        TEST(evidence_forged_changes_nothing),
        TEST(evidence_early_waits_to_be_offered_again),
        TEST(evidence_needs_two_different_statements),
        TEST(evidence_learned_first_leaves_the_first_mineable),
        TEST(evidence_with_a_store_that_fails_is_whole_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
