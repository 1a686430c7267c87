/* Merkle trees of RFC 9162, section 2.1, over leaf hashes.
 *
 * The tree of n leaves splits at the largest power of two below n. Pairing neighbours level by level and carrying an odd last
 * node up unchanged builds the same tree, in place, in n-1 hashes. No leaf is ever duplicated, so no two lists of leaves
 * share a root. */
#include "lg_record.h"

#include <stdlib.h>
#include <string.h>

static void inner(struct lg_hash *out, const struct lg_hash *left, const struct lg_hash *right)
{
    struct sg_sha256 h;
    uint8_t text[1 + 2 * SG_HASH_BYTES];

    text[0] = 1;
    memcpy(text + 1, left->b, SG_HASH_BYTES);
    memcpy(text + 1 + SG_HASH_BYTES, right->b, SG_HASH_BYTES);
    sg_sha256_init(&h);
    sg_sha256_update(&h, text, sizeof text);
    sg_sha256_final(&h, out->b);
}

/* One level up, in place; returns the number of nodes of that level. */
static size_t raise_level(struct lg_hash *nodes, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        inner(&nodes[i / 2], &nodes[i], &nodes[i + 1]);
    if (n % 2)
        nodes[n / 2] = nodes[n - 1];
    return n / 2 + n % 2;
}

/* A copy of the leaves to work in; NULL without memory. n > 0. */
static struct lg_hash *copy_leaves(const struct lg_hash *leaves, size_t n)
{
    struct lg_hash *nodes = n > SIZE_MAX / sizeof *nodes ? NULL : malloc(n * sizeof *nodes);

    if (nodes)
        memcpy(nodes, leaves, n * sizeof *nodes);
    return nodes;
}

int lg_merkle_root(struct lg_hash *out, const struct lg_hash *leaves, size_t n)
{
    struct lg_hash *nodes;

    if (n == 0) {
        sg_sha256(out->b, "", 0);
        return 0;
    }
    nodes = copy_leaves(leaves, n);
    if (!nodes)
        return SG_ENOMEM;
    while (n > 1)
        n = raise_level(nodes, n);
    *out = nodes[0];
    free(nodes);
    return 0;
}

int lg_merkle_path(
    struct lg_hash *path, unsigned *npath, const struct lg_hash *leaves, size_t n, size_t index)
{
    struct lg_hash *nodes;
    unsigned len = 0;

    if (index >= n || n > (size_t)1 << LG_MERKLE_MAX_PATH)
        return SG_EINVAL;
    nodes = copy_leaves(leaves, n);
    if (!nodes)
        return SG_ENOMEM;
    for (; n > 1; index /= 2) {
        size_t sibling = index ^ 1;

        if (sibling < n) /* else this node is carried up alone */
            path[len++] = nodes[sibling];
        n = raise_level(nodes, n);
    }
    *npath = len;
    free(nodes);
    return 0;
}

/* RFC 9162, 2.1.3.2, in its words: fn is the node's number on its level, sn that of the level's last node. */
bool lg_merkle_verify(const struct lg_hash *root, const struct lg_hash *leaf, size_t index, size_t n,
    const struct lg_hash *path, unsigned npath)
{
    struct lg_hash r = *leaf;
    size_t fn = index, sn = n - 1;

    if (index >= n)
        return false;
    for (unsigned i = 0; i < npath; i++) {
        if (sn == 0)
            return false;
        if (fn % 2 == 1 || fn == sn) {
            inner(&r, &path[i], &r);
            while (fn % 2 == 0 && fn != 0) {
                fn /= 2;
                sn /= 2;
            }
        } else {
            inner(&r, &r, &path[i]);
        }
        fn /= 2;
        sn /= 2;
    }
    return sn == 0 && lg_hash_eq(&r, root);
}
