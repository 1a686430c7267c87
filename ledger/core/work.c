/* Proof of work: a header's hash, as a big-endian number, lies below 2^(256-bits).
 *
 * The keys of a header are sorted, so "nonce" stands in its middle: what comes before is hashed once and its midstate
 * copied for each try, which leaves the digits of the nonce and the tail. */
#include "lg_record.h"

#include <assert.h>
#include <string.h>

#define NONCE_END  (LG_C0_MAX_INT + 1)
#define HEADER_MAX 1024 /* its longest form has 600-odd bytes */

bool lg_work_meets(const struct lg_hash *hash, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (bits > 8 * SG_HASH_BYTES)
        return false;
    for (unsigned i = 0; i < bytes; i++) {
        if (hash->b[i] != 0)
            return false;
    }
    return rest == 0 || hash->b[bytes] >> (8 - rest) == 0;
}

/* A nonce counted up in decimal: cheaper than formatting it for every try. */
struct counter {
    char text[17]; /* 2^53-1 has 16 digits */
    unsigned len;
};

static void counter_set(struct counter *c, int64_t v)
{
    char digits[20];
    unsigned n = 0;

    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    c->len = n;
    for (unsigned i = 0; i < n; i++)
        c->text[i] = digits[n - 1 - i];
}

static void counter_next(struct counter *c)
{
    unsigned i = c->len;

    while (i > 0 && c->text[i - 1] == '9')
        c->text[--i] = '0';
    if (i > 0) {
        c->text[i - 1]++;
        return;
    }
    memmove(c->text + 1, c->text, c->len++);
    c->text[0] = '1';
}

/* Where the digits of the nonce begin in a header written with nonce 0. */
static size_t find_nonce(const struct sg_buf *b)
{
    static const char key[] = "\"nonce\":0,\"prev\":\"";
    size_t at = b->len - (sizeof key - 1);

    while (at > 0 && memcmp(b->p + at, key, sizeof key - 1) != 0)
        at--;
    assert(at > 0); /* our own encoder writes one */
    return at + strlen("\"nonce\":");
}

int lg_work_search(int64_t *nonce, const struct lg_header *h, int64_t from, uint64_t tries)
{
    struct lg_header blank = *h;
    struct sg_sha256 mid, try;
    struct sg_buf b, text;
    struct counter n;
    struct lg_hash hash;
    int64_t v = from;
    size_t head;
    int err;

    if (from < 0 || from >= NONCE_END)
        return SG_EINVAL;
    blank.nonce = 0;
    sg_buf_init(&b, HEADER_MAX);
    sg_buf_init(&text, HEADER_MAX + 64);
    lg_header_encode(&b, &blank);
    if (sg_buf_err(&b) == 0)
        lg_header_signed_bytes(&text, b.p, b.len);
    err = sg_buf_err(&b) ? sg_buf_err(&b) : sg_buf_err(&text);
    if (err)
        goto out;
    head = find_nonce(&text);
    sg_sha256_init(&mid);
    sg_sha256_update(&mid, text.p, head);
    counter_set(&n, v);
    err = SG_EAGAIN;
    for (; tries > 0; tries--) {
        try = mid;
        sg_sha256_update(&try, n.text, n.len);
        sg_sha256_update(&try, text.p + head + 1, text.len - head - 1);
        sg_sha256_final(&try, hash.b);
        if (lg_work_meets(&hash, h->bits)) {
            *nonce = v;
            err = 0;
            break;
        }
        if (++v == NONCE_END)
            counter_set(&n, v = 0);
        else
            counter_next(&n);
    }
out:
    sg_buf_fini(&b);
    sg_buf_fini(&text);
    return err;
}
