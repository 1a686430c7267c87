#include "tests/lib/mine_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

void rank_order(struct mine *x, const struct lg_hash *prev, sg_minute slot)
{
    for (unsigned i = 0; i < 4; i++) {
        int p = lg_rank_position(x->m.g, prev, slot, chain_maker_kid(&x->m, i));
        assert_in_range(p, 0, 3);
        x->order[p] = i;
    }
}

void mine_init_at(struct mine *x, unsigned position, struct maker_config c, sg_minute slot)
{
    memset(x, 0, sizeof *x);
    chain_maker_init(&x->m, &c);
    for (unsigned i = 0; i < 4; i++)
        x->last[i] = make_statement(&x->m, &(struct maker_say){.gw = i, .slot = slot});
    const struct lg_block *b =
        make_block(&x->m, &(struct maker_mine){.slot = slot, .statements = x->last, .nstatements = 4});
    x->at = make_info(&x->m, b, NULL);
    rank_order(x, &x->at.hash, S0);
    x->r = rig_new(&x->m, x->order[position]);
    enum lg_block_verdict v;
    assert_code(rig_offer_block(x->r, &v, b, end_of(slot) + 2000), 0);
}

void mine_init(struct mine *x, unsigned position, struct maker_config c)
{
    mine_init_at(x, position, c, S0 - 1);
}

void mine_fini(struct mine *x)
{
    rig_free(x->r);
    chain_maker_fini(&x->m);
}

const struct lg_statement *say(struct mine *x, unsigned gw, sg_minute slot)
{
    x->last[gw] = make_statement(
        &x->m, &(struct maker_say){.gw = gw, .slot = slot, .after = x->last[gw], .tip = &x->at.hash});
    return x->last[gw];
}

void give(struct mine *x, const struct lg_statement *s, sg_ms now)
{
    assert_code(rig_say(x->r, s, NULL, 0, now), 0);
}

const struct lg_block *rival(struct mine *x, unsigned miner, const struct lg_statement *const *s, unsigned n)
{
    return make_block(&x->m, &(struct maker_mine){.parent = &x->at,
                                 .miner = miner,
                                 .slot = S0,
                                 .time = end_of(S0) + COLLECT,
                                 .statements = s,
                                 .nstatements = n});
}

void take(struct mine *x, const struct lg_block *b, sg_ms now)
{
    enum lg_block_verdict v;
    assert_code(rig_offer_block(x->r, &v, b, now), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
}
