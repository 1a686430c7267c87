/* The outbox: what survives a crash, what is refused, what a full disk does. */
#include "gateway/core/witness.h"
#include "tests/lib/outbox_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A statement that carries everything that is open. */
static struct gw_said_row say(struct gw_outbox *o, sg_ms inc, int64_t seq, sg_minute slot)
{
    struct gw_item items[16];
    unsigned n = open_items(o, items);
    struct gw_said_row row = {.inc = inc, .seq = seq, .slot = slot, .leaf = {{(uint8_t)inc, (uint8_t)seq}}};

    assert_int_equal(gw_outbox_add_statement(o, &row, (const uint8_t *)"{}", 2, items, n), 0);
    return row;
}

/* The first digest of a minute counts: the same again is known, another is a conflict and changes nothing. */
static void outbox_second_digest_of_a_minute_is_refused(void **state)
{
    struct gw_item items[16];

    assert_int_equal(put_pair(*state, 0, SLOT, 1, 100), 0);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 100), SG_EKNOWN);
    assert_int_equal(put_pair(*state, 0, SLOT, 2, 100), SG_ECONFLICT);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(items[0].digest.b[0], 1);
    assert_int_equal(items[0].body_len, 100);
    assert_int_equal(items[0].live, 5);
}

/* A gap may be followed by a read, never the reverse. */
static void outbox_read_takes_the_place_of_an_unsaid_gap(void **state)
{
    struct gw_item items[16];

    assert_int_equal(gw_outbox_put_gap(*state, 1, SLOT, LG_REASON_TIMEOUT), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 1, SLOT, LG_REASON_REFUSED), SG_EKNOWN);
    assert_int_equal(put_pair(*state, 1, SLOT, 1, 10), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 1, SLOT, LG_REASON_TIMEOUT), SG_EKNOWN);
    assert_int_equal(open_items(*state, items), 1);
    assert_true(items[0].is_read);
}

/* A gap that was said and whose statement died is not said again once its minute has been read. */
static void outbox_said_gap_is_not_repeated_after_a_read(void **state)
{
    struct gw_item items[16];
    struct gw_said_row row;

    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT, LG_REASON_TIMEOUT), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 1, SLOT, LG_REASON_CLOCK), 0);
    row = say(*state, 10, 1, SLOT);
    assert_int_equal(open_items(*state, items), 0);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    assert_int_equal(gw_outbox_set_said(*state, row.id, GW_SAID_DEAD, false, 0), 0);
    assert_int_equal(open_items(*state, items), 2);
    assert_true(items[0].is_read && items[0].relay == 0);
    assert_true(!items[1].is_read && items[1].relay == 1 && items[1].reason == LG_REASON_CLOCK);
}

/* Open items come with the oldest minutes first, within the window asked for. */
static void outbox_open_items_are_oldest_first(void **state)
{
    struct gw_item items[16];
    unsigned n;

    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    assert_int_equal(put_pair(*state, 1, SLOT - 5, 2, 10), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT - 5, LG_REASON_TIMEOUT), 0);
    assert_int_equal(open_items(*state, items), 3);
    assert_true(items[0].min == SLOT - 5 && items[0].relay == 0);
    assert_true(items[1].min == SLOT - 5 && items[1].relay == 1);
    assert_true(items[2].min == SLOT);
    assert_int_equal(gw_outbox_open_items(*state, items, 16, &n, SLOT, SLOT), 0);
    assert_int_equal(n, 1);
    assert_int_equal(gw_outbox_open_items(*state, items, 2, &n, 0, SLOT), 0);
    assert_int_equal(n, 2);
}

/* Nothing makes a key sign one (inc, seq) twice: the second one is refused, and its items stay open. */
static void outbox_second_statement_of_one_seq_is_refused(void **state)
{
    struct gw_said_row row = {.inc = 10, .seq = 1, .slot = SLOT + 1, .leaf = {{9}}};
    struct gw_item items[16];
    unsigned n;

    (void)say(*state, 10, 1, SLOT);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    n = open_items(*state, items);
    assert_int_equal(gw_outbox_add_statement(*state, &row, (const uint8_t *)"{}", 2, items, n), SG_ECONFLICT);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(gw_outbox_find(*state, &row, &(struct lg_hash){{9}}), SG_ENOT_FOUND);
}

/* What a call acknowledged is there after a crash: the process ends without closing anything. */
static void outbox_statement_survives_a_crash(void **state)
{
    struct gw_said_row row;
    sg_ms inc;
    sg_minute slot;
    int status;
    pid_t pid;

    gw_outbox_close(*state);
    *state = NULL;
    pid = fork();
    if (pid == 0) {
        struct gw_outbox *o = open_dir(0);

        (void)put_pair(o, 0, SLOT, 1, 10);
        (void)say(o, 77, 1, SLOT);
        (void)put_pair(o, 1, SLOT, 2, 10);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    *state = open_dir(0);
    assert_int_equal(gw_outbox_find_seq(*state, &row, 77, 1), 0);
    assert_int_equal(row.slot, SLOT);
    assert_int_equal(row.said, GW_SAID_MADE);
    assert_int_equal(gw_outbox_greatest(*state, &inc, &slot, 100, 5), 0);
    assert_int_equal(inc, 77);
    assert_int_equal(slot, SLOT);
    {
        struct gw_item items[16];

        assert_int_equal(open_items(*state, items), 1);
        assert_int_equal(items[0].relay, 1);
    }
}

/* A change that was begun and not committed leaves nothing. */
static void outbox_rolled_back_change_leaves_nothing(void **state)
{
    struct gw_item items[16];

    assert_int_equal(gw_outbox_begin(*state), 0);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    gw_outbox_rollback(*state);
    assert_int_equal(open_items(*state, items), 0);
    assert_int_equal(gw_outbox_begin(*state), 0);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), SG_EKNOWN); /* a refusal does not end the change */
    assert_int_equal(put_pair(*state, 1, SLOT, 1, 10), 0);
    assert_int_equal(gw_outbox_commit(*state), 0);
    assert_int_equal(open_items(*state, items), 2);
}

/* Two processes on one folder: the second is turned away and the first goes on. */
static void outbox_second_process_is_locked_out(void **state)
{
    struct gw_outbox_config config = {.dir = outbox_dir, .genesis = &outbox_genesis, .kid = KID};
    struct gw_outbox *o = NULL;
    struct sg_fault fault;
    char expected[128];

    assert_int_equal(gw_outbox_open(&o, &config, &fault), SG_ELOCKED);
    assert_null(o);
    snprintf(expected, sizeof expected, "%s: another process holds this folder", outbox_dir);
    assert_string_equal(fault.text, expected);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
}

/* The folder of another key or chain is refused. */
static void outbox_of_another_key_or_chain_is_refused(void **state)
{
    struct lg_genesis other = outbox_genesis;
    struct gw_outbox_config configs[] = {{.dir = outbox_dir, .genesis = &outbox_genesis, .kid = KID + 1},
        {.dir = outbox_dir, .genesis = &other, .kid = KID}};
    struct gw_outbox *o = NULL;
    struct sg_fault fault;

    other.id.b[31] = 1;
    gw_outbox_close(*state);
    *state = NULL;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(gw_outbox_open(&o, &configs[i], &fault), SG_ECONFIG);
    *state = open_dir(0);
}

/* A full disk refuses without harm, what was there stays, and pruning makes room again. */
static void outbox_full_disk_refuses_and_recovers(void **state)
{
    struct gw_item items[16];
    struct gw_said_row row = {.inc = 10, .seq = 1, .slot = SLOT, .leaf = {{1}}};
    sg_minute min = SLOT - 1439;
    char path[128];
    struct stat st;
    unsigned n;
    int err;

    snprintf(path, sizeof path, "%s/ballast", outbox_dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
    gw_outbox_close(*state);
    *state = open_dir(60);
    while ((err = put_pair(*state, 0, min, 1, 8000)) == 0)
        min++;
    assert_int_equal(err, SG_ENOSPC);
    assert_true(min > SLOT - 1435 && min < SLOT - 1400);
    assert_int_equal(stat(path, &st), -1); /* given up */
    assert_int_equal(gw_outbox_open_items(*state, items, 16, &n, 0, SLOT), 0);
    assert_int_equal(put_pair(*state, 0, min - 1, 1, 8000), SG_EKNOWN);
    {
        uint8_t *doc = calloc(1, 100000);

        assert_int_equal(gw_outbox_add_statement(*state, &row, doc, 100000, items, n), SG_ENOSPC);
        free(doc);
    }
    assert_int_equal(gw_outbox_find_seq(*state, &row, 10, 1), SG_ENOT_FOUND);
    {
        int64_t lost;

        assert_int_equal(gw_outbox_prune(*state, min + 1439, &lost), 0);
        assert_int_equal(lost, min - (SLOT - 1439));
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(put_pair(*state, 0, min, 1, 8000), 0);
}

/* A full disk in the middle of a batch undoes the batch, and the outbox goes on. */
static void outbox_full_disk_inside_a_change_undoes_it(void **state)
{
    struct gw_item items[16];
    sg_minute min = SLOT - 1439;
    unsigned n;
    int err;

    gw_outbox_close(*state);
    *state = open_dir(40);
    assert_int_equal(gw_outbox_begin(*state), 0);
    while ((err = put_pair(*state, 0, min, 1, 8000)) == 0)
        min++;
    assert_int_equal(err, SG_ENOSPC);
    gw_outbox_rollback(*state);
    assert_int_equal(gw_outbox_open_items(*state, items, 16, &n, 0, SLOT), 0);
    assert_int_equal(n, 0);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 8000), 0);
}

/* Acknowledged stays acknowledged; a mined statement is no longer offered; a dead one's items are open. */
static void outbox_places_decide_what_is_offered_and_open(void **state)
{
    struct gw_said_row a, b, row;
    struct gw_item items[16];

    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    a = say(*state, 10, 1, SLOT);
    assert_int_equal(put_pair(*state, 0, SLOT + 1, 2, 10), 0);
    b = say(*state, 10, 2, SLOT + 1);
    assert_int_equal(gw_outbox_next(*state, &row, 0, false), 0);
    assert_int_equal(row.id, a.id);
    assert_int_equal(gw_outbox_acknowledge(*state, a.id), 0);
    assert_int_equal(gw_outbox_find(*state, &row, &a.leaf), 0);
    assert_true(row.acknowledged && row.said == GW_SAID_POOLED);
    assert_int_equal(gw_outbox_set_said(*state, a.id, GW_SAID_MINED, false, 5), 0);
    assert_int_equal(gw_outbox_acknowledge(*state, a.id), 0);
    assert_int_equal(gw_outbox_acknowledge(*state, 999), SG_ENOT_FOUND);
    assert_int_equal(gw_outbox_find(*state, &row, &a.leaf), 0);
    assert_true(row.acknowledged && row.said == GW_SAID_MINED && row.height == 5);
    assert_int_equal(gw_outbox_next(*state, &row, 0, false), 0);
    assert_int_equal(row.id, b.id);
    assert_int_equal(gw_outbox_next(*state, &row, 0, true), 0);
    assert_int_equal(row.id, a.id);
    assert_int_equal(gw_outbox_oldest_unmined(*state, &row, 10), 0);
    assert_int_equal(row.seq, 2);
    assert_int_equal(gw_outbox_give_up(*state, 10), 0);
    assert_int_equal(gw_outbox_next(*state, &row, 0, false), SG_ENOT_FOUND);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(items[0].min, SLOT + 1);
    assert_int_equal(gw_outbox_set_said(*state, 999, GW_SAID_MINED, false, 5), SG_ENOT_FOUND);
}

/* What a wrong clock made and no node took neither counts nor keeps its items. */
static void outbox_far_unacknowledged_incarnation_does_not_count(void **state)
{
    struct gw_item items[16];
    struct gw_said_row far;
    sg_ms inc;
    sg_minute slot;

    (void)say(*state, 100, 1, SLOT);
    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    far = say(*state, 100000, 1, SLOT + 1000);
    assert_int_equal(gw_outbox_greatest(*state, &inc, &slot, 200, 50), 0);
    assert_int_equal(inc, 100);
    assert_int_equal(slot, SLOT);
    assert_int_equal(gw_outbox_drop_uncounted(*state, 200, 50), 0);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(
        gw_outbox_set_said(*state, far.id, GW_SAID_POOLED, true, 0), SG_ENOT_FOUND); /* dead is final */
    assert_int_equal(gw_outbox_acknowledge(*state, far.id), 0);
    assert_int_equal(gw_outbox_greatest(*state, &inc, &slot, 200, 50), 0);
    assert_int_equal(inc, 100000);
    assert_int_equal(slot, SLOT + 1000);
}

/* Pairs that are on no block count as uncommitted from the slot in which they entered. */
static void outbox_uncommitted_counts_unmined_pairs(void **state)
{
    struct gw_said_row row;
    int64_t count;
    sg_minute oldest;

    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    assert_int_equal(gw_outbox_uncommitted(*state, SLOT - 1, &count, &oldest), 0);
    assert_int_equal(count, 0);
    assert_int_equal(gw_outbox_uncommitted(*state, SLOT, &count, &oldest), 0);
    assert_int_equal(count, 1);
    assert_int_equal(oldest, SLOT);
    row = say(*state, 10, 1, SLOT);
    assert_int_equal(gw_outbox_set_said(*state, row.id, GW_SAID_POOLED, true, 0), 0);
    assert_int_equal(gw_outbox_uncommitted(*state, SLOT, &count, &oldest), 0);
    assert_int_equal(count, 1);
    assert_int_equal(gw_outbox_set_said(*state, row.id, GW_SAID_MINED, true, 3), 0);
    assert_int_equal(gw_outbox_uncommitted(*state, SLOT, &count, &oldest), 0);
    assert_int_equal(count, 0);
}

/* 1440 slots are kept, not one more. */
static void outbox_prune_keeps_1440_slots(void **state)
{
    struct gw_said_row row, kept;
    int64_t lost;
    unsigned n;
    struct gw_item items[16];

    assert_int_equal(put_pair(*state, 0, SLOT - 1440, 1, 10), 0);
    assert_int_equal(put_pair(*state, 0, SLOT - 1439, 2, 10), 0);
    row = (struct gw_said_row){.inc = 1, .seq = 1, .slot = SLOT - 1440, .leaf = {{1}}};
    assert_int_equal(gw_outbox_add_statement(*state, &row, (const uint8_t *)"{}", 2, NULL, 0), 0);
    kept = (struct gw_said_row){.inc = 1, .seq = 2, .slot = SLOT - 1439, .leaf = {{2}}};
    assert_int_equal(gw_outbox_add_statement(*state, &kept, (const uint8_t *)"{}", 2, NULL, 0), 0);
    assert_int_equal(gw_outbox_prune(*state, SLOT, &lost), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(gw_outbox_open_items(*state, items, 16, &n, 0, SLOT), 0);
    assert_int_equal(n, 1);
    assert_int_equal(gw_outbox_find(*state, &row, &row.leaf), SG_ENOT_FOUND);
    assert_int_equal(gw_outbox_find(*state, &row, &kept.leaf), 0);
}

static int collect(void *ctx, const uint8_t *doc, size_t len)
{
    size_t *sum = ctx;

    assert_int_equal(doc[0], 'x');
    *sum += len;
    return 0;
}

/* A statement comes back with its bodies, to be offered again. */
static void outbox_statement_comes_with_its_bodies(void **state)
{
    struct gw_said_row row;
    struct sg_buf doc;
    size_t bytes = 0, sum = 0;

    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    assert_int_equal(put_pair(*state, 1, SLOT, 1, 20), 0);
    row = say(*state, 10, 1, SLOT);
    sg_buf_init(&doc, 1000);
    assert_int_equal(gw_outbox_doc(*state, &doc, row.id), 0);
    assert_int_equal(doc.len, 2);
    assert_int_equal(gw_outbox_bodies(*state, row.id, collect, &sum), 0);
    assert_int_equal(sum, 30);
    assert_int_equal(gw_outbox_size(*state, row.id, &bytes), 0);
    assert_int_equal(bytes, 32);
    assert_int_equal(gw_outbox_doc(*state, &doc, row.id + 1), SG_ENOT_FOUND);
    sg_buf_fini(&doc);
}

/* Those asked about longest ago come first, the confirmed ones last and few, so that every one has its turn; the newest confirmed one has it
 * always, because a reorganisation that reaches below it takes it off too. */
static void outbox_follow_takes_turns(void **state)
{
    struct gw_said_row rows[5], made[6];
    unsigned n;

    for (int i = 0; i < 6; i++)
        made[i] = say(*state, 10, i + 1, SLOT + i);
    assert_int_equal(gw_outbox_set_said(*state, made[0].id, GW_SAID_CONFIRMED, true, 1), 0);
    assert_int_equal(gw_outbox_set_said(*state, made[1].id, GW_SAID_DEAD, true, 0), 0);
    assert_int_equal(gw_outbox_to_follow(*state, rows, 3, 1, &n, SLOT + 10), 0);
    assert_int_equal(n, 3);
    assert_int_equal(rows[0].id, made[2].id);
    assert_int_equal(rows[2].id, made[4].id);
    assert_int_equal(gw_outbox_to_follow(*state, rows, 3, 1, &n, SLOT + 11), 0);
    assert_int_equal(rows[0].id, made[5].id);
    assert_int_equal(gw_outbox_set_said(*state, made[2].id, GW_SAID_CONFIRMED, true, 1), 0);
    assert_int_equal(gw_outbox_to_follow(*state, rows, 5, 2, &n, SLOT + 12), 0);
    assert_int_equal(n, 5);
    assert_int_equal(rows[3].id, made[2].id); /* the newest: it was asked about later than made[0] */
    assert_int_equal(rows[4].id, made[0].id);
    assert_int_equal(gw_outbox_to_follow(*state, rows, 4, 1, &n, SLOT + 13), 0);
    assert_int_equal(n, 4);
    assert_int_equal(rows[3].id, made[2].id);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(outbox_second_digest_of_a_minute_is_refused),
        TEST(outbox_read_takes_the_place_of_an_unsaid_gap),
        TEST(outbox_said_gap_is_not_repeated_after_a_read),
        TEST(outbox_open_items_are_oldest_first),
        TEST(outbox_second_statement_of_one_seq_is_refused),
        TEST(outbox_statement_survives_a_crash),
        TEST(outbox_rolled_back_change_leaves_nothing),
        TEST(outbox_second_process_is_locked_out),
        TEST(outbox_of_another_key_or_chain_is_refused),
        TEST(outbox_full_disk_refuses_and_recovers),
        TEST(outbox_full_disk_inside_a_change_undoes_it),
        TEST(outbox_places_decide_what_is_offered_and_open),
        TEST(outbox_far_unacknowledged_incarnation_does_not_count),
        TEST(outbox_uncommitted_counts_unmined_pairs),
        TEST(outbox_prune_keeps_1440_slots),
        TEST(outbox_statement_comes_with_its_bodies),
        TEST(outbox_follow_takes_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
