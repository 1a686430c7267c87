/* Blocks that cannot be judged yet: orphans (parent unknown) and early ones (their time has not come).
 *
 * Bounded by count and bytes, and by origin, so that one peer cannot push out what another sent. Nothing here has been validated
 * beyond its header, nothing here is on disk. Pure; one owner thread. */
#ifndef LG_WAITING_H
#define LG_WAITING_H

#include "lg_record.h"

#define LG_WAITING_MAX        256
#define LG_WAITING_MAX_ORIGIN 64
#define LG_WAITING_MAX_BYTES  (UINT64_C(64) << 20)

struct lg_waiting_item {
    struct lg_block *b; /* owned */
    int from;
    sg_ms due;      /* early ones: the instant at which the block can be judged */
    uint64_t order; /* of arrival */
};

struct lg_waiting {
    struct lg_waiting_item items[LG_WAITING_MAX];
    unsigned n;
    uint64_t bytes;
    uint64_t next_order;
};

void lg_waiting_fini(struct lg_waiting *w);
const struct lg_waiting_item *lg_waiting_find(const struct lg_waiting *w, const struct lg_hash *hash);
/* Takes b. Full: the oldest of the same origin makes room, then the oldest of the origin that holds most entries, or most bytes when
 * it is bytes that are short. */
void lg_waiting_put(struct lg_waiting *w, struct lg_block *b_take, int from, sg_ms due);
/* Room for one more of this size and origin without pushing any out? */
bool lg_waiting_has_room(const struct lg_waiting *w, const struct lg_block *b, int from);
/* Take out the first arrived child of prev; false: none. The block is the caller's. */
bool lg_waiting_take_child(struct lg_waiting *w, struct lg_waiting_item *out, const struct lg_hash *prev);
/* Take out the one that is due first, if it is due at now_ms. */
bool lg_waiting_take_due(struct lg_waiting *w, struct lg_waiting_item *out, sg_ms now_ms);
/* The earliest due, INT64_MAX when empty. */
sg_ms lg_waiting_due(const struct lg_waiting *w);
/* The first unknown ancestor: from hash's parent up through what waits here. */
struct lg_hash lg_waiting_missing(const struct lg_waiting *w, const struct lg_hash *hash);

#endif
