/* When a gateway may sign, and under which numbers: the state machine of one process's statements.
 *
 *            begin (a ledger is ready)         due (now >= inc)
 *     IDLE ----------------------------> CHOSEN ----------------> SIGNING --+
 *      ^                                  |                        ^  |  |  | signed (one a slot)
 *      |            lost                  |                        +--|--|--+
 *      +----------------------------------+---------------------------+  |
 *      |  foreign (a greater incarnation that this process did not make) |
 *      +-----------------------------> STOPPED <-------------------------+
 *
 * An incarnation is one unbroken run of statements (inc, 1), (inc, 2), ... Every start of the process is a new one, so that nothing that
 * was lost or restored can make a key sign one (inc, seq) twice. Time comes in as an argument.
 * Pure. Thread: one owner. */
#ifndef GW_CORE_WITNESS_H
#define GW_CORE_WITNESS_H

#include "lg_record.h"

enum gw_witness_state {
    GW_WITNESS_IDLE,
    GW_WITNESS_CHOSEN,
    GW_WITNESS_SIGNING,
    GW_WITNESS_STOPPED,
    GW_WITNESS_STATES
};
enum gw_witness_event {
    GW_WITNESS_BEGIN,   /* a new incarnation has been chosen */
    GW_WITNESS_DUE,     /* the clock has reached it */
    GW_WITNESS_SIGNED,  /* a statement is on disk */
    GW_WITNESS_LOST,    /* its oldest unmined statement can no longer be valid */
    GW_WITNESS_FOREIGN, /* another process signs with this key */
    GW_WITNESS_EVENTS
};

struct gw_witness_core {
    enum gw_witness_state state;
    struct lg_hash chain;
    sg_ms inc;             /* of the current incarnation, or the last one */
    sg_ms made_inc;        /* greatest that this process has chosen; 0: none yet */
    int64_t seq;           /* of the last statement; 0: none yet */
    struct lg_hash prev;   /* leaf of the last statement; chain id for seq 1 */
    sg_minute least_slot;  /* the next statement's slot is at least this */
    unsigned incarnations; /* begun by this process */
};

/* What is known of this key's earlier statements. */
struct gw_witness_known {
    sg_ms inc;      /* greatest on the best branch and in the pools of the nodes that answer; 0: none */
    sg_minute slot; /* greatest there */
    sg_ms
        own_inc; /* greatest in the own store, without those to be passed over (gw_witness_counts); 0: none */
    sg_minute own_slot;
};

void gw_witness_core_init(struct gw_witness_core *w, const struct lg_hash *chain);

/* False for an incarnation of the own store that does not count: beyond now + max_future_ms and acknowledged by no node. It
 * was made under a clock that was wrong; waiting for it could mean to wait for years. */
bool gw_witness_counts(sg_ms inc, bool acknowledged, sg_ms now_ms, sg_ms max_future_ms);

/* Choose a new incarnation, IDLE only: inc = max(now, 1 + the greatest known), slot greater than any known. */
void gw_witness_begin(struct gw_witness_core *w, const struct gw_witness_known *known, sg_ms now_ms);

/* May a statement for this slot be signed at now_ms? slot is the newest closed minute.
 * Returns: 0          yes: gw_witness_fill
 *          SG_EAGAIN  not yet: no incarnation, its time has not come, or this slot is stated
 *          SG_ESTOPPED never again */
SG_MUST_USE int gw_witness_may_sign(struct gw_witness_core *w, sg_minute slot, sg_ms now_ms);

/* inc, seq, prev and slot of the next statement. After gw_witness_may_sign said yes. */
void gw_witness_fill(const struct gw_witness_core *w, struct lg_statement *s, sg_minute slot);

/* That statement is on disk, under this leaf: it counts as said, whether or not anyone ever gets it. */
void gw_witness_signed(struct gw_witness_core *w, const struct lg_hash *leaf, sg_minute slot);

/* The oldest unmined statement of the current incarnation can no longer be valid on the best branch. Ignored when idle or
 * stopped: what was lost then belongs to an incarnation that has already been given up. */
void gw_witness_lost(struct gw_witness_core *w);

/* A statement of this key with incarnation inc has been seen. True, and the machine stops, when this process did not make it and has
 * already chosen a smaller one: two processes sign with one key. Before the first choice it only raises the choice. */
bool gw_witness_saw(struct gw_witness_core *w, sg_ms inc);

/* Gateways sign one after another, in an order that moves on from slot to slot, over the first quarter of collect_ms: so most have
 * seen the votes of some others when they choose what to name. The wall instant before which this one does not sign. */
sg_ms gw_witness_sign_at(const struct lg_genesis *g, lg_kid kid, sg_minute slot);

/* What a statement of this slot names, by what a node says: its base (when it says one, for slot_for), or its tip, of tip_slot. A tip of
 * this slot or a later one is never named, for the miners of the slot do not extend it: then what was named last stays. */
enum gw_witness_names { GW_NAMES_BASE, GW_NAMES_TIP, GW_NAMES_LAST };
enum gw_witness_names gw_witness_names(bool has_base, sg_minute slot_for, sg_minute tip_slot, sg_minute slot);

const char *gw_witness_state_name(enum gw_witness_state s);

#endif
