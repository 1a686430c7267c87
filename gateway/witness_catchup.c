/* The witness: when it asks what was said before the start, and what may be stated until it knows.
 *
 * Invariant: nothing of before the start is stated while a node may still tell that it was; what runs never waits for that. */
#include "gateway/witness_priv.h"

#include <stdlib.h>

/* So many slots what was before the start waits for a node that tells what was said of it. */
#define CATCHUP_SLOTS 4
/* So many slots statements of earlier processes have to leave the pool. */
#define POOL_SLOTS 2

static bool want(void *ctx, unsigned relay, sg_minute newest, uint64_t minutes)
{
    struct gw_witness *w = ctx;

    return w->config.want(w->config.ctx, relay, newest, minutes);
}

int gw_witness_catchup_init(struct gw_witness *w, void (*broken)(void *ctx, int err))
{
    w->catchup = (struct gw_catchup){.genesis = w->config.genesis,
        .relays = w->config.relays,
        .nrelays = w->config.nrelays,
        .kid = w->config.kid,
        .outbox = w->outbox,
        .http = w->http,
        .want = want,
        .broken = broken,
        .ctx = w};
    w->catchup.watch = calloc(w->config.nrelays + 1u, sizeof w->catchup.watch[0]);
    return w->catchup.watch ? 0 : SG_ENOMEM;
}

/* What earlier processes said is known once their statements are out of the pool: give them time to be mined. */
void gw_witness_plan_catchup(struct gw_witness *w)
{
    const struct gw_ledger *home = gw_ledgers_home(w->ledgers);

    if (w->catchup_slot < 0)
        w->catchup_slot = w->slot + (home && home->gateway.pool.inc > 0 ? POOL_SLOTS : 0);
}

/* Once it is ready: what was said of the time before the start? A slot in which it fails is followed by the next. */
void gw_witness_catch_up(struct gw_witness *w)
{
    const struct gw_ledger *home = gw_ledgers_home(w->ledgers);

    if (gw_catchup_done(&w->catchup) || w->catchup_slot < 0 || w->slot < w->catchup_slot ||
        w->catchup.asking || !home)
        return;
    w->catchup_slot = w->slot + 1;
    gw_catchup_ask(&w->catchup, home->url, w->slot);
}

sg_minute gw_witness_first(const struct gw_witness *w)
{
    sg_minute first = gw_entries_first(w->config.genesis, w->slot);
    bool known = gw_catchup_known(&w->catchup) || w->slot >= w->first + CATCHUP_SLOTS;

    return known || first > w->first ? first : w->first;
}
