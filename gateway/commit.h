/* Offering own statements to every ledger node of the configuration, each at its own pace.
 *
 * Per node a cursor walks over the outbox in the order of signing and offers what is not yet on the best branch, with all
 * bodies it reads, in requests of at most GW_OUTBOX_BATCH statements; one request at a time. Only a 200 that says accepted or
 * known acknowledges a statement.
 *
 *   future, overloaded, not_ready, no answer   the same again later, with growing patience
 *   gap                                        again from an earlier statement of the incarnation, mined ones included
 *   anything else                              refused: the owner judges, the cursor goes on; with growing patience where the word of
 *                                              the node does not count, for what follows such a statement is a gap there
 *
 * Thread: one owner, the one that runs the HTTP client. */
#ifndef GW_COMMIT_H
#define GW_COMMIT_H

#include "gateway/outbox.h"
#include "sg_clock.h"
#include "sg_http.h"

struct gw_commit;

struct gw_commit_config {
    const char *const *urls; /* borrowed */
    unsigned n;
    const struct lg_genesis *genesis; /* borrowed */
    struct gw_outbox *outbox;         /* borrowed */
    struct sg_http_client *http;      /* borrowed; freed before gw_commit_free */
    const struct sg_clock *clock;     /* borrowed */
    /* Node number `ledger` refuses this statement with err. False: its word does not count. */
    bool (*refused)(void *ctx, unsigned ledger, const struct gw_said_row *row, int err);
    /* The outbox failed: SG_EIO, SG_ECORRUPT. SG_ENOSPC is not told: the acknowledgement is noted later. */
    void (*broken)(void *ctx, int err);
    void *ctx;
};

SG_MUST_USE int gw_commit_new(struct gw_commit **out, const struct gw_commit_config *config);
void gw_commit_free(struct gw_commit *c);
/* Offer what there is to whoever is idle; after a new statement, an answer, and when gw_commit_wake_ms has come. */
void gw_commit_kick(struct gw_commit *c);
/* Monotonic instant of the next retry; INT64_MAX: none. */
sg_ms gw_commit_wake_ms(const struct gw_commit *c);
/* That node does not have a statement that it had: offer from there again. */
void gw_commit_rewind(struct gw_commit *c, unsigned ledger, int64_t id);

#endif
