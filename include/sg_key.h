/* Ed25519 (RFC 8032) over OpenSSL, one signature at a time, cofactorless as OpenSSL verifies, and key files. */
#ifndef SG_KEY_H
#define SG_KEY_H

#include "sg_err.h"
#include "sg_types.h"

#define SG_PUBLIC_KEY_BYTES 32
#define SG_SIGNATURE_BYTES  64

struct sg_key; /* a private key; immutable after it is made */

/* Read a PEM private key as `openssl genpkey -algorithm ed25519` writes it.
 * Refuses (SG_ECONFIG, fault names the file): no regular file (a symbolic link is refused), not owned by this
 * user or root, a mode wider than 0600, no Ed25519 key, anything after the key. Caller frees *out. */
SG_MUST_USE int sg_key_load(struct sg_key **out, const char *path, struct sg_fault *fault);
/* Parse PEM text (tests). */
SG_MUST_USE int sg_key_of_pem(struct sg_key **out, const char *pem, size_t len);
/* Make a new key and write it to path, mode 0600, never over an existing file; synced.
 * SG_ECONFIG when the file cannot be made, SG_EIO when it cannot be written (nothing is left behind). */
SG_MUST_USE int sg_key_create(struct sg_key **out, const char *path, struct sg_fault *fault);
void sg_key_free(struct sg_key *k);

void sg_key_public(const struct sg_key *k, uint8_t out[static SG_PUBLIC_KEY_BYTES]);
/* Thread: any; the key is only read. SG_ENOMEM or 0. */
SG_MUST_USE int sg_key_sign(
    const struct sg_key *k, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len);

/* 0; SG_ESIGNATURE; SG_ENOMEM, which is no verdict: the same call may succeed later. */
SG_MUST_USE int sg_verify(const uint8_t pub[static SG_PUBLIC_KEY_BYTES],
    const uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len);
/* 0 when pub is canonical (y < 2^255 - 19), on the curve and not of small order; SG_EINVAL otherwise (or
 * SG_ENOMEM, which is no verdict).
 * OpenSSL accepts such keys: with 01 00... every message verifies. */
SG_MUST_USE int sg_public_key_check(const uint8_t pub[static SG_PUBLIC_KEY_BYTES]);

/* What a pure core asks of a signature scheme; the simulator has a fake one. */
struct sg_crypto {
    /* As sg_verify: whoever makes a verdict of it makes it of SG_ESIGNATURE alone, and passes on all else. */
    int (*verify)(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len);
    int (*public_key_check)(const uint8_t *pub);
};
/* Ed25519 by OpenSSL, static. */
extern const struct sg_crypto sg_crypto_openssl;

#endif
