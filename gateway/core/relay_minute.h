/* The closing of minutes: the part of the conversation that asks FRAME and RING. Private to relay.c and relay_minute.c. */
#ifndef GW_RELAY_MINUTE_H
#define GW_RELAY_MINUTE_H

#include "gateway/core/relay.h"

/* What the conversation has to do after an answer about a minute. */
enum gw_minute_verdict {
    GW_MINUTE_WAIT,    /* nothing, or an outcome is in the step */
    GW_MINUTE_RECHECK, /* read the header again before judging */
    GW_MINUTE_BAD,     /* the answer is malformed */
};

/* Keep `closing` in step with the clocks; called after each roll of the minutes. */
void gw_minute_follow(struct gw_relay *r, struct gw_now now);
/* A gap that is due without another request. True: step has it. */
bool gw_minute_give_up(struct gw_relay *r, struct gw_step *step, struct gw_now now);
/* The request that is due now for the pending minute. */
bool gw_minute_job(struct gw_relay *r, struct gw_job *job, struct gw_now now);
/* A request for a lost minute, which is never urgent. */
bool gw_minute_spare(struct gw_relay *r, struct gw_job *job, struct gw_now now);
bool gw_minute_is_spare(const struct gw_relay *r, const struct gw_job *job);
/* It failed. That says nothing about latches and minutes: if the relay is gone, the next request will show it. */
void gw_minute_spare_failed(struct gw_relay *r, const struct gw_job *job, int err, struct gw_now now);
/* The next moment of the running clock, after now, at which something may be due; INT64_MAX when none. */
sg_ms gw_minute_due(const struct gw_relay *r, struct gw_now now);
/* An answer to FRAME, RING_TAIL or RING. */
enum gw_minute_verdict gw_minute_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const uint16_t *regs, struct gw_now now);
/* A request failed while a minute was pending. */
void gw_minute_failed(struct gw_relay *r, int err, struct gw_now now);

/* Growing pauses: first << n, at most most. */
sg_ms gw_pause_ms(sg_ms first, sg_ms most, unsigned n);

#endif
