/* Several blocks offered in one go: one transaction where they extend the best branch, and never more than what is on disk. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define LATE (MAKER_START + INT64_C(100000) * SG_MINUTE_MS) /* after everything */

enum { MAIN = 20, SIDE = 4, FORK = 14 };

/* A branch of MAIN blocks of one gateway, and from the height FORK another one whose blocks are made by two. */
struct made {
    struct maker m;
    struct rig *r;
    const struct lg_block *main[MAIN], *side[SIDE];
    struct lg_block_info info[MAIN + 1];
    const struct lg_statement *said[MAIN];
};

static const struct lg_block *grow(struct made *d, const struct lg_block_info *parent, sg_minute slot,
    const struct lg_statement *const *s, unsigned n)
{
    return make_block(
        &d->m, &(struct maker_mine){.parent = parent, .slot = slot, .statements = s, .nstatements = n});
}

static void make_main(struct made *d)
{
    lg_block_info_genesis(&d->info[0], d->m.g);
    for (unsigned h = 1; h <= MAIN; h++) {
        d->said[h - 1] = make_statement(&d->m, &(struct maker_say){.slot = MAKER_MINUTE + h,
                                                   .after = h > 1 ? d->said[h - 2] : NULL,
                                                   .tip = &d->info[h - 1].hash});
        d->main[h - 1] = grow(d, &d->info[h - 1], MAKER_MINUTE + h, &d->said[h - 1], 1);
        d->info[h] = make_info(&d->m, d->main[h - 1], &d->info[h - 1]);
    }
}

/* Three gateways on each side block: heavier than what it leaves after three of them. */
static void make_side(struct made *d)
{
    struct lg_block_info at = d->info[FORK];
    const struct lg_statement *last[4] = {d->said[FORK - 1]};
    for (unsigned i = 0; i < SIDE; i++) {
        sg_minute slot = MAKER_MINUTE + FORK + 1 + i;
        for (unsigned g = 0; g < 3; g++)
            last[g] = make_statement(&d->m, &(struct maker_say){.gw = g,
                                                .slot = slot,
                                                .after = last[g],
                                                .ts = (slot + 1) * SG_MINUTE_MS + 300,
                                                .tip = &at.hash});
        d->side[i] = grow(d, &at, slot, last, 3);
        at = make_info(&d->m, d->side[i], &at);
    }
}

static void made_init(struct made *d)
{
    struct maker_config c = {.bits = 0};
    memset(d, 0, sizeof *d);
    chain_maker_init(&d->m, &c);
    d->r = rig_new(&d->m, UINT_MAX);
    make_main(d);
    make_side(d);
}

static void made_fini(struct made *d)
{
    rig_free(d->r);
    chain_maker_fini(&d->m);
}

/* Offers of decoded copies. */
static int offer(struct made *d, struct lg_block_offer *offers, const struct lg_block *const *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        offers[i] = (struct lg_block_offer){.from = 3};
        assert_int_equal(lg_block_decode(&offers[i].b, b[i]->doc, b[i]->doc_len), 0);
    }
    int err = lg_engine_pow.offer_blocks(d->r->engine, offers, n, LATE);
    for (unsigned i = 0; i < n; i++)
        assert_null(offers[i].b);
    return err;
}

static bool is_on_disk(struct made *d, const struct lg_block *b)
{
    struct lg_block_info info;
    bool best;
    return d->r->vtable->block_info(d->r->vtable->ctx, &info, &best, &b->hash) == 0;
}

/* A page in a row is one commit; the host hears of the newest block and of one tip. */
static void batch_of_a_page_is_one_transaction(void **state)
{
    (void)state;
    struct made d;
    struct lg_block_offer offers[MAIN];
    made_init(&d);
    uint64_t commits = mem_store_commits(d.r->store);
    assert_code(offer(&d, offers, d.main, MAIN), 0);
    for (unsigned i = 0; i < MAIN; i++) {
        assert_code(offers[i].err, 0);
        assert_int_equal(offers[i].verdict, LG_BLOCK_ACCEPTED);
    }
    assert_int_equal(mem_store_commits(d.r->store), commits + 1);
    assert_true(rig_tip_is(d.r, &d.main[MAIN - 1]->hash));
    assert_int_equal(rig_count(d.r, RIG_BLOCK), 1);
    assert_memory_equal(&rig_last(d.r, RIG_BLOCK)->hash, &d.main[MAIN - 1]->hash, sizeof(struct lg_hash));
    assert_int_equal(rig_last(d.r, RIG_BLOCK)->from, 3);
    assert_int_equal(rig_count(d.r, RIG_EVENT), 1);
    rig_reopen(d.r);
    assert_true(rig_tip_is(d.r, &d.main[MAIN - 1]->hash));
    made_fini(&d);
}

/* A block that does not extend the tip ends the transaction: the reorganisation is one of its own, and what follows shares the next. */
static void batch_with_a_fork_reorganises_apart(void **state)
{
    (void)state;
    struct made d;
    struct lg_block_offer offers[MAIN + SIDE];
    const struct lg_block *all[MAIN + SIDE];
    made_init(&d);
    memcpy(all, d.main, sizeof d.main);
    memcpy(all + MAIN, d.side, sizeof d.side);
    uint64_t commits = mem_store_commits(d.r->store);
    assert_code(offer(&d, offers, all, MAIN + SIDE), 0);
    assert_true(rig_tip_is(d.r, &d.side[SIDE - 1]->hash));
    assert_int_equal(rig_state(d.r).reorgs, 1);
    /* main; sides 1 and 2 (weights 3 and 6 of 6: level, and less high), the reorganisation, what extends it, and what is overtaken */
    assert_int_equal(mem_store_commits(d.r->store) - commits, 6);
    rig_reopen(d.r);
    assert_true(rig_tip_is(d.r, &d.side[SIDE - 1]->hash));
    made_fini(&d);
}

/* A wrong block among good ones gets its code, what stands on it waits, and the others are taken. */
static void batch_with_a_wrong_block_takes_the_others(void **state)
{
    (void)state;
    struct made d;
    struct lg_block_offer offers[4];
    made_init(&d);
    struct maker_mine bad = {.parent = &d.info[2],
        .slot = MAKER_MINUTE + 3,
        .statements = &d.said[2],
        .nstatements = 1,
        .bad_signature = true};
    const struct lg_block *row[] = {d.main[0], d.main[1], make_block(&d.m, &bad), d.main[3]};
    assert_code(offer(&d, offers, row, 4), 0);
    assert_code(offers[1].err, 0);
    assert_code(offers[2].err, SG_ESIGNATURE);
    assert_code(offers[3].err, 0);
    assert_int_equal(offers[3].verdict, LG_BLOCK_ORPHAN);
    assert_true(rig_tip_is(d.r, &d.main[1]->hash));
    made_fini(&d);
}

/* An offer that the caller could not decode keeps the code that the caller gave it. */
static void batch_without_a_block_keeps_its_code(void **state)
{
    (void)state;
    struct made d;
    struct lg_block_offer offers[2] = {{.err = SG_ECANONICAL, .from = -1}, {.from = -1}};
    made_init(&d);
    assert_int_equal(lg_block_decode(&offers[1].b, d.main[0]->doc, d.main[0]->doc_len), 0);
    assert_code(lg_engine_pow.offer_blocks(d.r->engine, offers, 2, LATE), 0);
    assert_code(offers[0].err, SG_ECANONICAL);
    assert_code(offers[1].err, 0);
    assert_true(rig_tip_is(d.r, &d.main[0]->hash));
    made_fini(&d);
}

/* One run of a store whose n-th call fails. False: it did not come to that. */
static bool fail_at(uint64_t n, int code)
{
    struct made d;
    struct lg_block_offer offers[MAIN + SIDE];
    const struct lg_block *all[MAIN + SIDE];
    made_init(&d);
    memcpy(all, d.main, sizeof d.main);
    memcpy(all + MAIN, d.side, sizeof d.side);
    assert_code(rig_say(d.r, d.said[0], NULL, 0, LATE), 0);
    mem_store_fail(d.r->store, n, code, false);
    int err = offer(&d, offers, all, MAIN + SIDE);
    bool failed = mem_store_failures(d.r->store) > 0;
    mem_store_fail(d.r->store, 0, 0, false);
    assert_code(err, failed ? code : 0);
    struct lg_engine_state left = rig_state(d.r);
    if (code != SG_EIO) { /* not final: the same again, in the same process */
        assert_code(offer(&d, offers, all, MAIN + SIDE), 0);
        assert_true(rig_tip_is(d.r, &d.side[SIDE - 1]->hash));
        left = rig_state(d.r);
        rig_reopen(d.r);
        assert_int_equal(rig_state(d.r).pool_statements, left.pool_statements);
    } else {
        rig_reopen(d.r);
        assert_true(rig_tip_is(d.r, &left.tip.hash));
        assert_true(left.tip.height > 0 || rig_state(d.r).pool_statements == 1);
        for (unsigned i = 0; i < MAIN + SIDE; i++)
            assert_true(offers[i].err != 0 || offers[i].verdict == LG_BLOCK_ORPHAN || is_on_disk(&d, all[i]));
    }
    made_fini(&d);
    return failed;
}

/* Whichever call of the store fails: a good result is on disk, memory is what the disk is, and nothing hinders the same offer afterwards. */
static void batch_with_a_store_that_fails_is_undone(void **state)
{
    (void)state;
    const int codes[] = {SG_EIO, SG_ENOSPC, SG_ENOMEM};
    for (unsigned c = 0; c < SG_ARRAY_LEN(codes); c++) {
        uint64_t n = 1;
        while (fail_at(n, codes[c]))
            n++;
        assert_true(n > MAIN + SIDE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_of_a_page_is_one_transaction),
        cmocka_unit_test(batch_with_a_fork_reorganises_apart),
        cmocka_unit_test(batch_with_a_wrong_block_takes_the_others),
        cmocka_unit_test(batch_without_a_block_keeps_its_code),
        cmocka_unit_test(batch_with_a_store_that_fails_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
