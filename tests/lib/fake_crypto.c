#include "tests/lib/fake_crypto.h"

#include <string.h>

#include "sg_hash.h"

void fake_sign(uint8_t sig[static SG_SIGNATURE_BYTES], const uint8_t pub[static SG_PUBLIC_KEY_BYTES],
    const void *msg, size_t len)
{
    struct sg_sha256 h;
    sg_sha256_init(&h);
    sg_sha256_update(&h, pub, SG_PUBLIC_KEY_BYTES);
    sg_sha256_update(&h, msg, len);
    sg_sha256_final(&h, sig);
    memcpy(sig + SG_HASH_BYTES, pub, SG_SIGNATURE_BYTES - SG_HASH_BYTES);
}

void fake_public(uint8_t pub[static SG_PUBLIC_KEY_BYTES], unsigned n)
{
    uint8_t seed[8] = {'g', 'w', ' ', (uint8_t)(n >> 8), (uint8_t)n};
    sg_sha256(pub, seed, sizeof seed);
}

static int verify(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    uint8_t want[SG_SIGNATURE_BYTES];
    fake_sign(want, pub, msg, len);
    return memcmp(want, sig, sizeof want) == 0 ? 0 : SG_ESIGNATURE;
}

static int public_key_check(const uint8_t *pub)
{
    (void)pub;
    return 0;
}

const struct sg_crypto fake_crypto = {.verify = verify, .public_key_check = public_key_check};
