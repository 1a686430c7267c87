/* What gateway/outbox.h keeps on disk, in memory and without a database: every call is one durable transaction, of which a loss of power
 * leaves all or nothing. A copy of it is a backup. */
#ifndef SIM_OUTBOX_H
#define SIM_OUTBOX_H

#include "gateway/core/entries.h"
#include "lg_record.h"

struct sim_doc;

enum sim_place { SIM_MADE, SIM_POOLED, SIM_MINED, SIM_CONFIRMED, SIM_DEAD }; /* enum gw_said */

struct sim_item {
    unsigned relay;
    sg_minute min;
    bool is_read, acked;
    enum lg_reason reason;
    uint8_t live;
    uint32_t body_len;
    struct lg_hash digest;
    int64_t carried; /* id of the statement that carries it; 0: open */
    sg_minute entered;
    unsigned said; /* statements that had been made when it came */
};

struct sim_said {
    int64_t id; /* index + 1 */
    sg_ms inc;
    int64_t seq;
    sg_minute slot;
    sg_ms ts;
    struct lg_hash leaf, prev, block; /* block: where it was seen */
    enum sim_place place;
    bool acked, calm; /* calm: made when the promises of a good network hold */
    int64_t height;
    struct sim_doc *doc;
    unsigned *items; /* into the box's items */
    unsigned nitems;
};

#define SIM_OUTBOX_RELAYS 4
struct sim_outbox {
    struct sim_item *items;
    unsigned nitems, cap_items, first_open; /* nothing below first_open is open */
    unsigned *where; /* [(min - least_min) * SIM_OUTBOX_RELAYS + relay]: index of the item + 1; 0: none */
    sg_minute least_min;
    unsigned nwhere;
    struct sim_said *said;
    unsigned nsaid, cap_said, first_live; /* nothing below first_live is MADE, POOLED or MINED */
    bool full;                            /* no room on the disk: nothing can be added */
    unsigned tear_in; /* the power goes in the so manieth transaction from now on; 0: in none */
    bool tear_keeps;  /* and that one is on the disk all the same */
    bool dead;        /* it has gone: the process is to be ended, and nothing is written any more */
    bool rips;        /* seeded fault: of the torn transaction a part is on the disk */
};

void sim_outbox_fini(struct sim_outbox *o);
void sim_outbox_copy(struct sim_outbox *to, const struct sim_outbox *from);
/* False: something is there already and stays. */
bool sim_outbox_put(struct sim_outbox *o, const struct sim_item *item);
const struct sim_item *sim_outbox_item(const struct sim_outbox *o, unsigned relay, sg_minute min);
/* Open items of first..last, oldest minutes first; id is their index. Caller frees. */
struct gw_item *sim_outbox_open(const struct sim_outbox *o, unsigned *n, sg_minute first, sg_minute last);
/* Takes a reference to doc. NULL: (inc, seq) is there, or no room. */
struct sim_said *sim_outbox_say(struct sim_outbox *o, const struct sim_said *said, struct sim_doc *doc,
    const struct gw_item *items, unsigned n);
struct sim_said *sim_outbox_find(struct sim_outbox *o, sg_ms inc, int64_t seq);
/* A node has acknowledged it. */
void sim_outbox_acked(struct sim_outbox *o, struct sim_said *said);
void sim_outbox_place(struct sim_outbox *o, struct sim_said *said, enum sim_place place, int64_t height);
void sim_outbox_give_up(struct sim_outbox *o, sg_ms inc);
/* Greatest that counts (gw_witness_counts); those that do not become DEAD. */
void sim_outbox_greatest(struct sim_outbox *o, sg_ms *inc, sg_minute *slot, sg_ms now, sg_ms max_future_ms);
/* First with id >= from that is MADE or POOLED (mined_too: or MINED, CONFIRMED); NULL. */
struct sim_said *sim_outbox_next(struct sim_outbox *o, int64_t from, bool mined_too);

#endif
