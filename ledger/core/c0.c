/* A cursor over canonical JSON, and writers of its scalars.
 *
 * Invariant: p <= end; once bad is set nothing moves and every answer is 0, false or empty. The bytes have passed
 * lg_c0_check, so a comma before the next key or item is certain and need not be judged again; still nothing here reads
 * beyond end, whatever the bytes are.
 * Refuses (sticky, SG_ESHAPE at lg_c0_close): another type, key, range or length than the schema asks for. */
#include "lg_c0.h"
#include "sg_text.h"

#include <string.h>

void lg_c0_open(struct lg_c0 *c, const uint8_t *bytes, size_t len)
{
    *c = (struct lg_c0){bytes, bytes + len, false};
}

void lg_c0_fail(struct lg_c0 *c)
{
    c->bad = true;
}

int lg_c0_close(const struct lg_c0 *c)
{
    return c->bad || c->p != c->end ? SG_ESHAPE : 0;
}

static bool at(const struct lg_c0 *c, uint8_t byte)
{
    return !c->bad && c->p < c->end && *c->p == byte;
}

/* Consume exactly this byte. */
static void expect(struct lg_c0 *c, uint8_t byte)
{
    if (at(c, byte))
        c->p++;
    else
        c->bad = true;
}

static void skip_comma(struct lg_c0 *c)
{
    if (at(c, ','))
        c->p++;
}

void lg_c0_object(struct lg_c0 *c)
{
    expect(c, '{');
}

void lg_c0_key(struct lg_c0 *c, const char *key)
{
    size_t n = strlen(key);

    skip_comma(c);
    if (c->bad || (size_t)(c->end - c->p) < n + 3 || c->p[0] != '"' || memcmp(c->p + 1, key, n) != 0 ||
        c->p[n + 1] != '"' || c->p[n + 2] != ':') {
        c->bad = true;
        return;
    }
    c->p += n + 3;
}

void lg_c0_object_end(struct lg_c0 *c)
{
    expect(c, '}');
}

void lg_c0_array(struct lg_c0 *c)
{
    expect(c, '[');
}

bool lg_c0_more(struct lg_c0 *c)
{
    if (at(c, ']')) {
        c->p++;
        return false;
    }
    skip_comma(c);
    if (c->p == c->end)
        c->bad = true;
    return !c->bad;
}

void lg_c0_item(struct lg_c0 *c)
{
    skip_comma(c);
    if (at(c, ']'))
        c->bad = true;
}

void lg_c0_array_end(struct lg_c0 *c)
{
    expect(c, ']');
}

/* p stands behind an opening quote: the position behind the closing one, NULL when there is none. */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end)
{
    for (; p < end && *p != '"'; p++) {
        if (*p == '\\' && ++p == end)
            break;
    }
    return p < end ? p + 1 : NULL;
}

/* 1: neither a quote nor a bracket, so nothing that a skip over a container must look at. */
static const uint8_t inside[256] = {
    ['0' ... '9'] = 1, ['-'] = 1, [','] = 1, [':'] = 1, ['a' ... 'z'] = 1, ['_'] = 1};

/* p stands on an opening bracket: the position behind its partner, NULL when there is none. */
static const uint8_t *container_end(const uint8_t *p, const uint8_t *end)
{
    size_t open = 0;

    while (p && p < end) {
        uint8_t b = *p++;

        while (inside[b] && p < end)
            b = *p++;
        if (b == '"')
            p = string_end(p, end);
        else if (b == '{' || b == '[')
            open++;
        else if ((b == '}' || b == ']') && --open == 0)
            return p;
    }
    return NULL;
}

static const uint8_t *number_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = p;

    while (p < end && (*p == '-' || (*p >= '0' && *p <= '9')))
        p++;
    return p > start ? p : NULL;
}

struct lg_slice lg_c0_value(struct lg_c0 *c)
{
    struct lg_slice s = {NULL, 0};
    const uint8_t *end = NULL;

    if (!c->bad && c->p < c->end) {
        if (*c->p == '"')
            end = string_end(c->p + 1, c->end);
        else if (*c->p == '{' || *c->p == '[')
            end = container_end(c->p, c->end);
        else
            end = number_end(c->p, c->end);
    }
    if (!end) {
        c->bad = true;
        return s;
    }
    s = (struct lg_slice){c->p, (size_t)(end - c->p)};
    c->p = end;
    return s;
}

int64_t lg_c0_int(struct lg_c0 *c, int64_t min, int64_t max)
{
    const uint8_t *p = c->p, *first;
    bool negative = at(c, '-');
    int64_t v = 0;

    if (c->bad)
        return 0;
    if (negative)
        p++;
    /* 16 digits are the most that canonical integers have: no overflow */
    for (first = p; p < c->end && *p >= '0' && *p <= '9' && p - first < 16; p++)
        v = v * 10 + (*p - '0');
    if (negative)
        v = -v;
    if (p == first || v < min || v > max) {
        c->bad = true;
        return 0;
    }
    c->p = p;
    return v;
}

struct lg_slice lg_c0_raw(struct lg_c0 *c)
{
    struct lg_slice s = {NULL, 0};
    const uint8_t *end = at(c, '"') ? string_end(c->p + 1, c->end) : NULL;

    if (!end) {
        c->bad = true;
        return s;
    }
    s = (struct lg_slice){c->p + 1, (size_t)(end - c->p) - 2};
    c->p = end;
    return s;
}

size_t lg_c0_text(struct lg_c0 *c, char *dst, size_t min, size_t max)
{
    struct lg_slice s = lg_c0_raw(c);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++, n++) {
        if (s.p[i] == '\\')
            i++;
    }
    if (c->bad || n < min || n > max) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0, to = 0; to < n; i++, to++) {
        if (s.p[i] == '\\')
            i++;
        dst[to] = (char)s.p[i];
    }
    dst[n] = 0;
    return n;
}

/* A string of exactly len bytes, none of which will turn out to be a quote: digits of an alphabet without it. NULL: none. */
static const char *digits(struct lg_c0 *c, size_t len)
{
    const char *p = (const char *)c->p + 1;

    if (!at(c, '"') || (size_t)(c->end - c->p) < 2 || (size_t)(c->end - c->p) - 2 < len || p[len] != '"') {
        c->bad = true;
        return NULL;
    }
    c->p += len + 2;
    return p;
}

void lg_c0_hex(struct lg_c0 *c, uint8_t *dst, size_t n)
{
    const char *p = digits(c, 2 * n);

    if (p && sg_hex_decode(dst, n, p, 2 * n) != 0)
        c->bad = true;
}

void lg_c0_base64(struct lg_c0 *c, uint8_t *dst, size_t n)
{
    const char *p = digits(c, SG_BASE64_LEN(n));

    if (p && sg_base64_decode(dst, n, p, SG_BASE64_LEN(n)) != 0)
        c->bad = true;
}

void lg_c0_put_text(struct sg_buf *b, const char *text, size_t len)
{
    size_t from = 0;

    sg_buf_put_u8(b, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            sg_buf_put(b, text + from, i - from);
            sg_buf_put_u8(b, '\\');
            from = i;
        }
    }
    if (from < len)
        sg_buf_put(b, text + from, len - from);
    sg_buf_put_u8(b, '"');
}

void lg_c0_put_hex(struct sg_buf *b, const void *bytes, size_t n)
{
    sg_buf_put_u8(b, '"');
    sg_buf_put_hex(b, bytes, n);
    sg_buf_put_u8(b, '"');
}

void lg_c0_put_base64(struct sg_buf *b, const void *bytes, size_t n)
{
    sg_buf_put_u8(b, '"');
    sg_buf_put_base64(b, bytes, n);
    sg_buf_put_u8(b, '"');
}
