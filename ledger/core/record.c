/* What all documents share: their hashes, key ids, names.
 *
 * H(tag, doc) = SHA-256(tag 0x0A doc), leaf(doc) = SHA-256(0x00 doc): the prefix 0x00 keeps a document from ever passing
 * as an inner node of a Merkle tree (0x01), the tag keeps a signature of one kind of document from passing as another's. */
#include "ledger/core/parse.h"
#include "sg_text.h"

#include <string.h>

int lg_hash_cmp(const struct lg_hash *a, const struct lg_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

bool lg_hash_eq(const struct lg_hash *a, const struct lg_hash *b)
{
    return lg_hash_cmp(a, b) == 0;
}

lg_kid lg_kid_of_public(const uint8_t pub[static SG_PUBLIC_KEY_BYTES])
{
    uint8_t hash[SG_HASH_BYTES];

    sg_sha256(hash, pub, SG_PUBLIC_KEY_BYTES);
    return sg_get_be64(hash);
}

void lg_kid_hex(char *dst, lg_kid kid)
{
    uint8_t bytes[8];

    sg_put_be64(bytes, kid);
    sg_hex_encode(dst, bytes, sizeof bytes);
}

int lg_kid_parse(lg_kid *out, const char *text, size_t len)
{
    uint8_t bytes[8];
    int err = sg_hex_decode(bytes, sizeof bytes, text, len);

    if (err == 0)
        *out = sg_get_be64(bytes);
    return err;
}

void lg_hash_tagged(struct lg_hash *out, const char *tag, const uint8_t *doc, size_t len)
{
    struct sg_sha256 h;

    sg_sha256_init(&h);
    sg_sha256_update(&h, tag, strlen(tag));
    sg_sha256_update(&h, "\n", 1);
    sg_sha256_update(&h, doc, len);
    sg_sha256_final(&h, out->b);
}

void lg_hash_leaf(struct lg_hash *out, const uint8_t *doc, size_t len)
{
    struct sg_sha256 h;

    sg_sha256_init(&h);
    sg_sha256_update(&h, "", 1);
    sg_sha256_update(&h, doc, len);
    sg_sha256_final(&h, out->b);
}

int lg_name_cmp(struct lg_name a, struct lg_name b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int cmp = common ? memcmp(a.p, b.p, common) : 0;

    return cmp ? cmp : (a.len > b.len) - (a.len < b.len);
}

bool lg_name_eq(struct lg_name a, struct lg_name b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

struct lg_name lg_name_of(const char *text)
{
    return (struct lg_name){text, strlen(text)};
}

int lg_parse_name(struct lg_name *out, struct lg_c0 *c, struct lg_arena *a)
{
    struct lg_slice raw = lg_c0_raw(c);
    size_t n = 0;
    char *text;

    *out = (struct lg_name){(const char *)raw.p, raw.len};
    if (raw.len == 0 || !memchr(raw.p, '\\', raw.len))
        return 0;
    text = lg_arena_alloc(a, raw.len);
    if (!text)
        return SG_ENOMEM;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.p[i] == '\\' && i + 1 < raw.len)
            i++;
        text[n++] = (char)raw.p[i];
    }
    *out = (struct lg_name){text, n};
    return 0;
}

lg_kid lg_parse_kid(struct lg_c0 *c)
{
    uint8_t bytes[8] = {0};

    lg_c0_hex(c, bytes, sizeof bytes);
    return sg_get_be64(bytes);
}

void lg_parse_version(struct lg_c0 *c)
{
    lg_c0_key(c, "v");
    (void)lg_c0_int(c, 1, 1);
    lg_c0_object_end(c);
}
