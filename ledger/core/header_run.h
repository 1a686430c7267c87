/* Headers of a peer, checked before any body is asked for.
 *
 * A run begins on a block that is known here and takes one header after the other: each must follow the one before it and keep every
 * rule that a header decides (lg_header_check: chain, height, prev, bits, slot, time, miner, work, signature). What is kept of a
 * checked header is its hash and signature, nothing more: its weight is a claim of which nothing follows, and what a peer sends does not grow
 * this node's memory. Pure; one owner thread. */
#ifndef LG_HEADER_RUN_H
#define LG_HEADER_RUN_H

#include "ledger/core/validity.h"

/* Headers that are checked ahead of their blocks, at most. */
#define LG_HEADER_RUN_MAX 512

struct lg_header_run {
    struct lg_block_info last; /* what the next header must follow; weight_sum is not kept */
    int64_t first;             /* height of hashes[0] */
    unsigned n;
    struct lg_hash hashes[LG_HEADER_RUN_MAX];
    uint8_t sigs[LG_HEADER_RUN_MAX]
                [SG_SIGNATURE_BYTES]; /* that were verified: a copy of a block may have another */
};

/* parent: a valid block of this node, or the genesis. */
void lg_header_run_init(struct lg_header_run *run, const struct lg_block_info *parent);
/* Begin anew on the last header taken: its block and those before it are known here now. */
void lg_header_run_go_on(struct lg_header_run *run);

/* One element of a page, as the peer gave it. */
struct lg_header_item {
    struct lg_hash hash; /* claimed */
    struct lg_slice header;
    uint8_t sig[SG_SIGNATURE_BYTES];
};

/* {"headers":[{"hash":…,"header":{…},"sig":…}…],"next":h}: 0, SG_ECANONICAL or SG_ESHAPE (of the outermost form). Borrowed. */
SG_MUST_USE int lg_header_page_open(struct lg_c0 *c, const uint8_t *doc, size_t len);
/* The next element; false at the end of the list, or at an element of another shape (c->bad). */
bool lg_header_page_next(struct lg_c0 *c, struct lg_header_item *item);
/* After the list: does the peer say that more follow? false and c->bad when neither an end nor a next stands there. */
bool lg_header_page_more(struct lg_c0 *c);

/* Take one header. 0; SG_EFULL (LG_HEADER_RUN_MAX taken); SG_EMALFORMED (the hash is not that of the header); SG_ESHAPE; SG_EFUTURE
 * (as lg_header_check says; not taken, unless it is early by at most max_future_ms: then *early is set and 0 returned); else the code of the
 * first rule that it breaks. now_ms: wall clock. */
SG_MUST_USE int lg_header_run_take(struct lg_header_run *run, bool *early, const struct lg_rules *rules,
    const struct lg_header_item *item, sg_ms now_ms);

#endif
