/* The generator of long chains: what it makes is valid, and the same for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ledger/core/audit.h"
#include "tests/lib/long_chain.h"

enum { BLOCKS = 300 }; /* more than a lot: both of its halves are handed out, and one is used again */

static void judge(bool usual, unsigned gateways, uint64_t expected_statements, uint64_t expected_bodies)
{
    const struct long_chain_config config = {.seed = 7, .gateways = gateways, .usual = usual};
    struct long_chain *c = long_chain_new(&config);
    struct lg_audit *audit = NULL;
    uint64_t statements = 0, bodies = 0;

    assert_int_equal(lg_audit_new(&audit, long_chain_genesis(c), &sg_crypto_openssl, 7), 0);
    for (int i = 0; i < BLOCKS; i++) {
        struct lg_slice doc = long_chain_next(c);
        struct lg_block *b = NULL;
        assert_int_equal(lg_block_decode(&b, doc.p, doc.len), 0);
        assert_int_equal(lg_audit_block(audit, b), 0);
        lg_block_free(b);
    }
    lg_audit_counts(audit, &statements, &bodies);
    assert_int_equal(lg_audit_tip(audit)->height, BLOCKS);
    assert_int_equal(statements, expected_statements);
    assert_int_equal(bodies, expected_bodies);
    lg_audit_free(audit);
    long_chain_free(c);
}

/* Bare votes in turn make a valid chain of one statement a block. */
static void long_chain_minimal_is_valid(void **state)
{
    (void)state;
    judge(false, 0, BLOCKS, 0);
}

/* Everybody's statements and the body that they read make a valid chain. */
static void long_chain_usual_is_valid(void **state)
{
    (void)state;
    judge(true, 3, 3 * BLOCKS, BLOCKS);
}

static struct lg_hash digest_of(uint64_t seed)
{
    const struct long_chain_config config = {.seed = seed};
    struct long_chain *c = long_chain_new(&config);
    struct sg_sha256 sum;
    struct lg_hash out;

    sg_sha256_init(&sum);
    for (int i = 0; i < BLOCKS; i++) {
        struct lg_slice doc = long_chain_next(c);
        sg_sha256_update(&sum, doc.p, doc.len);
    }
    sg_sha256_final(&sum, out.b);
    long_chain_free(c);
    return out;
}

/* The same seed gives the same bytes, another one another chain. */
static void long_chain_same_seed_same_bytes(void **state)
{
    struct lg_hash a = digest_of(3), b = digest_of(3), other = digest_of(4);
    (void)state;
    assert_true(lg_hash_eq(&a, &b));
    assert_false(lg_hash_eq(&a, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_chain_minimal_is_valid),
        cmocka_unit_test(long_chain_usual_is_valid),
        cmocka_unit_test(long_chain_same_seed_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
