/* The growing buffer: content, limit, sticky error, ownership. */
#include "sg_buf.h"
#include "sg_err.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_content(const struct sg_buf *b, const char *text)
{
    assert_int_equal(sg_buf_err(b), 0);
    assert_int_equal(b->len, strlen(text));
    assert_memory_equal(b->p, text, strlen(text));
}

/* What is appended is there, in order, whatever the number of growths. */
static void buf_many_appends_keep_every_byte(void **state)
{
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 100000);
    for (size_t i = 0; i < 100000; i++)
        sg_buf_put_u8(&b, (uint8_t)(i * 7));
    assert_int_equal(sg_buf_err(&b), 0);
    assert_int_equal(b.len, 100000);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(b.p[i], (uint8_t)(i * 7));
    sg_buf_fini(&b);
}

/* max bytes fit, one more does not; the error sticks and later, smaller writes change nothing. */
static void buf_beyond_max_is_too_large_and_sticks(void **state)
{
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 5);
    sg_buf_puts(&b, "12345");
    assert_content(&b, "12345");
    sg_buf_put_u8(&b, '6');
    assert_int_equal(sg_buf_err(&b), SG_ETOO_LARGE);
    sg_buf_reset(&b);
    assert_int_equal(sg_buf_err(&b), 0);
    sg_buf_puts(&b, "123");
    sg_buf_puts(&b, "456");
    sg_buf_put_u8(&b, '4');
    assert_int_equal(sg_buf_err(&b), SG_ETOO_LARGE);
    assert_int_equal(b.len, 3);
    assert_int_equal(sg_buf_reserve(&b, 0), SG_ETOO_LARGE);
    sg_buf_fini(&b);
}

/* A size that would overflow the sum is refused, not wrapped. */
static void buf_reserve_of_huge_size_is_too_large(void **state)
{
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 1000);
    sg_buf_puts(&b, "x");
    assert_int_equal(sg_buf_reserve(&b, SIZE_MAX), SG_ETOO_LARGE);
    sg_buf_fini(&b);
}

/* When the allocator refuses, the error is SG_ENOMEM and the old content is still freed once. */
static void buf_without_memory_is_enomem(void **state)
{
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, SIZE_MAX / 4);
    sg_buf_puts(&b, "x");
    assert_int_equal(sg_buf_reserve(&b, SIZE_MAX / 4 - 1), SG_ENOMEM);
    assert_int_equal(sg_buf_err(&b), SG_ENOMEM);
    sg_buf_fini(&b);
}

/* Nothing is appended from NULL with length 0, and an empty buffer stays without memory. */
static void buf_empty_put_allocates_nothing(void **state)
{
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 10);
    sg_buf_put(&b, NULL, 0);
    sg_buf_puts(&b, "");
    assert_null(b.p);
    assert_int_equal(sg_buf_err(&b), 0);
    sg_buf_fini(&b);
}

/* Taking passes the bytes on and leaves an empty buffer; of an empty or failed one NULL is taken. */
static void buf_take_passes_ownership_once(void **state)
{
    struct sg_buf b;
    size_t len = 99;
    uint8_t *p;

    (void)state;
    sg_buf_init(&b, 4);
    assert_null(sg_buf_take(&b, &len));
    assert_int_equal(len, 0);
    sg_buf_puts(&b, "abcd");
    p = sg_buf_take(&b, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(p, "abcd", 4);
    free(p);
    assert_null(b.p);
    sg_buf_puts(&b, "abcde");
    assert_null(sg_buf_take(&b, &len));
    assert_int_equal(sg_buf_err(&b), SG_ETOO_LARGE);
    sg_buf_fini(&b);
}

/* Integers are written with all their digits at the ends of their ranges. */
static void buf_integers_are_decimal(void **state)
{
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 1000);
    sg_buf_put_i64(&b, 0);
    sg_buf_put_u8(&b, ' ');
    sg_buf_put_i64(&b, -7);
    sg_buf_put_u8(&b, ' ');
    sg_buf_put_i64(&b, INT64_MAX);
    sg_buf_put_u8(&b, ' ');
    sg_buf_put_i64(&b, INT64_MIN);
    assert_content(&b, "0 -7 9223372036854775807 -9223372036854775808");
    sg_buf_reset(&b);
    sg_buf_put_u64_pad(&b, 7, 3);
    sg_buf_put_u64_pad(&b, 1234, 3);
    sg_buf_put_u64_pad(&b, 0, 0);
    sg_buf_put_u64_pad(&b, UINT64_MAX, 20);
    sg_buf_put_u64_pad(&b, 1, 20);
    assert_content(&b, "00712340"
                       "18446744073709551615"
                       "00000000000000000001");
    sg_buf_fini(&b);
}

/* Hex and base64 of any length equal that of the whole, at the pieces' borders too. */
static void buf_encodings_join_at_piece_borders(void **state)
{
    uint8_t in[200];
    struct sg_buf b;

    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 37 + 11);
    for (size_t n = 0; n <= sizeof in; n++) {
        sg_buf_init(&b, 1000);
        sg_buf_put_hex(&b, in, n);
        assert_int_equal(b.len, 2 * n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(b.p[2 * i], "0123456789abcdef"[in[i] >> 4]);
        sg_buf_reset(&b);
        sg_buf_put_base64(&b, in, n);
        assert_int_equal(b.len, (n + 2) / 3 * 4);
        if (n % 3 == 0 && n > 0)
            assert_int_not_equal(b.p[b.len - 1], '=');
        sg_buf_fini(&b);
    }
    sg_buf_init(&b, 4);
    sg_buf_put_base64(&b, "fo", 2);
    assert_content(&b, "Zm8=");
    sg_buf_fini(&b);
}

/* Formatted text may fill the buffer to the last byte, long or short. */
static void buf_printf_fills_to_max(void **state)
{
    char text[601];
    struct sg_buf b;

    (void)state;
    memset(text, 'a', 600);
    text[600] = 0;
    sg_buf_init(&b, 604);
    sg_buf_printf(&b, "%s-%d", text, 123);
    assert_int_equal(b.len, 604);
    assert_int_equal(sg_buf_err(&b), 0);
    assert_memory_equal(b.p + 600, "-123", 4);
    sg_buf_printf(&b, "%d", 1);
    assert_int_equal(sg_buf_err(&b), SG_ETOO_LARGE);
    sg_buf_fini(&b);
    sg_buf_init(&b, 3);
    sg_buf_printf(&b, "%03d", 7);
    assert_content(&b, "007");
    sg_buf_fini(&b);
}

/* Big-endian scalars: the first byte is the highest, and reading gives back what was written. */
static void buf_big_endian_scalars_round_trip(void **state)
{
    static const uint8_t golden[] = {0x47, 0xF1, 0x20, 0x00, 0xFE, 0xDC, 0xBA, 0x98};
    uint8_t p[8];

    (void)state;
    sg_put_be64(p, UINT64_C(0x47F12000FEDCBA98));
    assert_memory_equal(p, golden, 8);
    assert_int_equal(sg_get_be16(golden), 0x47F1);
    assert_int_equal(sg_get_be32(golden), 0x47F12000);
    assert_true(sg_get_be64(golden) == UINT64_C(0x47F12000FEDCBA98));
    sg_put_be16(p, 0x1234);
    sg_put_be32(p + 2, 0x89ABCDEF);
    assert_memory_equal(p, "\x12\x34\x89\xAB\xCD\xEF", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_many_appends_keep_every_byte),
        cmocka_unit_test(buf_beyond_max_is_too_large_and_sticks),
        cmocka_unit_test(buf_reserve_of_huge_size_is_too_large),
        cmocka_unit_test(buf_without_memory_is_enomem),
        cmocka_unit_test(buf_empty_put_allocates_nothing),
        cmocka_unit_test(buf_take_passes_ownership_once),
        cmocka_unit_test(buf_integers_are_decimal),
        cmocka_unit_test(buf_encodings_join_at_piece_borders),
        cmocka_unit_test(buf_printf_fills_to_max),
        cmocka_unit_test(buf_big_endian_scalars_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
