/* The proof of a minute: enough to verify one body and the statements that read it against the genesis, offline.
 *
 * {"blocks":[{hash,header,sig}],"body":{block,document,index,path},"genesis":id,"statements":[{block,document,index,path}]}
 * Pure. */
#ifndef LG_PROOF_H
#define LG_PROOF_H

#include "lg_record.h"

struct lg_proof_part { /* a leaf in a block */
    unsigned block;    /* index into blocks */
    unsigned index;    /* leaf index: statements first, then bodies */
    struct lg_slice document;
    struct lg_hash path[LG_MERKLE_MAX_PATH];
    unsigned npath;
};

struct lg_proof_block {
    struct lg_slice header;
    uint8_t sig[SG_SIGNATURE_BYTES];
};

void lg_proof_encode(struct sg_buf *out, const struct lg_hash *genesis, const struct lg_proof_block *blocks,
    unsigned nblocks, const struct lg_proof_part *body, const struct lg_proof_part *statements,
    unsigned nstatements);

struct lg_proof_witness {
    lg_kid gw;
    uint8_t live;
    sg_ms ts;
};
struct lg_proof_result {
    char relay[33];
    sg_minute min;
    struct lg_hash digest;
    int64_t height;      /* of the block with the body */
    unsigned nwitnesses; /* distinct gateways whose statements in the proof read this digest */
    struct lg_proof_witness witnesses[LG_MAX_GATEWAYS];
};
/* Verify everything: canonical documents, headers' hashes, work and signatures, chain id, paths, statement signatures, that each statement
 * reads this very body, and the body's aggregates. On failure: the code of the rule, and where (e.g. "statements[2].path") in where[64]. */
SG_MUST_USE int lg_proof_verify(struct lg_proof_result *out, char where[static 64], const uint8_t *doc,
    size_t len, const struct lg_genesis *g, const struct sg_crypto *crypto);

#endif
