/* A growing byte buffer.
 *
 * Invariant: len <= cap <= max, and p holds cap bytes; once err is set nothing changes any more.
 * Refuses: growth beyond max (SG_ETOO_LARGE) and what the allocator refuses (SG_ENOMEM); both stick. */
#include "sg_buf.h"
#include "sg_err.h"
#include "sg_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation: a statement or a header fits, and doubling from here is few steps. */
#define FIRST_CAP 1024

void sg_buf_init(struct sg_buf *b, size_t max)
{
    *b = (struct sg_buf){.max = max};
}

void sg_buf_fini(struct sg_buf *b)
{
    free(b->p);
    sg_buf_init(b, b->max);
}

void sg_buf_reset(struct sg_buf *b)
{
    b->len = 0;
    b->err = 0;
}

/* need <= max. Doubling, so that n appended bytes cost O(n) copies. */
static size_t next_cap(const struct sg_buf *b, size_t need)
{
    size_t cap = b->cap > FIRST_CAP ? b->cap : FIRST_CAP;

    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    return cap < b->max ? cap : b->max;
}

int sg_buf_reserve(struct sg_buf *b, size_t n)
{
    if (b->err)
        return b->err;
    if (n > b->max - b->len)
        return b->err = SG_ETOO_LARGE;
    if (n > b->cap - b->len) {
        size_t cap = next_cap(b, b->len + n);
        uint8_t *p = realloc(b->p, cap);

        if (!p)
            return b->err = SG_ENOMEM;
        b->p = p;
        b->cap = cap;
    }
    return 0;
}

int sg_buf_err(const struct sg_buf *b)
{
    return b->err;
}

uint8_t *sg_buf_take(struct sg_buf *b, size_t *len)
{
    uint8_t *p = b->p;

    *len = 0;
    if (b->err || b->len == 0)
        return NULL;
    *len = b->len;
    sg_buf_init(b, b->max);
    return p;
}

/* n bytes at the end to be filled by the caller, NULL after an error. */
static uint8_t *extend(struct sg_buf *b, size_t n)
{
    if (sg_buf_reserve(b, n))
        return NULL;
    b->len += n;
    return b->p + (b->len - n);
}

void sg_buf_put(struct sg_buf *b, const void *bytes, size_t n)
{
    uint8_t *p;

    if (n == 0) /* memcpy from NULL is undefined even for no bytes */
        return;
    p = extend(b, n);
    if (p)
        memcpy(p, bytes, n);
}

void sg_buf_put_u8(struct sg_buf *b, uint8_t v)
{
    sg_buf_put(b, &v, 1);
}

void sg_buf_puts(struct sg_buf *b, const char *s)
{
    sg_buf_put(b, s, strlen(s));
}

/* Decimal digits into the tail of the array; returns the first of them. */
static char *digits(char text[static 20], uint64_t v)
{
    char *p = text + 20;

    do
        *--p = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    return p;
}

void sg_buf_put_i64(struct sg_buf *b, int64_t v)
{
    if (v < 0)
        sg_buf_put_u8(b, '-');
    /* negated as unsigned: INT64_MIN has no positive counterpart */
    sg_buf_put_u64_pad(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
}

void sg_buf_put_u64_pad(struct sg_buf *b, uint64_t v, unsigned width)
{
    char text[20]; /* UINT64_MAX has 20 digits */
    char *p = digits(text, v);
    size_t have = (size_t)(text + sizeof text - p);

    assert(width <= sizeof text);
    while (have < width) {
        *--p = '0';
        have++;
    }
    sg_buf_put(b, p, have);
}

/* Encoded in pieces: the text codecs end their output with a NUL for which the buffer may have no room. */
void sg_buf_put_hex(struct sg_buf *b, const void *bytes, size_t n)
{
    const uint8_t *in = bytes;
    char text[2 * 32 + 1];

    for (size_t at = 0; at < n && !b->err; at += 32) {
        size_t part = n - at < 32 ? n - at : 32;

        sg_hex_encode(text, in + at, part);
        sg_buf_put(b, text, 2 * part);
    }
}

void sg_buf_put_base64(struct sg_buf *b, const void *bytes, size_t n)
{
    const uint8_t *in = bytes;
    char text[SG_BASE64_LEN(48) + 1];

    for (size_t at = 0; at < n && !b->err; at += 48) { /* a multiple of 3: padding only at the end */
        size_t part = n - at < 48 ? n - at : 48;

        sg_base64_encode(text, in + at, part);
        sg_buf_put(b, text, SG_BASE64_LEN(part));
    }
}

void sg_buf_printf(struct sg_buf *b, const char *fmt, ...)
{
    char small[256];
    char *text = small;
    va_list ap, again;
    int n;

    if (b->err)
        return;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof small, fmt, ap);
    assert(n >= 0); /* only a bad format of our own fails */
    if ((size_t)n >= sizeof small) {
        text = malloc((size_t)n + 1);
        if (text)
            (void)vsnprintf(text, (size_t)n + 1, fmt, again);
        else
            b->err = SG_ENOMEM;
    }
    va_end(again);
    va_end(ap);
    if (text)
        sg_buf_put(b, text, (size_t)n);
    if (text != small)
        free(text);
}
