/* The thread that keeps the store sound: it walks through it slowly, for ever (ledger/store_scrub.h), and has what is damaged put back:
 * documents from peers, by hash; rows from what they follow from.
 *
 * Pace: the whole store once in period_ms, but one document a second at least, and never more than a tenth of the time. What REST and the
 * chain thread stumble on is looked at at once. Nothing that a peer sends is believed: the chain thread compares the hash, and
 * this thread reads again what was written. What no peer has stays marked, is asked for again every minute, and is never served.
 * Thread: see each call. */
#ifndef LG_SCRUBBER_H
#define LG_SCRUBBER_H

#include "ledger/store_scrub.h"
#include "lg_node.h"
#include "sg_clock.h"

/* Damages that are remembered; more are found again by the next pass. */
#define LG_SCRUBBER_MAX 256

struct lg_scrubber;

struct lg_scrubber_config {
    const char *data_dir;
    const struct lg_genesis *genesis; /* borrowed */
    const struct sg_clock *clock;     /* borrowed */
    const char *const *urls;          /* of peers; copied */
    unsigned n;                       /* <= LG_NODE_MAX_PEERS */
    sg_ms period_ms;
    void *ctx;
    /* Have the chain thread put it back; it reports through lg_scrubber_result. Takes doc on success (NULL: none is needed). */
    int (*repair)(void *ctx, const struct lg_damage *d, uint8_t *doc, size_t len);
    /* "store_damaged" or "store_beyond_repair", static; on, or over. */
    void (*alarm)(void *ctx, const char *kind, bool on);
};

SG_MUST_USE int lg_scrubber_start(
    struct lg_scrubber **out, const struct lg_scrubber_config *config, struct sg_fault *fault);
/* Joins the thread. NULL is legal. */
void lg_scrubber_stop(struct lg_scrubber *s);

/* Somebody has stumbled on it. Never blocks; what does not fit is found again by the walk. Thread: any. NULL is legal. */
void lg_scrubber_report(struct lg_scrubber *s, const struct lg_damage *d);
/* What lg_sqlite_repair said. Thread: chain. */
void lg_scrubber_result(struct lg_scrubber *s, const struct lg_damage *d, int err);

struct lg_scrubber_summary {
    uint64_t documents, passes; /* since the start */
    uint64_t found, repaired;
    unsigned damaged;   /* now */
    bool beyond_repair; /* something cannot be put back in place: docs/operations.md */
};
/* A copy; zeros for NULL. Thread: any. */
void lg_scrubber_summary(struct lg_scrubber *s, struct lg_scrubber_summary *out);

#endif
