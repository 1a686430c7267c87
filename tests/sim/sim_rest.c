/* The promises at rest: once a minute on a good network, and at the end. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool counts(const struct sim *s, unsigned m)
{
    const struct sim_machine *x = &s->machines[m];
    return x->has_node && x->up && x->honest && x->node.engine != NULL;
}

/* The newest statements of a gateway, and where each node sees them. */
static void tell_said(const struct sim *s, unsigned m)
{
    const struct sim_outbox *box = &s->machines[m].gw.box;
    for (unsigned i = box->nsaid > 14 ? box->nsaid - 14 : 0; i < box->nsaid && s->opt.verbose; i++) {
        const struct sim_said *r = &box->said[i];
        sim_say(s,
            "gateway %u incarnation %" PRId64 " number %" PRId64 " slot %" PRId64 " ts %" PRId64
            " place %d %s",
            m, r->inc - SIM_START, r->seq, r->slot - SIM_MINUTE, r->ts - SIM_START, r->place,
            r->acked ? "acknowledged" : "");
        for (unsigned k = 0; k < s->nnodes; k++) {
            struct lg_statement_ref ref = {.leaf = r->leaf};
            int64_t height;
            int place = sim_node_place(s, k, &ref, &height);
            sim_say(s, "  node %u: place %d height %" PRId64, k, place, height);
        }
    }
}

static void check_one_tip(struct sim *s)
{
    const struct sim_node *first = NULL;
    for (unsigned m = 0; m < s->nnodes; m++) {
        const struct sim_node *n = &s->machines[m].node;
        if (!counts(s, m))
            continue;
        if (first != NULL && !lg_hash_eq(&first->tip.hash, &n->tip.hash))
            sim_violate(s,
                "at rest nodes %u and %u have tips of height %" PRId64 " and %" PRId64 ", weights %" PRId64
                " and %" PRId64,
                first->m, m, first->tip.height, n->tip.height, first->tip.weight_sum, n->tip.weight_sum);
        first = first == NULL ? n : first;
    }
}

/* A statement that was made on a good network is on the best branch when three more slots are over. */
static void check_three_slots(struct sim *s)
{
    sg_minute closed = s->now / SG_MINUTE_MS - 1;
    for (unsigned m = 0; m < s->ngws; m++) {
        const struct sim_outbox *box = &s->machines[m].gw.box;
        for (unsigned i = box->nsaid; i-- > 0 && m != s->hostile;) {
            const struct sim_said *r = &box->said[i];
            struct lg_statement_ref ref = {.leaf = r->leaf};
            if (r->slot < closed - 3)
                break;
            if (r->slot > closed - 3 || !r->calm || r->ts < s->calm_from)
                continue;
            for (unsigned k = 0; k < s->nnodes; k++) {
                int64_t height;
                int place = counts(s, k) ? sim_node_place(s, k, &ref, &height) : SIM_MINED;
                if (place == SIM_MINED || place == SIM_CONFIRMED)
                    continue;
                tell_said(s, m);
                sim_violate(s,
                    "gateway %u, slot %" PRId64 ": its statement is kept off the chain of node %u (%d)", m,
                    r->slot, k, place);
            }
        }
    }
}

/* After the last change of a tip nothing of it is under way any more. A hostile member may show a block at any moment, that of a look too. */
#define UNDER_WAY_MS 1000

#define MAX_EVENTS  4096 /* a machine; most are messages under way */
#define MAX_BACKLOG 1500 /* statements of one gateway that are on no chain: a day's and an hour's */

/* By the gateway's book, which takes none for settled for a while after a deep reorganisation. */
static unsigned on_no_chain(const struct sim_outbox *box)
{
    unsigned n = 0;
    for (unsigned i = box->first_live; i < box->nsaid; i++)
        n += box->said[i].place < SIM_MINED;
    return n;
}

static void check_queues(struct sim *s)
{
    if (s->heap.n > (size_t)MAX_EVENTS * s->ngws)
        sim_violate(s, "%zu events wait, most of them messages", s->heap.n);
    for (unsigned m = 0; m < s->nnodes; m++) {
        sim_audit_memory(s, m);
        sim_audit_pooled(s, m);
    }
    for (unsigned m = 0; m < s->ngws; m++) {
        const unsigned n = on_no_chain(&s->machines[m].gw.box);
        if (n > MAX_BACKLOG && s->now >= s->calm_from)
            sim_violate(s, "%u statements of gateway %u are on no chain", n, m);
    }
}

static void check_hourly(struct sim *s)
{
    for (unsigned m = 0; m < s->nnodes; m++) {
        struct mem_store *store = s->machines[m].node.store;
        if (!counts(s, m))
            continue;
        mem_store_peek(store, true);
        sim_check_promises(s, m, (size_t)60 * s->ngws); /* of the hour; all are looked at in the end */
        mem_store_peek(store, false);
        sim_audit_store(s, m, false);
    }
}

void sim_check_probe(struct sim *s)
{
    check_queues(s);
    if (s->now / SG_MINUTE_MS % 60 == 0)
        check_hourly(s);
    for (unsigned m = 0; m < s->nnodes; m++)
        for (unsigned gw = 0; gw < s->ngws && !s->opt.bug; gw++)
            if (gw != s->hostile && mem_store_evidence(s->machines[m].node.store, s->g->gateways[gw].id) > 0)
                sim_violate(s, "node %u holds evidence against honest gateway %u", m, gw);
    sim_calm_look(s);
    if (s->now < s->calm_from)
        return;
    if (s->hostile >= s->ngws || s->moved + UNDER_WAY_MS < s->now)
        check_one_tip(s);
    check_three_slots(s);
}

/* ---- the end ---- */

/* (relay, minute, gateway) -> read on the branch. */
struct reads {
    unsigned nrelays, minutes, ngws;
    uint8_t *seen; /* 0 no; 1 with the relay's content; 2 with another one first */
};

static uint8_t *cell(const struct reads *r, unsigned relay, sg_minute min, unsigned gw)
{
    return &r->seen[((size_t)relay * r->minutes + (size_t)(min - SIM_MINUTE)) * r->ngws + gw];
}

static void count_block(struct sim *s, const struct sim_block *x)
{
    s->stats.on_branch++;
    s->stats.hostile_on_branch += sim_gw_index(s, x->info.miner) == s->hostile;
}

/* signed_by: see sim_check_signed. */
static void count_waited(
    struct sim *s, const struct sim_block *x, const struct sim_brief *st, const void *signed_by)
{
    uint64_t waited = (uint64_t)(x->info.slot - st->slot);
    if (signed_by == s && sim_was_calm(s, st->ts) && waited > s->stats.slots_calm)
        s->stats.slots_calm = waited;
}

static void take_block(struct sim *s, struct reads *r, const struct sim_block *x, struct lg_map *once)
{
    count_block(s, x);
    for (unsigned i = 0; i < x->nbriefs; i++) {
        const struct sim_brief *st = &x->briefs[i];
        struct lg_hash key = sim_place_in_chain(st->gw, st->inc, st->seq);
        if (lg_map_get(once, &key) != NULL)
            sim_violate(s, "gateway %u, incarnation %" PRId64 " number %" PRId64 " twice on the best branch",
                st->gw, st->inc, st->seq);
        if (lg_map_put(once, &key, s) != 0)
            abort();
        count_waited(s, x, st, lg_map_get(&s->judge.signed_by, &key));
        for (unsigned k = 0; k < st->nreads && st->gw != s->hostile; k++)
            *cell(r, st->reads[k].relay, st->reads[k].min, st->gw) = 1;
    }
}

static void tell_item(struct sim *s, unsigned m, const struct sim_item *it)
{
    const struct sim_outbox *box = &s->machines[m].gw.box;
    const struct sim_said *r =
        it->carried == 0 || it->carried > box->nsaid ? NULL : &box->said[it->carried - 1];
    sim_say(s, "minute %" PRId64 " entered in slot %" PRId64 ", carried by %" PRId64, it->min, it->entered,
        it->carried);
    if (r == NULL)
        return;
    sim_say(s,
        "  incarnation %" PRId64 " number %" PRId64 " slot %" PRId64 " ts %" PRId64
        " place %d height %" PRId64,
        r->inc, r->seq, r->slot, r->ts, r->place, r->height);
    for (unsigned k = 0; k < s->nnodes; k++) {
        struct lg_statement_ref ref = {.leaf = r->leaf};
        int64_t height;
        int place = sim_node_place(s, k, &ref, &height);
        sim_say(s, "  at node %u: place %d, height %" PRId64, k, place, height);
    }
}

/* A minute may be stated for a day. Did the gateway sign nothing from its coming to the end of that day? */
static bool never_could_be_stated(const struct sim_outbox *box, const struct sim_item *it)
{
    for (unsigned i = it->said; i < box->nsaid; i++)
        if (box->said[i].slot >= it->min && box->said[i].slot < it->min + LG_KEEP_SLOTS)
            return false;
    return it->carried == 0;
}

/* What a gateway that kept its disk has read, four slots and more ago, is on the chain; so is, whenever it was, what was acknowledged
 * and has had the time. A gateway that may not sign (its clock, an incarnation of a wrong clock that it must outwait) is excused, for the
 * end or for what it read while that lasted longer than a day. */
static void check_gateway(struct sim *s, const struct reads *r, unsigned m)
{
    const struct sim_gateway *g = &s->machines[m].gw;
    sg_minute last = s->now / SG_MINUTE_MS - 5;
    if (g->core.state != GW_WITNESS_SIGNING || g->core.seq < 3) {
        s->stats.excused++;
        if (g->core.inc > g->begun && g->core.inc > sim_wall(s, m) - 4 * SG_MINUTE_MS)
            return; /* it waits for it, or has just begun */
        sim_violate(s, "gateway %u does not sign at the end: state %s, trust %s, %u exits", m,
            gw_witness_state_name(g->core.state), gw_trust_text(g->trust), g->exits);
        return;
    }
    for (unsigned i = 0; i < g->box.nitems; i++) {
        const struct sim_item *it = &g->box.items[i];
        if (!it->is_read || it->entered > last || *cell(r, it->relay, it->min, m) != 0)
            continue;
        if (never_could_be_stated(&g->box, it)) {
            s->stats.unstated++;
            continue;
        }
        tell_item(s, m, it);
        sim_violate(s, "gateway %u read relay %u minute %" PRId64 " (%s), and it is not on the chain", m,
            it->relay, it->min, it->acked ? "acknowledged" : "not acknowledged");
    }
}

/* What a node acknowledged is on the branch, or was overtaken, or is young. */
static void check_held(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    for (size_t i = 0; i < n->nacked; i++) {
        struct lg_statement_ref ref = {.leaf = n->acked[i]};
        int64_t height;
        if (sim_node_place(s, m, &ref, &height) < 0)
            sim_violate(s, "node %u does not serve a statement that it acknowledged", m);
    }
}

void sim_check_end(struct sim *s)
{
    struct reads r = {.nrelays = s->g->nrelays, .minutes = s->truth.minutes, .ngws = s->ngws};
    struct lg_map once = {0};
    const struct sim_node *n = NULL;
    if (s->now < s->calm_from)
        return;
    check_one_tip(s);
    for (unsigned m = 0; m < s->nnodes; m++) {
        if (!counts(s, m))
            continue;
        n = &s->machines[m].node;
        check_held(s, m);
        sim_audit_store(s, m, true);
    }
    r.seen = calloc((size_t)r.nrelays * r.minutes, r.ngws);
    if (r.seen == NULL)
        abort();
    const struct sim_block *x = n == NULL ? NULL : sim_judge_find(s, &n->tip.hash);
    for (; x != NULL && !s->broken; x = x->parent)
        take_block(s, &r, x, &once);
    for (unsigned m = 0; m < s->ngws && !s->broken; m++)
        if (m != s->hostile)
            check_gateway(s, &r, m);
    free(r.seen);
    lg_map_fini(&once);
}
