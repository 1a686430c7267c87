/* The table of large offers that are under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "ledger/large_offers.h"

enum { LARGE = LG_LARGE_OFFER + 1 };

/* The second large offer of one address waits for the end of the first; another address does not, nor does a small one. */
static void large_offers_one_of_an_address(void **state)
{
    struct lg_large_offers o = {0};
    unsigned first, other, again;

    (void)state;
    assert_int_equal(lg_large_offers_begin(&o, &first, "192.0.2.1", LARGE), 0);
    assert_int_equal(lg_large_offers_begin(&o, &again, "192.0.2.1", LARGE), SG_EOVERLOADED);
    assert_int_equal(lg_large_offers_begin(&o, &again, "192.0.2.1", LG_LARGE_OFFER), 0);
    lg_large_offers_end(&o, again);
    assert_int_equal(lg_large_offers_begin(&o, &other, "192.0.2.10", LARGE), 0);
    lg_large_offers_end(&o, first);
    assert_int_equal(lg_large_offers_begin(&o, &first, "192.0.2.1", LARGE), 0);
    lg_large_offers_end(&o, other);
    lg_large_offers_end(&o, first);
}

/* Those whose address cannot be told are one. */
static void large_offers_without_address_are_one(void **state)
{
    struct lg_large_offers o = {0};
    unsigned first, again;

    (void)state;
    assert_int_equal(lg_large_offers_begin(&o, &first, "", LARGE), 0);
    assert_int_equal(lg_large_offers_begin(&o, &again, "", LARGE), SG_EOVERLOADED);
    lg_large_offers_end(&o, first);
    assert_int_equal(lg_large_offers_begin(&o, &first, "", LARGE), 0);
}

/* There are so many places; one that is free again is given again. */
static void large_offers_are_bounded(void **state)
{
    struct lg_large_offers o = {0};
    unsigned place[LG_LARGE_OFFERS], more;
    char address[SG_HTTP_ADDRESS];

    (void)state;
    for (unsigned i = 0; i < LG_LARGE_OFFERS; i++) {
        snprintf(address, sizeof(address), "2001:db8::%u", i);
        assert_int_equal(lg_large_offers_begin(&o, &place[i], address, LARGE), 0);
    }
    assert_int_equal(lg_large_offers_begin(&o, &more, "192.0.2.1", LARGE), SG_EOVERLOADED);
    lg_large_offers_end(&o, place[7]);
    assert_int_equal(lg_large_offers_begin(&o, &more, "192.0.2.1", LARGE), 0);
    assert_int_equal(more, place[7]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_offers_one_of_an_address),
        cmocka_unit_test(large_offers_without_address_are_one),
        cmocka_unit_test(large_offers_are_bounded),
    };

    return cmocka_run_group_tests_name("large_offers", tests, NULL, NULL);
}
