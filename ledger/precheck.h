/* What of judging a block needs no branch, done by threads ahead of the chain thread: decoding, hashes, Ed25519, Merkle root, aggregates.
 *
 * Order and all decisions stay with the chain thread: it takes the results in the order in which it wants them, and what no thread
 * has begun it does itself, so that nothing waits for a thread that has not come to it and one processor loses nothing. A result says only which
 * rules a block keeps (lg_block_precheck); which it breaks, and with which code, is found by the one who judges.
 *
 * Headers come before their blocks in a sync. Seals that have been verified are remembered, the newest LG_SEEN_SLOTS of them at the
 * most, so that a block's is not verified a second time.
 *
 * Bounded: threads rest while results of LG_PRECHECK_MAX_BYTES of documents wait to be taken. */
#ifndef LG_PRECHECK_H
#define LG_PRECHECK_H

#include "ledger/core/header_run.h"

/* Documents whose results wait; decoded they take two to three times as much. */
#define LG_PRECHECK_MAX_BYTES   (UINT64_C(8) << 20)
#define LG_PRECHECK_MAX_THREADS 8

struct lg_precheck;
struct lg_precheck_job;

/* threads 0: as many as processors that this process may use, at most LG_PRECHECK_MAX_THREADS. genesis and crypto are borrowed until stop.
 * SG_ENOMEM. */
SG_MUST_USE int lg_precheck_start(struct lg_precheck **out, const struct lg_genesis *genesis,
    const struct sg_crypto *crypto, unsigned threads);
/* Every job must have been taken or dropped. Joins the threads. NULL is legal. */
void lg_precheck_stop(struct lg_precheck *p);

/* A block's bytes, borrowed until the job is taken or dropped. sealed: its header and signature are ones that lg_header_check has taken, and
 * are not verified again. Thread: any. SG_ENOMEM. */
SG_MUST_USE int lg_precheck_add(
    struct lg_precheck *p, struct lg_precheck_job **out, const uint8_t *doc, size_t len, bool sealed);
/* The decoded block, the caller's, with what it keeps in b->passed; or SG_ECANONICAL, SG_ESHAPE, SG_ENOMEM. Waits while a thread is at it.
 * Frees the job. Thread: any. */
SG_MUST_USE int lg_precheck_take(struct lg_block **out, struct lg_precheck_job *job);
/* Verify the seals of headers by all threads and the caller's; those that hold are remembered. No verdict: who judges a header asks
 * lg_precheck_known. Returns when all are done. Thread: any. */
void lg_precheck_seals(struct lg_precheck *p, const struct lg_header_item *items, unsigned n);
/* The memory of seals, for struct lg_rules; valid until stop. Thread: any. */
struct lg_verified lg_precheck_known(struct lg_precheck *p);
/* Without its result. NULL is legal. */
void lg_precheck_drop(struct lg_precheck_job *job);

#endif
