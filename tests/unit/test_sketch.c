/* Sketches: a block by header and leaf hashes. */
#include "ledger/core/sketch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/vectors.h"

/* Of every block of the worked chain: what is written is read again, byte for byte, and the header covers its leaves. */
static void sketch_of_a_block_comes_back(void **state)
{
    (void)state;
    json_t *chain = vec_load("chain.json");
    for (size_t i = 0; i < json_array_size(vec_get(chain, "blocks")); i++) {
        struct lg_block *b = vec_block(vec_get(json_array_get(vec_get(chain, "blocks"), i), "block"));
        struct lg_hash leaves[64];
        struct lg_sketch *s = NULL;
        struct sg_buf doc, again;
        lg_block_leaves(leaves, b);
        sg_buf_init(&doc, LG_SKETCH_MAX_BYTES);
        sg_buf_init(&again, LG_SKETCH_MAX_BYTES);
        lg_sketch_encode(&doc, b->header_doc, b->sig, leaves, b->nstatements, b->nbodies);
        assert_code(lg_sketch_decode(&s, doc.p, doc.len), 0);
        assert_true(lg_hash_eq(&s->hash, &b->hash));
        assert_int_equal(s->nstatements, b->nstatements);
        assert_int_equal(s->nbodies, b->nbodies);
        assert_code(lg_sketch_check_root(s), 0);
        lg_sketch_encode(&again, s->header_doc, s->sig, s->leaves, s->nstatements, s->nbodies);
        assert_int_equal(again.len, doc.len);
        assert_memory_equal(again.p, doc.p, doc.len);
        lg_sketch_free(s);
        sg_buf_fini(&doc);
        sg_buf_fini(&again);
        lg_block_free(b);
    }
    json_decref(chain);
}

/* The first block of the worked chain with this many statements' leaves in its sketch. */
static int decode_many(unsigned n, int *root)
{
    json_t *chain = vec_load("chain.json");
    struct lg_block *b = vec_block(vec_get(json_array_get(vec_get(chain, "blocks"), 0), "block"));
    struct lg_hash *leaves = calloc(n + 1, sizeof *leaves);
    struct lg_sketch *s = NULL;
    struct sg_buf doc;
    sg_buf_init(&doc, 1u << 20);
    lg_sketch_encode(&doc, b->header_doc, b->sig, leaves, n, 0);
    const int err = lg_sketch_decode(&s, doc.p, doc.len);
    if (err == 0)
        *root = lg_sketch_check_root(s);
    lg_sketch_free(s);
    sg_buf_fini(&doc);
    free(leaves);
    lg_block_free(b);
    json_decref(chain);
    return err;
}

/* LG_SKETCH_MAX_LEAVES are taken, one more is not, and leaves that the header does not cover are found out. */
static void sketch_leaves_are_counted_and_covered(void **state)
{
    (void)state;
    int root = 0;
    assert_code(decode_many(LG_SKETCH_MAX_LEAVES, &root), 0);
    assert_code(root, SG_EROOT);
    assert_code(decode_many(LG_SKETCH_MAX_LEAVES + 1, &root), SG_ESHAPE);
    assert_code(decode_many(0, &root), 0);
    assert_code(root, SG_EROOT);
}

/* Other keys, other types and what is no C0 are refused. */
static void sketch_of_another_shape_is_refused(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        {"", SG_ECANONICAL},
        {"{} ", SG_ECANONICAL},
        {"{}", SG_ESHAPE},
        {"[]", SG_ESHAPE},
        {"{\"bodies\":[],\"header\":{},\"sig\":\"\",\"statements\":[],\"v\":1}", SG_ESHAPE},
        {"{\"bodies\":{},\"header\":{},\"sig\":\"\",\"statements\":[\"00\"],\"v\":1}", SG_ESHAPE},
    };
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct lg_sketch *s = NULL;
        assert_code(
            lg_sketch_decode(&s, (const uint8_t *)cases[i].text, strlen(cases[i].text)), cases[i].err);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sketch_of_a_block_comes_back),
        cmocka_unit_test(sketch_leaves_are_counted_and_covered),
        cmocka_unit_test(sketch_of_another_shape_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
