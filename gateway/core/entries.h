/* Which pairs and gaps go into the next statement.
 *
 * The outbox holds what is still to be stated, one item a relay and minute. This chooses as many as one statement may hold and
 * writes them as the rules ask: reads strictly increasing by (relay bytes, minute), gaps likewise and disjoint, adjacent gap
 * minutes of one relay and reason joined. What does not fit stays for the next slots.
 * Pure. Thread: any. */
#ifndef GW_CORE_ENTRIES_H
#define GW_CORE_ENTRIES_H

#include "lg_record.h"

/* Something to state of one relay and minute. */
struct gw_item {
    int64_t id;     /* of the outbox: pairs and gaps count apart */
    unsigned relay; /* index in the genesis, whose relays are sorted by bytes */
    sg_minute min;
    bool is_read;
    enum lg_reason reason; /* of a gap */
    uint8_t live;          /* of a read */
    uint32_t body_len;     /* of a read: bytes of the canonical body */
    struct lg_hash digest; /* of a read */
};

struct gw_entries_limits {
    sg_minute first, last; /* minutes that the statement may name */
    unsigned max_entries;  /* reads and gaps together, <= LG_MAX_ENTRIES */
    size_t max_bytes;      /* of the statement with the bodies that it reads */
};

struct gw_entries {
    struct lg_read *reads; /* names are borrowed from the genesis */
    struct lg_gap *gaps;
    unsigned nreads, ngaps;
    unsigned taken; /* items[0..taken) are in the statement after the call */
    size_t bytes;   /* at most so many: statement and bodies */
};

/* First minute that a statement of this slot may name: max(genesis minute, slot - 1439). */
sg_minute gw_entries_first(const struct lg_genesis *g, sg_minute slot);

/* Choose among items[0..n), in the order given (the caller puts the oldest minutes first), skipping those that are outside
 * first..last and those that fit into no statement.
 *
 * Returns: 0, or SG_ENOMEM.
 * In/out:  items  reordered: the taken ones come first, sorted by (relay, minute)
 * Out:     out    arrays on the heap, for gw_entries_fini */
SG_MUST_USE int gw_entries_choose(struct gw_entries *out, struct gw_item *items, unsigned n,
    const struct lg_genesis *g, const struct gw_entries_limits *limits);
void gw_entries_fini(struct gw_entries *e);

#endif
