/* A block by its header and the hashes of its leaves.
 *
 * Invariant of a decoded one: nstatements + nbodies <= LG_SKETCH_MAX_LEAVES, and one arena holds all of it.
 * Refuses: what is no C0, other keys, more leaves. Whether header and leaves fit is lg_sketch_check_root's. */
#include "ledger/core/sketch.h"
#include "ledger/core/owner.h"
#include "ledger/core/parse.h"

/* A list of hashes behind those that stand there; its length. */
static unsigned parse_hashes(struct lg_c0 *c, struct lg_hash *out, unsigned max)
{
    unsigned n = 0;

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        if (n == max) {
            lg_c0_fail(c);
            break;
        }
        lg_c0_hex(c, out[n++].b, SG_HASH_BYTES);
    }
    return n;
}

/* The bodies stand first in the document and last in the tree. */
static int parse(struct lg_sketch *s, struct lg_arena *arena, const uint8_t *doc, size_t len)
{
    struct lg_c0 c, bodies;
    struct lg_hash *leaves;

    lg_c0_open(&c, doc, len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    bodies = c;
    (void)lg_c0_value(&c);
    lg_c0_key(&c, "header");
    s->header_doc.p = c.p;
    lg_parse_header(&s->header, &c);
    s->header_doc.len = (size_t)(c.p - s->header_doc.p);
    lg_c0_key(&c, "sig");
    lg_c0_base64(&c, s->sig, sizeof s->sig);
    lg_c0_key(&c, "statements");
    /* a hash takes 64 bytes of the document and more */
    leaves = lg_arena_alloc(arena, (len / 64 + 1) * sizeof *leaves);
    if (!leaves)
        return SG_ENOMEM;
    unsigned max = len / 64 < LG_SKETCH_MAX_LEAVES ? (unsigned)(len / 64) : LG_SKETCH_MAX_LEAVES;
    s->nstatements = parse_hashes(&c, leaves, max);
    lg_parse_version(&c);
    s->nbodies = parse_hashes(&bodies, leaves + s->nstatements, max - s->nstatements);
    s->leaves = leaves;
    if (lg_c0_close(&c) != 0 || bodies.bad)
        return SG_ESHAPE;
    lg_header_hash(&s->hash, s->header_doc.p, s->header_doc.len);
    return 0;
}

int lg_sketch_decode(struct lg_sketch **out, const uint8_t *doc, size_t len)
{
    struct lg_arena *arena;
    uint8_t *copy;
    int err;
    struct lg_sketch *s = lg_owner_new(&err, &arena, &copy, sizeof *s, doc, len);

    if (!s)
        return err;
    err = parse(s, arena, copy, len);
    if (err)
        lg_sketch_free(s);
    else
        *out = s;
    return err;
}

void lg_sketch_free(struct lg_sketch *s)
{
    lg_owner_free(s);
}

static void put_hashes(struct sg_buf *out, const struct lg_hash *hashes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sg_buf_puts(out, i ? "," : "");
        lg_c0_put_hex(out, hashes[i].b, SG_HASH_BYTES);
    }
}

void lg_sketch_encode(struct sg_buf *out, struct lg_slice header_doc,
    const uint8_t sig[static SG_SIGNATURE_BYTES], const struct lg_hash *leaves, unsigned nstatements,
    unsigned nbodies)
{
    sg_buf_puts(out, "{\"bodies\":[");
    put_hashes(out, leaves + nstatements, nbodies);
    sg_buf_puts(out, "],\"header\":");
    sg_buf_put(out, header_doc.p, header_doc.len);
    sg_buf_puts(out, ",\"sig\":");
    lg_c0_put_base64(out, sig, SG_SIGNATURE_BYTES);
    sg_buf_puts(out, ",\"statements\":[");
    put_hashes(out, leaves, nstatements);
    sg_buf_puts(out, "],\"v\":1}");
}

int lg_sketch_check_root(const struct lg_sketch *s)
{
    struct lg_hash root;
    size_t n = s->nstatements + s->nbodies;

    if (s->header.leaves != (int64_t)n)
        return SG_EROOT;
    int err = lg_merkle_root(&root, s->leaves, n);
    if (err)
        return err;
    return lg_hash_eq(&root, &s->header.root) ? 0 : SG_EROOT;
}
