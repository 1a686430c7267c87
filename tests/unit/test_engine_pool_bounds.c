/* What one gateway can make a node keep: bounded memory, bounded evidence. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_evidence_is_bounded),
        cmocka_unit_test(pool_flood_of_one_gateway_leaves_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
