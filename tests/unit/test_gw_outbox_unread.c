/* The outbox: what it does not know, and its bound while nothing is signed. */
#include "tests/lib/outbox_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* A minute is unread without a pair, and without a gap by which the relay itself showed that nothing can follow. */
static void outbox_unread_minutes_are_those_that_may_be_read(void **state)
{
    uint64_t bits = 0;

    assert_int_equal(put_pair(*state, 0, SLOT, 1, 10), 0);
    assert_int_equal(put_pair(*state, 1, SLOT - 1, 1, 10), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT - 2, LG_REASON_TIMEOUT), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT - 3, LG_REASON_MALFORMED), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT - 4, LG_REASON_STOPPED), 0);
    assert_int_equal(put_pair(*state, 0, SLOT - 6, 2, 10), 0);
    assert_int_equal(gw_outbox_unread(*state, &bits, 0, SLOT, 6), 0);
    assert_int_equal(bits, 0x26);
    assert_int_equal(gw_outbox_unread(*state, &bits, 0, SLOT + 60, 64), 0);
    assert_int_equal(bits >> 60, 0x6);
}

/* What a statement says that is not in here is not said again, and no gap follows it; another digest is another matter. */
static void outbox_read_elsewhere_is_not_open(void **state)
{
    struct gw_item items[16];
    struct lg_hash same = {{1}}, other = {{9}};
    sg_minute oldest = 0;
    int64_t count = 77;

    assert_int_equal(gw_outbox_oldest_open(*state, &oldest, 0), SG_ENOT_FOUND);
    assert_int_equal(put_pair(*state, 0, SLOT - 5, 1, 10), 0);
    assert_int_equal(put_pair(*state, 0, SLOT - 4, 1, 10), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT - 9, LG_REASON_TIMEOUT), 0);
    assert_int_equal(gw_outbox_oldest_open(*state, &oldest, 0), 0);
    assert_int_equal(oldest, SLOT - 9);
    assert_int_equal(gw_outbox_begin(*state), 0);
    assert_int_equal(gw_outbox_read_elsewhere(*state, 0, SLOT - 9, &same, true), 0);
    assert_int_equal(gw_outbox_read_elsewhere(*state, 0, SLOT - 5, &same, true), 0);
    assert_int_equal(gw_outbox_read_elsewhere(*state, 0, SLOT - 4, &other, true), 0);
    assert_int_equal(gw_outbox_gone_elsewhere(*state, 0, SLOT - 9, SLOT), 0);
    assert_int_equal(gw_outbox_commit(*state), 0);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(items[0].min, SLOT - 4);
    assert_int_equal(put_pair(*state, 0, SLOT - 5, 1, 10), SG_EKNOWN);
    assert_int_equal(gw_outbox_uncommitted(*state, SLOT, &count, &oldest), 0);
    assert_int_equal(count, 1);
}

/* A page that tells these minutes of relay 0, from SLOT - 9 on. */
static void tell(struct gw_outbox *o, const sg_minute *read, unsigned n, bool confirmed)
{
    struct lg_hash same = {{1}};

    assert_int_equal(gw_outbox_begin(o), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(gw_outbox_read_elsewhere(o, 0, read[i], &same, confirmed), 0);
    assert_int_equal(gw_outbox_gone_elsewhere(o, 0, SLOT - 9, SLOT), 0);
    assert_int_equal(gw_outbox_commit(o), 0);
}

/* What is said elsewhere without being confirmed is not open while it is told, and is when it is told no more, in the pages that ask for
 * it; once confirmed it stays said, whatever follows. */
static void outbox_read_elsewhere_and_gone_is_open_again(void **state)
{
    static const sg_minute told[] = {SLOT - 5, SLOT - 3, SLOT - 4};
    struct gw_item items[16];
    sg_minute oldest = 0;

    assert_int_equal(put_pair(*state, 0, SLOT - 20, 1, 10), 0);
    for (sg_minute m = SLOT - 5; m <= SLOT - 3; m++)
        assert_int_equal(put_pair(*state, 0, m, 1, 10), 0);
    assert_int_equal(put_pair(*state, 1, SLOT - 5, 1, 10), 0);
    assert_int_equal(gw_outbox_oldest_elsewhere(*state, &oldest, 0), SG_ENOT_FOUND);
    tell(*state, told, 3, false);
    assert_int_equal(open_items(*state, items), 2);
    assert_int_equal(gw_outbox_oldest_elsewhere(*state, &oldest, 0), 0);
    assert_int_equal(oldest, SLOT - 5);
    tell(*state, told, 1, true);
    assert_int_equal(open_items(*state, items), 4);
    assert_int_equal(gw_outbox_oldest_elsewhere(*state, &oldest, 0), SG_ENOT_FOUND);
    tell(*state, told + 1, 2, false);
    tell(*state, told + 1, 1, false);
    assert_int_equal(open_items(*state, items), 3);
    assert_int_equal(items[2].min, SLOT - 4);
    assert_int_equal(gw_outbox_oldest_open(*state, &oldest, 0), 0);
    assert_int_equal(oldest, SLOT - 20);
    tell(*state, told, 0, false);
    assert_int_equal(open_items(*state, items), 4);
}

/* An outbox that never signs stays bounded by its entries: the oldest go, and are counted. */
static void outbox_that_never_signs_is_bounded(void **state)
{
    struct gw_item items[16];
    int64_t lost = 77;

    for (sg_minute m = 0; m < 30; m++) {
        assert_int_equal(put_pair(*state, 0, SLOT - 100 + m, 1, 10), 0);
        assert_int_equal(gw_outbox_put_gap(*state, 1, SLOT - 100 + m, LG_REASON_TIMEOUT), 0);
    }
    assert_int_equal(gw_outbox_bound(*state, SLOT, 30, &lost), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(gw_outbox_bound(*state, SLOT, 5, &lost), 0);
    assert_int_equal(lost, 25);
    assert_int_equal(open_items(*state, items), 15);
    assert_int_equal(gw_outbox_bound(*state, SLOT, 5, &lost), 0);
    assert_int_equal(lost, 0);
}

/* What a statement carries is no matter of the bound, however old; and while statements are made within the window, nothing is: with fewer relays
 * than before the window holds more than the bound lets stay. */
static void outbox_that_signs_loses_nothing_to_the_bound(void **state)
{
    struct gw_said_row row = {.inc = 7, .seq = 1, .slot = SLOT, .leaf = {{1}}};
    struct gw_item items[16];
    int64_t lost = 77;

    for (sg_minute m = 0; m < 10; m++)
        assert_int_equal(put_pair(*state, 0, SLOT - 9 + m, 1, 10), 0);
    assert_int_equal(open_items(*state, items), 10);
    assert_int_equal(
        gw_outbox_add_statement(*state, &row, (const uint8_t *)"{}", 2, items, 6), 0); /* the oldest */
    assert_int_equal(gw_outbox_bound(*state, SLOT + LG_KEEP_SLOTS, 1, &lost), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(open_items(*state, items), 4);
    assert_int_equal(gw_outbox_bound(*state, SLOT + LG_KEEP_SLOTS + 1, 1, &lost), 0);
    assert_int_equal(lost, 3);
    assert_int_equal(put_pair(*state, 0, SLOT - 9, 1, 10), SG_EKNOWN);
    assert_int_equal(gw_outbox_give_up(*state, 7), 0);
    assert_int_equal(open_items(*state, items), 7);
    assert_int_equal(gw_outbox_bound(*state, SLOT - LG_KEEP_SLOTS, 1, &lost), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(gw_outbox_bound(*state, SLOT - LG_KEEP_SLOTS - 1, 1, &lost), 0);
    assert_int_equal(lost, 6);
}

/* Gaps after a minute are forgotten, but for those that a statement carries; so are no pairs. */
static void outbox_forgets_gaps_of_a_fast_clock(void **state)
{
    struct gw_said_row row = {.inc = 7, .seq = 1, .slot = SLOT, .leaf = {{1}}};
    struct gw_item items[16];

    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT + 3, LG_REASON_CLOCK), 0);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(gw_outbox_add_statement(*state, &row, (const uint8_t *)"{}", 2, items, 1), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT, LG_REASON_CLOCK), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT + 1, LG_REASON_CLOCK), 0);
    assert_int_equal(put_pair(*state, 0, SLOT + 2, 1, 10), 0);
    assert_int_equal(gw_outbox_forget_gaps(*state, SLOT), 0);
    assert_int_equal(open_items(*state, items), 2);
    assert_int_equal(items[0].min, SLOT);
    assert_int_equal(items[1].min, SLOT + 2);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT + 1, LG_REASON_TIMEOUT), 0);
    assert_int_equal(gw_outbox_put_gap(*state, 0, SLOT + 3, LG_REASON_TIMEOUT), SG_EKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(outbox_unread_minutes_are_those_that_may_be_read),
        TEST(outbox_read_elsewhere_is_not_open),
        TEST(outbox_read_elsewhere_and_gone_is_open_again),
        TEST(outbox_forgets_gaps_of_a_fast_clock),
        TEST(outbox_that_never_signs_is_bounded),
        TEST(outbox_that_signs_loses_nothing_to_the_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
