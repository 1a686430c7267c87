/* Which block is extended when one member shows more of them than there are places among the ends (base_ends.h). */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/mine_stage.h"

#define FLOOD 64

/* P carries the statements of minute F - 1; T, of minute F, those of three gateways, for the fourth withholds its own: with that, each sibling of T
 * weighs one more. */
#define F (S0 - 1)
struct flood {
    struct maker m;
    struct rig *r;
    const struct lg_block *p, *t;
    struct lg_block_info pi;
    const struct lg_statement *said[4], *votes[3]; /* of F; of F + 1, for T */
    struct lg_block_info best;                     /* of the siblings */
};

static void flood_init(struct flood *x, unsigned miner)
{
    const struct lg_statement *first[4];
    memset(x, 0, sizeof *x);
    chain_maker_init(&x->m, &(struct maker_config){0});
    x->r = rig_new(&x->m, 0);
    for (unsigned g = 0; g < 4; g++)
        first[g] = make_statement(&x->m, &(struct maker_say){.gw = g, .slot = F - 1});
    x->p = make_block(&x->m, &(struct maker_mine){.slot = F - 1, .statements = first, .nstatements = 4});
    x->pi = make_info(&x->m, x->p, NULL);
    for (unsigned g = 0; g < 4; g++)
        x->said[g] = make_statement(
            &x->m, &(struct maker_say){.gw = g, .slot = F, .after = first[g], .tip = &x->p->hash});
    x->t = make_block(
        &x->m, &(struct maker_mine){
                   .parent = &x->pi, .miner = miner, .slot = F, .statements = x->said, .nstatements = 3});
    for (unsigned g = 0; g < 3; g++)
        x->votes[g] = make_statement(
            &x->m, &(struct maker_say){.gw = g, .slot = F + 1, .after = x->said[g], .tip = &x->t->hash});
}

static void flood_fini(struct flood *x)
{
    rig_end(&x->m, x->r);
}

static void flood_take(struct flood *x, const struct lg_block *b, sg_ms now)
{
    enum lg_block_verdict v;
    assert_code(rig_offer_block(x->r, &v, b, now), 0);
    rig_forget(x->r);
}

static void flood_vote(struct flood *x, unsigned g, sg_ms now)
{
    assert_code(rig_say(x->r, x->votes[g], NULL, 0, now), 0);
    rig_forget(x->r);
}

static void flood_sibling(struct flood *x, unsigned i, sg_ms now)
{
    const struct lg_block *h = make_block(&x->m, &(struct maker_mine){.parent = &x->pi,
                                                     .miner = 3,
                                                     .slot = F,
                                                     .time = end_of(F) + 2001 + i,
                                                     .statements = x->said,
                                                     .nstatements = 4});
    struct lg_block_info info = make_info(&x->m, h, &x->pi);
    if (i == 0 || lg_branch_cmp(&info, &info, &x->best, &x->best) < 0)
        x->best = info;
    flood_take(x, h, now);
}

static bool flood_base_is(const struct flood *x, const struct lg_hash *hash)
{
    struct lg_engine_state s = rig_state(x->r);
    return s.has_base && lg_hash_eq(&s.base.hash, hash);
}

/* However many blocks a member shows after the votes, each heavier than the one that they name by its own: that is the base all the same, after a
 * restart too, and mined on. */
static void flood_after_the_votes_changes_nothing(void **state)
{
    (void)state;
    struct flood x;
    sg_ms now = end_of(F + 1) + 200;
    flood_init(&x, 1);
    flood_take(&x, x.p, end_of(F - 1) + 3000);
    flood_take(&x, x.t, end_of(F) + 3000);
    for (unsigned g = 0; g < 3; g++)
        flood_vote(&x, g, now);
    for (unsigned i = 0; i < FLOOD; i++) {
        flood_sibling(&x, i, now);
        assert_true(flood_base_is(&x, &x.t->hash)); /* 4 + 3 + 3 against 4 + 4 */
    }
    for (unsigned i = FLOOD; i < 300; i++) /* more than are looked at after a start */
        flood_sibling(&x, i, now);
    assert_true(rig_tip_is(x.r, &x.best.hash));
    rig_reopen(x.r);
    assert_code(rig_tick(x.r, now + 1), 0);
    assert_true(flood_base_is(&x, &x.t->hash));
    assert_code(rig_tick(x.r, now + 30000), 0);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &x.t->hash, sizeof x.t->hash);
    assert_int_equal(x.r->job.header.weight, 4); /* with what the siblings hold of the fourth */
    assert_code(rig_solve(x.r, now + 30001), 0);
    assert_int_equal(rig_state(x.r).tip.weight_sum, 4 + 3 + 4);
    flood_fini(&x);
}

/* The same when the flood is there before the block and the votes: the best of the siblings is the base until two votes outweigh it. */
static void flood_before_the_votes_yields_to_them(void **state)
{
    (void)state;
    struct flood x;
    sg_ms now = end_of(F + 1) + 200;
    flood_init(&x, 1);
    flood_take(&x, x.p, end_of(F - 1) + 3000);
    for (unsigned i = 0; i < FLOOD; i++)
        flood_sibling(&x, i, end_of(F) + 3000);
    flood_take(&x, x.t, now);
    assert_true(flood_base_is(&x, &x.best.hash));
    flood_vote(&x, 0, now);
    assert_true(flood_base_is(&x, &x.best.hash)); /* 8 and 8: the heavier branch */
    flood_vote(&x, 1, now);
    assert_true(flood_base_is(&x, &x.t->hash));
    for (unsigned i = FLOOD; i < 2 * FLOOD; i++)
        flood_sibling(&x, i, now);
    assert_true(flood_base_is(&x, &x.t->hash));
    flood_fini(&x);
}

/* A block of the miner that floods loses its place to the heavier ones of its own, and has it back as soon as a vote names it. */
static void flood_vote_brings_a_block_back(void **state)
{
    (void)state;
    struct flood x;
    sg_ms now = end_of(F + 1) + 200;
    flood_init(&x, 3);
    flood_take(&x, x.p, end_of(F - 1) + 3000);
    flood_take(&x, x.t, end_of(F) + 3000);
    for (unsigned i = 0; i < FLOOD; i++)
        flood_sibling(&x, i, end_of(F) + 4000);
    flood_vote(&x, 0, now);
    assert_true(flood_base_is(&x, &x.best.hash));
    flood_vote(&x, 1, now);
    assert_true(flood_base_is(&x, &x.t->hash));
    flood_fini(&x);
}

/* A flood takes places from its miner alone: an honest block that no vote names keeps its own, and is the base once votes for its parent lift it
 * above the flood. */
static void flood_takes_no_place_from_others(void **state)
{
    (void)state;
    struct flood x;
    flood_init(&x, 1);
    flood_take(&x, x.p, end_of(F - 1) + 3000);
    flood_take(&x, x.t, end_of(F) + 3000);
    struct lg_block_info ti = make_info(&x.m, x.t, &x.pi);
    const struct lg_block *u = make_block(
        &x.m, &(struct maker_mine){
                  .parent = &ti, .miner = 1, .slot = F + 1, .statements = x.votes, .nstatements = 1});
    flood_take(&x, u, end_of(F + 1) + 3000);
    flood_sibling(&x, 0, end_of(F + 1) + 4000);
    const struct lg_statement *own = make_statement(
        &x.m, &(struct maker_say){.gw = 3, .slot = F + 1, .after = x.said[3], .tip = &x.best.hash});
    for (unsigned i = 0; i < FLOOD; i++)
        flood_take(&x,
            make_block(&x.m, &(struct maker_mine){.parent = &x.best,
                                 .miner = 3,
                                 .slot = F + 1,
                                 .time = end_of(F + 1) + 2000 + i,
                                 .statements = &own,
                                 .nstatements = 1}),
            end_of(F + 1) + 4000);
    for (unsigned g = 1; g < 3; g++) {
        const struct lg_statement *vote = make_statement(
            &x.m, &(struct maker_say){.gw = g, .slot = F + 2, .after = x.said[g], .tip = &x.t->hash});
        assert_code(rig_say(x.r, vote, NULL, 0, end_of(F + 2) + 200), 0);
        rig_forget(x.r);
        assert_int_equal(flood_base_is(&x, &u->hash), g == 2); /* 8 + 1 against 9, then 8 + 2 */
    }
    flood_fini(&x);
}

/* Blocks of the newest slot have places of their own: a flood of them takes none from what this minute's block can stand on, though its miner is
 * the same. */
static void flood_of_the_newest_slot_leaves_the_base(void **state)
{
    (void)state;
    struct flood x;
    sg_ms now = end_of(F + 1) + 200;
    flood_init(&x, 3);
    flood_take(&x, x.p, end_of(F - 1) + 3000);
    flood_take(&x, x.t, end_of(F) + 3000);
    for (unsigned i = 0; i < FLOOD; i++)
        flood_take(&x,
            make_block(&x.m, &(struct maker_mine){.parent = &x.pi,
                                 .miner = 3,
                                 .slot = F + 1,
                                 .time = end_of(F + 1) + 1 + i,
                                 .statements = x.said,
                                 .nstatements = 4}),
            now);
    assert_int_equal(rig_state(x.r).tip.slot, F + 1);
    assert_true(flood_base_is(&x, &x.t->hash));
    flood_fini(&x);
}

/* ---- a flood in every slot ---- */

#define FLOODED 9

/* Blocks beside the one that the votes of a slot name, of its slot and with its statements of the others, each with the member's own too. */
static void flood_beside(struct mine *x, const struct lg_block_info *voted, sg_ms inc, sg_ms now)
{
    struct lg_block_info parent;
    struct sg_buf doc;
    struct lg_block *b = NULL;
    const struct lg_store *s = x->r->vtable;
    const struct lg_statement *v[8];
    unsigned n = 0;
    bool best;
    assert_code(s->block_info(s->ctx, &parent, &best, &voted->prev), 0);
    sg_buf_init(&doc, SIZE_MAX);
    assert_code(s->block_bytes(s->ctx, &doc, &voted->hash), 0);
    assert_code(lg_block_decode(&b, doc.p, doc.len), 0);
    for (unsigned i = 0; i < b->nstatements; i++)
        if (b->statements[i]->gw != chain_maker_kid(&x->m, 3))
            v[n++] = b->statements[i];
    v[n++] = make_statement(
        &x->m, &(struct maker_say){.gw = 3, .slot = voted->slot, .inc = inc, .tip = &parent.hash});
    for (unsigned i = 1; i <= FLOOD; i++)
        take(x,
            make_block(&x->m, &(struct maker_mine){.parent = &parent,
                                  .miner = 3,
                                  .slot = voted->slot,
                                  .time = end_of(voted->slot) + 2000 + (sg_ms)i,
                                  .statements = v,
                                  .nstatements = n}),
            now);
    lg_block_free(b);
    sg_buf_fini(&doc);
}

/* One minute: three gateways vote for what their node tells, the member floods, the honest miner has its turn. */
static void flooded_slot(struct mine *x, sg_minute slot, bool floods)
{
    sg_ms now = end_of(slot) + 100;
    assert_code(rig_tick(x->r, now), 0);
    struct lg_block_info voted = rig_state(x->r).base;
    for (unsigned g = 0; g < 3; g++) {
        x->last[g] = make_statement(
            &x->m, &(struct maker_say){.gw = g, .slot = slot, .after = x->last[g], .tip = &voted.hash});
        give(x, x->last[g], now + 50);
    }
    if (floods)
        flood_beside(x, &voted, MAKER_START + 100 + slot - S0, now + 100);
    assert_code(rig_tick(x->r, now + 20000), 0);
    assert_true(x->r->working);
    assert_memory_equal(&x->r->job.header.prev, &voted.hash, sizeof voted.hash);
    assert_in_range(x->r->job.header.weight, 3, 4);
    assert_code(rig_solve(x->r, now + 20001), 0);
    rig_forget(x->r);
}

/* With a flood beside the voted block in every minute honest blocks keep their weight, no honest statement is off the chain when the minute's block
 * is made, and a branch withheld from the first flooded minute on is far too light. */
static void flood_in_every_slot_takes_no_weight(void **state)
{
    (void)state;
    struct mine x = {0};
    const struct lg_statement *watched[3], *own = NULL;
    struct lg_block_info at = {0};
    chain_maker_init(&x.m, &(struct maker_config){0});
    x.r = rig_new(&x.m, 0);
    for (int i = 0; i < FLOODED; i++) {
        flooded_slot(&x, S0 + i, i >= 2);
        at = i == 1 ? rig_state(x.r).tip : at;
        for (unsigned g = 0; g < 3 && i == 2; g++)
            watched[g] = x.last[g];
        for (unsigned g = 0; g < 3; g++)
            assert_int_equal(rig_statement_state(x.r, x.last[g]), LG_DOC_MINED);
        assert_int_equal(rig_state(x.r).tip.height, i + 1);
    }
    assert_in_range(rig_state(x.r).deepest_reorg, 1, 1);
    for (int i = 2; i < FLOODED; i++) {
        const struct lg_statement *v[4] = {watched[0], watched[1], watched[2]};
        unsigned n = i == 2 ? 3 : 0;
        v[n++] = own = make_statement(
            &x.m, &(struct maker_say){
                      .gw = 3, .slot = S0 + i, .inc = MAKER_START + 5000, .after = own, .tip = &at.hash});
        const struct lg_block *b = make_block(
            &x.m, &(struct maker_mine){
                      .parent = &at, .miner = 3, .slot = S0 + i, .statements = v, .nstatements = n});
        take(&x, b, end_of(S0 + FLOODED - 1) + 30000);
        at = make_info(&x.m, b, &at);
        assert_false(rig_tip_is(x.r, &b->hash));
    }
    assert_int_equal(rig_state(x.r).deepest_reorg, 1);
    mine_fini(&x);
}

/* ---- any tree, any votes ---- */

#define GROWN 48

struct grown { /* blocks of the slots F - 1 to F + 1, votes of F + 2 */
    struct maker m;
    struct rig *r;
    uint32_t seed;
    struct lg_block_info info[GROWN];
    int parent[GROWN]; /* -1: the genesis */
    int votes[4];      /* by gateway: the block that it names; -1: none yet */
    int n;
};

static unsigned any(struct grown *x, unsigned n)
{
    x->seed = x->seed * 1664525 + 1013904223;
    return (x->seed >> 8) % n;
}

static const struct lg_statement *grown_say(const struct grown *x, unsigned g, sg_minute slot, int on)
{
    struct maker *m = (struct maker *)&x->m;
    return make_statement(m, &(struct maker_say){.gw = g,
                                 .slot = slot,
                                 .inc = MAKER_START + (slot - F + 2) * 1000 + on + 1,
                                 .tip = on < 0 ? NULL : &x->info[on].hash});
}

/* A block of any of the first miners, on any block of a smaller slot, with the votes of any gateways for it. */
static void grown_block(struct grown *x, unsigned miners, sg_ms now)
{
    enum lg_block_verdict v;
    const struct lg_statement *s[4];
    unsigned n = 0, who = 1 + any(x, 15);
    int on = (int)any(x, (unsigned)x->n + 1) - 1;
    while (on >= 0 && x->info[on].slot > F)
        on = x->parent[on];
    const sg_minute least = on < 0 ? F - 1 : x->info[on].slot + 1,
                    slot = least + any(x, (unsigned)(F + 2 - least));
    for (unsigned g = 0; g < 4; g++)
        if (who >> g & 1)
            s[n++] = grown_say(x, g, slot, on);
    const struct lg_block *b = make_block(&x->m, &(struct maker_mine){.parent = on < 0 ? NULL : &x->info[on],
                                                     .miner = miners == 4 ? any(x, 4) : 3,
                                                     .slot = slot,
                                                     .time = end_of(slot) + 2000 + x->n,
                                                     .statements = s,
                                                     .nstatements = n});
    x->info[x->n] = make_info(&x->m, b, on < 0 ? NULL : &x->info[on]);
    x->parent[x->n++] = on;
    assert_code(rig_offer_block(x->r, &v, b, now), 0);
}

static bool grown_stands_on(const struct grown *x, int i, int named)
{
    while (i >= 0 && i != named)
        i = x->parent[i];
    return i == named;
}

static int64_t grown_sum(const struct grown *x, int i)
{
    int64_t sum = x->info[i].weight_sum;
    for (unsigned g = 0; g < 4; g++)
        sum += x->votes[g] >= 0 && grown_stands_on(x, i, x->votes[g]);
    return sum;
}

/* Is a the better base? The definition, word by word. */
static bool grown_better(const struct grown *x, int a, int b)
{
    int64_t sa = grown_sum(x, a), sb = grown_sum(x, b);
    int fa = a, fb = b;
    if (sa != sb || x->info[a].weight_sum != x->info[b].weight_sum || x->info[a].height != x->info[b].height)
        return sa != sb ? sa > sb : lg_branch_cmp(&x->info[a], &x->info[a], &x->info[b], &x->info[b]) < 0;
    while (x->parent[fa] != x->parent[fb]) {
        fa = x->parent[fa];
        fb = x->parent[fb];
    }
    return lg_branch_cmp(&x->info[a], &x->info[fa], &x->info[b], &x->info[fb]) < 0;
}

/* No block is better than the base: of all, or of those that no flood of the last miner's may push out. */
static void grown_check(const struct grown *x, bool all)
{
    struct lg_engine_state s = rig_state(x->r);
    int base = 0;
    while (base < x->n && !lg_hash_eq(&x->info[base].hash, &s.base.hash))
        base++;
    assert_in_range(base, 0, x->n - 1);
    for (int i = 0; i < x->n; i++) {
        bool named = false;
        for (unsigned g = 0; g < 4; g++)
            named = named || x->votes[g] == i;
        if (i != base && (all || named || x->info[i].miner != chain_maker_kid(&x->m, 3)))
            assert_false(grown_better(x, i, base));
    }
}

/* Blocks of all miners first, then those of one, votes between them. */
static void grow(uint32_t seed, int shared, int flood)
{
    struct grown x = {.seed = seed, .votes = {-1, -1, -1, -1}};
    sg_ms now = end_of(F + 2) + 1000;
    chain_maker_init(&x.m, &(struct maker_config){0});
    x.r = rig_new(&x.m, 0);
    while (x.n < shared + flood) {
        unsigned g = any(&x, 4);
        if (x.n > 2 && any(&x, 4) == 0 && x.votes[g] < 0) {
            int other = x.votes[any(&x, 4)]; /* votes agree more often than not */
            x.votes[g] = other >= 0 ? other : (int)any(&x, (unsigned)x.n);
            assert_code(rig_say(x.r, grown_say(&x, g, F + 2, x.votes[g]), NULL, 0, now), 0);
        } else {
            grown_block(&x, x.n < shared ? 4 : 3, now);
        }
        rig_forget(x.r);
        grown_check(&x, flood == 0);
    }
    rig_end(&x.m, x.r);
}

/* While there is room the base is what its definition says, in any tree, whatever comes first. */
static void flood_of_none_leaves_the_definition(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= (getenv("GRIDWITNESS_SLOW") != NULL ? 20u : 300u); seed++)
        grow(seed, 12, 0);
}

/* When there is none, it is at least as good as each block that a vote names, and each of the other miners. */
static void flood_in_any_tree_hides_nobody_elses_block(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= (getenv("GRIDWITNESS_SLOW") != NULL ? 10u : 150u); seed++)
        grow(seed, 8, GROWN - 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flood_after_the_votes_changes_nothing),
        cmocka_unit_test(flood_before_the_votes_yields_to_them),
        cmocka_unit_test(flood_vote_brings_a_block_back),
        cmocka_unit_test(flood_takes_no_place_from_others),
        cmocka_unit_test(flood_of_the_newest_slot_leaves_the_base),
        cmocka_unit_test(flood_in_every_slot_takes_no_weight),
        cmocka_unit_test(flood_of_none_leaves_the_definition),
        cmocka_unit_test(flood_in_any_tree_hides_nobody_elses_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
