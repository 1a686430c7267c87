/* The witness: the thread that turns what the pollers read into signed statements on the chain.
 *
 * It takes outcomes from a bounded queue (the newest are dropped with an alarm when it is full), keeps them in the outbox, closes
 * the slot when its minute is over, signs once a slot, offers the statement to every ledger node and follows it until it is
 * confirmed. It owns the outbox and an HTTP client; nobody else touches them. */
#ifndef GW_WITNESS_H
#define GW_WITNESS_H

#include "gateway/outcome.h"
#include "gateway/poller.h"
#include "sg_clock.h"

struct gw_witness;

struct gw_witness_config {
    const struct lg_genesis *genesis; /* all borrowed until stop */
    const struct sg_key *key;
    lg_kid kid;
    const char *outbox_dir;
    const struct sg_clock *clock;
    const char *const *ledgers; /* base URLs, the embedded one first */
    unsigned nledgers;          /* 1..GW_MAX_LEDGERS */
    bool own_first;             /* the first one is this process's own */
    const struct gw_relay_config *relays;
    unsigned nrelays;
    /* Read minutes of a relay from its RING, as gw_poller_want; false: not now. Witness's thread. */
    bool (*want)(void *ctx, unsigned relay, sg_minute newest, uint64_t minutes);
    void (*alarm)(void *ctx, const char *kind);          /* static kind; witness's or a poller's thread */
    void (*alarm_end)(void *ctx, const char *kind);      /* it is over; on or not; NULL: nobody asks */
    void (*failed)(void *ctx, int err, const char *why); /* it cannot go on; witness's thread, once */
    void *ctx;
};

/* Opens the outbox (its errors) and starts the thread. */
SG_MUST_USE int gw_witness_start(
    struct gw_witness **out, const struct gw_witness_config *config, struct sg_fault *fault);
/* Ends the thread. What was acknowledged or signed is on disk whether or not this is ever called. */
void gw_witness_stop(struct gw_witness *w);

/* For the pollers, from any thread; never block. put takes over o->doc whatever comes of it; false with the alarm `overflow`: there
 * was no room. */
bool gw_witness_put(struct gw_witness *w, struct gw_outcome *o);
/* A live sample of a relay whose clock is synchronised has come: it shows what time it is. */
void gw_witness_saw_latch(struct gw_witness *w, sg_ms latch_ms);

#endif
