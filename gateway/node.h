/* The gateway put together: embedded ledger node (unless thin), witness, pollers. */
#ifndef GW_NODE_H
#define GW_NODE_H

#include "gateway/config.h"

struct gw_node;

/* One part cannot go on: stop everything and exit 1. Any thread, may be called more than once; text is static or borrowed
 * for the call. */
typedef void gw_failed_fn(void *ctx, int err, const char *why);

/* Starts ledger node, witness and pollers, in this order. Makes the data folder (0700). config and clock are borrowed until
 * stop. Errors of lg_node_start, gw_witness_start and gw_poller_start; fault says what and where. */
SG_MUST_USE int gw_node_start(struct gw_node **out, const struct gw_config *config,
    const struct sg_clock *clock, gw_failed_fn *failed, void *ctx, struct sg_fault *fault);
/* Stops them in reverse: nobody calls a part that has gone. */
void gw_node_stop(struct gw_node *n);
/* Port of REST; 0 for a thin gateway. */
uint16_t gw_node_port(const struct gw_node *n);

#endif
