/* SHA-256 (FIPS 180-4) over OpenSSL. A context is a plain value: assignment copies a midstate, which is what
 * the proof-of-work search needs (one compression a try instead of a new context). Thread: any. */
#ifndef SG_HASH_H
#define SG_HASH_H

#include "sg_types.h"

#define SG_HASH_BYTES 32

struct sg_sha256 {
    uint32_t opaque[28];
};

void sg_sha256_init(struct sg_sha256 *h);
void sg_sha256_update(struct sg_sha256 *h, const void *bytes, size_t n);
void sg_sha256_final(struct sg_sha256 *h, uint8_t out[static SG_HASH_BYTES]);
/* All at once. */
void sg_sha256(uint8_t out[static SG_HASH_BYTES], const void *bytes, size_t n);

#endif
