/* A gateway asks where its statements stand: gateway/follow.c in messages. What is on no chain is offered again; what can never be on it ends
 * the incarnation. */
#include "tests/sim/sim.h"

#include <string.h>

static void ask_where(struct sim *s, struct sim_msg *msg, const struct sim_said *r)
{
    s->machines[msg->from].gw.followed_ids[msg->n] = r->id;
    msg->refs_of[msg->n++] = (struct lg_statement_ref){
        .gw = s->g->gateways[msg->from].id, .leaf = r->leaf, .inc = r->inc, .seq = r->seq, .slot = r->slot};
}

void sim_gateway_follow(struct sim *s, unsigned m)
{
    struct sim_gateway *g = &s->machines[m].gw;
    const struct sim_ledger *home = sim_gateway_home(g);
    g->follow_wall = INT64_MAX;
    if (home == NULL || g->following)
        return;
    struct sim_msg *msg = sim_msg_new(MSG_WHERE, m, home->m);
    while (g->box.first_live < g->box.nsaid && g->box.said[g->box.first_live].place >= SIM_CONFIRMED)
        g->box.first_live++;
    for (unsigned i = g->box.first_live; i < g->box.nsaid && msg->n < SIM_BATCH - 1; i++)
        if (g->box.said[i].place < SIM_CONFIRMED)
            ask_where(s, msg, &g->box.said[i]);
    /* The highest confirmed one: while its block is the same, so is everything below it. */
    const struct sim_said *highest = NULL;
    for (unsigned i = g->box.nsaid; i-- > 0 && i + 50 > g->box.first_live;)
        if (g->box.said[i].place == SIM_CONFIRMED &&
            (highest == NULL || g->box.said[i].height > highest->height))
            highest = &g->box.said[i];
    if (highest != NULL)
        ask_where(s, msg, highest);
    g->follow_ledger = (unsigned)(home - g->ledgers);
    g->following = true;
    g->follow_id = msg->id = s->next_id++;
    g->follow_until = s->now + SIM_ASK_MS;
    memcpy(g->followed, msg->refs_of, msg->n * sizeof g->followed[0]);
    sim_send(s, msg);
}

/* A deep reorganisation: every confirmed one is asked about again. */
static void doubt_all(struct sim_outbox *box)
{
    for (unsigned i = 0; i < box->nsaid; i++)
        if (box->said[i].place == SIM_CONFIRMED)
            box->said[i].place = SIM_MINED;
    box->first_live = 0;
}

/* Not in an older copy of the outbox. */
static struct sim_said *followed(struct sim_outbox *box, int64_t id, const struct lg_statement_ref *ref)
{
    struct sim_said *r = id > box->nsaid ? NULL : &box->said[id - 1];
    return r != NULL && lg_hash_eq(&r->leaf, &ref->leaf) ? r : NULL;
}

/* True when it is at rest now, and was not before. */
static bool take_place(struct sim *s, unsigned m, const struct sim_msg *msg, unsigned i)
{
    struct sim_gateway *g = &s->machines[m].gw;
    struct sim_said *r = followed(&g->box, g->followed_ids[i], &g->followed[i]);
    if (r == NULL || r->place == SIM_DEAD)
        return false;
    enum sim_place before = r->place, place = msg->codes[i] < 0 ? SIM_MADE : (enum sim_place)msg->codes[i];
    if (before == SIM_CONFIRMED && (place != SIM_CONFIRMED || !lg_hash_eq(&r->block, &msg->hashes[i])))
        doubt_all(&g->box);
    sim_outbox_place(&g->box, r, place, msg->heights[i]);
    r->block = msg->hashes[i];
    if (place == SIM_MADE)
        sim_commit_rewind(s, m, g->follow_ledger, r->id);
    if (place == SIM_DEAD)
        sim_gateway_give_up(s, m, r->inc);
    return before < SIM_CONFIRMED && place >= SIM_CONFIRMED;
}

void sim_gateway_places(struct sim *s, unsigned m, const struct sim_msg *msg)
{
    struct sim_gateway *g = &s->machines[m].gw;
    bool more = false;
    if (!g->following || msg->id != g->follow_id)
        return;
    g->following = false;
    for (unsigned i = 0; i < msg->n; i++)
        more = take_place(s, m, msg, i) || more;
    if (more && msg->n == SIM_BATCH)
        sim_gateway_follow(s, m);
}
