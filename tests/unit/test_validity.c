/* Validity against the worked chain, its 70 invalid variants and the forks. */
#include "ledger/core/validity.h"
#include "tests/lib/block_maker.h"
#include "tests/lib/mem_view.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct chain {
    json_t *doc;
    struct lg_genesis *g;
    struct mem_tree tree;
    struct lg_rules rules;
    struct lg_block *blocks[16];
    unsigned n;
};

static void chain_init(struct chain *c, const char *file)
{
    *c = (struct chain){.doc = vec_load(file)};
    c->g = vec_genesis(vec_get(c->doc, "genesis"));
    mem_tree_init(&c->tree, c->g);
    c->rules = (struct lg_rules){.genesis = c->g, .crypto = &sg_crypto_openssl};
}

static void chain_fini(struct chain *c)
{
    for (unsigned i = 0; i < c->n; i++)
        lg_block_free(c->blocks[i]);
    lg_genesis_free(c->g);
    json_decref(c->doc);
}

static int check_on(struct chain *c, int tip, const struct lg_block *b, sg_ms now_ms)
{
    return maker_check(&c->rules, &c->tree, tip, b, now_ms);
}

/* The first n blocks of chain.json, each checked on the one before it. */
static void chain_extend(struct chain *c, unsigned n)
{
    json_t *blocks = vec_get(c->doc, "blocks");

    for (unsigned i = 0; i < n; i++) {
        json_t *entry = json_array_get(blocks, i);
        struct lg_block *b = vec_block(vec_get(entry, "block"));

        c->blocks[c->n++] = b;
        assert_code(check_on(c, (int)i - 1, b, -1), 0);
        mem_tree_add(&c->tree, (int)i - 1, b);
    }
}

/* Every block of the worked chain is valid in its place, with the hash and the weight that the vectors give. */
static void chain_vectors_are_valid(void **state)
{
    struct chain c;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 8);
    for (unsigned i = 0; i < 8; i++) {
        json_t *entry = json_array_get(vec_get(c.doc, "blocks"), i);
        struct lg_hash want = vec_hash(vec_text(entry, "hash"));

        assert_true(lg_hash_eq(&c.blocks[i]->hash, &want));
        assert_int_equal(
            c.tree.nodes[i].info.weight, json_integer_value(json_array_get(vec_get(c.doc, "weights"), i)));
    }
    chain_fini(&c);
}

/* Each invalid variant is refused with its own code, and with no other. */
static void invalid_vectors_give_their_code(void **state)
{
    json_t *doc = vec_load("invalid.json"), *test;
    unsigned height = (unsigned)json_integer_value(vec_get(doc, "replaces_height")), wrong = 0;
    struct chain c;
    size_t i;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, height - 1);
    assert_int_equal(json_array_size(vec_get(doc, "cases")), 70);
    json_array_foreach(vec_get(doc, "cases"), i, test)
    {
        struct lg_block *b = NULL;
        size_t len;
        uint8_t *bytes = vec_bytes(vec_get(test, "block"), &len);
        int err = lg_block_decode(&b, bytes, len);

        if (err == 0)
            err = check_on(&c, (int)height - 2, b, -1);
        if (strcmp(sg_err_code(err), vec_text(test, "code")) != 0) {
            print_error(
                "%s: %s instead of %s\n", vec_text(test, "name"), sg_err_code(err), vec_text(test, "code"));
            wrong++;
        }
        lg_block_free(b);
        free(bytes);
    }
    assert_int_equal(wrong, 0);
    chain_fini(&c);
    json_decref(doc);
}

/* Add both branches of a fork, sharing equal blocks; the tips in tips[0..1]. */
static void add_fork(struct chain *c, const json_t *test, const char *const keys[2], int tips[2])
{
    for (unsigned side = 0; side < 2; side++) {
        json_t *list = vec_get(test, keys[side]), *doc;
        int tip = -1;
        size_t i;

        json_array_foreach(list, i, doc)
        {
            struct lg_block *b = vec_block(doc);
            int found = -1;

            for (unsigned k = 0; k < c->tree.n; k++) {
                if (lg_hash_eq(&c->tree.nodes[k].info.hash, &b->hash))
                    found = (int)k;
            }
            c->blocks[c->n++] = b;
            if (found < 0) {
                assert_code(check_on(c, tip, b, -1), 0);
                found = mem_tree_add(&c->tree, tip, b);
            }
            tip = found;
        }
        tips[side] = tip;
    }
}

/* Both branches of each fork are valid with the given weights, and the better one is the same in both orders of arrival. */
static void forks_have_one_best_branch(void **state)
{
    static const char *const orders[2][2] = {{"a", "b"}, {"b", "a"}};
    json_t *doc = vec_load("forks.json");

    (void)state;
    for (size_t i = 0; i < json_array_size(vec_get(doc, "cases")); i++) {
        for (unsigned order = 0; order < 2; order++) {
            json_t *test = json_array_get(vec_get(doc, "cases"), i);
            struct chain c;
            int tips[2], cmp;

            chain_init(&c, "forks.json");
            add_fork(&c, test, orders[order], tips);
            cmp = mem_tree_cmp(&c.tree, tips[0], tips[1]);
            assert_int_not_equal(cmp, 0);
            assert_string_equal(orders[order][cmp > 0], vec_text(test, "best"));
            assert_int_equal(mem_tree_cmp(&c.tree, tips[1], tips[0]) < 0, cmp > 0);
            for (unsigned side = 0; side < 2; side++) {
                json_t *weights = vec_get(test, orders[order][side][0] == 'a' ? "weights_a" : "weights_b");
                int at = tips[side];

                for (size_t k = json_array_size(weights); k-- > 0; at = c.tree.nodes[at].parent)
                    assert_int_equal(
                        c.tree.nodes[at].info.weight, json_integer_value(json_array_get(weights, k)));
            }
            chain_fini(&c);
        }
    }
    json_decref(doc);
}

/* Before its time a block is refused as early, never as invalid; from its time on it is valid. */
static void check_block_ahead_of_clock_is_future(void **state)
{
    struct chain c;
    struct lg_block *b;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 1);
    b = c.blocks[0];
    assert_code(check_on(&c, -1, b, b->header.time - 1), SG_EFUTURE);
    assert_code(check_on(&c, -1, b, b->header.time), 0);
    chain_fini(&c);
}

/* An error of the store is no verdict: it is handed through from every question. */
static void check_store_error_is_no_verdict(void **state)
{
    struct chain c;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 2);
    c.tree.fail = SG_EIO;
    assert_code(check_on(&c, 0, c.blocks[1], -1), SG_EIO);
    chain_fini(&c);
}

struct memory {
    struct lg_hash leaves[8];
    unsigned n, asked;
};

static bool has(void *ctx, const struct lg_hash *leaf)
{
    struct memory *m = ctx;

    m->asked++;
    for (unsigned i = 0; i < m->n; i++) {
        if (lg_hash_eq(&m->leaves[i], leaf))
            return true;
    }
    return false;
}

static void add(void *ctx, const struct lg_hash *leaf)
{
    struct memory *m = ctx;

    assert_true(m->n < 8);
    m->leaves[m->n++] = *leaf;
}

static unsigned verifications;

static int counting_verify(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    verifications++;
    return sg_verify(pub, sig, msg, len);
}

/* A signature that was verified before is not verified again: the second check of a block costs the miner's alone. */
static void check_verified_statements_are_not_verified_again(void **state)
{
    struct sg_crypto crypto = {counting_verify, sg_public_key_check};
    struct memory m = {.n = 0};
    struct chain c;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 1);
    c.rules.crypto = &crypto;
    c.rules.verified = (struct lg_verified){&m, has, add};
    verifications = 0;
    assert_code(check_on(&c, -1, c.blocks[0], -1), 0);
    assert_int_equal(verifications, 1 + c.blocks[0]->nstatements);
    assert_int_equal(m.n, c.blocks[0]->nstatements);
    verifications = 0;
    assert_code(check_on(&c, -1, c.blocks[0], -1), 0);
    assert_int_equal(verifications, 1);
    chain_fini(&c);
}

static unsigned until_no_memory;

static int verify_short_of_memory(const uint8_t *pub, const uint8_t *sig, const void *msg, size_t len)
{
    return until_no_memory > 0 && --until_no_memory == 0 ? SG_ENOMEM : sg_verify(pub, sig, msg, len);
}

/* Memory that is missing while a signature is verified is no verdict: neither of the miner's nor of any statement's, nor is it
 * remembered as one that holds. */
static void check_without_memory_is_no_verdict(void **state)
{
    struct sg_crypto crypto = {verify_short_of_memory, sg_public_key_check};
    struct memory m = {.n = 0};
    struct chain c;
    struct mem_branch branch = {&c.tree, -1};
    struct lg_view view;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 1);
    mem_branch_view(&view, &branch);
    c.rules.crypto = &crypto;
    c.rules.verified = (struct lg_verified){&m, has, add};
    const struct lg_block *b = c.blocks[0];
    for (unsigned n = 1; n <= 1 + b->nstatements; n++) {
        m.n = 0;
        until_no_memory = n;
        assert_code(lg_block_check(&c.rules, b, mem_tree_info(&c.tree, -1), &view, -1), SG_ENOMEM);
        assert_int_equal(m.n, n == 1 ? 0 : n - 2);
    }
    until_no_memory = 1;
    assert_code(lg_block_check_header(&c.rules, b, mem_tree_info(&c.tree, -1), -1), SG_ENOMEM);
    until_no_memory = 1;
    assert_code(lg_statement_check(b->statements[0], c.g, &crypto, false), SG_ENOMEM);
    assert_code(check_on(&c, -1, b, -1), 0);
    chain_fini(&c);
}

/* The header alone gives the header's codes and accepts what the whole block's check accepts. */
static void check_header_agrees_with_block(void **state)
{
    struct chain c;
    struct lg_block_info parent;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 3);
    for (int i = 0; i < 3; i++) {
        const struct lg_block *b = c.blocks[i];

        assert_code(lg_block_check_header(&c.rules, b, mem_tree_info(&c.tree, i - 1), -1), 0);
        assert_code(lg_header_check(&c.rules, &b->header, &b->hash, b->header_doc, b->sig,
                        mem_tree_info(&c.tree, i - 1), -1),
            0);
    }
    assert_code(lg_block_check_header(&c.rules, c.blocks[2], mem_tree_info(&c.tree, 0), -1), SG_EHEIGHT);
    parent = *mem_tree_info(&c.tree, 1);
    parent.hash.b[0] ^= 1;
    assert_code(lg_block_check_header(&c.rules, c.blocks[2], &parent, -1), SG_EPREV);
    chain_fini(&c);
}

/* The pool's check passes every statement of the chain and names the first rule that one breaks. */
static void statement_check_names_the_rule(void **state)
{
    struct chain c;
    struct lg_statement s;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 2);
    for (unsigned i = 0; i < c.blocks[1]->nstatements; i++)
        assert_code(lg_statement_check(c.blocks[1]->statements[i], c.g, &sg_crypto_openssl, false), 0);
    s = *c.blocks[1]->statements[0];
    s.gw ^= 1;
    assert_code(lg_statement_check(&s, c.g, &sg_crypto_openssl, true), SG_EUNKNOWN_GATEWAY);
    s = *c.blocks[1]->statements[0];
    s.sig[0] ^= 1;
    assert_code(lg_statement_check(&s, c.g, &sg_crypto_openssl, false), SG_ESTATEMENT_SIGNATURE);
    assert_code(lg_statement_check(&s, c.g, &sg_crypto_openssl, true), 0);
    s.ts = (s.slot + 1) * SG_MINUTE_MS - 1;
    assert_code(lg_statement_check(&s, c.g, &sg_crypto_openssl, true), SG_ESTATEMENT_SLOT);
    chain_fini(&c);
}

/* Continuation: the next of an incarnation, or the first of a greater one, and always a greater slot. */
static void follows_accepts_next_and_new_incarnation_only(void **state)
{
    struct chain c;
    struct lg_statement s;
    struct lg_statement_ref last;

    (void)state;
    chain_init(&c, "chain.json");
    chain_extend(&c, 2);
    lg_statement_ref_of(&last, c.blocks[0]->statements[0], 1);
    s = *c.blocks[1]->statements[0];
    assert_code(lg_statement_follows(&s, &last, c.g), 0);
    assert_code(lg_statement_follows(&s, NULL, c.g), SG_ESTATEMENT_CHAIN);
    s.slot = last.slot;
    assert_code(lg_statement_follows(&s, &last, c.g), SG_ESTATEMENT_SLOT);
    s = *c.blocks[0]->statements[0];
    assert_code(lg_statement_follows(&s, NULL, c.g), 0);
    assert_code(lg_statement_follows(&s, &last, c.g), SG_ESTATEMENT_CHAIN);
    s.inc++;
    s.slot++;
    assert_code(lg_statement_follows(&s, &last, c.g), 0);
    chain_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_vectors_are_valid),
        cmocka_unit_test(invalid_vectors_give_their_code),
        cmocka_unit_test(forks_have_one_best_branch),
        cmocka_unit_test(check_block_ahead_of_clock_is_future),
        cmocka_unit_test(check_store_error_is_no_verdict),
        cmocka_unit_test(check_verified_statements_are_not_verified_again),
        cmocka_unit_test(check_without_memory_is_no_verdict),
        cmocka_unit_test(check_header_agrees_with_block),
        cmocka_unit_test(statement_check_names_the_rule),
        cmocka_unit_test(follows_accepts_next_and_new_incarnation_only),
    };

    return cmocka_run_group_tests_name("validity", tests, NULL, NULL);
}
