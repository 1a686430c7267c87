/* The proof of a minute: what verifies, and that nothing can be changed in it. */
#include "ledger/core/proof.h"
#include "tests/lib/block_maker.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A chain of two blocks: gateways 0 and 1 saw the minute in the first, gateway 3 says so late, in the second. */
struct fixture {
    struct maker m;
    struct lg_body *body, *other;
    struct lg_statement *s[3];
    struct lg_block *blocks[2];
    struct sg_buf proof;
};

static void prove_leaf(struct lg_proof_part *part, const struct lg_block *b, unsigned block, unsigned index,
    const uint8_t *doc, size_t len)
{
    struct lg_hash leaves[16];

    *part = (struct lg_proof_part){.block = block, .index = index, .document = {doc, len}};
    lg_block_leaves(leaves, b);
    assert_code(lg_merkle_path(part->path, &part->npath, leaves, b->nstatements + b->nbodies, index), 0);
}

static void encode_proof(struct fixture *f, const struct lg_statement *const *s, unsigned n)
{
    struct lg_proof_block blocks[2];
    struct lg_proof_part body, parts[3];

    for (unsigned i = 0; i < 2; i++) {
        blocks[i].header = f->blocks[i]->header_doc;
        memcpy(blocks[i].sig, f->blocks[i]->sig, sizeof blocks[i].sig);
    }
    prove_leaf(&body, f->blocks[0], 0, 2, f->body->doc, f->body->doc_len);
    for (unsigned i = 0; i < n; i++)
        prove_leaf(&parts[i], f->blocks[s[i] == f->s[2]], s[i] == f->s[2], s[i] == f->s[1], s[i]->doc,
            s[i]->doc_len);
    sg_buf_reset(&f->proof);
    lg_proof_encode(&f->proof, &f->m.g->id, blocks, 2, &body, parts, n);
    assert_code(sg_buf_err(&f->proof), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct lg_block_info root, first;
    struct lg_body *two[2];

    assert_non_null(f);
    maker_init(&f->m);
    lg_block_info_genesis(&root, f->m.g);
    f->body = maker_body(&f->m, "relay-1", f->m.g->minute, 5);
    f->other = maker_body(&f->m, "relay-2", f->m.g->minute, 6);
    two[0] = f->body;
    two[1] = f->other;
    f->s[0] = maker_statement(&f->m, 0, NULL, &f->m.g->id, f->m.g->minute, two, 2);
    f->s[1] = maker_statement(&f->m, 1, NULL, &f->m.g->id, f->m.g->minute, two, 1);
    f->blocks[0] = maker_block(&f->m, &(struct maker_parts){&root, 0, f->m.g->minute, 2, f->s, 2, two, 2});
    lg_block_info_of(&first, f->blocks[0], &root);
    f->s[2] = maker_statement(&f->m, 3, NULL, &first.hash, f->m.g->minute + 1, two, 1);
    f->blocks[1] =
        maker_block(&f->m, &(struct maker_parts){&first, 1, f->m.g->minute + 1, 1, &f->s[2], 1, NULL, 0});
    sg_buf_init(&f->proof, 1 << 20);
    encode_proof(f, (const struct lg_statement *const *)f->s, 3);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++)
        lg_statement_free(f->s[i]);
    for (unsigned i = 0; i < 2; i++)
        lg_block_free(f->blocks[i]);
    lg_body_free(f->body);
    lg_body_free(f->other);
    sg_buf_fini(&f->proof);
    maker_fini(&f->m);
    free(f);
    return 0;
}

static int verify(const struct fixture *f, char where[static 64], const json_t *doc)
{
    struct lg_proof_result r;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);
    int err = lg_proof_verify(&r, where, bytes, len, f->m.g, &sg_crypto_openssl);

    free(bytes);
    return err;
}

/* A proof as the encoder writes it verifies, and says which gateways saw what, the late one included. */
static void encoded_proof_verifies(void **state)
{
    struct fixture *f = *state;
    struct lg_proof_result r;
    char where[64] = "x";

    assert_code(lg_c0_check(f->proof.p, f->proof.len), 0);
    assert_code(lg_proof_verify(&r, where, f->proof.p, f->proof.len, f->m.g, &sg_crypto_openssl), 0);
    assert_string_equal(where, "");
    assert_string_equal(r.relay, "relay-1");
    assert_int_equal(r.min, f->m.g->minute);
    assert_true(lg_hash_eq(&r.digest, &f->body->digest));
    assert_int_equal(r.height, 1);
    assert_int_equal(r.nwitnesses, 3);
    assert_true(r.witnesses[2].gw == f->m.kids[3]);
    assert_int_equal(r.witnesses[2].live, f->body->nsamples);
    assert_int_equal(r.witnesses[2].ts, f->s[2]->ts);
}

/* One gateway counts once, however often it says the same. */
static void repeated_statement_counts_once(void **state)
{
    struct fixture *f = *state;
    const struct lg_statement *const twice[] = {f->s[0], f->s[0], f->s[1]};
    struct lg_proof_result r;
    char where[64];

    encode_proof(f, twice, 3);
    assert_code(lg_proof_verify(&r, where, f->proof.p, f->proof.len, f->m.g, &sg_crypto_openssl), 0);
    assert_int_equal(r.nwitnesses, 2);
    encode_proof(f, (const struct lg_statement *const *)f->s, 3);
}

/* Without a statement nothing is attested. */
static void proof_without_statement_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lg_proof_result r;
    char where[64];

    encode_proof(f, NULL, 0);
    assert_code(
        lg_proof_verify(&r, where, f->proof.p, f->proof.len, f->m.g, &sg_crypto_openssl), SG_EUNREAD_BODY);
    assert_string_equal(where, "statements");
    encode_proof(f, (const struct lg_statement *const *)f->s, 3);
}

/* Every single byte matters: a proof with any one byte changed is refused. */
static void any_changed_byte_is_refused(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->proof.len; i++) {
        struct lg_proof_result r;
        char where[64];

        f->proof.p[i] ^= 1;
        if (lg_proof_verify(&r, where, f->proof.p, f->proof.len, f->m.g, &sg_crypto_openssl) == 0)
            fail_msg("byte %zu of %zu", i, f->proof.len);
        f->proof.p[i] ^= 1;
    }
}

/* Each kind of fault has its code and its place. */
static void fault_has_code_and_place(void **state)
{
    static const struct {
        const char *part, *key, *value, *where;
        int index, err;
    } cases[] = {{"genesis", NULL, "\"0000000000000000000000000000000000000000000000000000000000000000\"",
                     "genesis", -1, SG_ECHAIN},
        {"blocks", "hash", "\"0000000000000000000000000000000000000000000000000000000000000000\"",
            "blocks[1]", 1, SG_EWORK},
        {"body", "block", "1", "body.path", -1, SG_EROOT}, {"body", "block", "2", "body.path", -1, SG_ESHAPE},
        {"body", "index", "3", "body.path", -1, SG_EROOT}, {"body", "path", "[]", "body.path", -1, SG_EROOT},
        {"body", "document", "{}", "body.document", -1, SG_ESHAPE},
        {"statements", "index", "1", "statements[0].path", 0, SG_EROOT},
        {"statements", "document", "[]", "statements[2].document", 2, SG_ESHAPE},
        {"statements", "path", "1", "", 0, SG_ESHAPE}, {"extra", NULL, "1", "", -1, SG_ESHAPE}};
    struct fixture *f = *state;

    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = json_loadb((const char *)f->proof.p, f->proof.len, 0, NULL), *at = doc;
        json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        char where[64];

        if (cases[i].key) {
            at = vec_get(doc, cases[i].part);
            at = cases[i].index >= 0 ? json_array_get(at, (size_t)cases[i].index) : at;
        }
        json_object_set_new(at, cases[i].key ? cases[i].key : cases[i].part, value);
        assert_code(verify(f, where, doc), cases[i].err);
        assert_string_equal(where, cases[i].where);
        json_decref(doc);
    }
}

/* A true leaf of a true block that is no statement about this body proves nothing. */
static void statement_of_another_body_is_mismatch(void **state)
{
    struct fixture *f = *state;
    json_t *doc = json_loadb((const char *)f->proof.p, f->proof.len, 0, NULL);
    struct lg_proof_part part;
    char where[64];
    json_t *body = vec_get(doc, "body"), *path = json_array();

    /* prove relay-2's body instead: gateway 0 read it, gateway 1 did not */
    prove_leaf(&part, f->blocks[0], 0, 3, f->other->doc, f->other->doc_len);
    json_object_set_new(
        body, "document", json_loadb((const char *)f->other->doc, f->other->doc_len, JSON_DECODE_ANY, NULL));
    json_object_set_new(body, "index", json_integer(3));
    for (unsigned i = 0; i < part.npath; i++) {
        char hex[65];

        for (unsigned k = 0; k < 4; k++)
            lg_kid_hex(hex + 16 * k, sg_get_be64(part.path[i].b + 8 * k));
        json_array_append_new(path, json_string(hex));
    }
    json_object_set_new(body, "path", path);
    assert_code(verify(f, where, doc), SG_EREAD_MISMATCH);
    assert_string_equal(where, "statements[1].document");
    json_decref(doc);
}

/* A proof of another chain, or cut, or not canonical, is refused before anything is believed. */
static void other_chain_or_text_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lg_genesis other = *f->m.g;
    struct lg_proof_result r;
    char where[64];

    other.id.b[0] ^= 1;
    assert_code(lg_proof_verify(&r, where, f->proof.p, f->proof.len, &other, &sg_crypto_openssl), SG_ECHAIN);
    for (size_t n = 0; n < f->proof.len; n += 37)
        assert_code(lg_proof_verify(&r, where, f->proof.p, n, f->m.g, &sg_crypto_openssl), SG_ECANONICAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoded_proof_verifies),
        cmocka_unit_test(repeated_statement_counts_once),
        cmocka_unit_test(proof_without_statement_is_refused),
        cmocka_unit_test(any_changed_byte_is_refused),
        cmocka_unit_test(fault_has_code_and_place),
        cmocka_unit_test(statement_of_another_body_is_mismatch),
        cmocka_unit_test(other_chain_or_text_is_refused),
    };

    return cmocka_run_group_tests_name("proof", tests, setup, teardown);
}
