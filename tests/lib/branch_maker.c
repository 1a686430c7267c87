#include "tests/lib/branch_maker.h"

#include <assert.h>
#include <string.h>

void branch_init(struct branch *s, const struct lg_genesis *g)
{
    memset(s, 0, sizeof *s);
    lg_block_info_genesis(&s->at, g);
}

void branch_on(struct branch *s, const struct branch *below)
{
    s->at = below->at;
    memcpy(s->last, below->last, sizeof s->last);
    s->n = 0;
}

void branch_extend(struct maker *m, struct branch *s, const struct branch_block *block)
{
    const struct lg_statement *st[BRANCH_GATEWAYS];
    const struct lg_body *body = make_body(m, 0, block->slot, block->variant);
    assert(s->n < BRANCH_BLOCKS && block->n <= BRANCH_GATEWAYS);
    for (unsigned i = 0; i < block->n; i++) {
        const unsigned gw = block->gws != NULL ? block->gws[i] : block->first + i;
        s->last[gw] = make_statement(m, &(struct maker_say){.gw = gw,
                                            .slot = block->slot,
                                            .inc = MAKER_START + block->variant,
                                            .after = s->last[gw],
                                            .tip = &s->at.hash,
                                            .bodies = &body,
                                            .nbodies = 1,
                                            .ngaps = block->ngaps});
        st[i] = s->last[gw];
    }
    const struct lg_block *b = make_block(m, &(struct maker_mine){.parent = &s->at,
                                                 .miner = block->miner,
                                                 .slot = block->slot,
                                                 .statements = st,
                                                 .nstatements = block->n,
                                                 .bodies = &body,
                                                 .nbodies = 1});
    s->at = make_info(m, b, &s->at);
    s->blocks[s->n++] = b;
}
