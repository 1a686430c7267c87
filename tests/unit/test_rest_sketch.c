/* Sketches over REST: given out, filled with single documents, and offered instead of a block. */
#include "ledger/core/sketch.h"
#include "tests/lib/rest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KEYS(...)                                                                                            \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

/* Blocks 1..7 on the best branch; the eighth is told. */
static int setup(void **state)
{
    struct rest_fixture *r = calloc(1, sizeof *r);
    rest_init(r, 7);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rest_fini(*state);
    free(*state);
    return 0;
}

static void put_sketch(struct sg_buf *out, const struct lg_block *b)
{
    struct lg_hash leaves[64];
    assert_true(b->nstatements + b->nbodies <= SG_ARRAY_LEN(leaves));
    lg_block_leaves(leaves, b);
    sg_buf_init(out, LG_SKETCH_MAX_BYTES);
    lg_sketch_encode(out, b->header_doc, b->sig, leaves, b->nstatements, b->nbodies);
    assert_code(sg_buf_err(out), 0);
}

/* A stored block's sketch is header, signature and leaves, as its own bytes give them. */
static void sketch_of_a_stored_block_is_its_leaves(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_block *b = r->f.blocks[2];
    struct sg_buf want;
    put_sketch(&want, b);
    assert_int_equal(rest_get(r, "/v1/sketches?from=3&limit=1"), 200);
    assert_non_null(memmem(r->answer.body.p, r->answer.body.len, want.p, want.len));
    json_t *j = rest_json(r, "/v1/sketches?from=3&limit=2", KEYS("next", "sketches"));
    assert_int_equal(json_array_size(vec_get(j, "sketches")), 2);
    sg_buf_fini(&want);
}

/* Single documents of a block are asked for by the index of their leaves; statements and bodies each in that order. */
static void documents_of_a_block_come_by_leaf(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_block *b = r->f.blocks[2];
    char hex[2 * SG_HASH_BYTES + 1] = "", path[200];
    struct lg_slice docs[2] = {{b->statements[0]->doc, b->statements[0]->doc_len},
        {b->bodies[b->nbodies - 1]->doc, b->bodies[b->nbodies - 1]->doc_len}};
    const unsigned last = b->nstatements + b->nbodies - 1;
    for (unsigned i = 0; i < SG_HASH_BYTES; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", b->hash.b[i]);
    snprintf(path, sizeof path, "/v1/blocks/%s/documents?leaves=0,%u", hex, last);
    json_t *j = rest_json(r, path, KEYS("bodies", "statements"));
    assert_int_equal(json_array_size(vec_get(j, "bodies")), 1);
    assert_int_equal(json_array_size(vec_get(j, "statements")), 1);
    for (unsigned i = 0; i < 2; i++)
        assert_non_null(memmem(r->answer.body.p, r->answer.body.len, docs[i].p, docs[i].len));
    static const char *const bad[] = {
        "", "?leaves=", "?leaves=1,0", "?leaves=0,0", "?leaves=0,", "?leaves=x", "?leaves=-1"};
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++) {
        snprintf(path, sizeof path, "/v1/blocks/%s/documents%s", hex, bad[i]);
        assert_problem(r, path, SG_EBAD_PARAMETER);
    }
    snprintf(path, sizeof path, "/v1/blocks/%s/documents?leaves=%u", hex, last + 1);
    assert_problem(r, path, SG_EBAD_PARAMETER);
    snprintf(path, sizeof path, "/v1/blocks/%064d/documents?leaves=0", 0);
    assert_problem(r, path, SG_ENOT_FOUND);
}

static void offered(struct rest_fixture *r, const struct sg_buf *sketch, int status, const char *word)
{
    assert_int_equal(rest_post(r, "/v1/sketches", sketch->p, sketch->len), status);
    assert_string_equal(vec_text(r->json, status == 200 ? "result" : "code"), word);
}

/* A sketch of which something is missing says so and leaves nothing behind; with all leaves in the pool it becomes the block, byte for byte. */
static void sketch_offered_becomes_the_block_when_all_leaves_are_here(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_block *b = r->f.blocks[7];
    const struct lg_store *s = r->f.s;
    struct sg_buf sketch;
    put_sketch(&sketch, b);
    offered(r, &sketch, 200, "incomplete");
    assert_int_equal(r->built.len, 0);
    assert_code(s->begin(s->ctx), 0);
    for (unsigned i = 0; i < b->nbodies; i++)
        assert_code(s->put_body(s->ctx, b->bodies[i]), 0);
    for (unsigned i = 0; i < b->nstatements; i++)
        assert_code(s->put_statement(s->ctx, b->statements[i]), 0);
    assert_code(s->commit(s->ctx), 0);
    r->verdict = LG_BLOCK_ACCEPTED;
    offered(r, &sketch, 200, "accepted");
    assert_int_equal(r->built.len, b->doc_len);
    assert_memory_equal(r->built.p, b->doc, b->doc_len);
    sg_buf_fini(&sketch);
    put_sketch(&sketch, r->f.blocks[3]);
    offered(r, &sketch, 200, "known");
    sg_buf_fini(&sketch);
}

/* A sketch costs work and a signature: one whose header breaks a rule, or does not cover the leaves, is refused with that rule's code. */
static void sketch_of_a_faulty_header_is_refused(void **state)
{
    struct rest_fixture *r = *state;
    const struct lg_block *b = r->f.blocks[7];
    struct sg_buf sketch;
    put_sketch(&sketch, b);
    uint8_t *sig = memmem(sketch.p, sketch.len, "\"sig\":\"", 7);
    sig[10] = sig[10] == 'A' ? 'B' : 'A';
    offered(r, &sketch, 422, "signature");
    sig[10] = ' ';
    offered(r, &sketch, 422, "shape");
    sg_buf_fini(&sketch);
    put_sketch(&sketch, b);
    uint8_t *leaf = memmem(sketch.p, sketch.len, "\"statements\":[\"", 15);
    leaf[15] = leaf[15] == '0' ? '1' : '0';
    offered(r, &sketch, 422, "root");
    sg_buf_fini(&sketch);
    put_sketch(&sketch, b);
    uint8_t *nonce = memmem(sketch.p, sketch.len, "\"nonce\":", 8);
    nonce[8] = nonce[8] == '9' ? '8' : (uint8_t)(nonce[8] + 1);
    offered(r, &sketch, 422, "work");
    assert_int_equal(rest_post(r, "/v1/sketches", "{}", 2), 422);
    assert_int_equal(rest_post(r, "/v1/sketches", "{} ", 3), 422);
    assert_int_equal(rest_post(r, "/v1/sketches?a=1", "{}", 2), 400);
    assert_int_equal(r->built.len, 0);
    sg_buf_fini(&sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sketch_of_a_stored_block_is_its_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_of_a_block_come_by_leaf, setup, teardown),
        cmocka_unit_test_setup_teardown(
            sketch_offered_becomes_the_block_when_all_leaves_are_here, setup, teardown),
        cmocka_unit_test_setup_teardown(sketch_of_a_faulty_header_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
