/* Is this text canonical JSON (C0)?
 *
 * One pass, no allocation, at most LG_C0_MAX_DEPTH frames of recursion. What it accepts has exactly one spelling.
 * Refuses: white space, fractions, exponents, leading zeros, -0, integers beyond 2^53-1, null, true, false, keys outside
 * [a-z0-9_]+, keys out of order or twice, escapes other than \" and \\, control characters, DEL, ill-formed UTF-8,
 * deeper nesting, and any byte after the value. */
#include "lg_c0.h"
#include "sg_text.h"

#include <string.h>

struct scan {
    const uint8_t *p;
    const uint8_t *end;
};

static bool value(struct scan *s, unsigned depth);

/* 1: stands for itself in a string and is ASCII. */
static const uint8_t plain[256] = {[0x20 ... 0x21] = 1, [0x23 ... 0x5b] = 1, [0x5d ... 0x7e] = 1};
static const uint8_t key_char[256] = {['a' ... 'z'] = 1, ['0' ... '9'] = 1, ['_'] = 1};

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* True when each of the eight bytes is plain: the usual tests for "a byte below n" and "a byte equal to n" in a word. */
static bool plain8(const uint8_t *p)
{
    uint64_t w, quote, backslash, del;

    memcpy(&w, p, 8);
    quote = w ^ EACH_BYTE * 0x22;
    backslash = w ^ EACH_BYTE * 0x5c;
    del = w ^ EACH_BYTE * 0x7f;
    return ((w | ((w - EACH_BYTE * 0x20) & ~w) | ((quote - EACH_BYTE) & ~quote) |
                ((backslash - EACH_BYTE) & ~backslash) | ((del - EACH_BYTE) & ~del)) &
               EACH_BYTE * 0x80) == 0;
}

/* After the opening quote. */
static bool string_rest(struct scan *s)
{
    const uint8_t *start = s->p;
    bool ascii = true;

    for (;;) {
        while (s->end - s->p >= 8 && plain8(s->p))
            s->p += 8;
        while (s->p < s->end && plain[*s->p])
            s->p++;
        if (s->p == s->end)
            return false;
        if (*s->p == '"')
            break;
        if (*s->p == '\\') {
            if (s->end - s->p < 2 || (s->p[1] != '"' && s->p[1] != '\\'))
                return false;
            s->p += 2;
        } else if (*s->p >= 0x80) {
            ascii = false;
            s->p++;
        } else {
            return false; /* control character or DEL */
        }
    }
    s->p++;
    return ascii || sg_utf8_valid(start, (size_t)(s->p - 1 - start));
}

static bool number(struct scan *s)
{
    const uint8_t *first;
    bool negative = *s->p == '-';
    int64_t v = 0;

    if (negative)
        s->p++;
    first = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        if (s->p - first == 16) /* 2^53-1 has 16 digits */
            return false;
        v = v * 10 + (*s->p++ - '0');
    }
    if (s->p == first || v > LG_C0_MAX_INT)
        return false;
    return *first != '0' || (s->p - first == 1 && !negative);
}

/* "key": and the key as a slice; it must sort behind prev (p NULL: none). */
static bool key(struct scan *s, struct lg_slice *prev)
{
    struct lg_slice k;
    size_t common;
    int cmp;

    if (s->p == s->end || *s->p++ != '"')
        return false;
    k.p = s->p;
    while (s->p < s->end && key_char[*s->p])
        s->p++;
    k.len = (size_t)(s->p - k.p);
    if (k.len == 0 || s->end - s->p < 2 || s->p[0] != '"' || s->p[1] != ':')
        return false;
    s->p += 2;
    if (prev->p) {
        common = prev->len < k.len ? prev->len : k.len;
        cmp = memcmp(prev->p, k.p, common);
        if (cmp > 0 || (cmp == 0 && prev->len >= k.len))
            return false;
    }
    *prev = k;
    return true;
}

/* ',' -> true; the closing bracket -> false; anything else -> false and *bad. */
static bool another(struct scan *s, uint8_t close, bool *bad)
{
    uint8_t c = s->p < s->end ? *s->p++ : 0;

    *bad = c != ',' && c != close;
    return c == ',';
}

static bool object_rest(struct scan *s, unsigned depth)
{
    struct lg_slice prev = {NULL, 0};
    bool bad = false;

    if (s->p < s->end && *s->p == '}') {
        s->p++;
        return true;
    }
    do {
        if (!key(s, &prev) || !value(s, depth))
            return false;
    } while (another(s, '}', &bad));
    return !bad;
}

static bool array_rest(struct scan *s, unsigned depth)
{
    bool bad = false;

    if (s->p < s->end && *s->p == ']') {
        s->p++;
        return true;
    }
    do {
        if (!value(s, depth))
            return false;
    } while (another(s, ']', &bad));
    return !bad;
}

/* depth: containers that are open around it. */
static bool value(struct scan *s, unsigned depth)
{
    if (s->p == s->end)
        return false;
    switch (*s->p) {
    case '"':
        s->p++;
        return string_rest(s);
    case '{':
        s->p++;
        return depth < LG_C0_MAX_DEPTH && object_rest(s, depth + 1);
    case '[':
        s->p++;
        return depth < LG_C0_MAX_DEPTH && array_rest(s, depth + 1);
    default:
        return number(s);
    }
}

int lg_c0_check(const uint8_t *bytes, size_t len)
{
    struct scan s = {bytes, bytes + len};

    return len > 0 && value(&s, 0) && s.p == s.end ? 0 : SG_ECANONICAL;
}
