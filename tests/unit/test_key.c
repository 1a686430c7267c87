/* Ed25519: RFC 8032's examples, refused signatures, the check of public keys, PEM text. */
#include "sg_hash.h"
#include "sg_key.h"
#include "sg_text.h"
#include "tests/lib/pem_maker.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* ---- OpenSSL's memory, which runs out on command ---- */

static unsigned until_failure; /* allocations; 0: none fails */
static bool fails_for_ever;
static unsigned failures;

static bool must_fail(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    until_failure = fails_for_ever ? 1 : 0;
    failures++;
    errno = ENOMEM; /* as malloc does */
    return true;
}

static void *get_memory(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return must_fail() ? NULL : malloc(n);
}

static void *get_more(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return must_fail() ? NULL : realloc(p, n);
}

static void give_back(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static struct sg_key *key_of_seed(const char *seed_hex)
{
    struct sg_key *k = NULL;
    char pem[PEM_BYTES + 1];

    pem_of_seed(pem, seed_hex);
    assert_int_equal(sg_key_of_pem(&k, pem, PEM_BYTES), 0);
    return k;
}

/* RFC 8032 section 7.1: public key and signature are the published ones, and verify. */
static void key_rfc8032_examples_hold(void **state)
{
    static const struct {
        const char *seed, *pub, *msg, *sig;
    } rows[] = {
        {SEED1, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
            "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0"
            "85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac1"
            "8ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct sg_key *k = key_of_seed(rows[i].seed);
        size_t len = strlen(rows[i].msg) / 2;
        uint8_t pub[32], sig[64], expected[64], msg[2];

        unhex(expected, 32, rows[i].pub);
        sg_key_public(k, pub);
        assert_memory_equal(pub, expected, 32);
        unhex(msg, len, rows[i].msg);
        unhex(expected, 64, rows[i].sig);
        assert_int_equal(sg_key_sign(k, sig, msg, len), 0);
        assert_memory_equal(sig, expected, 64);
        assert_int_equal(sg_verify(pub, sig, msg, len), 0);
        assert_int_equal(sg_public_key_check(pub), 0);
        sg_key_free(k);
    }
    sg_key_free(NULL);
}

/* A changed bit anywhere in message, signature or key makes the signature invalid. */
static void verify_changed_bit_is_refused(void **state)
{
    struct sg_key *k = key_of_seed(SEED1);
    uint8_t pub[32], sig[64], msg[40];

    (void)state;
    memset(msg, 'm', sizeof msg);
    sg_key_public(k, pub);
    assert_int_equal(sg_key_sign(k, sig, msg, sizeof msg), 0);
    for (size_t i = 0; i < 64; i++) {
        sig[i] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(sg_verify(pub, sig, msg, sizeof msg), SG_ESIGNATURE);
        sig[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < sizeof msg; i++) {
        msg[i] ^= 1;
        assert_int_equal(sg_verify(pub, sig, msg, sizeof msg), SG_ESIGNATURE);
        msg[i] ^= 1;
    }
    for (size_t i = 0; i < 32; i++) {
        pub[i] ^= 1;
        assert_int_equal(sg_verify(pub, sig, msg, sizeof msg), SG_ESIGNATURE);
        pub[i] ^= 1;
    }
    assert_int_equal(sg_verify(pub, sig, msg, sizeof msg - 1), SG_ESIGNATURE);
    assert_int_equal(sg_verify(pub, sig, msg, sizeof msg), 0);
    sg_key_free(k);
}

/* One signature of "x" while the n-th allocation from now on fails; has it? */
static bool verify_short_of_memory(
    int *err, const uint8_t *pub, const uint8_t *sig, unsigned n, bool for_ever)
{
    failures = 0;
    fails_for_ever = for_ever;
    until_failure = n;
    *err = sg_verify(pub, sig, "x", 1);
    until_failure = 0;
    return failures > 0;
}

/* Memory that runs out at any place, once or for ever, is never a verdict: a good signature is good or not judged, a bad one is bad or not
 * judged; with memory again both are judged. */
static void verify_without_memory_is_no_verdict(void **state)
{
    struct sg_key *k = key_of_seed(SEED1);
    uint8_t pub[32], sig[2][64];
    const int verdicts[] = {0, SG_ESIGNATURE};

    (void)state;
    sg_key_public(k, pub);
    assert_int_equal(sg_key_sign(k, sig[0], "x", 1), 0);
    memcpy(sig[1], sig[0], 64);
    sig[1][0] ^= 1;
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = 1, unjudged = 0;
        int err;

        for (; verify_short_of_memory(&err, pub, sig[i / 2], n, i % 2 == 1); n++) {
            assert_in_range(n, 1, 1000);
            assert_true(err == verdicts[i / 2] || err == SG_ENOMEM);
            unjudged += err == SG_ENOMEM;
        }
        assert_int_equal(err, verdicts[i / 2]);
        assert_true(unjudged >= 3); /* the key, the context, and what hashing needs */
    }
    sg_key_free(k);
}

/* RFC 8032 5.1.7: S + L satisfies the equation too and is refused; so is a signature of zeros (P23). */
static void verify_s_not_below_order_is_refused(void **state)
{
    static const char order_hex[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    struct sg_key *k = key_of_seed(SEED1);
    uint8_t pub[32], sig[64], order[32];
    unsigned carry = 0;

    (void)state;
    sg_key_public(k, pub);
    assert_int_equal(sg_key_sign(k, sig, "x", 1), 0);
    unhex(order, 32, order_hex);
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)sig[32 + i] + order[i];
        sig[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_int_equal(sg_verify(pub, sig, "x", 1), SG_ESIGNATURE);
    memset(sig, 0, sizeof sig);
    assert_int_equal(sg_verify(pub, sig, "x", 1), SG_ESIGNATURE);
    sg_key_free(k);
}

/* Why the check exists: with the key 01 00.. and R = 01 00.., S = 0 the library accepts every message. */
static void verify_small_order_key_shows_the_need_of_the_check(void **state)
{
    uint8_t pub[32] = {1}, sig[64] = {1};

    (void)state;
    assert_int_equal(sg_verify(pub, sig, "anything", 8), 0);
    assert_int_equal(sg_public_key_check(pub), SG_EINVAL);
}

/* The encodings of the eight points of order 1, 2, 4, 8, with either sign bit, are refused. */
static void public_key_small_order_is_refused(void **state)
{
    static const char *const ys[] = {"0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"};
    uint8_t pub[32];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(ys); i++) {
        unhex(pub, 32, ys[i]);
        assert_int_equal(sg_public_key_check(pub), SG_EINVAL);
        pub[31] |= 0x80;
        assert_int_equal(sg_public_key_check(pub), SG_EINVAL);
    }
}

/* y = p .. 2^255 - 1, second spellings of 0 .. 18, are refused with either sign, on the curve or not. */
static void public_key_not_canonical_is_refused(void **state)
{
    (void)state;
    for (unsigned low = 0xED; low <= 0xFF; low++) {
        uint8_t pub[32];

        memset(pub, 0xFF, sizeof pub);
        pub[0] = (uint8_t)low;
        pub[31] = 0x7F;
        assert_int_equal(sg_public_key_check(pub), SG_EINVAL);
        pub[31] = 0xFF;
        assert_int_equal(sg_public_key_check(pub), SG_EINVAL);
    }
}

/* For y = 2..65 and y = p-2..p-33 the verdict is that of an independent computation of the curve equation. */
static void public_key_on_curve_as_computed_elsewhere(void **state)
{
    static const char low[] = "0111100110001110110101111111101101010110111000100110111110111101";
    static const char high[] = "01111001100011101101011111111011";

    (void)state;
    for (size_t i = 0; low[i]; i++) {
        uint8_t pub[32] = {(uint8_t)(2 + i)};

        assert_int_equal(sg_public_key_check(pub), low[i] == '1' ? 0 : SG_EINVAL);
        pub[31] = 0x80;
        assert_int_equal(sg_public_key_check(pub), low[i] == '1' ? 0 : SG_EINVAL);
    }
    for (size_t i = 0; high[i]; i++) {
        uint8_t pub[32];

        memset(pub, 0xFF, sizeof pub);
        pub[0] = (uint8_t)(0xED - 2 - i);
        pub[31] = 0x7F;
        assert_int_equal(sg_public_key_check(pub), high[i] == '1' ? 0 : SG_EINVAL);
    }
}

static json_t *vectors(const char *path)
{
    json_error_t error;
    json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    if (!doc)
        fail_msg("%s: %s (run from the top folder)", path, error.text);
    return doc;
}

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

/* The published key vectors: PEM gives seed's key, its public half and its kid, and passes the check. */
static void key_vectors_hold(void **state)
{
    json_t *doc = vectors("tests/vectors/keys.json"), *row;
    size_t i;

    (void)state;
    assert_true(json_array_size(doc) > 0);
    json_array_foreach(doc, i, row)
    {
        const char *pem = text_of(row, "pem");
        struct sg_key *k = NULL;
        uint8_t pub[32], expected[32], hash[32];
        char kid[17];

        assert_int_equal(sg_key_of_pem(&k, pem, strlen(pem)), 0);
        sg_key_public(k, pub);
        unhex(expected, 32, text_of(row, "public_hex"));
        assert_memory_equal(pub, expected, 32);
        assert_int_equal(sg_public_key_check(pub), 0);
        sg_sha256(hash, pub, 32);
        sg_hex_encode(kid, hash, 8);
        assert_string_equal(kid, text_of(row, "kid"));
        sg_key_free(k);
    }
    json_decref(doc);
}

/* The keys for which the genesis vectors refuse a genesis are refused here. */
static void public_key_genesis_vectors_hold(void **state)
{
    json_t *doc = vectors("tests/vectors/genesis.json"), *row;
    size_t i, seen = 0;

    (void)state;
    json_array_foreach(json_object_get(doc, "invalid"), i, row)
    {
        const char *name = text_of(row, "name");
        json_t *gateway = json_array_get(json_object_get(json_object_get(row, "genesis"), "gateways"), 0);
        const char *key;
        uint8_t pub[32];

        if (strcmp(name, "small-order key") != 0 && strcmp(name, "key off the curve") != 0)
            continue;
        key = text_of(gateway, "key");
        assert_int_equal(sg_base64_decode(pub, 32, key, strlen(key)), 0);
        assert_int_equal(sg_public_key_check(pub), SG_EINVAL);
        seen++;
    }
    assert_int_equal(seen, 2);
    json_decref(doc);
}

/* Of one PEM text, every prefix, every longer text and every changed character of the frame is refused. */
static void pem_other_texts_are_refused(void **state)
{
    char pem[PEM_BYTES + 1], changed[PEM_BYTES + 3];
    struct sg_key *k = NULL;

    (void)state;
    pem_of_seed(pem, SEED1);
    for (size_t n = 0; n < PEM_BYTES; n++)
        assert_int_equal(sg_key_of_pem(&k, pem, n), SG_ECONFIG);
    for (size_t i = 0; i < PEM_BYTES; i++) {
        memcpy(changed, pem, PEM_BYTES);
        changed[i] = '*';
        assert_int_equal(sg_key_of_pem(&k, changed, PEM_BYTES), SG_ECONFIG);
    }
    (void)snprintf(changed, sizeof changed, "%s\n", pem);
    assert_int_equal(sg_key_of_pem(&k, changed, PEM_BYTES + 1), SG_ECONFIG);
    (void)snprintf(changed, sizeof changed, " %s", pem);
    assert_int_equal(sg_key_of_pem(&k, changed, PEM_BYTES + 1), SG_ECONFIG);
    memcpy(changed, pem, PEM_BYTES);
    changed[32] ^= 1; /* a digit of the algorithm identifier */
    assert_int_equal(sg_key_of_pem(&k, changed, PEM_BYTES), SG_ECONFIG);
    assert_null(k);
}

/* The vtable for the cores is the same verification and the same check. */
static void crypto_vtable_is_openssl(void **state)
{
    struct sg_key *k = key_of_seed(SEED1);
    uint8_t pub[32], sig[64], one[32] = {1};

    (void)state;
    sg_key_public(k, pub);
    assert_int_equal(sg_key_sign(k, sig, "x", 1), 0);
    assert_int_equal(sg_crypto_openssl.verify(pub, sig, "x", 1), 0);
    assert_int_equal(sg_crypto_openssl.verify(pub, sig, "y", 1), SG_ESIGNATURE);
    assert_int_equal(sg_crypto_openssl.public_key_check(pub), 0);
    assert_int_equal(sg_crypto_openssl.public_key_check(one), SG_EINVAL);
    sg_key_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_rfc8032_examples_hold),
        cmocka_unit_test(verify_changed_bit_is_refused),
        cmocka_unit_test(verify_without_memory_is_no_verdict),
        cmocka_unit_test(verify_s_not_below_order_is_refused),
        cmocka_unit_test(verify_small_order_key_shows_the_need_of_the_check),
        cmocka_unit_test(public_key_small_order_is_refused),
        cmocka_unit_test(public_key_not_canonical_is_refused),
        cmocka_unit_test(public_key_on_curve_as_computed_elsewhere),
        cmocka_unit_test(key_vectors_hold),
        cmocka_unit_test(public_key_genesis_vectors_hold),
        cmocka_unit_test(pem_other_texts_are_refused),
        cmocka_unit_test(crypto_vtable_is_openssl),
    };

    if (CRYPTO_set_mem_functions(get_memory, get_more, give_back) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
