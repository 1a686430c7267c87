/* The threads that check ahead: the same results as without them, in whatever order they are taken, and nothing kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/validity_parts.h"
#include "ledger/precheck.h"
#include "tests/lib/long_chain.h"
#include "tests/lib/vectors.h"

enum { BLOCKS = 100, WRONG = 40, MANGLED = 60 };

#define ALL (LG_PASSED_SEAL | LG_PASSED_ORDER | LG_PASSED_ROOT | LG_PASSED_SIGNATURES | LG_PASSED_BODIES)

struct fixture {
    struct long_chain *chain;
    uint8_t *docs[BLOCKS];
    size_t lens[BLOCKS];
    struct lg_precheck_job *jobs[BLOCKS];
};

/* Another character of base64 in the last signature of the document: the miner's stands before the statements. */
static void spoil_signature(uint8_t *doc, size_t len)
{
    uint8_t *at = NULL;
    for (uint8_t *p = doc; (p = memmem(p, len - (size_t)(p - doc), "\"sig\":\"", 7)) != NULL; p++)
        at = p + 7;
    assert_non_null(at);
    *at = *at == 'A' ? 'B' : 'A';
}

static void init(struct fixture *f)
{
    const struct long_chain_config config = {.seed = 11, .usual = true};
    memset(f, 0, sizeof *f);
    f->chain = long_chain_new(&config);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct lg_slice doc = long_chain_next(f->chain);
        f->docs[i] = malloc(doc.len);
        assert_non_null(f->docs[i]);
        memcpy(f->docs[i], doc.p, doc.len);
        f->lens[i] = doc.len;
    }
    spoil_signature(f->docs[WRONG], f->lens[WRONG]);
    f->docs[MANGLED][f->lens[MANGLED] - 1] = ' ';
}

static void fini(struct fixture *f)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        free(f->docs[i]);
    long_chain_free(f->chain);
}

static void take(struct fixture *f, unsigned i)
{
    struct lg_block *b = NULL;
    int err = lg_precheck_take(&b, f->jobs[i]);
    f->jobs[i] = NULL;
    assert_code(err, i == MANGLED ? SG_ECANONICAL : 0);
    if (err != 0)
        return;
    assert_int_equal(b->header.height, i + 1);
    /* a statement's signature is in its leaf, so the root is another one, too */
    assert_int_equal(b->passed, i == WRONG ? LG_PASSED_SEAL | LG_PASSED_ORDER : ALL);
    lg_block_free(b);
}

static void run(unsigned threads, bool backwards)
{
    struct fixture f;
    struct lg_precheck *p = NULL;
    init(&f);
    assert_code(lg_precheck_start(&p, long_chain_genesis(f.chain), &sg_crypto_openssl, threads), 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_code(lg_precheck_add(p, &f.jobs[i], f.docs[i], f.lens[i], false), 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        take(&f, backwards ? BLOCKS - 1 - i : i);
    lg_precheck_stop(p);
    fini(&f);
}

/* One thread and four give each block what it keeps, wrong ones too, in order. */
static void precheck_gives_the_same_with_any_threads(void **state)
{
    (void)state;
    run(1, false);
    run(4, false);
}

/* Taken last first, results are the same: what no thread has begun is done by the taker. */
static void precheck_taken_backwards_gives_the_same(void **state)
{
    (void)state;
    run(1, true);
    run(3, true);
}

/* Jobs may be dropped in any state, and the threads end. */
static void precheck_dropped_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct lg_precheck *p = NULL;
    init(&f);
    assert_code(lg_precheck_start(&p, long_chain_genesis(f.chain), &sg_crypto_openssl, 2), 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_code(lg_precheck_add(p, &f.jobs[i], f.docs[i], f.lens[i], false), 0);
    take(&f, 0);
    for (unsigned i = 1; i < BLOCKS; i++)
        lg_precheck_drop(f.jobs[i]);
    lg_precheck_drop(NULL);
    lg_precheck_stop(p);
    fini(&f);
}

/* Threads rest while more than LG_PRECHECK_MAX_BYTES of results wait, and go on as they are taken: nothing hangs, nothing is lost. */
static void precheck_beyond_its_bound_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    struct lg_precheck *p = NULL;
    enum { LARGE = 12 };
    struct lg_precheck_job *jobs[LARGE];
    size_t len = LG_PRECHECK_MAX_BYTES / 4;
    uint8_t *doc = malloc(len);
    assert_non_null(doc);
    memset(doc, '[', len);
    init(&f);
    assert_code(lg_precheck_start(&p, long_chain_genesis(f.chain), &sg_crypto_openssl, 2), 0);
    for (unsigned i = 0; i < LARGE; i++)
        assert_code(lg_precheck_add(p, &jobs[i], doc, len, false), 0);
    for (unsigned i = 0; i < LARGE; i++) {
        struct lg_block *b = NULL;
        assert_code(lg_precheck_take(&b, jobs[i]), SG_ECANONICAL);
    }
    lg_precheck_stop(p);
    free(doc);
    fini(&f);
}

static _Atomic int verifications;

static int counting_verify(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    verifications++;
    return sg_verify(pub, sig, msg, len);
}

/* The seals of a page of headers are verified once: neither the judge of the headers nor the check of their blocks does it again, and
 * one that does not hold, or another signature of the same header, is not taken for verified. */
static void precheck_seals_are_verified_once(void **state)
{
    (void)state;
    const struct sg_crypto crypto = {.verify = counting_verify, .public_key_check = sg_public_key_check};
    struct fixture f;
    struct lg_precheck *p = NULL;
    struct lg_block *blocks[BLOCKS];
    struct lg_header_item items[BLOCKS];
    init(&f);
    assert_code(lg_precheck_start(&p, long_chain_genesis(f.chain), &crypto, 2), 0);
    const struct lg_rules rules = {
        .genesis = long_chain_genesis(f.chain), .crypto = &crypto, .seals = lg_precheck_known(p)};
    for (unsigned i = 0; i < WRONG; i++) {
        assert_code(lg_block_decode(&blocks[i], f.docs[i], f.lens[i]), 0);
        items[i] = (struct lg_header_item){.hash = blocks[i]->hash, .header = blocks[i]->header_doc};
        memcpy(items[i].sig, blocks[i]->sig, SG_SIGNATURE_BYTES);
    }
    items[5].sig[3] ^= 1;
    verifications = 0;
    lg_precheck_seals(p, items, WRONG);
    assert_int_equal(verifications, WRONG);
    for (unsigned i = 0; i < WRONG; i++) {
        int expected = i == 5 ? SG_ESIGNATURE : 0;
        assert_code(
            lg_header_check_seal(&rules, &blocks[i]->header, &items[i].hash, items[i].header, items[i].sig),
            expected);
    }
    assert_int_equal(verifications, WRONG + 1);
    lg_block_precheck(&rules, blocks[5]); /* with the signature that holds */
    assert_int_equal(blocks[5]->passed, ALL);
    assert_int_equal(verifications, WRONG + 2 + blocks[5]->nstatements);
    lg_block_precheck(&rules, blocks[6]);
    assert_int_equal(verifications, WRONG + 2 + blocks[5]->nstatements + blocks[6]->nstatements);
    for (unsigned i = 0; i < WRONG; i++)
        lg_block_free(blocks[i]);
    lg_precheck_stop(p);
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precheck_gives_the_same_with_any_threads),
        cmocka_unit_test(precheck_taken_backwards_gives_the_same),
        cmocka_unit_test(precheck_dropped_leaves_nothing),
        cmocka_unit_test(precheck_beyond_its_bound_goes_on),
        cmocka_unit_test(precheck_seals_are_verified_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
