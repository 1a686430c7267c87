/* An auditor's own state of one branch, built from nothing but the blocks themselves: blocks are given in order from height 1, each is
 * judged in full and remembered. No store, no derived table, no clock is believed.
 *
 * Memory: about 100 bytes a block and 80 a body. Pure. Thread: one owner. */
#ifndef LG_AUDIT_H
#define LG_AUDIT_H

#include "ledger/core/validity.h"

struct lg_audit;

/* genesis and crypto are borrowed until free. seed: as lg_engine_config's. SG_ENOMEM. */
SG_MUST_USE int lg_audit_new(
    struct lg_audit **out, const struct lg_genesis *g, const struct sg_crypto *crypto, uint64_t seed);
void lg_audit_free(struct lg_audit *a);
/* Judge the next block: 0 and it is the new tip, or the first code that applies and nothing has changed. b is borrowed for the call. */
SG_MUST_USE int lg_audit_block(struct lg_audit *a, const struct lg_block *b);
/* The last block accepted; the genesis (height 0) before the first. Borrowed until the next call. */
const struct lg_block_info *lg_audit_tip(const struct lg_audit *a);
/* Totals of what has been accepted. */
void lg_audit_counts(const struct lg_audit *a, uint64_t *statements, uint64_t *bodies);

#endif
