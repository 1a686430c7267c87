/* The ring of the newest events: what is kept, what goes, and that numbers have no holes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/event_ring.h"

static uint64_t put(struct lg_event_ring *r, const char *text)
{
    return lg_event_ring_put(r, text, strlen(text));
}

static void assert_text(const struct lg_event_ring *r, uint64_t number, const char *text)
{
    const struct lg_event_text *e = lg_event_ring_get(r, number);
    assert_non_null(e);
    assert_int_equal(e->len, strlen(text));
    assert_memory_equal(e->text, text, e->len);
}

/* Numbers begin with 1 and follow one another; an empty ring has nothing and names the next one as its first. */
static void ring_numbers_from_one_on(void **state)
{
    struct lg_event_ring r;
    (void)state;
    assert_int_equal(lg_event_ring_init(&r, 100, 10), 0);
    assert_int_equal(lg_event_ring_first(&r), 1);
    assert_null(lg_event_ring_get(&r, 1));
    assert_int_equal(put(&r, "one"), 1);
    assert_int_equal(put(&r, "two"), 2);
    assert_int_equal(lg_event_ring_first(&r), 1);
    assert_text(&r, 1, "one");
    assert_text(&r, 2, "two");
    assert_null(lg_event_ring_get(&r, 0));
    assert_null(lg_event_ring_get(&r, 3));
    lg_event_ring_fini(&r);
}

/* Beyond its number of events, and beyond its bytes, the oldest go, as many as are needed and no more. */
static void ring_full_drops_the_oldest(void **state)
{
    struct lg_event_ring r;
    (void)state;
    assert_int_equal(lg_event_ring_init(&r, 10, 3), 0);
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(put(&r, "ab"), i);
    assert_int_equal(lg_event_ring_first(&r), 3);
    assert_int_equal(put(&r, "12345678"), 6); /* 2 + 8 fit */
    assert_int_equal(lg_event_ring_first(&r), 5);
    assert_text(&r, 5, "ab");
    assert_text(&r, 6, "12345678");
    assert_int_equal(put(&r, "0123456789"), 7);
    assert_int_equal(lg_event_ring_first(&r), 7);
    assert_int_equal(r.bytes, 10);
    lg_event_ring_fini(&r);
}

/* A text that can never be kept takes its number and leaves nothing before it: a reader behind it sees a loss, not a hole. */
static void ring_text_too_long_empties_it(void **state)
{
    struct lg_event_ring r;
    (void)state;
    assert_int_equal(lg_event_ring_init(&r, 10, 3), 0);
    assert_int_equal(put(&r, "ab"), 1);
    assert_int_equal(put(&r, "0123456789a"), 2);
    assert_int_equal(lg_event_ring_first(&r), 3);
    assert_null(lg_event_ring_get(&r, 1));
    assert_null(lg_event_ring_get(&r, 2));
    assert_int_equal(r.bytes, 0);
    assert_int_equal(put(&r, "cd"), 3);
    assert_text(&r, 3, "cd");
    lg_event_ring_fini(&r);
}

/* After any number of puts of any length: what is there is the newest, without a gap, within both limits. */
static void ring_is_always_the_newest_without_a_gap(void **state)
{
    enum { BYTES = 300, EVENTS = 17 };
    struct lg_event_ring r;
    char text[100];
    uint64_t random = 1;
    (void)state;
    assert_int_equal(lg_event_ring_init(&r, BYTES, EVENTS), 0);
    for (uint64_t i = 1; i <= 5000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const size_t len = 1 + (size_t)(random >> 33) % sizeof text;
        size_t bytes = 0;
        memset(text, (int)(i % 251), len);
        assert_int_equal(lg_event_ring_put(&r, text, len), i);
        assert_true(r.n >= 1 && r.n <= EVENTS);
        for (uint64_t k = lg_event_ring_first(&r); k <= i; k++) {
            const struct lg_event_text *e = lg_event_ring_get(&r, k);
            assert_non_null(e);
            assert_int_equal((unsigned char)e->text[0], k % 251);
            bytes += e->len;
        }
        assert_int_equal(bytes, r.bytes);
        assert_true(bytes <= BYTES);
    }
    lg_event_ring_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_numbers_from_one_on),
        cmocka_unit_test(ring_full_drops_the_oldest),
        cmocka_unit_test(ring_text_too_long_empties_it),
        cmocka_unit_test(ring_is_always_the_newest_without_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
