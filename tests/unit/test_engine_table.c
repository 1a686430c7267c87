/* Blocks and statements of the table of bad inputs (P1-P26c) at the engine, where no vector and no other test has them: each row names
 * its case and its code, and whatever comes, the tip stays where it belongs and nothing is kept of what was refused. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0  (MAKER_MINUTE + 1500) /* far enough from the genesis for old minutes */
#define NOW ((S0 + 10) * SG_MINUTE_MS)
#define GWS 4

/* A chain in the making, each block with a bare statement of each of the first n gateways. */
struct line {
    struct lg_block_info at;
    const struct lg_statement *last[GWS];
    const struct lg_block *newest;
};

static void extend(struct line *l, struct maker *m, unsigned n, const struct maker_mine *how)
{
    struct maker_mine mine = *how;

    for (unsigned i = 0; i < n; i++)
        l->last[i] = make_statement(
            m, &(struct maker_say){.gw = i, .slot = mine.slot, .after = l->last[i], .tip = &l->at.hash});
    mine.parent = &l->at;
    mine.statements = l->last;
    mine.nstatements = n;
    l->newest = make_block(m, &mine);
    l->at = make_info(m, l->newest, &l->at);
}

/* An engine on three blocks, slots S0 .. S0+2, with a statement of gateway 0 each. */
struct stage {
    struct maker m;
    struct rig *r;
    struct line line;
    struct lg_block_info info[4]; /* by height */
    const struct lg_block *blocks[3];
};

static void stage_begin(struct stage *t)
{
    enum lg_block_verdict v;

    *t = (struct stage){.r = NULL};
    rig_begin(&t->m, &t->r, (struct maker_config){.bits = 3});
    lg_block_info_genesis(&t->line.at, t->m.g);
    t->info[0] = t->line.at;
    for (unsigned h = 1; h <= 3; h++) {
        extend(&t->line, &t->m, 1, &(struct maker_mine){.slot = S0 + h - 1});
        t->info[h] = t->line.at;
        t->blocks[h - 1] = t->line.newest;
        assert_code(rig_offer_block(t->r, &v, t->line.newest, NOW), 0);
    }
    rig_forget(t->r);
}

/* Offer a block that must be refused with this code; the engine stands as before, wrote nothing, and told nobody. */
static void refused(struct stage *t, const char *name, const struct lg_block *b, sg_ms now, int want)
{
    enum lg_block_verdict v;
    uint64_t commits = mem_store_commits(t->r->store);
    int err = rig_offer_block(t->r, &v, b, now);

    if (err != want)
        fail_msg("%s: want %s, got %s", name, sg_err_code(want), sg_err_code(err));
    assert_true(rig_tip_is(t->r, &t->info[3].hash));
    assert_int_equal(rig_state(t->r).orphans + rig_state(t->r).held, 0);
    assert_int_equal(mem_store_commits(t->r->store), commits);
    assert_int_equal(rig_count(t->r, RIG_BLOCK), 0);
}

/* P1: a block that lies ahead by more than max_future_ms is `future` as often as it comes, is not remembered as invalid, and is taken when its
 * time has come; one that lies ahead by no more is held until then. */
static void engine_block_ahead_is_future_and_good_later(void **state)
{
    static const struct {
        const char *name;
        sg_ms time;
        int want;
    } rows[] = {
        {"P1 5 s", NOW + 5000, 0},
        {"P1 6 s", NOW + 6000, SG_EFUTURE},
        {"P1 2 h", NOW + 7200000, SG_EFUTURE},
        {"P1 2038", INT64_C(0x80000000) * 1000, SG_EFUTURE},
        {"P1 2106", INT64_C(0x100000000) * 1000, SG_EFUTURE},
        {"P1 the last ms", SG_MS_END - 1, SG_EFUTURE},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct stage t;
        enum lg_block_verdict v;

        stage_begin(&t);
        extend(&t.line, &t.m, 1, &(struct maker_mine){.slot = S0 + 3, .time = rows[i].time});
        if (rows[i].want == 0) {
            assert_code(rig_offer_block(t.r, &v, t.line.newest, NOW), 0);
            assert_int_equal(rig_state(t.r).held, 1);
            assert_true(rig_tip_is(t.r, &t.info[3].hash));
            assert_code(rig_tick(t.r, rows[i].time), 0);
        } else {
            refused(&t, rows[i].name, t.line.newest, NOW, rows[i].want);
            refused(&t, rows[i].name, t.line.newest, NOW, rows[i].want);
            assert_code(rig_offer_block(t.r, &v, t.line.newest, rows[i].time), 0);
        }
        assert_true(rig_tip_is(t.r, &t.line.at.hash));
        rig_end(&t.m, t.r);
    }
}

/* P2, P4, P5, P6: a header that does not fit the place that it names has the first code that applies. `prev` is a hash over everything below, so no
 * block can name itself or its child: what comes nearest is a block that names one of these and the height of its own. */
static void engine_header_out_of_place_is_refused(void **state)
{
    static const struct {
        const char *name;
        unsigned prev;  /* the parent, by its height */
        int64_t height; /* what the header says */
        sg_ms later;    /* than the parent */
        sg_minute slot;
        unsigned less_bits;
        int want;
    } rows[] = {
        {"P2 the parent's time", 3, 4, 0, S0 + 3, 0, SG_ETIME},
        {"P2 a millisecond before", 3, 4, -1, S0 + 3, 0, SG_ETIME},
        {"P4 height 1 above", 3, 5, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P4 height 2^31", 3, INT64_C(1) << 31, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P4 height 2^53 - 1", 3, (INT64_C(1) << 53) - 1, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P5 at the place of its parent", 3, 3, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P5 on its child", 3, 2, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P5 block 1 on block 2", 2, 1, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P5 block 4 on the genesis", 0, 4, 1, S0 + 3, 0, SG_EHEIGHT},
        {"P6 fewer bits", 3, 4, 1, S0 + 3, 1, SG_EBITS},
        {"P6 no bits", 3, 4, 1, S0 + 3, 3, SG_EBITS},
        {"P6 fewer bits in the parent's slot", 3, 4, 1, S0 + 2, 1, SG_EBITS},
        {"slot of the parent", 3, 4, 1, S0 + 2, 0, SG_ESLOT},
    };
    struct stage t;

    (void)state;
    stage_begin(&t);
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct lg_block_info parent = t.info[rows[i].prev];

        parent.height = rows[i].height - 1;
        refused(&t, rows[i].name,
            make_block(&t.m, &(struct maker_mine){.parent = &parent,
                                 .slot = rows[i].slot,
                                 .time = t.info[3].time + rows[i].later,
                                 .statements = t.line.last,
                                 .nstatements = 1,
                                 .less_bits = rows[i].less_bits}),
            NOW, rows[i].want);
    }
    rig_end(&t.m, t.r);
}

/* P10: ten times as many blocks from the genesis on, each with every gateway's vote, mined at half the work: none is taken and none waits as an orphan,
 * the last one first or the first one first; what follows a refused block is `prev`. */
static void engine_long_branch_at_lower_bits_is_refused(void **state)
{
    const struct lg_block *blocks[30];
    struct line l = {.newest = NULL};
    struct stage t;

    (void)state;
    stage_begin(&t);
    lg_block_info_genesis(&l.at, t.m.g);
    for (unsigned i = 0; i < SG_ARRAY_LEN(blocks); i++) {
        extend(&l, &t.m, GWS, &(struct maker_mine){.slot = S0 - 100 + i, .less_bits = 1});
        blocks[i] = l.newest;
    }
    for (unsigned i = SG_ARRAY_LEN(blocks); i-- > 0;)
        refused(&t, "P10 from its last block on", blocks[i], NOW, SG_EBITS);
    for (unsigned i = 0; i < SG_ARRAY_LEN(blocks); i++)
        refused(&t, "P10 from its first block on", blocks[i], NOW, i == 0 ? SG_EBITS : SG_EPREV);
    rig_end(&t.m, t.r);
}

/* P12: two tips of equal weight and work. Every node ends on the same one, whichever came first, and stays there after a restart; the lot falls by
 * rank, and between two blocks of one miner by hash. */
static void engine_equal_tips_are_decided_alike_everywhere(void **state)
{
    static const unsigned miners[][2] = {{0, 1}, {2, 1}, {3, 0}, {1, 1}};

    (void)state;
    for (size_t c = 0; c < SG_ARRAY_LEN(miners); c++) {
        struct stage t;
        struct line side[2];
        struct lg_hash tip = {{0}};
        enum lg_block_verdict v;

        stage_begin(&t);
        for (unsigned i = 0; i < 2; i++) {
            side[i] = t.line;
            extend(&side[i], &t.m, 2,
                &(struct maker_mine){.slot = S0 + 3, .miner = miners[c][i], .time = NOW - 9 + i});
        }
        for (unsigned node = 0; node < 2 * (GWS + 1);
             node++) { /* four members and an observer, each in both orders */
            struct rig *r = rig_new(&t.m, node / 2 < GWS ? node / 2 : UINT_MAX);

            for (unsigned h = 0; h < 3; h++)
                assert_code(rig_offer_block(r, &v, t.blocks[h], NOW), 0);
            assert_code(rig_offer_block(r, &v, side[node & 1].newest, NOW), 0);
            assert_code(rig_offer_block(r, &v, side[1 - (node & 1)].newest, NOW), 0);
            rig_reopen(r);
            if (node == 0)
                tip = rig_state(r).tip.hash;
            assert_true(rig_tip_is(r, &tip));
            assert_int_equal(rig_state(r).tip.weight, 2);
            rig_free(r);
        }
        rig_end(&t.m, t.r);
    }
}

/* P17, P18 on a branch: a statement that stands there already, or another one under its number, breaks the chain of its gateway; two under one number in
 * one block are out of order. */
static void engine_number_twice_on_a_branch_is_refused(void **state)
{
    struct stage t;
    const struct lg_statement *pair[2];
    struct maker_mine mine = {.slot = S0 + 3, .statements = pair, .nstatements = 1};

    (void)state;
    stage_begin(&t);
    mine.parent = &t.info[3];
    pair[0] = t.line.last[0];
    refused(&t, "P17 again", make_block(&t.m, &mine), NOW, SG_ESTATEMENT_CHAIN);
    pair[0] = make_statement(&t.m, &(struct maker_say){.slot = S0 + 3, .inc = t.line.last[0]->inc});
    refused(&t, "P18 another (inc, 1)", make_block(&t.m, &mine), NOW, SG_ESTATEMENT_CHAIN);
    pair[0] = make_statement(&t.m, &(struct maker_say){.slot = S0 + 3, .after = t.line.last[0]});
    pair[1] = make_statement(
        &t.m, &(struct maker_say){.slot = S0 + 3, .after = t.line.last[0], .ts = pair[0]->ts + 1});
    mine.nstatements = 2;
    refused(&t, "P18 both", make_block(&t.m, &mine), NOW, SG_EORDER);
    rig_end(&t.m, t.r);
}

/* P19, P20: of the minutes that a statement reads, the oldest is 1439 before its slot and the newest is the slot. */
static void engine_minute_of_a_read_is_within_a_day(void **state)
{
    static const struct {
        const char *name;
        sg_minute min;
        int want;
    } rows[] = {{"P20 1440 before", S0 - 1440, SG_EMINUTE}, {"1439 before", S0 - 1439, 0},
        {"the slot", S0, 0}, {"P19 after", S0 + 1, SG_EMINUTE}, {"P19 in a day", S0 + 1440, SG_EMINUTE},
        {"before the genesis", MAKER_MINUTE - 1, SG_EMINUTE}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct stage t;
        const struct lg_body *b;
        int err;

        stage_begin(&t);
        b = make_body(&t.m, 0, rows[i].min, 1);
        err = rig_say(t.r,
            make_statement(&t.m, &(struct maker_say){.gw = 1, .slot = S0, .bodies = &b, .nbodies = 1}), &b, 1,
            NOW);
        if (err != rows[i].want)
            fail_msg("%s: want %s, got %s", rows[i].name, sg_err_code(rows[i].want), sg_err_code(err));
        assert_int_equal(rig_state(t.r).pool_bodies, rows[i].want == 0);
        rig_end(&t.m, t.r);
    }
}

/* ---- a member that mines first and leaves others out ---- */

#define COLLECT 1000
#define STAGGER 1500
#define SLOTS   12
#define HOSTILE 3 /* the gateway; the others are honest */

struct play {
    struct maker m;
    struct rig *nodes[HOSTILE];
    const struct lg_statement *said[SLOTS][GWS];
    unsigned hostile_blocks;
};

static void to_all(struct play *p, const struct lg_block *b, sg_ms now)
{
    enum lg_block_verdict v;

    for (unsigned i = 0; i < HOSTILE; i++)
        assert_code(rig_offer_block(p->nodes[i], &v, b, now), 0);
}

/* The statements of a slot, which all name the tip that all are on, reach every node before the first turn. */
static void all_speak(struct play *p, unsigned t)
{
    struct lg_hash tip = rig_state(p->nodes[0]).tip.hash;

    for (unsigned gw = 0; gw < GWS; gw++) {
        p->said[t][gw] = make_statement(
            &p->m, &(struct maker_say){
                       .gw = gw, .slot = S0 + t, .after = t > 0 ? p->said[t - 1][gw] : NULL, .tip = &tip});
        for (unsigned i = 0; i < HOSTILE; i++)
            assert_code(rig_say(p->nodes[i], p->said[t][gw], NULL, 0, end_of(S0 + t) + 200), 0);
    }
}

/* The hostile member's block, before any other: its own statements, and those of the first `with` honest gateways, that are not yet on the branch. */
static void hostile_mines(struct play *p, unsigned t, unsigned with)
{
    const struct lg_statement *s[SLOTS * GWS];
    struct lg_block_info parent = rig_state(p->nodes[0]).tip;
    unsigned n = 0;

    for (unsigned i = 0; i <= t; i++)
        for (unsigned gw = 0; gw < GWS; gw++)
            if ((gw == HOSTILE || gw < with) &&
                rig_statement_state(p->nodes[0], p->said[i][gw]) != LG_DOC_MINED)
                s[n++] = p->said[i][gw];
    to_all(p,
        make_block(&p->m, &(struct maker_mine){.parent = &parent,
                              .miner = HOSTILE,
                              .slot = S0 + t,
                              .time = end_of(S0 + t) + 300,
                              .statements = s,
                              .nstatements = n}),
        end_of(S0 + t) + 300);
}

/* Each honest node works at its turn when it finds the block that is there wanting; what it makes reaches all. */
static void honest_take_turns(struct play *p, unsigned t)
{
    for (unsigned turn = 0; turn < GWS; turn++) {
        sg_ms now = end_of(S0 + t) + COLLECT + turn * STAGGER;

        for (unsigned i = 0; i < HOSTILE; i++) {
            struct rig *r = p->nodes[i];
            struct lg_block *b;

            assert_code(rig_tick(r, now), 0);
            if (!r->working)
                continue;
            assert_code(rig_solve(r, now), 0);
            b = rig_block_at(r, rig_state(r).tip.height);
            to_all(p, b, now);
            lg_block_free(b);
        }
    }
    for (unsigned i = 0; i < HOSTILE; i++)
        rig_forget(p->nodes[i]);
}

/* In how many slots after its own a statement is on the branch, at most; counts the hostile member's blocks. */
static unsigned worst_delay(struct play *p)
{
    unsigned worst = 0;

    p->hostile_blocks = 0;
    for (int64_t h = 1; h <= rig_state(p->nodes[0]).tip.height; h++) {
        struct lg_block *b = rig_block_at(p->nodes[0], h);

        p->hostile_blocks += b->header.miner_kid == chain_maker_kid(&p->m, HOSTILE);
        for (unsigned i = 0; i < b->nstatements; i++) {
            unsigned delay = (unsigned)(b->header.slot - b->statements[i]->slot);
            worst = delay > worst ? delay : worst;
        }
        lg_block_free(b);
    }
    return worst;
}

/* P26b: the hostile member mines first in every slot. Leaving out two or three of the others it weighs too little, and is overruled in the same slot;
 * leaving out one it weighs enough, and that one is on the branch two slots after its own at the latest, when it has been held for a whole slot. */
static void engine_member_that_mines_first_keeps_nobody_out(void **state)
{
    static const struct {
        unsigned with;  /* honest gateways whose statements it takes */
        unsigned delay; /* slots */
    } rows[] = {{0, 0}, {1, 0}, {2, 2}, {3, 0}};

    (void)state;
    for (size_t c = 0; c < SG_ARRAY_LEN(rows); c++) {
        struct play p = {.hostile_blocks = 0};
        unsigned delay;

        chain_maker_init(&p.m, &(struct maker_config){.bits = 1});
        for (unsigned i = 0; i < HOSTILE; i++)
            p.nodes[i] = rig_new(&p.m, i);
        for (unsigned t = 0; t < SLOTS; t++) {
            all_speak(&p, t);
            hostile_mines(&p, t, rows[c].with);
            honest_take_turns(&p, t);
            struct lg_hash tip = rig_state(p.nodes[0]).tip.hash;
            for (unsigned i = 1; i < HOSTILE; i++)
                assert_true(rig_tip_is(p.nodes[i], &tip));
        }
        delay = worst_delay(&p);
        assert_int_equal(delay, rows[c].delay);
        assert_true(rows[c].with >= 2 || p.hostile_blocks == 0);
        for (unsigned t = 0; t + rows[c].delay < SLOTS; t++)
            for (unsigned gw = 0; gw < GWS; gw++)
                assert_int_equal(rig_statement_state(p.nodes[0], p.said[t][gw]), LG_DOC_MINED);
        for (unsigned i = 0; i < HOSTILE; i++)
            rig_free(p.nodes[i]);
        chain_maker_fini(&p.m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_block_ahead_is_future_and_good_later),
        cmocka_unit_test(engine_header_out_of_place_is_refused),
        cmocka_unit_test(engine_long_branch_at_lower_bits_is_refused),
        cmocka_unit_test(engine_equal_tips_are_decided_alike_everywhere),
        cmocka_unit_test(engine_number_twice_on_a_branch_is_refused),
        cmocka_unit_test(engine_minute_of_a_read_is_within_a_day),
        cmocka_unit_test(engine_member_that_mines_first_keeps_nobody_out),
    };
    return cmocka_run_group_tests_name("engine_table", tests, NULL, NULL);
}
