/* Is this machine's clock fit to sign by? What a gateway compares before every statement.
 * Pure. Thread: any. */
#ifndef GW_CORE_TRUST_H
#define GW_CORE_TRUST_H

#include "sg_err.h"
#include "sg_types.h"

#define GW_TRUST_DAY_MS INT64_C(86400000)

struct gw_trust_view {
    sg_ms max_future_ms;
    sg_ms wall_ms, run_ms;             /* now: wall clock, monotonic clock at the wall's speed */
    sg_ms start_wall_ms, start_run_ms; /* the same two when the process started */
    sg_ms tip_ms;                      /* time of the block that the statement will name */
    unsigned peers;                    /* ledger nodes, other than this process's own, whose clock is known */
    unsigned peers_agree;              /* those within max_future_ms of ours */
    bool relay_agrees;                 /* a synchronised relay shows our time */
};

enum gw_trust {
    GW_TRUST_GOOD,
    GW_TRUST_STEPPED, /* wall and monotonic clock have parted since the start */
    GW_TRUST_PEERS,   /* most peers show another time */
    GW_TRUST_BEHIND,  /* before the tip's time */
    GW_TRUST_AHEAD,   /* more than a day beyond the tip, and nobody else shows that time */
};

enum gw_trust gw_trust_judge(const struct gw_trust_view *v);
/* One sentence for a person, static. */
const char *gw_trust_text(enum gw_trust t);

/* Is a peer's clock within max_future_ms of ours? theirs was read some time between the sending of the question and the
 * arrival of the answer, both by our wall clock: it agrees when any instant in between would. */
bool gw_trust_agrees(sg_ms theirs_ms, sg_ms asked_ms, sg_ms answered_ms, sg_ms max_future_ms);

#endif
