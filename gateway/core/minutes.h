/* Which minutes are owed an outcome: bookkeeping against clocks that step.
 *
 * One outcome per closed minute, never two; none for a minute that did not run:
 *   - the minute in which the process starts is the first one that is owed;
 *   - time that passed on both clocks (the process was stopped) leaves minutes that are owed, each in turn;
 *   - a step forward of the wall clock leaves minutes that never ran: nothing is owed for them, but a relay whose RING
 *     holds them may still give a body;
 *   - a step backward runs minutes again: those that were read owe nothing more; gaps of minutes that have not come yet are forgotten, for
 *     it was a clock that ran ahead which made them;
 *   - what was before the start is owed nothing, but may be wanted, and is then a lost minute.
 * A settled minute may be remembered as lost: its gap may be followed by a body while the RING still holds it.
 * Pure. Thread: one owner. */
#ifndef GW_MINUTES_H
#define GW_MINUTES_H

#include "sg_regmap.h"
#include "sg_types.h"

/* Runs of settled minutes that are told apart; steps make a new one, the closest two are joined when it is full. */
#define GW_MINUTES_SPANS 16
/* Steps forward in a row, while a minute before the first of them is owed; with more of them what is owed before the first is owed no more. */
#define GW_MINUTES_STEPS 8
/* A statement names no older minute than this many before its slot (LG_KEEP_SLOTS). */
#define GW_MINUTES_KEEP 1440

struct gw_span {
    sg_minute from, to; /* inclusive */
};

/* What an outcome settles. */
enum gw_settled {
    GW_SETTLED_READ, /* for good */
    GW_SETTLED_GAP,  /* for good, unless the clock has run ahead */
    GW_SETTLED_LOST, /* a gap: ask the RING for it later */
};

struct gw_minutes {
    sg_minute first;       /* the minute of the start: what was before is not this process's business */
    sg_minute now;         /* the minute that runs */
    sg_minute next;        /* the oldest that is owed; >= now when nothing is pending */
    sg_minute newest_read; /* -1: none */
    sg_ms last_wall_ms, last_run_ms;
    struct gw_span skipped
        [GW_MINUTES_STEPS]; /* minutes that steps forward left out, and that next has not passed; increasing */
    unsigned nskipped;
    struct gw_span settled[GW_MINUTES_SPANS];
    unsigned nsettled;
    sg_minute lost[SG_RING_MINUTES]; /* by minute of the hour, -1 when empty */
};

void gw_minutes_init(struct gw_minutes *m, sg_ms wall_ms, sg_ms run_ms);
/* Let it see the clocks. True when the wall clock has parted from the running one by more than tolerance_ms since the
 * last call. */
bool gw_minutes_roll(struct gw_minutes *m, sg_ms wall_ms, sg_ms run_ms, sg_ms tolerance_ms);
/* The oldest closed minute without an outcome; false when there is none. */
bool gw_minutes_pending(const struct gw_minutes *m, sg_minute *min);
/* The outcome of the pending minute is out. */
void gw_minutes_settle(struct gw_minutes *m, sg_minute min, enum gw_settled how);
/* A lost minute that the RING may still hold; false when there is none. */
bool gw_minutes_lost(const struct gw_minutes *m, sg_minute *min);
/* A closed minute whose outcome is not known, or was not taken: ask the RING for it. False when the RING can not hold it, or when
 * it is still owed an outcome. */
bool gw_minutes_want(struct gw_minutes *m, sg_minute min);
/* The RING has been asked for a lost minute. found: a body is out, the minute is settled for good. */
void gw_minutes_asked(struct gw_minutes *m, sg_minute min, bool found);
/* True when a slot of the RING can hold the minute while `now` runs. */
bool gw_minutes_in_ring(const struct gw_minutes *m, sg_minute min);

#endif
