/* The store read again, piece by piece, against the hashes that it is kept under: bits that flipped on the disk are found before
 * anybody needs them, and what is damaged can be put back.
 *
 * Walk (ledger/store_scrub.c, on a connection of its own): every block with its documents and the rows that follow from it, then every
 * statement and body by itself, then rows that follow from nothing, then what the comparison of reads remembers, rows of side blocks, and the
 * counters of the gateways. One step is one snapshot.
 * Repair (ledger/store_repair.c, on the writing connection): one transaction each.
 *
 *   kind                      what is wrong                                        put back from
 *   STATEMENT, BODY           the document has another hash, or is not there       the document, of any peer
 *   BLOCK                     header, signature or list of leaves                  the block, of any peer
 *   ROWS                      columns of the block, places of its documents,       the block's own documents
 *                             reads, gaps, conflicts, the paper's view,
 *                             rows of side blocks
 *   READ, GAP                 a row that no statement of the branch says           (taken away)
 *   FIRST_READ, DISPUTE       what the named statement does not say                statements that say most of it; else taken away
 *   SIDE                      a row of a side block that is none                   (taken away)
 *   COUNTERS                  counters of a gateway                                the rows
 *   FILE                      pages or indexes of the file itself                  the file itself: indexes are built anew, keys are
 *                                                                                  read off the documents; else docs/operations.md
 */
#ifndef LG_STORE_SCRUB_H
#define LG_STORE_SCRUB_H

#include "ledger/store.h"

/* What is damaged, for the log; static. */
const char *lg_damage_name(enum lg_damage_kind kind);

struct lg_scrub;

/* A reading connection beside the writer's. Errors as lg_reader_open. */
SG_MUST_USE int lg_scrub_open(struct lg_scrub **out, const char *data_dir, const struct lg_genesis *genesis,
    const struct sg_crypto *crypto, struct sg_fault *fault);
void lg_scrub_close(struct lg_scrub *s);

/* Told of each damage; borrowed for the call. */
typedef void lg_scrub_fn(void *arg, const struct lg_damage *d);

/* One step of the walk, which begins again after its end. *documents: how many were read (0 at the end of a pass); *pass_over: the
 * pass is complete. 0, or SG_ENOMEM, SG_EIO (nothing was read: try again later). Damage is no error. */
SG_MUST_USE int lg_scrub_step(
    struct lg_scrub *s, unsigned *documents, bool *pass_over, lg_scrub_fn *found, void *arg);
/* Documents that a pass reads, about; at least 1. */
int64_t lg_scrub_size(struct lg_scrub *s);
/* Is it (still) damaged? For what others have stumbled on, and after a repair. True when that cannot be said. found is told of something
 * else that the look has met instead. */
bool lg_scrub_is_damaged(struct lg_scrub *s, const struct lg_damage *d, lg_scrub_fn *found, void *arg);

/* Put it back: doc is the document, the answer of GET /v1/blocks/{hash} without its frame for a BLOCK, NULL for kinds that need none.
 * Checked against the hash before anything is written.
 *   0            it is as it was, on disk
 *   SG_EINVAL    doc is not what is missing: ask another peer
 *   SG_EAGAIN    a transaction runs: later
 *   SG_ECORRUPT  it cannot be written in place: FILE; the store goes on with what it has
 *   SG_ENOT_FOUND what the rows follow from is damaged itself: that first
 *   SG_EIO, SG_ENOSPC, SG_ENOMEM
 * Thread: the writer's. */
SG_MUST_USE int lg_sqlite_repair(
    struct lg_sqlite *s, const struct lg_damage *d, const uint8_t *doc, size_t len);

#endif
