/* SHA-256 by the low-level functions of OpenSSL.
 *
 * They are deprecated in favour of EVP, whose contexts live on the heap and cost a fetch; here a context must be
 * a plain value that assignment copies, for a midstate is copied once a try of the proof of work. The layout of
 * SHA256_CTX is public and frozen (openssl/sha.h); that it fits is checked when this compiles. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sg_hash.h"

#include <assert.h>
#include <openssl/sha.h>

static_assert(sizeof(SHA256_CTX) == sizeof(struct sg_sha256), "struct sg_sha256 holds a SHA256_CTX");
static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct sg_sha256), "and is aligned for it");

static SHA256_CTX *ctx(struct sg_sha256 *h)
{
    return (SHA256_CTX *)(void *)h->opaque;
}

/* The three calls return 1 always: SHA-256 over memory cannot fail. */
void sg_sha256_init(struct sg_sha256 *h)
{
    SHA256_Init(ctx(h));
}

void sg_sha256_update(struct sg_sha256 *h, const void *bytes, size_t n)
{
    SHA256_Update(ctx(h), bytes, n);
}

void sg_sha256_final(struct sg_sha256 *h, uint8_t out[static SG_HASH_BYTES])
{
    SHA256_Final(out, ctx(h));
}

void sg_sha256(uint8_t out[static SG_HASH_BYTES], const void *bytes, size_t n)
{
    struct sg_sha256 h;

    sg_sha256_init(&h);
    sg_sha256_update(&h, bytes, n);
    sg_sha256_final(&h, out);
}
