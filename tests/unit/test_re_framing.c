/* The table of connections: deadlines run from first bytes, and the right one goes when there are too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay-emulator/framing.h"

static const uint8_t here[RE_ADDRESS_BYTES] = {127, 0, 0, 1};
static const uint8_t there[RE_ADDRESS_BYTES] = {127, 0, 0, 2};
static const uint8_t request[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 200, 0, 34};

static struct re_conns table;

static int setup(void **state)
{
    (void)state;
    re_conns_init(&table);
    return 0;
}

static void put(struct re_conn *c, const uint8_t *bytes, size_t n, sg_ms now_ms)
{
    size_t room;
    uint8_t *at = re_conn_space(c, &room);
    assert_true(n <= room);
    memcpy(at, bytes, n);
    re_conns_received(&table, c, n, now_ms);
}

/* Judge and, when it is whole, take the first frame. */
static enum re_verdict step(struct re_conn *c, sg_ms now_ms)
{
    struct re_request r;
    const uint8_t *adu;
    enum re_verdict v = re_conn_check(c, &r, &adu, 1);
    if (v == RE_FRAME_READ || v == RE_FRAME_EXCEPTION)
        re_conns_take(&table, c, r.adu_bytes, now_ms);
    return v;
}

/* A connection without a byte has no deadline; the first byte starts it, more bytes do not move it, the last one ends
 * it. */
static void framing_deadline_runs_from_first_to_last_byte(void **state)
{
    struct re_conn *c = re_conns_add(&table, 7, here);
    (void)state;
    assert_true(re_conns_deadline(&table) == INT64_MAX);
    put(c, request, 1, 100);
    assert_true(re_conns_deadline(&table) == 100 + RE_FRAME_MS);
    put(c, request + 1, 5, 900);
    assert_true(re_conns_deadline(&table) == 100 + RE_FRAME_MS);
    assert_null(re_conns_expired(&table, 100 + RE_FRAME_MS - 1));
    assert_ptr_equal(re_conns_expired(&table, 100 + RE_FRAME_MS), c);
    assert_int_equal(step(c, 950), RE_FRAME_MORE);
    put(c, request + 6, 6, 1000);
    assert_int_equal(step(c, 1000), RE_FRAME_READ);
    assert_true(re_conns_deadline(&table) == INT64_MAX);
}

/* Bytes behind a complete frame begin a frame of their own when that one is taken. */
static void framing_bytes_after_a_frame_start_a_new_deadline(void **state)
{
    struct re_conn *c = re_conns_add(&table, 7, here);
    (void)state;
    put(c, request, 12, 100);
    put(c, request, 3, 500);
    assert_int_equal(step(c, 600), RE_FRAME_READ);
    assert_true(re_conns_deadline(&table) == 600 + RE_FRAME_MS);
    assert_int_equal(step(c, 600), RE_FRAME_MORE);
    put(c, request + 3, 9, 700);
    assert_int_equal(step(c, 700), RE_FRAME_READ);
}

/* The buffer holds the longest legal frame, and after every whole frame is taken there is room again. */
static void framing_longest_frame_fits_at_any_place(void **state)
{
    static const uint8_t longest[RE_ADU_MAX] = {0, 2, 0, 0, 0, 254, 1, 16};
    struct re_conn *c = re_conns_add(&table, 7, here);
    size_t room;
    (void)state;
    put(c, request, 12, 0);
    put(c, longest, RE_ADU_MAX - 12, 0);
    assert_int_equal(step(c, 0), RE_FRAME_READ);
    assert_int_equal(step(c, 0), RE_FRAME_MORE);
    put(c, longest + RE_ADU_MAX - 12, 12, 0);
    assert_int_equal(step(c, 0), RE_FRAME_EXCEPTION);
    (void)re_conn_space(c, &room);
    assert_int_equal(room, RE_ADU_MAX);
}

/* Deadlines expire in their order, each connection once. */
static void framing_several_deadlines_expire_in_order(void **state)
{
    struct re_conn *a = re_conns_add(&table, 7, here), *b = re_conns_add(&table, 8, here);
    (void)state;
    put(b, request, 1, 100);
    put(a, request, 1, 200);
    assert_ptr_equal(re_conns_expired(&table, 5000), b);
    re_conns_remove(&table, b);
    assert_ptr_equal(re_conns_expired(&table, 5000), a);
    re_conns_remove(&table, a);
    assert_null(re_conns_expired(&table, 5000));
    assert_int_equal(table.count, 0);
}

/* A stalled client has the deadline of its stalling only; resumed, the rest of its bytes count as new. */
static void framing_stalled_client_is_not_late_with_a_frame(void **state)
{
    struct re_conn *c = re_conns_add(&table, 7, here);
    (void)state;
    put(c, request, 4, 100);
    re_conns_stall(&table, c, 200);
    assert_true(re_conns_deadline(&table) == 200 + RE_STALL_MS);
    assert_null(re_conns_expired(&table, 100 + RE_FRAME_MS));
    assert_ptr_equal(re_conns_expired(&table, 200 + RE_STALL_MS), c);
    re_conns_resume(&table, c, 3000);
    assert_true(re_conns_deadline(&table) == 3000 + RE_FRAME_MS);
}

/* The 65th of an address costs the one of that address whose last complete frame is oldest; bytes alone do not count
 * as activity. */
static void framing_full_address_gives_up_its_longest_idle(void **state)
{
    struct re_conn *c[RE_CONNS_ADDRESS], *other = re_conns_add(&table, 500, there);
    (void)state;
    for (int i = 0; i < RE_CONNS_ADDRESS; i++) {
        assert_null(re_conns_victim(&table, here));
        c[i] = re_conns_add(&table, i, here);
    }
    put(c[0], request, 12, 10);
    assert_int_equal(step(c[0], 10), RE_FRAME_READ);
    put(c[1], request, 3, 20);
    assert_ptr_equal(re_conns_victim(&table, here), c[1]);
    assert_null(re_conns_victim(&table, there));
    re_conns_remove(&table, c[1]);
    assert_null(re_conns_victim(&table, here));
    assert_int_equal(other->fd, 500);
}

/* The 257th connection costs the one that is idle for longest of all, whatever its address. */
static void framing_full_table_gives_up_the_longest_idle(void **state)
{
    struct re_conn *first = re_conns_add(&table, 0, there);
    (void)state;
    for (int i = 1; i < RE_CONNS_MAX; i++) {
        uint8_t address[RE_ADDRESS_BYTES] = {10, (uint8_t)i};
        assert_null(re_conns_victim(&table, address));
        (void)re_conns_add(&table, i, address);
    }
    assert_ptr_equal(re_conns_victim(&table, here), first);
    assert_ptr_equal(re_conns_longest_idle(&table), first);
    re_conns_remove(&table, first);
    assert_null(re_conns_victim(&table, here));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(framing_deadline_runs_from_first_to_last_byte, setup),
        cmocka_unit_test_setup(framing_bytes_after_a_frame_start_a_new_deadline, setup),
        cmocka_unit_test_setup(framing_longest_frame_fits_at_any_place, setup),
        cmocka_unit_test_setup(framing_several_deadlines_expire_in_order, setup),
        cmocka_unit_test_setup(framing_stalled_client_is_not_late_with_a_frame, setup),
        cmocka_unit_test_setup(framing_full_address_gives_up_its_longest_idle, setup),
        cmocka_unit_test_setup(framing_full_table_gives_up_the_longest_idle, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
