/* Pollers: one thread per relay endpoint that reads the live block after every latch and FRAME after every minute.
 *
 * Every value that leaves here has passed the strict frame check, SEQ = SEQ2, and the identity of the genesis. No sample is
 * invented or repeated: what was not read is missing, and a minute without a usable frame is a gap with its reason. */
#ifndef GW_POLLER_H
#define GW_POLLER_H

#include "gateway/outcome.h"
#include "sg_clock.h"

struct gw_relay_config {
    char id[33];    /* of the genesis */
    char host[256]; /* numeric address or name */
    uint16_t port;
    uint8_t unit;                 /* Modbus unit id 1..247 or 255 */
    sg_ms timeout_ms;             /* total deadline of one request, real; default 1000 */
    const struct lg_relay *relay; /* borrowed from the genesis */
};

struct gw_poller_config {
    const struct gw_relay_config *relays; /* borrowed until stop */
    unsigned nrelays;
    const struct lg_genesis *genesis; /* borrowed */
    const struct sg_clock *clock;     /* borrowed */
    gw_outcome_fn *outcome;
    gw_live_fn *live;
    gw_state_fn *state;
    void *ctx;
};

struct gw_poller;

SG_MUST_USE int gw_poller_start(
    struct gw_poller **out, const struct gw_poller_config *config, struct sg_fault *fault);
/* Read these minutes of a relay (index of the configuration) from its RING when there is time, and tell the bodies that it has: bit i
 * stands for minute newest - i. From any thread, does not block; the last call for a relay counts until its thread takes it. */
void gw_poller_want(struct gw_poller *p, unsigned relay, sg_minute newest, uint64_t minutes);
/* Joins all threads; no callback runs after it returns. */
void gw_poller_stop(struct gw_poller *p);

#endif
