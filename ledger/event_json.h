/* What the events of GET /v1/stream say: one JSON object each, on one line (docs/rest.md, "The stream").
 *
 * Appended to out; an error of the buffer sticks to it. Thread: any. */
#ifndef LG_EVENT_JSON_H
#define LG_EVENT_JSON_H

#include "ledger/alarms.h"
#include "ledger/core/engine.h"
#include "lg_node.h"

/* Statements that a reorganisation names; more are counted. */
#define LG_EVENT_RETURNED 200

/* The newest sample, as /v1/relays/{id}/latest shows it. */
void lg_event_sample(
    struct sg_buf *out, const struct lg_relay *relay, const struct lg_node_relay_state *state);
/* The new tip of the best branch; e->block is there. */
void lg_event_block(struct sg_buf *out, const struct lg_event_msg *e);
void lg_event_reorg(struct sg_buf *out, const struct lg_event_msg *e);
/* On, or ended. */
void lg_event_alarm(struct sg_buf *out, const struct lg_alarm *alarm);

/* What some statements read, by (relay, minute, digest): fn is called with one object each. block: that they stand in; NULL: they
 * wait in the pool. json is reused for all. SG_ENOMEM. */
typedef void lg_event_minute_fn(void *ctx, const struct sg_buf *json);
SG_MUST_USE int lg_event_minutes(const struct lg_genesis *g, struct lg_statement *const *statements,
    unsigned n, const struct lg_block_info *block, lg_event_minute_fn *fn, void *ctx);

#endif
