/* The judgement of the clock, in the order of the contract.
 *
 * Invariant: a machine alone (no peer answers, no relay) may sign only near its tip's time; with others it needs most of them.
 * Refuses nothing by itself: the caller keeps silent while the verdict is not good. */
#include "gateway/core/trust.h"

static sg_ms distance(sg_ms a, sg_ms b)
{
    return a > b ? a - b : b - a;
}

enum gw_trust gw_trust_judge(const struct gw_trust_view *v)
{
    sg_ms wall_passed = v->wall_ms - v->start_wall_ms;
    sg_ms run_passed = v->run_ms - v->start_run_ms;
    bool most_agree = v->peers_agree * 2 > v->peers;

    if (distance(wall_passed, run_passed) > v->max_future_ms)
        return GW_TRUST_STEPPED;
    if ((v->peers - v->peers_agree) * 2 > v->peers)
        return GW_TRUST_PEERS;
    if (v->wall_ms < v->tip_ms)
        return GW_TRUST_BEHIND;
    if (v->wall_ms > v->tip_ms + GW_TRUST_DAY_MS && !most_agree && !v->relay_agrees)
        return GW_TRUST_AHEAD;
    return GW_TRUST_GOOD;
}

const char *gw_trust_text(enum gw_trust t)
{
    static const char *const texts[] = {
        [GW_TRUST_GOOD] = "the clock is good",
        [GW_TRUST_STEPPED] =
            "the wall clock has been set since the start; restart the gateway when it is right",
        [GW_TRUST_PEERS] = "most ledger nodes that answer show another time",
        [GW_TRUST_BEHIND] = "the clock lies before the newest block",
        [GW_TRUST_AHEAD] =
            "the clock lies over a day beyond the newest block, and nobody else shows that time",
    };

    return texts[t];
}

bool gw_trust_agrees(sg_ms theirs_ms, sg_ms asked_ms, sg_ms answered_ms, sg_ms max_future_ms)
{
    return theirs_ms >= asked_ms - max_future_ms && theirs_ms <= answered_ms + max_future_ms;
}
