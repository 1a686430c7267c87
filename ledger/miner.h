/* The miner: one thread that searches nonces for the job that it was given last.
 *
 * Thread: set and stop from the chain thread; found() is called on the miner's thread. */
#ifndef LG_MINER_H
#define LG_MINER_H

#include "ledger/core/engine.h"

struct lg_miner;

/* Must not block; SG_EFULL makes the miner offer the nonce again a little later. */
typedef int lg_miner_found_fn(void *ctx, uint64_t job_id, int64_t nonce);

SG_MUST_USE int lg_miner_start(struct lg_miner **out, lg_miner_found_fn *found, void *ctx);
/* Replaces the running job; copied. */
void lg_miner_set(struct lg_miner *m, const struct lg_job *job);
/* No job: the thread sleeps. */
void lg_miner_clear(struct lg_miner *m);
/* Joins the thread; found() is not called after it returns. NULL is legal. */
void lg_miner_stop(struct lg_miner *m);

#endif
