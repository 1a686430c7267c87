/* Strict text codecs: one spelling for each value.
 *
 * Invariant: decode(encode(x)) == x, and what decodes encodes to the same text again.
 * Refuses: upper-case hex, other base64 alphabets, white space, missing padding, unused bits that are set,
 * overlong UTF-8, surrogates, leading zeros, "-0" and "+". */
#include "sg_text.h"
#include "sg_buf.h"
#include "sg_err.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void sg_hex_encode(char *dst, const void *bytes, size_t n)
{
    const uint8_t *in = bytes;

    for (size_t i = 0; i < n; i++) {
        *dst++ = hex_digits[in[i] >> 4];
        *dst++ = hex_digits[in[i] & 15];
    }
    *dst = 0;
}

/* 1 + the value of a lower-case hex digit, 0 for anything else. A table: a block holds thousands of hashes. */
static const uint8_t hex_value[256] = {['0'] = 1,
    ['1'] = 2,
    ['2'] = 3,
    ['3'] = 4,
    ['4'] = 5,
    ['5'] = 6,
    ['6'] = 7,
    ['7'] = 8,
    ['8'] = 9,
    ['9'] = 10,
    ['a'] = 11,
    ['b'] = 12,
    ['c'] = 13,
    ['d'] = 14,
    ['e'] = 15,
    ['f'] = 16};

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Eight digits at once: of '0'..'9' the low four bits are the value, of 'a'..'f' nine less; anything else is found out by are_hex8. */
static uint64_t hex_values8(uint64_t text)
{
    return (text & EACH_BYTE * 0x0F) + (text >> 6 & EACH_BYTE) * 9;
}

/* Each value below 16, and its digit the one that stands there. */
static bool are_hex8(uint64_t text)
{
    uint64_t v = hex_values8(text);
    uint64_t letters = (v + EACH_BYTE * (128 - 10)) >> 7 & EACH_BYTE;

    return (v & EACH_BYTE * 0x10) == 0 && v + EACH_BYTE * '0' + letters * ('a' - 10 - '0') == text;
}

static uint32_t hex8(uint64_t text)
{
    uint64_t v = hex_values8(text);

    v = (v | v >> 4) & UINT64_C(0x00FF00FF00FF00FF);
    v = (v | v >> 8) & UINT64_C(0x0000FFFF0000FFFF);
    return (uint32_t)(v | v >> 16);
}

int sg_hex_decode(uint8_t *dst, size_t n, const char *src, size_t len)
{
    const uint8_t *in = (const uint8_t *)src;

    size_t words = n / 4, bad = 0;

    if (n > SIZE_MAX / 2 || len != 2 * n)
        return SG_EINVAL;
    for (size_t i = 0; i < words; i++) /* a pass of its own: dst stays untouched on failure */
        bad |= !are_hex8(sg_get_be64(in + 8 * i));
    for (size_t i = 8 * words; i < len; i++)
        bad |= hex_value[in[i]] == 0;
    if (bad)
        return SG_EINVAL;
    for (size_t i = 0; i < words; i++)
        sg_put_be32(dst + 4 * i, hex8(sg_get_be64(in + 8 * i)));
    for (size_t i = 4 * words; i < n; i++)
        dst[i] = (uint8_t)((hex_value[in[2 * i]] - 1) << 4 | (hex_value[in[2 * i + 1]] - 1));
    return 0;
}

void sg_base64_encode(char *dst, const void *bytes, size_t n)
{
    const uint8_t *in = bytes;

    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                     (have > 2 ? (uint32_t)in[i + 2] : 0);

        *dst++ = base64_digits[v >> 18];
        *dst++ = base64_digits[v >> 12 & 63];
        *dst++ = have > 1 ? base64_digits[v >> 6 & 63] : '=';
        *dst++ = have > 2 ? base64_digits[v & 63] : '=';
    }
    *dst = 0;
}

/* clang-format off */
/* 1 + the value of a digit of the standard alphabet, 0 for anything else. A table: every statement and block carries a signature. */
static const uint8_t base64_digit[256] = {
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};
/* clang-format on */

/* -1 for what is not in the standard alphabet. */
static int base64_value(char c)
{
    return (int)base64_digit[(uint8_t)c] - 1;
}

/* RFC 4648 section 4 for exactly n bytes; section 3.5: the unused bits of the last digit are zero. */
static bool base64_well_formed(const char *src, size_t len, size_t n)
{
    size_t digits = (n * 8 + 5) / 6;
    unsigned unused = (unsigned)(digits * 6 - n * 8);
    bool other = false;

    for (size_t i = 0; i < digits; i++)
        other |= base64_digit[(uint8_t)src[i]] == 0;
    for (size_t i = digits; i < len; i++)
        other |= src[i] != '=';
    if (other)
        return false;
    return digits == 0 || ((unsigned)base64_value(src[digits - 1]) & ((1U << unused) - 1)) == 0;
}

int sg_base64_decode(uint8_t *dst, size_t n, const char *src, size_t len)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t whole = 0; /* in groups of three bytes and four digits */

    if (n > SIZE_MAX / 8 - 5 || len != SG_BASE64_LEN(n) || !base64_well_formed(src, len, n))
        return SG_EINVAL;
    for (; n - whole >= 3; whole += 3, src += 4) {
        uint32_t v = (uint32_t)base64_value(src[0]) << 18 | (uint32_t)base64_value(src[1]) << 12 |
                     (uint32_t)base64_value(src[2]) << 6 | (uint32_t)base64_value(src[3]);
        dst[whole] = (uint8_t)(v >> 16);
        dst[whole + 1] = (uint8_t)(v >> 8);
        dst[whole + 2] = (uint8_t)v;
    }
    for (size_t i = 0, at = whole; at < n; i++) {
        acc = acc << 6 | (uint32_t)base64_value(src[i]);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            dst[at++] = (uint8_t)(acc >> bits);
        }
    }
    return 0;
}

/* Length of the well-formed sequence at s (RFC 3629 section 4), 0 when there is none within n bytes. */
static size_t utf8_sequence(const uint8_t *s, size_t n)
{
    uint8_t lo = 0x80, hi = 0xBF; /* bounds of the second byte, narrower after some first bytes */
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4) /* continuation, overlong C0 C1, beyond U+10FFFF */
        return 0;
    len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len > n)
        return 0;
    if (s[0] == 0xE0)
        lo = 0xA0; /* shorter: overlong */
    else if (s[0] == 0xED)
        hi = 0x9F; /* above: surrogates */
    else if (s[0] == 0xF0)
        lo = 0x90; /* shorter: overlong */
    else if (s[0] == 0xF4)
        hi = 0x8F; /* above: beyond U+10FFFF */
    if (s[1] < lo || s[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    }
    return len;
}

bool sg_utf8_valid(const void *bytes, size_t n)
{
    const uint8_t *s = bytes;

    for (size_t at = 0; at < n;) {
        size_t len = utf8_sequence(s + at, n - at);

        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

int sg_i64_parse(int64_t *out, const char *src, size_t len, int64_t min, int64_t max)
{
    bool negative = len > 0 && src[0] == '-';
    size_t first = negative ? 1 : 0;
    int64_t v = 0; /* kept negative: that half of the range is one larger */

    if (len == first || len - first > 19) /* INT64_MAX has 19 digits */
        return SG_EINVAL;
    if (src[first] == '0' && (negative || len > 1)) /* "-0", "-01", "01" */
        return SG_EINVAL;
    for (size_t i = first; i < len; i++) {
        if (src[i] < '0' || src[i] > '9')
            return SG_EINVAL;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, src[i] - '0', &v))
            return SG_EINVAL;
    }
    if (!negative && v == INT64_MIN)
        return SG_EINVAL;
    if (!negative)
        v = -v;
    if (v < min || v > max)
        return SG_EINVAL;
    *out = v;
    return 0;
}
