/* Merkle trees of RFC 9162 against the worked trees. */
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* SHA-256 of "leaf <i>", the leaf hashes of the vectors. */
static struct lg_hash *make_leaves(size_t n)
{
    struct lg_hash *leaves = malloc((n ? n : 1) * sizeof *leaves);

    assert_non_null(leaves);
    for (size_t i = 0; i < n; i++) {
        struct sg_buf b;

        sg_buf_init(&b, 64);
        sg_buf_puts(&b, "leaf ");
        sg_buf_put_i64(&b, (int64_t)i);
        sg_sha256(leaves[i].b, b.p, b.len);
        sg_buf_fini(&b);
    }
    return leaves;
}

/* The tree of no leaves is SHA-256 of nothing. */
static void root_of_nothing_is_hash_of_nothing(void **state)
{
    json_t *doc = vec_load("merkle.json");
    struct lg_hash root, want = vec_hash(vec_text(doc, "empty"));

    (void)state;
    assert_code(lg_merkle_root(&root, NULL, 0), 0);
    assert_true(lg_hash_eq(&root, &want));
    json_decref(doc);
}

/* Every root and path of the vectors is reproduced, and every path verifies at its index and at no other. */
static void vectors_reproduce(void **state)
{
    json_t *doc = vec_load("merkle.json"), *tree, *path;
    const char *index_text;
    size_t t;

    (void)state;
    assert_int_equal(json_array_size(vec_get(doc, "trees")), 12);
    json_array_foreach(vec_get(doc, "trees"), t, tree)
    {
        size_t n = (size_t)json_integer_value(vec_get(tree, "n"));
        struct lg_hash *leaves = make_leaves(n), root, want = vec_hash(vec_text(tree, "root"));

        assert_code(lg_merkle_root(&root, leaves, n), 0);
        assert_true(lg_hash_eq(&root, &want));
        json_object_foreach(vec_get(tree, "paths"), index_text, path)
        {
            size_t index = strtoul(index_text, NULL, 10);
            struct lg_hash got[LG_MERKLE_MAX_PATH];
            unsigned len = 99;

            assert_code(lg_merkle_path(got, &len, leaves, n, index), 0);
            assert_int_equal(len, json_array_size(path));
            for (unsigned i = 0; i < len; i++) {
                struct lg_hash step = vec_hash(json_string_value(json_array_get(path, i)));

                assert_true(lg_hash_eq(&step, &got[i]));
            }
            for (size_t other = 0; other < n; other++)
                assert_int_equal(lg_merkle_verify(&root, &leaves[index], other, n, got, len), other == index);
        }
        free(leaves);
    }
    json_decref(doc);
}

/* In trees of every size to 70, each leaf's path verifies; with one bit of leaf, path or root changed, a step more or less,
 * or outside the tree, it does not. */
static void every_path_verifies_and_no_wrong_one(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 70; n++) {
        struct lg_hash *leaves = make_leaves(n), root, bad;

        assert_code(lg_merkle_root(&root, leaves, n), 0);
        for (size_t i = 0; i < n; i++) {
            struct lg_hash path[LG_MERKLE_MAX_PATH + 1] = {{{0}}};
            unsigned len = 0;

            assert_code(lg_merkle_path(path, &len, leaves, n, i), 0);
            assert_true(lg_merkle_verify(&root, &leaves[i], i, n, path, len));
            assert_false(lg_merkle_verify(&root, &leaves[i], i, n, path, len + 1));
            assert_false(len > 0 && lg_merkle_verify(&root, &leaves[i], i, n, path, len - 1));
            assert_false(lg_merkle_verify(&root, &leaves[i], n, n, path, len));
            bad = leaves[i];
            bad.b[31] ^= 1;
            assert_false(lg_merkle_verify(&root, &bad, i, n, path, len));
            bad = root;
            bad.b[0] ^= 0x80;
            assert_false(lg_merkle_verify(&bad, &leaves[i], i, n, path, len));
            for (unsigned k = 0; k < len; k++) {
                path[k].b[7] ^= 1;
                assert_false(lg_merkle_verify(&root, &leaves[i], i, n, path, len));
                path[k].b[7] ^= 1;
            }
        }
        free(leaves);
    }
}

/* P24: a last leaf repeated gives another root (no CVE-2012-2459), for every size of tree. */
static void duplicated_last_leaf_changes_root(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 33; n++) {
        struct lg_hash *leaves = make_leaves(n + 1), a, b;

        leaves[n] = leaves[n - 1];
        assert_code(lg_merkle_root(&a, leaves, n), 0);
        assert_code(lg_merkle_root(&b, leaves, n + 1), 0);
        assert_false(lg_hash_eq(&a, &b));
        free(leaves);
    }
}

/* P25: an inner node is not taken for a leaf: with the path from there to the root it verifies at no index of the tree, and no document
 * has it as its leaf, not even the two hashes that it was made of. */
static void inner_node_is_no_leaf(void **state)
{
    struct lg_hash *leaves = make_leaves(4), left, right, root, leaf;
    uint8_t both[2 * SG_HASH_BYTES];

    (void)state;
    assert_code(lg_merkle_root(&left, leaves, 2), 0);
    assert_code(lg_merkle_root(&right, leaves + 2, 2), 0);
    assert_code(lg_merkle_root(&root, leaves, 4), 0);
    assert_true(lg_merkle_verify(&root, &left, 0, 2, &right, 1)); /* in a tree of two it would be one */
    for (size_t i = 0; i < 4; i++)
        assert_false(lg_merkle_verify(&root, &left, i, 4, &right, 1));
    memcpy(both, leaves[0].b, SG_HASH_BYTES);
    memcpy(both + SG_HASH_BYTES, leaves[1].b, SG_HASH_BYTES);
    lg_hash_leaf(&leaf, both, sizeof both);
    assert_false(lg_hash_eq(&leaf, &left));
    free(leaves);
}

/* A path outside the tree is refused; the largest tree fits. */
static void path_outside_tree_is_refused(void **state)
{
    struct lg_hash *leaves = make_leaves(LG_MAX_LEAVES), root, path[LG_MERKLE_MAX_PATH];
    unsigned len;

    (void)state;
    assert_code(lg_merkle_path(path, &len, leaves, 3, 3), SG_EINVAL);
    assert_code(lg_merkle_path(path, &len, leaves, 0, 0), SG_EINVAL);
    assert_code(lg_merkle_root(&root, leaves, LG_MAX_LEAVES), 0);
    assert_code(lg_merkle_path(path, &len, leaves, LG_MAX_LEAVES, LG_MAX_LEAVES - 1), 0);
    assert_int_equal(len, 16);
    assert_true(
        lg_merkle_verify(&root, &leaves[LG_MAX_LEAVES - 1], LG_MAX_LEAVES - 1, LG_MAX_LEAVES, path, len));
    free(leaves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_of_nothing_is_hash_of_nothing),
        cmocka_unit_test(vectors_reproduce),
        cmocka_unit_test(every_path_verifies_and_no_wrong_one),
        cmocka_unit_test(duplicated_last_leaf_changes_root),
        cmocka_unit_test(inner_node_is_no_leaf),
        cmocka_unit_test(path_outside_tree_is_refused),
    };

    return cmocka_run_group_tests_name("merkle", tests, NULL, NULL);
}
