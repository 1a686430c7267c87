/* A struct lg_store in memory: transactions with undo, and failures on demand. For unit tests and the simulator; costs per call do not grow
 * with the chain. What it holds survives a "crash": close the engine, call mem_store_crash, open another engine on it. */
#ifndef TEST_MEM_STORE_H
#define TEST_MEM_STORE_H

#include "ledger/core/store.h"

struct mem_store;

/* genesis is borrowed. Aborts without memory. */
struct mem_store *mem_store_new(const struct lg_genesis *g);
/* The best branch up to a height, in a new store on the same shelf. */
struct mem_store *mem_store_copy(const struct mem_store *from, int64_t height);
void mem_store_free(struct mem_store *s);
/* So many stores that hold much the same: what they hold stands on the shelf once. All in one thread; the shelf goes last. */
struct mem_shelf;
struct mem_shelf *mem_shelf_new(unsigned stores);
void mem_shelf_free(struct mem_shelf *s);
struct mem_store *mem_store_new_on(const struct lg_genesis *g, struct mem_shelf *shelf);
const struct lg_store *mem_store_vtable(struct mem_store *s);

/* From now on the n-th call (1: the next) returns err; forever: and every later one. n 0: none. */
void mem_store_fail(struct mem_store *s, uint64_t n, int err, bool forever);
/* Calls since mem_store_fail or the start, and how many of them failed on demand. */
uint64_t mem_store_calls(const struct mem_store *s);
uint64_t mem_store_failures(const struct mem_store *s);
uint64_t mem_store_commits(const struct mem_store *s);
/* What was not committed is gone. */
void mem_store_crash(struct mem_store *s);

/* ---- the disk ---- */

/* No room: every writing call is SG_ENOSPC while it is set. */
void mem_store_full(struct mem_store *s, bool full);
/* A commit that fails on demand with SG_EIO has been done all the same: the crash came between the disk and the answer. */
void mem_store_keeps(struct mem_store *s, bool keeps);
/* The power goes in the middle of the n-th commit from now on (0: of none): that call is SG_EIO, and so is every other until
 * mem_store_crash. Of the transactions that were not synced, the torn one last, the disk then has the first so many, as lot decides; of each one
 * all or nothing. A store that syncs every commit has no other unsynced one. */
void mem_store_tear(struct mem_store *s, uint64_t n, uint64_t lot);
bool mem_store_is_torn(const struct mem_store *s);
/* Does every call fail, until the next start? */
bool mem_store_is_failing(const struct mem_store *s);
/* Does it hold, after a crash, exactly what was synced before, the torn transaction whole or not at all? */
bool mem_store_is_durable(const struct mem_store *s);
/* Seeded faults of a store. Rips: of the torn transaction a part is on the disk, and taken as whole. Lazy: a commit is on disk only after mem_store_sync; a crash before undoes it. Retries: a commit that fails on
 * demand is tried again and reported as done, but nothing reaches the disk from then on until the next start. Forgetful: what a
 * reorganisation takes off does not return to the pool when it had this many confirmations; 0: never. Forgets bodies: of what it
 * takes off only the statements return. Lose: what is pooled is pooled no
 * more. */
void mem_store_rips(struct mem_store *s, bool rips);
void mem_store_lazy(struct mem_store *s, bool lazy);
void mem_store_sync(struct mem_store *s);
void mem_store_retries(struct mem_store *s, bool retries);
void mem_store_forgetful(struct mem_store *s, int64_t confirmations);
void mem_store_forgets_bodies(struct mem_store *s, bool forgets);
void mem_store_lose_pool(struct mem_store *s);

/* ---- what is in it ---- */

/* While it is set, calls neither count nor fail: for whoever checks, not for whoever is checked. */
void mem_store_peek(struct mem_store *s, bool peek);

/* Is everything that was committed on disk? */
bool mem_store_is_synced(const struct mem_store *s);
/* Pooled statements and bodies. */
size_t mem_store_pooled(const struct mem_store *s);
/* Greatest incarnation and slot of a gateway on the best branch and in the pool; 0 and -1: none. */
void mem_store_greatest(struct mem_store *s, sg_ms *inc, sg_minute *slot, lg_kid gw);
/* Evidence pairs of a gateway. */
unsigned mem_store_evidence(const struct mem_store *s, lg_kid gw);
bool mem_store_in_transaction(const struct mem_store *s);

#endif
