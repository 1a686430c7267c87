/* What the acquisition part tells the witness part: the seam between reading relays and signing statements.
 *
 * One outcome per relay and closed minute, exactly one per minute while the process runs: a body, or the reason why there is none.
 * A gap may be followed later by a body for the same minute (the relay's RING served it), never the reverse.
 * Messages are copied through a bounded queue (sg_queue) from the pollers' threads to the witness's thread. */
#ifndef GW_OUTCOME_H
#define GW_OUTCOME_H

#include "gateway/core/outcome.h"

/* Called on a poller's thread; must not block. The callee takes over the memory of o->doc. False: there was no room for it; a body
 * is read again later, from the relay's RING. */
typedef bool gw_outcome_fn(void *ctx, struct gw_outcome *o);
typedef void gw_live_fn(void *ctx, const struct gw_live *l);
/* Reachability of a relay changed: state is 0 or the code of the last failure (SG_ETIMEOUT, SG_EIDENTITY ...). */
typedef void gw_state_fn(void *ctx, unsigned relay, int state);

void gw_outcome_free(struct gw_outcome *o); /* a message on the heap, with its doc; NULL is legal */

#endif
