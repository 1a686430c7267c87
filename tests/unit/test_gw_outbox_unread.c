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
    assert_int_equal(gw_outbox_read_elsewhere(*state, 0, SLOT - 9, &same), 0);
    assert_int_equal(gw_outbox_read_elsewhere(*state, 0, SLOT - 5, &same), 0);
    assert_int_equal(gw_outbox_read_elsewhere(*state, 0, SLOT - 4, &other), 0);
    assert_int_equal(open_items(*state, items), 1);
    assert_int_equal(items[0].min, SLOT - 4);
    assert_int_equal(put_pair(*state, 0, SLOT - 5, 1, 10), SG_EKNOWN);
    assert_int_equal(gw_outbox_uncommitted(*state, SLOT, &count, &oldest), 0);
    assert_int_equal(count, 1);
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
    assert_int_equal(gw_outbox_bound(*state, 30, &lost), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(gw_outbox_bound(*state, 5, &lost), 0);
    assert_int_equal(lost, 25);
    assert_int_equal(open_items(*state, items), 15);
    assert_int_equal(gw_outbox_bound(*state, 5, &lost), 0);
    assert_int_equal(lost, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(outbox_unread_minutes_are_those_that_may_be_read),
        TEST(outbox_read_elsewhere_is_not_open),
        TEST(outbox_that_never_signs_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
