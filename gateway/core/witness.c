/* The state machine of signing.
 *
 * Invariant: (inc, seq) never repeats and grows; slots of successive statements grow; prev chains within an incarnation. Every
 * transition is asserted against the table.
 * Refuses: to sign before the incarnation's time, twice for a slot, and ever again once another process signs with the key. */
#include "gateway/core/witness.h"

#include <assert.h>

#define NEVER GW_WITNESS_STATES

/* Allowed moves. NEVER: the event cannot come in that state. */
static const enum gw_witness_state moves[GW_WITNESS_STATES][GW_WITNESS_EVENTS] = {
    [GW_WITNESS_IDLE] = {[GW_WITNESS_BEGIN] = GW_WITNESS_CHOSEN,
        [GW_WITNESS_DUE] = NEVER,
        [GW_WITNESS_SIGNED] = NEVER,
        [GW_WITNESS_LOST] = GW_WITNESS_IDLE,
        [GW_WITNESS_FOREIGN] = GW_WITNESS_STOPPED},
    [GW_WITNESS_CHOSEN] = {[GW_WITNESS_BEGIN] = NEVER,
        [GW_WITNESS_DUE] = GW_WITNESS_SIGNING,
        [GW_WITNESS_SIGNED] = NEVER,
        [GW_WITNESS_LOST] = GW_WITNESS_IDLE,
        [GW_WITNESS_FOREIGN] = GW_WITNESS_STOPPED},
    [GW_WITNESS_SIGNING] = {[GW_WITNESS_BEGIN] = NEVER,
        [GW_WITNESS_DUE] = NEVER,
        [GW_WITNESS_SIGNED] = GW_WITNESS_SIGNING,
        [GW_WITNESS_LOST] = GW_WITNESS_IDLE,
        [GW_WITNESS_FOREIGN] = GW_WITNESS_STOPPED},
    [GW_WITNESS_STOPPED] = {[GW_WITNESS_BEGIN] = NEVER,
        [GW_WITNESS_DUE] = NEVER,
        [GW_WITNESS_SIGNED] = NEVER,
        [GW_WITNESS_LOST] = GW_WITNESS_STOPPED,
        [GW_WITNESS_FOREIGN] = GW_WITNESS_STOPPED},
};

static void move(struct gw_witness_core *w, enum gw_witness_event event)
{
    enum gw_witness_state to = moves[w->state][event];

    assert(to != NEVER);
    w->state = to;
}

void gw_witness_core_init(struct gw_witness_core *w, const struct lg_hash *chain)
{
    *w = (struct gw_witness_core){.state = GW_WITNESS_IDLE, .chain = *chain, .prev = *chain};
}

bool gw_witness_counts(sg_ms inc, bool acknowledged, sg_ms now_ms, sg_ms max_future_ms)
{
    return acknowledged || inc <= now_ms + max_future_ms;
}

static int64_t greatest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void gw_witness_begin(struct gw_witness_core *w, const struct gw_witness_known *known, sg_ms now_ms)
{
    sg_ms inc = greatest(greatest(known->inc, known->own_inc), w->made_inc);

    move(w, GW_WITNESS_BEGIN);
    w->inc = w->made_inc = greatest(now_ms, inc + 1);
    w->seq = 0;
    w->prev = w->chain;
    w->least_slot = greatest(w->least_slot, greatest(known->slot, known->own_slot) + 1);
    w->incarnations++;
}

int gw_witness_may_sign(struct gw_witness_core *w, sg_minute slot, sg_ms now_ms)
{
    if (w->state == GW_WITNESS_STOPPED)
        return SG_ESTOPPED;
    if (w->state == GW_WITNESS_CHOSEN && now_ms >= w->inc)
        move(w, GW_WITNESS_DUE);
    if (w->state != GW_WITNESS_SIGNING || slot < w->least_slot)
        return SG_EAGAIN;
    /* inc <= ts, and ts >= (slot+1)·60000: a clock that was set back after the start waits until it is there again */
    return now_ms >= w->inc && now_ms >= (slot + 1) * SG_MINUTE_MS ? 0 : SG_EAGAIN;
}

void gw_witness_fill(const struct gw_witness_core *w, struct lg_statement *s, sg_minute slot)
{
    assert(w->state == GW_WITNESS_SIGNING && slot >= w->least_slot);
    s->inc = w->inc;
    s->seq = w->seq + 1;
    s->prev = w->prev;
    s->slot = slot;
}

void gw_witness_signed(struct gw_witness_core *w, const struct lg_hash *leaf, sg_minute slot)
{
    assert(slot >= w->least_slot);
    move(w, GW_WITNESS_SIGNED);
    w->seq++;
    w->prev = *leaf;
    w->least_slot = slot + 1;
}

void gw_witness_lost(struct gw_witness_core *w)
{
    move(w, GW_WITNESS_LOST);
}

bool gw_witness_saw(struct gw_witness_core *w, sg_ms inc)
{
    if (w->made_inc == 0 || inc <= w->made_inc)
        return false;
    move(w, GW_WITNESS_FOREIGN);
    return true;
}

sg_ms gw_witness_sign_at(const struct lg_genesis *g, lg_kid kid, sg_minute slot)
{
    unsigned index = 0;

    while (index + 1 < g->ngateways && g->gateways[index].id != kid)
        index++;
    index = (unsigned)((index + (uint64_t)slot) % g->ngateways);
    return (slot + 1) * SG_MINUTE_MS + (sg_ms)index * (g->policy.collect_ms / 4) / g->ngateways;
}

enum gw_witness_names gw_witness_names(bool has_base, sg_minute slot_for, sg_minute tip_slot, sg_minute slot)
{
    if (has_base && slot_for == slot)
        return GW_NAMES_BASE;
    return tip_slot < slot ? GW_NAMES_TIP : GW_NAMES_LAST;
}

const char *gw_witness_state_name(enum gw_witness_state s)
{
    static const char *const names[GW_WITNESS_STATES] = {"idle", "chosen", "signing", "stopped"};

    return names[s];
}
