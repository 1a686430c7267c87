/* A sketch: a block by its header and the hashes of its leaves, for who has the documents already.
 *
 *   {"bodies":[digest…],"header":{…},"sig":"…","statements":[leaf…],"v":1}
 *
 * Nothing is signed or hashed over it: the header's root covers the leaves, so that a sketch that passes lg_sketch_check_root stands for
 * exactly one block. Pure. Thread: any. */
#ifndef LG_SKETCH_H
#define LG_SKETCH_H

#include "lg_record.h"

/* Blocks with more leaves are told whole. */
#define LG_SKETCH_MAX_LEAVES 1024
#define LG_SKETCH_MAX_BYTES  (LG_SKETCH_MAX_LEAVES * 67u + 4096u)

struct lg_sketch {
    struct lg_hash hash; /* of the header */
    struct lg_header header;
    struct lg_slice header_doc;
    uint8_t sig[SG_SIGNATURE_BYTES];
    unsigned nstatements, nbodies;
    const struct lg_hash *leaves; /* in the order of the Merkle tree: statements, then bodies */
};

/* SG_ECANONICAL, SG_ESHAPE (also: too many leaves), SG_ENOMEM. */
SG_MUST_USE int lg_sketch_decode(struct lg_sketch **out, const uint8_t *doc, size_t len);
void lg_sketch_free(struct lg_sketch *s);
/* leaves: statements, then bodies. */
void lg_sketch_encode(struct sg_buf *out, struct lg_slice header_doc,
    const uint8_t sig[static SG_SIGNATURE_BYTES], const struct lg_hash *leaves, unsigned nstatements,
    unsigned nbodies);
/* SG_EROOT: the header does not cover these leaves. SG_ENOMEM. */
SG_MUST_USE int lg_sketch_check_root(const struct lg_sketch *s);

#endif
