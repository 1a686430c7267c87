/* Proof of work: the target and the search. */
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void hash_of_header(struct lg_hash *out, const struct lg_header *h)
{
    struct sg_buf b;

    sg_buf_init(&b, 4096);
    lg_header_encode(&b, h);
    assert_code(sg_buf_err(&b), 0);
    lg_header_hash(out, b.p, b.len);
    sg_buf_fini(&b);
}

/* A hash meets exactly as many bits as it has leading zeros. */
static void meets_counts_leading_zero_bits(void **state)
{
    (void)state;
    for (unsigned zeros = 0; zeros < 256; zeros++) {
        struct lg_hash h;

        memset(h.b, 0xff, sizeof h.b);
        memset(h.b, 0, zeros / 8);
        h.b[zeros / 8] = (uint8_t)(0xff >> zeros % 8);
        assert_true(lg_work_meets(&h, zeros));
        assert_false(lg_work_meets(&h, zeros + 1));
    }
    assert_true(lg_work_meets(&(struct lg_hash){{0}}, 256));
    assert_false(lg_work_meets(&(struct lg_hash){{0}}, 257));
}

/* The nonce that the search finds makes the header's hash meet its bits, and it is the first one that does. */
static void search_finds_first_nonce(void **state)
{
    struct lg_header h = {
        .bits = 8, .height = 7, .leaves = 3, .slot = 29400001, .time = 1764000120000, .weight = 2};
    struct lg_hash hash;
    int64_t nonce = -1;

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        h.height++;
        assert_code(lg_work_search(&nonce, &h, 0, 1 << 20), 0);
        h.nonce = nonce;
        hash_of_header(&hash, &h);
        assert_true(lg_work_meets(&hash, 8));
        for (h.nonce = 0; h.nonce < nonce; h.nonce++) {
            hash_of_header(&hash, &h);
            assert_false(lg_work_meets(&hash, 8));
        }
    }
}

/* A search that finds nothing says so, and one that is continued behind it finds the same nonce as one in a single piece. */
static void search_in_pieces_finds_the_same(void **state)
{
    struct lg_header h = {.bits = 12, .height = 1, .slot = 1, .time = 120000};
    int64_t whole = -1, nonce = -1, from = 0;
    int err;

    (void)state;
    assert_code(lg_work_search(&whole, &h, 0, 1 << 20), 0);
    while ((err = lg_work_search(&nonce, &h, from, 7)) == SG_EAGAIN)
        from += 7;
    assert_code(err, 0);
    assert_int_equal(nonce, whole);
}

/* Behind 2^53-1 the search goes on at 0; outside of that it does not begin. */
static void search_wraps_at_largest_integer(void **state)
{
    struct lg_header h = {.bits = 6, .height = 5};
    int64_t nonce = -1;
    struct lg_hash hash;

    (void)state;
    assert_code(lg_work_search(&nonce, &h, LG_C0_MAX_INT, 1 << 20), 0);
    assert_in_range(nonce, 0, LG_C0_MAX_INT);
    h.nonce = nonce;
    hash_of_header(&hash, &h);
    assert_true(lg_work_meets(&hash, 6));
    assert_code(lg_work_search(&nonce, &h, LG_C0_MAX_INT + 1, 1), SG_EINVAL);
    assert_code(lg_work_search(&nonce, &h, -1, 1), SG_EINVAL);
    assert_code(lg_work_search(&nonce, &h, 0, 0), SG_EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meets_counts_leading_zero_bits),
        cmocka_unit_test(search_finds_first_nonce),
        cmocka_unit_test(search_in_pieces_finds_the_same),
        cmocka_unit_test(search_wraps_at_largest_integer),
    };

    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
