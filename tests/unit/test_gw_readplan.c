/* The table of requests that a relay may see. */
#include "gateway/core/readplan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every request of the plan is legal: 1..125 registers, inside 16-bit addresses. */
static void readplan_every_read_is_legal(void **state)
{
    (void)state;
    for (unsigned k = 0; k < GW_READ_COUNT; k++) {
        const struct gw_read *r = gw_readplan(k);

        assert_in_range(r->quantity, 1, 125);
        for (sg_minute min = 0; min < 60; min++)
            assert_true(gw_readplan_address(k, min) + r->quantity <= 65536);
    }
}

/* A ring slot lies at 2000 + 128 times the minute of the hour, its status and CRC behind its frame. */
static void readplan_ring_address_follows_minute_of_hour(void **state)
{
    (void)state;
    assert_int_equal(gw_readplan_address(GW_READ_RING, 60 * 490000), 2000);
    assert_int_equal(gw_readplan_address(GW_READ_RING, 60 * 490000 + 59), 2000 + 128 * 59);
    assert_int_equal(gw_readplan_address(GW_READ_RING_TAIL, 60 * 490000 + 1), 2000 + 128 + 125);
    assert_int_equal(gw_readplan_address(GW_READ_HEADER, 61), 0);
    assert_int_equal(gw_readplan_address(GW_READ_LIVE, 61), 200);
    assert_int_equal(gw_readplan_address(GW_READ_FRAME, 61), 1000);
}

/* The printed plan names the relay and holds one line per request. */
static void readplan_print_lists_all_reads(void **state)
{
    static const char *const want =
        "relay-1  127.0.0.1:5010  unit 7\n"
        "  FC03     0..72  quantity  73  header: after each connect and each change of BOOT_ID\n"
        "  FC03   200..233  quantity  34  live: shortly after each latch\n"
        "  FC03  1000..1124  quantity 125  frame: when a minute has ended\n"
        "  FC03  2125..2127  quantity   3  ring tail: for a minute that FRAME has left; + 128 x minute of "
        "the hour\n"
        "  FC03  2000..2124  quantity 125  ring: after its tail; + 128 x minute of the hour\n";
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 4096);
    gw_readplan_print(&b, "relay-1", "127.0.0.1", 5010, 7);
    sg_buf_put_u8(&b, 0);
    assert_int_equal(sg_buf_err(&b), 0);
    assert_string_equal((const char *)b.p, want);
    sg_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readplan_every_read_is_legal),
        cmocka_unit_test(readplan_ring_address_follows_minute_of_hour),
        cmocka_unit_test(readplan_print_lists_all_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
