/* Is this block valid on that parent? The same verdict on every node, for ever, with the first code that applies.
 *
 * The state of a branch is asked through lg_view, so that the same rules judge a block on the best branch, on a side
 * branch, in the auditor's tool and in the simulator. Pure. Thread: the caller's. */
#ifndef LG_VALIDITY_H
#define LG_VALIDITY_H

#include "lg_record.h"

/* A block as the tree knows it. */
struct lg_block_info {
    struct lg_hash hash;
    struct lg_hash prev;
    int64_t height; /* from 1; 0 stands for the genesis (hash = chain id) */
    sg_minute slot;
    sg_ms time;
    lg_kid miner;
    int64_t weight;
    int64_t
        weight_sum; /* of this branch, genesis 0. bits is constant on a chain, so total work orders as height does */
};

/* The last statement of a gateway on a branch. */
struct lg_statement_ref {
    lg_kid gw;
    sg_ms inc;
    int64_t seq;
    sg_minute slot;
    sg_ms ts;
    struct lg_hash leaf;
    int64_t height;
};

/* Where a body stands on a branch. */
struct lg_body_ref {
    char relay[33];
    sg_minute min;
    int64_t height;
};

/* The branch that ends in one block. All return 0, SG_ENOT_FOUND, or an error of the store (SG_EIO, SG_ENOMEM,
 * SG_ECORRUPT), which ends the check without a verdict. */
struct lg_view {
    void *ctx;
    int (*last_statement)(void *ctx, struct lg_statement_ref *out, lg_kid gw);
    int (*body)(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest);
    /* 0 when hash is a block of the branch (its end and the chain id included). */
    int (*ancestor)(void *ctx, const struct lg_hash *hash);
};

/* Signatures that have been verified already; both may be NULL. leaf: of the statement; of a seal, SHA-256 of the block's hash and the
 * signature, for copies of a header may differ in their signatures. */
struct lg_verified {
    void *ctx;
    bool (*has)(void *ctx, const struct lg_hash *leaf);
    void (*add)(void *ctx, const struct lg_hash *leaf);
};

struct lg_rules {
    const struct lg_genesis *genesis;
    const struct sg_crypto *crypto;
    struct lg_verified verified; /* statements */
    struct lg_verified seals;    /* headers */
};

/* The genesis as a parent: height 0, hash = chain id, slot = genesis minute - 1, time = genesis time. */
void lg_block_info_genesis(struct lg_block_info *out, const struct lg_genesis *g);
/* Of a decoded block on its parent (no judgement). */
void lg_block_info_of(
    struct lg_block_info *out, const struct lg_block *b, const struct lg_block_info *parent);

/* Everything that the header and size decide on this parent: size chain height prev bits slot time miner work signature.
 * now_ms < 0: no clock (auditor); else SG_EFUTURE after signature when the slot has not ended by now_ms or the
 * time lies ahead of it. */
SG_MUST_USE int lg_block_check_header(
    const struct lg_rules *r, const struct lg_block *b, const struct lg_block_info *parent, sg_ms now_ms);
/* That the lists are the ones that the header names: empty order root. From then on every block with this hash has these documents. SG_ENOMEM. */
SG_MUST_USE int lg_block_check_lists(const struct lg_block *b);
/* The whole block: lg_block_check_header, then empty order root weight duplicate_body and statement by statement,
 * then body by body. view is the branch that ends in parent. */
SG_MUST_USE int lg_block_check(const struct lg_rules *r, const struct lg_block *b,
    const struct lg_block_info *parent, const struct lg_view *view, sg_ms now_ms);
/* Checks ahead of lg_block_check, on any thread, and notes in b->passed which were kept; those are not checked again. What was not kept is
 * no verdict: lg_block_check finds it in its place in the order. r->verified is asked and fed when it is there: leave it out on other threads. */
void lg_block_precheck(const struct lg_rules *r, struct lg_block *b);
/* The header of a fetched page alone (sync, light clients): chain .. signature, without size. */
SG_MUST_USE int lg_header_check(const struct lg_rules *r, const struct lg_header *h,
    const struct lg_hash *hash, struct lg_slice header_doc, const uint8_t *sig,
    const struct lg_block_info *parent, sg_ms now_ms);

/* Does s continue prev (the gateway's last statement on a branch; NULL: none)? SG_ESTATEMENT_CHAIN, or SG_ESTATEMENT_SLOT
 * when its slot is not greater than the last one's. */
SG_MUST_USE int lg_statement_follows(
    const struct lg_statement *s, const struct lg_statement_ref *last, const struct lg_genesis *g);
/* The reference that a view would give for s once it stands in the block of that height. */
void lg_statement_ref_of(struct lg_statement_ref *out, const struct lg_statement *s, int64_t height);
/* Number of distinct gateways among the statements whose tip the view knows as an ancestor. Statements of one gateway stand
 * together, gateways increase (SG_EINVAL otherwise). */
SG_MUST_USE int lg_block_weigh(
    int64_t *weight, struct lg_statement *const *statements, unsigned n, const struct lg_view *view);

/* Which of two branches is better: greatest weight_sum, then height (work), then at the first block that differs the lower
 * rank, then the lower hash. a and b are the tips; fa and fb the first blocks that differ (children of the fork).
 * < 0: a is better, > 0: b, 0: the same block. */
int lg_branch_cmp(const struct lg_block_info *a, const struct lg_block_info *fa,
    const struct lg_block_info *b, const struct lg_block_info *fb);

#endif
