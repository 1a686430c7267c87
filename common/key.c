/* Ed25519 (RFC 8032) by OpenSSL's EVP: private keys from PEM text, signatures, verification.
 *
 * Invariant: a struct sg_key is complete and never changes, so threads share it; seeds are wiped from every
 * buffer of ours. Verification is cofactorless and one by one: a batch equation accepts what others refuse.
 * Refuses: PEM that is not, byte for byte, what `openssl genpkey -algorithm ed25519` writes. */
#include "sg_key.h"
#include "sg_text.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define SEED_BYTES   32
#define PKCS8_BYTES  48 /* 16 fixed bytes and the seed: 64 digits of base64 without padding */
#define BASE64_BYTES SG_BASE64_LEN(PKCS8_BYTES)

static const char pem_begin[] = "-----BEGIN PRIVATE KEY-----\n";
static const char pem_end[] = "\n-----END PRIVATE KEY-----\n";

/* RFC 8410 section 7: PrivateKeyInfo, version 0, id-Ed25519, OCTET STRING of an OCTET STRING of 32 bytes. */
static const uint8_t pkcs8_head[PKCS8_BYTES - SEED_BYTES] = {
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

struct sg_key {
    EVP_PKEY *pkey;
    uint8_t pub[SG_PUBLIC_KEY_BYTES];
};

static int key_of_seed(struct sg_key **out, const uint8_t seed[static SEED_BYTES])
{
    size_t len = SG_PUBLIC_KEY_BYTES;
    struct sg_key *k = calloc(1, sizeof *k);

    if (!k)
        return SG_ENOMEM;
    k->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_BYTES);
    if (!k->pkey || EVP_PKEY_get_raw_public_key(k->pkey, k->pub, &len) != 1) {
        sg_key_free(k);
        return SG_ENOMEM; /* every 32 bytes are a seed: nothing else can fail */
    }
    *out = k;
    return 0;
}

/* The text is matched, not parsed: no encrypted keys, no headers, no second object, no other algorithm. */
int sg_key_of_pem(struct sg_key **out, const char *pem, size_t len)
{
    const size_t begin = sizeof pem_begin - 1, end = sizeof pem_end - 1;
    uint8_t der[PKCS8_BYTES];
    int err = SG_ECONFIG;

    if (len != begin + BASE64_BYTES + end || memcmp(pem, pem_begin, begin) != 0 ||
        memcmp(pem + begin + BASE64_BYTES, pem_end, end) != 0)
        return SG_ECONFIG;
    if (sg_base64_decode(der, sizeof der, pem + begin, BASE64_BYTES) == 0 &&
        memcmp(der, pkcs8_head, sizeof pkcs8_head) == 0)
        err = key_of_seed(out, der + sizeof pkcs8_head);
    OPENSSL_cleanse(der, sizeof der);
    return err;
}

void sg_key_free(struct sg_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

void sg_key_public(const struct sg_key *k, uint8_t out[static SG_PUBLIC_KEY_BYTES])
{
    memcpy(out, k->pub, sizeof k->pub);
}

int sg_key_sign(const struct sg_key *k, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t made[SG_SIGNATURE_BYTES];
    size_t made_len = sizeof made;
    int err = SG_ENOMEM;

    if (ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
        EVP_DigestSign(ctx, made, &made_len, msg, len) == 1) {
        assert(made_len == sizeof made);
        memcpy(sig, made, sizeof made);
        err = 0;
    }
    EVP_MD_CTX_free(ctx);
    return err;
}

int sg_verify(const uint8_t pub[static SG_PUBLIC_KEY_BYTES], const uint8_t sig[static SG_SIGNATURE_BYTES],
    const void *msg, size_t len)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, SG_PUBLIC_KEY_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int err =
        SG_ENOMEM; /* every 32 bytes are a key here: nothing else can fail before the signature is looked at */

    if (pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1) {
        /* OpenSSL hashes in memory that it allocates, and says 0 too when it gets none: malloc says that by errno. */
        errno = 0;
        int said = EVP_DigestVerify(ctx, sig, SG_SIGNATURE_BYTES, msg, len);
        if (said == 1)
            err = 0;
        else if (said == 0 && errno != ENOMEM)
            err = SG_ESIGNATURE;
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return err;
}

static int verify(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    return sg_verify(pub, sig, msg, len);
}

static int public_key_check(const uint8_t *pub)
{
    return sg_public_key_check(pub);
}

const struct sg_crypto sg_crypto_openssl = {.verify = verify, .public_key_check = public_key_check};
