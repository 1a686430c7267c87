/* What a node answers: to peers that tell, and to gateways that offer and ask (ledger/rest*.c in messages). */
#include "tests/sim/sim.h"

#include <string.h>

#include "ledger/core/pool.h"

/* Can it never be mined on the best branch as it is? (include/lg_client.h) */
static bool overtaken(const struct sim *s, unsigned m, const struct lg_statement_ref *ref)
{
    const struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    struct lg_statement_ref last;
    if (n->tip.height < 1 || store->last_statement(store->ctx, &last, ref->gw, n->tip.height) != 0)
        return false;
    return lg_seq_cmp(ref->inc, ref->seq, last.inc, last.seq) <= 0 || ref->slot <= last.slot;
}

int sim_node_place(const struct sim *s, unsigned m, const struct lg_statement_ref *ref, int64_t *height)
{
    const struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    enum lg_doc_state state = LG_DOC_NONE;
    *height = 0;
    if (store->statement_state(store->ctx, &state, height, &ref->leaf) != 0)
        return -1;
    switch (state) {
    case LG_DOC_POOLED:
        return ref->seq > 0 && overtaken(s, m, ref) ? SIM_DEAD : SIM_POOLED;
    case LG_DOC_OVERTAKEN:
        return SIM_DEAD;
    case LG_DOC_MINED:
        return n->tip.height - *height + 1 >= s->g->policy.confirm_depth ? SIM_CONFIRMED : SIM_MINED;
    case LG_DOC_NONE:
    case LG_DOC_SIDE:
        break;
    }
    return -1;
}

static void answer_where(struct sim *s, unsigned m, const struct sim_msg *ask)
{
    const struct lg_store *store = mem_store_vtable(s->machines[m].node.store);
    struct sim_msg *r = sim_msg_new(MSG_WHERE_IS, m, ask->from);
    r->to_gateway = true;
    r->id = ask->id;
    r->n = ask->n;
    for (unsigned i = 0; i < ask->n; i++) {
        struct lg_block_info at = {.height = 0};
        r->codes[i] = sim_node_place(s, m, &ask->refs_of[i], &r->heights[i]);
        if (r->heights[i] > 0 && store->block_at(store->ctx, &at, r->heights[i]) != 0)
            r->codes[i] = -1;
        r->hashes[i] = at.hash;
    }
    sim_send(s, r);
}

static void answer_ask(struct sim *s, unsigned m, const struct sim_msg *ask)
{
    const struct sim_node *n = &s->machines[m].node;
    struct sim_msg *r = sim_msg_new(MSG_ASK_IS, m, ask->from);
    r->to_gateway = true;
    r->id = ask->id;
    r->clock = sim_wall(s, m);
    r->hash = n->tip.hash;
    r->height = n->tip.height;
    r->time = n->tip.time;
    r->ready = sim_node_not_ready(s, m) == NULL;
    struct lg_engine_state st;
    lg_engine_pow.state(n->engine, &st);
    r->base = st.has_base ? (struct sim_named){.hash = st.base.hash, .slot = st.base.slot}
                          : (struct sim_named){.slot = n->tip.slot, .hash = n->tip.hash};
    r->base_for = st.has_base ? st.slot : -1;
    r->tip_slot = n->tip.slot;
    mem_store_greatest(n->store, &r->inc, &r->slot, s->g->gateways[ask->from].id);
    sim_send(s, r);
}

/* Only what is on disk is acknowledged. */
static void answer_offer(struct sim *s, unsigned m, const struct sim_msg *ask)
{
    struct lg_offer offer;
    struct sim_msg *r = sim_msg_new(MSG_OFFER_IS, m, ask->from);
    r->to_gateway = true;
    r->id = ask->id;
    int err = sim_node_statements(s, m, ask->docs[0], -1, &offer);
    r->n = ask->codes[0] < SIM_BATCH ? (unsigned)ask->codes[0] : SIM_BATCH;
    for (unsigned i = 0; i < r->n; i++)
        r->codes[i] = err;
    for (unsigned i = 0; i < offer.nrejected; i++)
        r->codes[offer.rejected[i].index] = offer.rejected[i].err;
    for (unsigned i = 0; i < r->n && s->machines[m].up; i++)
        if (r->codes[i] == 0)
            sim_check_acked(s, m, &ask->hashes[i]);
    lg_offer_fini(&offer);
    if (s->machines[m].up)
        sim_send(s, r);
    else
        sim_msg_drop(r);
}

void sim_node_message(struct sim *s, unsigned m, struct sim_msg *msg)
{
    struct lg_offer offer;
    switch (msg->kind) {
    case MSG_BLOCK:
        (void)sim_node_block(s, m, msg->docs[0], -1);
        break;
    case MSG_STATEMENTS:
        (void)sim_node_statements(s, m, msg->docs[0], -1, &offer);
        lg_offer_fini(&offer);
        break;
    case MSG_POOL_IS:
        sim_peers_judged(s, m, msg->from, sim_node_statements(s, m, msg->docs[0], (int)msg->from, &offer));
        lg_offer_fini(&offer);
        break;
    case MSG_OFFER:
        answer_offer(s, m, msg);
        break;
    case MSG_ASK:
        answer_ask(s, m, msg);
        break;
    case MSG_WHERE:
        answer_where(s, m, msg);
        break;
    case MSG_STATUS:
    case MSG_STATUS_IS:
    case MSG_FETCH:
    case MSG_PAGE:
    case MSG_POOL:
        sim_peers_message(s, m, msg);
        break;
    case MSG_OFFER_IS:
    case MSG_ASK_IS:
    case MSG_WHERE_IS:
    case MSG_KINDS:
        break;
    }
}
