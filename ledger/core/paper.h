/* The paper's view of a block: what the four Flask nodes of Muñoz-Romero et al. (2022) answered, byte for byte.
 *
 * previous_hash is SHA-256 of the previous view block as Python's json.dumps(block, sort_keys=True) writes it; 3_proof is the smallest
 * n >= 1 with SHA-256(decimal of n^2 - previous^2) beginning 0000. Pure. */
#ifndef LG_PAPER_H
#define LG_PAPER_H

#include "lg_record.h"

/* Bound on a view block. Its text grows with labels that the body does not repeat: a sample of 48 points whose labels are 8 letters of
 * two bytes each (48 bytes as \u00f1) and whose values print nine decimals is some 25 times as long as in the body, and a
 * block has at most 16 MiB. A valid block must always fit, for no node could connect it otherwise. */
#define LG_PAPER_MAX_BYTES ((size_t)512 << 20)

/* A view block: its JSON as Python's json.dumps(block, sort_keys=True) writes it (which is also what is served),
 * its SHA-256, its index and proof. */
struct lg_paper_state {
    int64_t index; /* 1 = genesis */
    int64_t proof;
    struct lg_hash hash;
};

/* Index 1. Appends its JSON to out. */
SG_MUST_USE int lg_paper_genesis(
    struct sg_buf *out, struct lg_paper_state *state, const struct lg_genesis *g);
/* The same for a given date, as Python prints one: "2021-09-28 06:58:11.088496". */
void lg_paper_genesis_json(struct sg_buf *out, const char *stamp);
/* Index block height + 1, after prev (which may be *state). SG_EINVAL for a block that is not valid on g. On failure out holds a part. */
SG_MUST_USE int lg_paper_block(struct sg_buf *out, struct lg_paper_state *state,
    const struct lg_paper_state *prev, const struct lg_genesis *g, const struct lg_block *b);
/* The next proof of the sequence 1, 533, 45293, ... */
int64_t lg_paper_next_proof(int64_t previous);
/* The same by search, some 65000 hashes; |previous| < 2^30. */
int64_t lg_paper_search_proof(int64_t previous);
/* The minute as the relay's text file has it (SPEC 3), in the zone of the genesis. */
SG_MUST_USE int lg_paper_minute_text(
    struct sg_buf *out, const struct lg_genesis *g, const struct lg_relay *relay, const struct lg_body *b);

#endif
