/* A signature scheme for tests and the simulator: a signature is a hash over public key and message. Fast, forgeable by anybody, and
 * wrong signatures are still refused. */
#ifndef TEST_FAKE_CRYPTO_H
#define TEST_FAKE_CRYPTO_H

#include "sg_key.h"

extern const struct sg_crypto fake_crypto;

void fake_sign(uint8_t sig[static SG_SIGNATURE_BYTES], const uint8_t pub[static SG_PUBLIC_KEY_BYTES],
    const void *msg, size_t len);
/* The public key of the n-th test gateway. */
void fake_public(uint8_t pub[static SG_PUBLIC_KEY_BYTES], unsigned n);

#endif
