/* The strict text codecs: hex, base64, UTF-8, decimal integers. */
#include "sg_text.h"
#include "sg_err.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* All byte values survive hex. */
static void hex_all_bytes_round_trip(void **state)
{
    uint8_t in[256], out[256];
    char text[513];

    (void)state;
    for (size_t i = 0; i < 256; i++)
        in[i] = (uint8_t)i;
    sg_hex_encode(text, in, 256);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_string_equal(text + 506, "fdfeff");
    assert_int_equal(sg_hex_decode(out, 256, text, 512), 0);
    assert_memory_equal(in, out, 256);
}

/* Upper case, a wrong length, a foreign character: invalid, and the output stays as it was. */
static void hex_other_spellings_are_invalid(void **state)
{
    static const char *const bad[] = {"", "0", "0a0", "0A", "0g", "0/", "0:", "0`", " 0", "0a0b"};
    uint8_t out[1] = {0x5A};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++) {
        assert_int_equal(sg_hex_decode(out, 1, bad[i], strlen(bad[i])), SG_EINVAL);
        assert_int_equal(out[0], 0x5A);
    }
    assert_int_equal(sg_hex_decode(out, 1, "0\0", 2), SG_EINVAL);
    assert_int_equal(sg_hex_decode(out, SIZE_MAX, "00", 2), SG_EINVAL);
    assert_int_equal(sg_hex_decode(out, 0, "", 0), 0);
}

/* RFC 4648 section 10, both ways. */
static void base64_rfc4648_vectors_hold(void **state)
{
    static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i][0]);
        char text[16];
        uint8_t out[8];

        sg_base64_encode(text, rows[i][0], n);
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(sg_base64_decode(out, n, text, strlen(text)), 0);
        assert_memory_equal(out, rows[i][0], n);
    }
}

/* Every digit of the alphabet decodes to its value, and all lengths up to a signature's round trip. */
static void base64_all_digits_and_lengths_round_trip(void **state)
{
    uint8_t in[66], out[66];
    char text[SG_BASE64_LEN(66) + 1];

    (void)state;
    for (size_t shift = 0; shift < 256; shift += 5) {
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = (uint8_t)(i * 61 + shift);
        for (size_t n = 0; n <= sizeof in; n++) {
            sg_base64_encode(text, in, n);
            assert_int_equal(strlen(text), SG_BASE64_LEN(n));
            assert_int_equal(sg_base64_decode(out, n, text, strlen(text)), 0);
            assert_memory_equal(in, out, n);
        }
    }
    sg_base64_encode(text, "\xfb\xff\xbf", 3);
    assert_string_equal(text, "+/+/");
}

/* One value has one spelling: unused bits, missing or extra padding, blanks, other alphabets are refused. */
static void base64_other_spellings_are_invalid(void **state)
{
    static const char *const bad[] = {"Zh==", "Zv==", "Zg=", "Zg", "Zg===", "Z===", "====", "Zg==\n",
        "Z g=", "Zg=A", "=Zg=", "Z-==", "Z_==", "Zg==Zg==", "", "Zm8=", "Zm9v"};
    uint8_t out[3] = {1, 2, 3};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++) {
        assert_int_equal(sg_base64_decode(out, 1, bad[i], strlen(bad[i])), SG_EINVAL);
        assert_int_equal(out[0], 1);
    }
    assert_int_equal(sg_base64_decode(out, 2, "Zm9=", 4), SG_EINVAL);
    assert_int_equal(sg_base64_decode(out, 2, "Zm8A", 4), SG_EINVAL);
    assert_int_equal(sg_base64_decode(out, 3, "Zm8=", 4), SG_EINVAL);
    assert_int_equal(sg_base64_decode(out, 1, "Z\0==", 4), SG_EINVAL);
    assert_int_equal(sg_base64_decode(out, SIZE_MAX, "Zg==", 4), SG_EINVAL);
}

/* Of the 16 spellings that a lax decoder takes for one signature exactly one decodes. */
static void base64_signature_has_one_spelling(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t sig[64], out[64];
    char text[89];
    int good = 0;

    (void)state;
    memset(sig, 0xA7, sizeof sig);
    sg_base64_encode(text, sig, sizeof sig);
    for (size_t i = 0; i < 64; i++) {
        text[85] = digits[i];
        if (sg_base64_decode(out, sizeof out, text, 88) == 0 && memcmp(out, sig, 64) == 0)
            good++;
    }
    assert_int_equal(good, 1);
}

/* The ends of every well-formed range of RFC 3629 are accepted. */
static void utf8_range_ends_are_valid(void **state)
{
    static const char *const good[] = {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xe0\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf0\xbf\xbf\xbf", "\xf4\x8f\xbf\xbf", "Bogot\xc3\xa1 Electrical"};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(good); i++)
        assert_true(sg_utf8_valid(good[i], strlen(good[i])));
    assert_true(sg_utf8_valid("a\0b", 3));
}

/* Overlong forms, surrogates, code points beyond U+10FFFF, cut and stray bytes are refused, after good text too. */
static void utf8_ill_formed_is_invalid(void **state)
{
    static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xc2\xc0",
        "\xe0\x9f\xbf", "\xe0\xa0", "\xe1\x80\x7f", "\xe1\x80\xc0", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf1\x80\x80\x41", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff", "\xfe", "ok \xed\xa0\x80", "\xc3\xa1\xa1"};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        assert_false(sg_utf8_valid(bad[i], strlen(bad[i])));
}

/* Numbers at the ends of the type and of the given range are read. */
static void i64_within_range_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {{"0", 0}, {"7", 7}, {"-1", -1}, {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN}, {"9007199254740991", INT64_C(9007199254740991)}, {"10", 10}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        int64_t v = 42;

        assert_int_equal(sg_i64_parse(&v, rows[i].text, strlen(rows[i].text), INT64_MIN, INT64_MAX), 0);
        assert_true(v == rows[i].value);
        assert_int_equal(
            sg_i64_parse(&v, rows[i].text, strlen(rows[i].text), rows[i].value, rows[i].value), 0);
    }
}

/* Other spellings of a number, numbers beyond the type or the range: invalid, output untouched. */
static void i64_other_spellings_are_invalid(void **state)
{
    static const char *const bad[] = {"", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "1e3",
        "0x10", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "--1", "1-",
        "\xd9\xa1"};
    int64_t v = 42;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        assert_int_equal(sg_i64_parse(&v, bad[i], strlen(bad[i]), INT64_MIN, INT64_MAX), SG_EINVAL);
    assert_int_equal(sg_i64_parse(&v, "5", 1, 6, 9), SG_EINVAL);
    assert_int_equal(sg_i64_parse(&v, "10", 2, 6, 9), SG_EINVAL);
    assert_int_equal(sg_i64_parse(&v, "1\0", 2, 0, 9), SG_EINVAL);
    assert_true(v == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_all_bytes_round_trip),
        cmocka_unit_test(hex_other_spellings_are_invalid),
        cmocka_unit_test(base64_rfc4648_vectors_hold),
        cmocka_unit_test(base64_all_digits_and_lengths_round_trip),
        cmocka_unit_test(base64_other_spellings_are_invalid),
        cmocka_unit_test(base64_signature_has_one_spelling),
        cmocka_unit_test(utf8_range_ends_are_valid),
        cmocka_unit_test(utf8_ill_formed_is_invalid),
        cmocka_unit_test(i64_within_range_is_read),
        cmocka_unit_test(i64_other_spellings_are_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
