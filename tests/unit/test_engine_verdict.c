/* What is no verdict of the engine's, and what a verdict that came of this node's own trouble is worth afterwards. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define LATE (MAKER_START + INT64_C(100000) * SG_MINUTE_MS) /* after everything */

/* ---- a signature that is judged wrongly, and a chain to judge ---- */

static int wrong_verdict; /* of the wrong_at-th signature from now on; the others get the true one */
static unsigned wrong_at;
static int (*true_verify)(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len);

static int verify_wrongly_once(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    return wrong_at > 0 && --wrong_at == 0 ? wrong_verdict : true_verify(pub, sig, msg, len);
}

struct made {
    struct maker m;
    struct sg_crypto crypto;
    struct rig *r;
    const struct lg_statement *last;
    const struct lg_block *blocks[3];
    struct lg_block_info info[4]; /* by height */
};

static void made_init(struct made *d, unsigned n)
{
    memset(d, 0, sizeof *d);
    chain_maker_init(&d->m, &(struct maker_config){.bits = 2});
    d->crypto = *d->m.crypto;
    true_verify = d->crypto.verify;
    d->crypto.verify = verify_wrongly_once;
    d->m.crypto = &d->crypto;
    wrong_at = 0;
    d->r = rig_new(&d->m, UINT_MAX);
    lg_block_info_genesis(&d->info[0], d->m.g);
    for (unsigned h = 1; h <= n; h++) {
        d->last = make_statement(&d->m,
            &(struct maker_say){.slot = MAKER_MINUTE + h, .after = d->last, .tip = &d->info[h - 1].hash});
        d->blocks[h - 1] = make_block(&d->m, &(struct maker_mine){.parent = &d->info[h - 1],
                                                 .slot = MAKER_MINUTE + h,
                                                 .statements = &d->last,
                                                 .nstatements = 1});
        d->info[h] = make_info(&d->m, d->blocks[h - 1], &d->info[h - 1]);
    }
}

static void made_fini(struct made *d)
{
    rig_free(d->r);
    chain_maker_fini(&d->m);
}

static int offer_wrongly(struct made *d, const struct lg_block *b, unsigned at, int verdict)
{
    enum lg_block_verdict v;
    wrong_at = at;
    wrong_verdict = verdict;
    return rig_offer_block(d->r, &v, b, LATE);
}

/* Memory that is missing while a block or a statement is judged is told as such, remembered of neither, and gone the next time; also for
 * a block whose parent is not known. */
static void verdict_without_memory_is_no_verdict(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 2);
    assert_code(offer_wrongly(&d, d.blocks[1], 1, SG_ENOMEM), SG_ENOMEM);
    assert_int_equal(rig_state(d.r).orphans, 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], LATE), 0);
    assert_int_equal(v, LG_BLOCK_ORPHAN);
    for (unsigned at = 1; at <= 2; at++)
        assert_code(offer_wrongly(&d, d.blocks[0], at, SG_ENOMEM), SG_ENOMEM);
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
    assert_int_equal(rig_state(d.r).tip.height, 2);
    const struct lg_statement *s = make_statement(
        &d.m, &(struct maker_say){.slot = MAKER_MINUTE + 9, .after = d.last, .tip = &d.info[2].hash});
    wrong_at = 1;
    assert_code(rig_say(d.r, s, NULL, 0, LATE), SG_ENOMEM);
    assert_code(rig_say(d.r, s, NULL, 0, LATE), 0);
    made_fini(&d);
}

/* A block that this node's damage has made look invalid is refused, and its child with it, until the damage is put right: then both are
 * judged anew. One that is invalid is refused before and after. */
static void verdict_after_a_repair_is_made_anew(void **state)
{
    (void)state;
    struct made d;
    enum lg_block_verdict v;
    made_init(&d, 3);
    const struct lg_block *liar = make_block(&d.m, &(struct maker_mine){.parent = &d.info[1],
                                                       .slot = MAKER_MINUTE + 2,
                                                       .statements = &d.last,
                                                       .nstatements = 1,
                                                       .weight = 4});
    assert_code(rig_offer_block(d.r, &v, d.blocks[0], LATE), 0);
    assert_code(rig_offer_block(d.r, &v, liar, LATE), SG_EWEIGHT);
    assert_code(offer_wrongly(&d, d.blocks[1], 2, SG_ESIGNATURE), SG_ESTATEMENT_SIGNATURE);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], LATE), SG_ESTATEMENT_SIGNATURE);
    assert_code(rig_offer_block(d.r, &v, d.blocks[2], LATE), SG_EPREV);
    assert_code(lg_engine_pow.repaired(d.r->engine, LATE), 0);
    assert_code(rig_offer_block(d.r, &v, liar, LATE), SG_EWEIGHT);
    assert_code(rig_offer_block(d.r, &v, d.blocks[1], LATE), 0);
    assert_code(rig_offer_block(d.r, &v, d.blocks[2], LATE), 0);
    assert_int_equal(rig_state(d.r).tip.height, 3);
    made_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_without_memory_is_no_verdict),
        cmocka_unit_test(verdict_after_a_repair_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
