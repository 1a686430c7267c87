/* SHA-256: the examples of FIPS 180-4, any cut of the input, copied midstates. */
#include "sg_hash.h"
#include "sg_text.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_hash(const uint8_t hash[SG_HASH_BYTES], const char *hex)
{
    char text[65];

    sg_hex_encode(text, hash, SG_HASH_BYTES);
    assert_string_equal(text, hex);
}

/* The published examples: empty, one block, two blocks, a million characters. */
static void sha256_fips_examples_hold(void **state)
{
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t hash[SG_HASH_BYTES];
    struct sg_sha256 h;

    (void)state;
    sg_sha256(hash, "", 0);
    assert_hash(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sg_sha256(hash, "abc", 3);
    assert_hash(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sg_sha256(hash, two, strlen(two));
    assert_hash(hash, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sg_sha256_init(&h);
    for (int i = 0; i < 100000; i++)
        sg_sha256_update(&h, "aaaaaaaaaa", 10);
    sg_sha256_final(&h, hash);
    assert_hash(hash, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Where the input is cut does not change the hash. */
static void sha256_any_cut_gives_the_same(void **state)
{
    uint8_t in[200], whole[SG_HASH_BYTES], parts[SG_HASH_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 31);
    sg_sha256(whole, in, sizeof in);
    for (size_t cut = 0; cut <= sizeof in; cut++) {
        struct sg_sha256 h;

        sg_sha256_init(&h);
        sg_sha256_update(&h, in, cut);
        sg_sha256_update(&h, in + cut, sizeof in - cut);
        sg_sha256_final(&h, parts);
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

/* A copied context continues from the midstate and leaves the original as it was. */
static void sha256_copied_midstate_continues_independently(void **state)
{
    uint8_t expected[SG_HASH_BYTES], got[SG_HASH_BYTES];
    struct sg_sha256 mid, copy;
    char text[120];

    (void)state;
    memset(text, 'h', 100);
    sg_sha256_init(&mid);
    sg_sha256_update(&mid, text, 100);
    for (int nonce = 0; nonce < 50; nonce++) {
        memset(text + 100, 'a' + nonce % 26, 20);
        sg_sha256(expected, text, sizeof text);
        copy = mid;
        sg_sha256_update(&copy, text + 100, 20);
        sg_sha256_final(&copy, got);
        assert_memory_equal(expected, got, sizeof got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_fips_examples_hold),
        cmocka_unit_test(sha256_any_cut_gives_the_same),
        cmocka_unit_test(sha256_copied_midstate_continues_independently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
