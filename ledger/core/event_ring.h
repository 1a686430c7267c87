/* The newest events of a node, as text, in bounded memory: what a reader that was away for a while can still be given.
 *
 * Every event has a number, from 1 on, one more than that of the event before it; a number is never used twice. What has no
 * room any more goes, oldest first, and leaves no hole: what is there is always the newest numbers without a gap. Pure; one
 * owner thread (the hub's lock in practice). */
#ifndef LG_EVENT_RING_H
#define LG_EVENT_RING_H

#include <stddef.h>
#include <stdint.h>

#include "sg_err.h"
#include "sg_types.h"

struct lg_event_text {
    size_t len;
    char text[];
};

struct lg_event_ring {
    struct lg_event_text **at; /* slots of cap; number i stands in at[i % cap] */
    size_t cap, n;
    size_t bytes, max_bytes; /* of the texts */
    uint64_t next;           /* number of the next event */
};

/* SG_ENOMEM. max_bytes bounds the sum of the texts, max_events their number; both > 0. */
SG_MUST_USE int lg_event_ring_init(struct lg_event_ring *r, size_t max_bytes, size_t max_events);
void lg_event_ring_fini(struct lg_event_ring *r);
/* Give text the next number, which is returned. A text that cannot be kept (longer than the ring, no memory) takes its number all
 * the same and empties the ring: whoever has not read up to it is told of a loss. text copied. */
uint64_t lg_event_ring_put(struct lg_event_ring *r, const char *text, size_t len);
/* Number of the oldest event that is there; next when there is none. */
uint64_t lg_event_ring_first(const struct lg_event_ring *r);
/* NULL: gone, or not there yet. Borrowed until the next put. */
const struct lg_event_text *lg_event_ring_get(const struct lg_event_ring *r, uint64_t number);

#endif
